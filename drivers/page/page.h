/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PAGE_H
#define PAGE_H

/* The device and the calls of the page driver: page.c sends, page_doctor.c looks. */

#include "abi/driver.h"
#include "page_codec.h"

#define PAGE_WORDS_BYTES_MAX 512
#define PAGE_ENDPOINT_BYTES_MAX 128
#define PAGE_DOCTOR "page.doctor"
#define PAGE_ARGS_MAX 16

struct nsh_device {
    struct nsh_services *services;
    char *url, *template, *secret, *ca_file, *mail_program, *mail_to, *mail_from;
    char *content_type, *authorization;     /* Whole header lines. */
    char endpoint[PAGE_ENDPOINT_BYTES_MAX]; /* For texts: a webhook's path often is its secret. */
    bool insecure;
};

struct page_call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct nsh_http *http;
    struct nsh_process *process;
};

extern const struct nsh_option page_args[]; /* What a page may have. */
extern const size_t page_args_count;

/* Let go of the call and complete it. */
void page_call_end(struct page_call *call, const struct nsh_outcome *outcome);
/* scheme://host:port, without user, path and query. */
void page_endpoint(const char *url, char *endpoint, size_t room);
/* Add what a peer said: one line of printable ASCII, cut. */
void page_words_add(char words[PAGE_WORDS_BYTES_MAX], const char *text, size_t count_max);

/* Look without paging anybody; the call ends as any other. */
int page_doctor_start(struct page_call *call, struct nsh_error *err);

#endif
