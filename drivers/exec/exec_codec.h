/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXEC_CODEC_H
#define EXEC_CODEC_H

/*
 * The two contracts of programs. Pure: values to bytes and back.
 *
 * json:  stdin {"verb","host","token","args":{},"settings":{}}; stdout one JSON object:
 * {"ok":true,"result":{...}} or
 *        {"ok":false,"code":"busy","error":"words","effect_possible":false}. Exit 0 with either.
 * fence: the fence agents' API: key=value lines on stdin, exit codes, texts on stdout
 * (FenceAgentAPI).
 */

#include "abi/driver.h"

#define EXEC_INPUT_BYTES_MAX (128 * 1024)
#define EXEC_WORDS_BYTES_MAX 512
#define EXEC_PARAMETERS_MAX 256

struct exec_reply {
    int code; /* NSH_OK or what it ended as. */
    bool effect_possible;
    const char *power;       /* "on", "off", or NULL: from fence agents. */
    bool answered;           /* It said yes or no, by the contract. */
    int64_t id;              /* Of the question, as it says; -1: it does not. */
    struct nsh_value result; /* From json programs; valid until exec_reply_done(). */
    char words[EXEC_WORDS_BYTES_MAX];
    void *memory; /* Of result. */
};

void exec_reply_done(struct exec_reply *reply);

/* The request of the json contract; ends in exec_request_free(). id: of a line to a worker; 0: to a
 * program that answers once. */
int exec_json_request(const struct nsh_op *op, const struct nsh_value *parameters, uint64_t id,
                      char **ret_request, struct nsh_error *err);
void exec_request_free(char *request); /* It held a password: cleared. NULL is nothing. */

/* What a json program's end means. `effects`: the verb has an effect, so an unclear end leaves
 * it possible. */
void exec_json_reply(const struct nsh_exit *end, bool effects, struct exec_reply *ret_reply);

/*
 * Standard input for a fence agent: action and parameters, one key=value a line. A newline in a
 * value, or a key that is no identifier, is NSH_INVALID: it could smuggle in another option.
 */
int exec_fence_request(const char *action, const struct nsh_value *parameters, char **ret_request,
                       struct nsh_error *err);

/*
 * What a fence agent's end means for this action. Exit 2 is "off" for status and monitor only when
 * it says so, else wrong arguments; on, off: 0 means done and verified by the agent, anything else
 * is not known to be done.
 */
void exec_fence_reply(const char *action, const struct nsh_exit *end, struct exec_reply *ret_reply);

/* Only printable ASCII. */
bool exec_text_good(const char *text);

/*
 * The parameters and actions of `action=metadata`: calls fn for each; -NSH_PROTOCOL when it is no
 * metadata. The names are borrowed from xml (not terminated: name_bytes).
 */
int exec_fence_metadata(const char *xml, size_t xml_bytes,
                        void (*fn)(void *arg, bool action, const char *name, size_t name_bytes),
                        void *arg, struct nsh_error *err);

#endif
