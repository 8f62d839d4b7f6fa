/* SPDX-License-Identifier: Apache-2.0 */
/* Notices: read from a verb's arguments, and written as plain text. */

#include "notify_codec.h"

#include "abi/encode.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const struct nsh_value *args, const char *name)
{
    return nsh_get_text(args, name, "");
}

/* Letters, digits, '.', '_' and '-': good in a label, a query, a header and a message id. */
static char *key_of(struct nsh_pool *pool, const char *instance, const char *what, const char *host)
{
    char *key =
        nsh_pool_printf(pool, "%s-%s%s%s", instance, what, host[0] == '\0' ? "" : "-", host);
    for (char *at = key; at != NULL && *at != '\0'; at++) {
        bool good = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') || strchr("._-", *at) != NULL;
        *at = good ? *at : '_';
    }
    if (key == NULL || strlen(key) <= NOTIFY_KEY_BYTES_MAX) {
        return key;
    }
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: two long keys stay two. */
    for (const char *at = key; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    }
    return nsh_pool_printf(pool, "%.*s-%016llx", NOTIFY_KEY_BYTES_MAX - 17, key,
                           (unsigned long long)hash);
}

bool notify_read(struct nsh_pool *pool, const struct nsh_value *args, const char *token,
                 const char *instance, struct notify_notice *ret_notice)
{
    struct notify_notice notice = {
        .token = token,
        .title = text_of(args, "title"),
        .text = text_of(args, "text"),
        .severity = text_of(args, "severity"),
        .team = text_of(args, "team"),
        .host = text_of(args, "host"),
        .policy = text_of(args, "policy"),
        .run = text_of(args, "run"),
        .alarm = text_of(args, "alarm"),
        .reason = text_of(args, "reason"),
        .evidence = nsh_get(args, "evidence"),
        .time_ms = nsh_get_int(args, "time_ms", 0),
    };
    const char *key = text_of(args, "key");
    bool own = key[0] != '\0';
    key = own                       ? key
          : notice.alarm[0] != '\0' ? notice.alarm
          : notice.run[0] != '\0'   ? notice.run
                                    : token;
    notice.key = key_of(pool, instance, key, own ? "" : notice.host);
    if (notice.title[0] == '\0') {
        notice.title = "nightshift";
    }
    if (notice.evidence != NULL && notice.evidence->type != NSH_LIST) {
        notice.evidence = NULL;
    }
    *ret_notice = notice;
    return notice.key != NULL;
}

unsigned notify_severity(const struct notify_notice *notice)
{
    static const char *const words[] = {"info", "warning", "minor", "major", "critical", "fatal"};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(notice->severity, words[i]) == 0) {
            return i;
        }
    }
    return 3;
}

char *notify_cut(struct nsh_pool *pool, const char *text, size_t bytes_max)
{
    size_t count = strlen(text), kept = 0;
    if (count <= bytes_max) {
        return nsh_pool_copy(pool, text, count);
    }
    size_t room = bytes_max > 3 ? bytes_max - 3 : bytes_max;
    for (;;) {
        size_t bytes = nsh_char_bytes(text + kept, count - kept);
        bytes = bytes == 0 ? 1 : bytes;
        if (kept + bytes > room) {
            break;
        }
        kept += bytes;
    }
    return nsh_pool_printf(pool, "%.*s%s", (int)kept, text, bytes_max > 3 ? "..." : "");
}

/* ---- plain text ---- */

struct plain {
    char *at;
    size_t used, room;
};

static void plain_add(struct plain *plain, const char *text)
{
    size_t count = strlen(text), left = plain->room - plain->used;
    count = count < left ? count : left;
    memcpy(plain->at + plain->used, text, count);
    plain->used += count;
}

static void plain_line(struct plain *plain, const char *name, const char *text)
{
    if (text[0] != '\0') {
        plain_add(plain, name);
        plain_add(plain, ": ");
        plain_add(plain, text);
        plain_add(plain, "\n");
    }
}

char *notify_plain(struct nsh_pool *pool, const struct notify_notice *notice, size_t bytes_max)
{
    size_t room = bytes_max < NOTIFY_PLAIN_BYTES_MAX ? bytes_max : NOTIFY_PLAIN_BYTES_MAX;
    struct plain plain = {.at = nsh_pool_alloc(pool, room + 2), .room = room + 1};
    if (plain.at == NULL) {
        return NULL;
    }
    plain_add(&plain, notice->resolved ? "Over: " : "");
    plain_add(&plain, notice->text[0] == '\0' ? notice->title : notice->text);
    plain_add(&plain, "\n\n");
    plain_line(&plain, "severity", notice->severity);
    plain_line(&plain, "host", notice->host);
    plain_line(&plain, "policy", notice->policy);
    plain_line(&plain, "alarm", notice->alarm);
    plain_line(&plain, "run", notice->run);
    plain_line(&plain, "team", notice->team);
    plain_line(&plain, "reason", notice->reason);
    plain_line(&plain, "id", notice->token);
    plain_add(&plain,
              notice->evidence == NULL || notice->evidence->count == 0 ? "" : "\nEvidence\n");
    for (uint32_t i = 0; notice->evidence != NULL && i < notice->evidence->count; i++) {
        const struct nsh_value *line = &notice->evidence->items[i];
        if (line->type == NSH_STRING) {
            plain_add(&plain, "  ");
            plain_add(&plain, line->text);
            plain_add(&plain, "\n");
        }
    }
    plain.at[plain.used] = '\0';
    return notify_cut(pool, plain.at, room);
}
