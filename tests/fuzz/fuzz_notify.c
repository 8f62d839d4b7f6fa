/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_notify
/*
 * What receivers answer. The first byte says who: 's' an SMTP server, 'i' a receiver of informs
 * (v2c), '3' one that speaks v3, anything else a service that answers JSON. And what devices write:
 * the same bytes as a title, into every kind of notice.
 */

#include "abi/json_value.h"
#include "notify_codec_snmp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void smtp(const char *bytes, size_t count)
{
    struct notify_reply reply = {0};
    long read = notify_reply_read(bytes, count, &reply);
    if (read > (long)count || (read > 0 && (reply.status < 200 || reply.status > 599 ||
                                            strpbrk(reply.text, "\r\n\x1b") != NULL))) {
        abort();
    }
}

static struct notify_wire *wire_of(bool v3)
{
    static struct notify_wire *wires[2];
    if (wires[v3] == NULL && notify_wire_new(&(struct notify_snmp){.v3 = v3,
                                                                   .informs = true,
                                                                   .community = "public",
                                                                   .user = "u",
                                                                   .auth_protocol = "sha",
                                                                   .auth_password = "password",
                                                                   .priv_protocol = "aes",
                                                                   .priv_password = "password",
                                                                   .engine = "",
                                                                   .name = "n",
                                                                   .enterprise = NOTIFY_ENTERPRISE},
                                             &wires[v3], NULL) < 0) {
        abort();
    }
    return wires[v3];
}

static void inform(const uint8_t *bytes, size_t count, bool v3)
{
    struct nsh_error err = {0};
    int32_t id = 0;
    if (snmp_message_id(bytes, count, &id)) {
        notify_wire_read(wire_of(v3), id, bytes, count, &err);
    }
    notify_wire_forget(wire_of(v3)); /* The next input starts where this one did. */
}

static struct notify_notice notice_of(const char *text)
{
    return (struct notify_notice){.key = "key",
                                  .token = "act-000001",
                                  .title = text,
                                  .text = text,
                                  .severity = text,
                                  .team = text,
                                  .host = text,
                                  .policy = text,
                                  .run = text,
                                  .alarm = text,
                                  .reason = text,
                                  .time_ms = 1767225600000};
}

static void json(struct nsh_pool *pool, const char *bytes, size_t count)
{
    struct nsh_value value, list;
    struct notify_notice notice = notice_of("title");
    notice.resolved = count % 2 == 0;
    if (nsh_json_read(pool, bytes, count, &value, NULL) < 0) {
        return;
    }
    notify_issue_knows(&value, "act-000001");
    notify_transition(&value, "Done");
    notify_transition(&value, "");
    struct nsh_value settings = nsh_map(NULL, 0);
    if (!notify_alerts(pool, &notice, &settings, &value, &list) || list.type != NSH_LIST) {
        abort();
    }
}

/* Texts of a device: each body is JSON that reads back, a mail has one end. */
static void words(struct nsh_pool *pool, const char *text)
{
    static const char *const to[] = {"a@b.c", NULL};
    struct notify_notice notice = notice_of(text);
    struct nsh_value settings = nsh_map(NULL, 0), body, again;
    struct nsh_error err = {0};
    char *mail = NULL;
    for (int kind = 0; kind < KIND_TRAP; kind++) {
        if (!notify_body(pool, (enum notify_kind)kind, &notice, &settings, &body)) {
            abort();
        }
        const char *written = nsh_json_write(pool, &body);
        if (written == NULL || nsh_json_read(pool, written, strlen(written), &again, &err) < 0) {
            abort();
        }
    }
    if (notify_mail(pool, &notice, "n@b.c", to, &mail, &err) < 0 ||
        strstr(mail, "\r\n.\r\n") != mail + strlen(mail) - 5) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsh_pool pool = {0};
    char *bytes =
        size == 0 || size > 65536 ? NULL : nsh_pool_copy(&pool, (const char *)data + 1, size - 1);
    if (bytes == NULL) {
        return 0;
    }
    if (data[0] == 's') {
        smtp(bytes, size - 1);
    } else if (data[0] == 'i' || data[0] == '3') {
        inform(data + 1, size - 1, data[0] == '3');
    } else {
        json(&pool, bytes, size - 1);
        struct nsh_value title = nsh_text(bytes), read;
        const char *quoted = nsh_json_write(&pool, &title);
        if (quoted != NULL && nsh_json_read(&pool, quoted, strlen(quoted), &read, NULL) == 0) {
            words(&pool, read.text); /* Valid UTF-8, as values are. */
        }
    }
    nsh_pool_done(&pool);
    return 0;
}
