/* SPDX-License-Identifier: Apache-2.0 */
/* API keys and the OAuth header they make, machines, what refusals mean. Pure. */

#include "maas_codec.h"

#include <stdio.h>
#include <string.h>

#define KEY_BYTES_MAX 512

/* ---- keys ------------------------------------------------------------------------------- */

int maas_key_read(struct nsh_pool *pool, const char *text, struct maas_key *ret_key,
                  struct nsh_error *err)
{
    size_t count = strlen(text), first = strcspn(text, ":");
    size_t second = first == count ? count : first + 1 + strcspn(text + first + 1, ":");
    bool good = count < KEY_BYTES_MAX && first > 0 && second > first + 1 && second + 1 < count &&
                strchr(text + (second == count ? second : second + 1), ':') == NULL;

    for (size_t i = 0; good && i < count; i++) {
        good = (unsigned char)text[i] > ' ' && (unsigned char)text[i] < 0x7f;
    }
    if (!good) {
        return nsh_fail(err, NSH_INVALID,
                        "api_key: want CONSUMER:TOKEN:SECRET, as MAAS shows an API key");
    }
    struct maas_key key = {
        .consumer = nsh_pool_copy(pool, text, first),
        .token = nsh_pool_copy(pool, text + first + 1, second - first - 1),
        .secret = nsh_pool_text(pool, text + second + 1),
    };
    if (key.consumer == NULL || key.token == NULL || key.secret == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    *ret_key = key;
    return 0;
}

char *maas_authorization(struct nsh_pool *pool, const struct maas_key *key, int64_t unix_ms,
                         const uint8_t nonce[MAAS_NONCE_BYTES])
{
    const char *consumer = nsh_percent(pool, key->consumer);
    const char *token = nsh_percent(pool, key->token);
    const char *secret = nsh_percent(pool, key->secret);
    char hex[2 * MAAS_NONCE_BYTES + 1];

    for (size_t i = 0; i < MAAS_NONCE_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", nonce[i]);
    }
    if (consumer == NULL || token == NULL || secret == NULL) {
        return NULL;
    }
    /* The signature is "CONSUMER-SECRET&TOKEN-SECRET", each encoded, and encoded as a whole: a
     * secret of letters and digits, as MAAS makes them, is the same either way. */
    const char *twice = nsh_percent(pool, secret);
    return twice == NULL
               ? NULL
               : nsh_pool_printf(pool,
                                 "Authorization: OAuth oauth_version=\"1.0\", "
                                 "oauth_signature_method=\"PLAINTEXT\", "
                                 "oauth_consumer_key=\"%s\", oauth_token=\"%s\", "
                                 "oauth_signature=\"%%26%s\", oauth_nonce=\"%s\", "
                                 "oauth_timestamp=\"%lld\"",
                                 consumer, token, twice, hex, (long long)(unix_ms / 1000));
}

/* ---- machines --------------------------------------------------------------------------- */

const char *maas_state_word(enum maas_state state)
{
    static const char *const words[MAAS_STATES_COUNT] = {
#define MAAS_STATE(NAME, word) [MAAS_##NAME] = (word),
        MAAS_STATES(MAAS_STATE)
#undef MAAS_STATE
    };

    return words[state];
}

static void text_take(char *room, size_t room_bytes, const struct nsh_value *json, const char *path)
{
    const char *text = nsh_at_text(json, path, "");

    room[0] = '\0';
    nsh_line_add(room, room_bytes, text, strlen(text));
}

static bool id_good(const char *id)
{
    return id[0] != '\0' && strlen(id) < MAAS_ID_BYTES_MAX &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
               strlen(id);
}

int maas_machine_read(const struct nsh_value *json, struct maas_machine *ret_machine,
                      struct nsh_error *err)
{
    const char *id = nsh_at_text(json, "system_id", "");
    int64_t state = nsh_at_int(json, "status", -1);
    struct maas_machine machine = {.locked = nsh_at_bool(json, "locked", false)};

    if (!id_good(id)) {
        return nsh_fail(err, NSH_PROTOCOL, "the answer is no machine: it has no system_id");
    }
    if (state < 0 || state >= MAAS_STATES_COUNT) {
        return nsh_fail(err, NSH_PROTOCOL, "machine %s tells status %lld, which is none", id,
                        (long long)state);
    }
    machine.state = (enum maas_state)state;
    memcpy(machine.system_id, id, strlen(id) + 1);
    text_take(machine.hostname, sizeof machine.hostname, json, "hostname");
    text_take(machine.serial, sizeof machine.serial, json, "hardware_info.system_serial");
    text_take(machine.power_type, sizeof machine.power_type, json, "power_type");
    text_take(machine.power, sizeof machine.power, json, "power_state");
    text_take(machine.owner, sizeof machine.owner, json, "owner");
    text_take(machine.pool, sizeof machine.pool, json, "pool.name");
    text_take(machine.zone, sizeof machine.zone, json, "zone.name");
    text_take(machine.series, sizeof machine.series, json, "distro_series");
    text_take(machine.message, sizeof machine.message, json, "status_message");
    if (strcmp(machine.serial, "Unknown") == 0) {
        machine.serial[0] = '\0';
    }
    *ret_machine = machine;
    return 0;
}

bool maas_machine_named(const struct nsh_value *json, const char *name)
{
    return strcmp(nsh_at_text(json, "hostname", ""), name) == 0 ||
           strcmp(nsh_at_text(json, "fqdn", ""), name) == 0;
}

/* ---- refusals --------------------------------------------------------------------------- */

int maas_refusal_means(int status, int code, bool retry_after, const char *words)
{
    bool conflict = status == 409 &&
                    (retry_after || strstr(words, "Try your request again") != NULL); /* Database */

    if (conflict) {
        return NSH_BUSY;
    }
    /* Not enough addresses: coming back soon does not help. */
    return status == 503 && strstr(words, "IP addresses") != NULL ? NSH_LIMIT : code;
}
