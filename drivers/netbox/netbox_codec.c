/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, devices, marks in journals. Pure. */

#include "netbox_codec.h"

#include <stdio.h>
#include <string.h>

#define TOKEN_BYTES_MAX 512

char *netbox_authorization(struct nsh_pool *pool, const char *token)
{
    size_t count = strlen(token);
    bool good = count > 0 && count < TOKEN_BYTES_MAX;

    for (size_t i = 0; good && i < count; i++) {
        good = (unsigned char)token[i] > ' ' && (unsigned char)token[i] < 0x7f;
    }
    if (!good) {
        return NULL;
    }
    return nsh_pool_printf(pool, "Authorization: %s %s",
                           strncmp(token, "nbt_", 4) == 0 ? "Bearer" : "Token", token);
}

/* ---- devices ---------------------------------------------------------------------------- */

static void text_take(char *room, size_t room_bytes, const struct nsh_value *json, const char *path)
{
    const char *text = nsh_at_text(json, path, "");

    room[0] = '\0';
    nsh_line_add(room, room_bytes, text, strlen(text));
}

void netbox_address(const char *cidr, char *room, size_t room_bytes)
{
    size_t count = strcspn(cidr, "/");

    room[0] = '\0';
    if (count < room_bytes &&
        strspn(cidr, "0123456789abcdefABCDEF.:") == count) { /* Nothing but an address. */
        memcpy(room, cidr, count);
        room[count] = '\0';
    }
}

/* Before 4.0 the role was called device_role; the page's URL is display_url since 4.1. */
int netbox_device_read(const struct nsh_value *json, struct netbox_device *ret_device,
                       struct nsh_error *err)
{
    struct netbox_device device = {.id = nsh_at_int(json, "id", 0)};
    bool old = nsh_at(json, "role") == NULL;

    text_take(device.name, sizeof device.name, json, "name");
    text_take(device.state, sizeof device.state, json, "status.value");
    if (device.id <= 0 || device.state[0] == '\0') {
        return nsh_fail(err, NSH_PROTOCOL, "the answer is no device: it has no id or no status");
    }
    text_take(device.serial, sizeof device.serial, json, "serial");
    text_take(device.asset_tag, sizeof device.asset_tag, json, "asset_tag");
    text_take(device.site, sizeof device.site, json, "site.slug");
    text_take(device.rack, sizeof device.rack, json, "rack.name");
    text_take(device.role, sizeof device.role, json, old ? "device_role.slug" : "role.slug");
    text_take(device.url, sizeof device.url, json,
              nsh_at(json, "display_url") != NULL ? "display_url" : "url");
    netbox_address(nsh_at_text(json, "primary_ip.address", ""), device.address,
                   sizeof device.address);
    netbox_address(nsh_at_text(json, "oob_ip.address", ""), device.bmc, sizeof device.bmc);
    *ret_device = device;
    return 0;
}

/* ---- journals --------------------------------------------------------------------------- */

char *netbox_mark(struct nsh_pool *pool, const char *key)
{
    char line[NETBOX_TEXT_BYTES_MAX] = "";

    nsh_line_add(line, sizeof line, key, strlen(key));
    return nsh_pool_printf(pool, "[nightshift %s]", line);
}

bool netbox_marked(const char *comments, const char *mark)
{
    size_t count = strlen(comments), mark_bytes = strlen(mark);

    while (count > 0 && strchr(" \t\r\n", comments[count - 1]) != NULL) {
        count--;
    }
    return count >= mark_bytes && memcmp(comments + count - mark_bytes, mark, mark_bytes) == 0;
}

bool netbox_listed(const char *list, const char *word)
{
    size_t word_bytes = strlen(word);

    while (*list != '\0') {
        list += strspn(list, ", ");
        size_t count = strcspn(list, ", ");
        if (count == word_bytes && count > 0 && memcmp(list, word, count) == 0) {
            return true;
        }
        list += count;
    }
    return false;
}

int netbox_refusal_means(int status, int code, const char *words)
{
    static const char *const marks[] = {"token", "Token", "credentials were not provided"};

    for (size_t i = 0; status == 403 && i < sizeof marks / sizeof marks[0]; i++) {
        if (strstr(words, marks[i]) != NULL) {
            return NSH_AUTH;
        }
    }
    return code;
}
