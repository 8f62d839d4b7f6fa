/* SPDX-License-Identifier: Apache-2.0 */
/* The doors of services that are no BMCs, and what their requests are made of. */

#include "lab_service.h"

#include "base/arena.h"

#include <arpa/inet.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int lab_door_open(struct lab *lab, struct lab_door *door, const char *name, int64_t port,
                  lab_answer_fn *answer, struct nsh_error *err)
{
    struct in_addr base;

    inet_pton(AF_INET, lab->options.base, &base);
    door->bmc = (struct lab_bmc){
        .lab = lab,
        .fd = -1,
        .kind = LAB_SERVICE,
        .answer = answer,
        .hosts = &door->host,
        .hosts_count = 1,
        .retry_after_s = (uint32_t)lab->options.retry_after,
        .address = {.sin_family = AF_INET,
                    .sin_port = htons((uint16_t)port),
                    .sin_addr.s_addr = base.s_addr},
    };
    door->host = (struct lab_host){.bmc = &door->bmc, .power = LAB_ON};
    snprintf(door->host.name, sizeof door->host.name, "%s", name);
    if (map_set(&lab->names, text_of(door->host.name), &door->host) < 0) {
        return nsh_fail(err, NSH_NOMEM, "no memory for %s", name);
    }
    return lab_https_listen(&door->bmc, err);
}

void lab_door_close(struct lab_door *door)
{
    if (door->bmc.fd > 0) {
        closep(&door->bmc.fd);
    }
    X509_free(door->bmc.certificate);
    door->bmc.certificate = NULL;
}

/* ---- forms ------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

void lab_percent_decode(const char *from, size_t count, char *room, size_t room_bytes)
{
    size_t used = 0;

    for (size_t i = 0; i < count && used + 1 < room_bytes; i++) {
        int high = from[i] == '%' && i + 2 < count ? hex_digit(from[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(from[i + 2]) : -1;
        if (low >= 0) {
            room[used++] = (char)(high * 16 + low);
            i += 2;
        } else {
            room[used++] = from[i] == '+' ? ' ' : from[i];
        }
    }
    room[used] = '\0';
}

bool lab_form_nth(const char *form, const char *name, size_t index, char *room, size_t room_bytes)
{
    const char *at = form == NULL ? "" : form;
    size_t name_bytes = strlen(name);

    while (*at != '\0') {
        size_t count = strcspn(at, "&");
        bool same = count >= name_bytes && strncmp(at, name, name_bytes) == 0 &&
                    (at[name_bytes] == '=' || count == name_bytes);
        if (same && index == 0) {
            size_t skip = count == name_bytes ? count : name_bytes + 1;
            lab_percent_decode(at + skip, count - skip, room, room_bytes);
            return true;
        }
        index -= same ? 1 : 0;
        at += count;
        at += *at == '&' ? 1 : 0;
    }
    return false;
}

bool lab_form_find(const char *form, const char *name, char *room, size_t room_bytes)
{
    return lab_form_nth(form, name, 0, room, room_bytes);
}

/* ---- answers ---------------------------------------------------------------------------- */

void lab_reply_text(struct lab_reply *reply, int status, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    textbuf_clear(&reply->body);
    textbuf_add_chars(&reply->body, text);
    reply->type = "text/plain; charset=utf-8";
    reply->status = status;
}

void lab_reply_lose(struct lab_reply *reply)
{
    textbuf_done(&reply->body);
    reply->body = (struct textbuf){0};
    reply->status = 0;
}
