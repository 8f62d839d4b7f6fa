/* SPDX-License-Identifier: Apache-2.0 */
/* OAuth 1.0a PLAINTEXT: every parameter there, once, and right; each nonce good for one request. */

#include "lab_maas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum parameter { VERSION, METHOD, CONSUMER, TOKEN, SIGNATURE, NONCE, TIMESTAMP, PARAMETERS_COUNT };

static const char *const names[PARAMETERS_COUNT] = {
    "oauth_version",   "oauth_signature_method", "oauth_consumer_key",
    "oauth_token",     "oauth_signature",        "oauth_nonce",
    "oauth_timestamp",
};

struct claims {
    char values[PARAMETERS_COUNT][128];
    bool given[PARAMETERS_COUNT];
};

static const struct maas_user users[] = {
    {"admin", MAAS_KEYS, true},
    {"guest", MAAS_KEYS_GUEST, false},
};

static const struct maas_user *refuse(char *why, size_t why_bytes, const char *text)
{
    snprintf(why, why_bytes, "Authorization Error: %s", text);
    return NULL;
}

/* name="value", of which count bytes stand at `at`. */
static bool claim_take(struct claims *claims, const char *at, size_t count)
{
    size_t equal = strcspn(at, "=");

    if (equal >= count) {
        return false;
    }
    for (size_t i = 0; i < PARAMETERS_COUNT; i++) {
        if (strlen(names[i]) != equal || strncmp(names[i], at, equal) != 0) {
            continue;
        }
        const char *value = at + equal + 1;
        size_t value_bytes = count - equal - 1;
        if (value_bytes < 2 || value[0] != '"' || value[value_bytes - 1] != '"' ||
            value_bytes - 2 >= sizeof claims->values[i] || claims->given[i]) {
            return false;
        }
        lab_percent_decode(value + 1, value_bytes - 2, claims->values[i], sizeof claims->values[i]);
        claims->given[i] = true;
        return true;
    }
    return false;
}

static bool claims_read(const char *text, struct claims *claims)
{
    while (*text != '\0') {
        size_t count = strcspn(text, ",");
        if (!claim_take(claims, text, count)) {
            return false;
        }
        text += count;
        text += *text == ',' ? 1 : 0;
        text += strspn(text, " ");
    }
    for (size_t i = 0; i < PARAMETERS_COUNT; i++) {
        if (!claims->given[i]) {
            return false;
        }
    }
    return true;
}

static bool nonce_fresh(struct lab_maas *maas, const struct claims *claims)
{
    char mark[64];

    snprintf(mark, sizeof mark, "%.40s %.20s", claims->values[NONCE], claims->values[TIMESTAMP]);
    size_t known = maas->nonces_count < MAAS_NONCES_MAX ? maas->nonces_count : MAAS_NONCES_MAX;
    for (size_t i = 0; i < known; i++) {
        if (strcmp(maas->nonces[i], mark) == 0) {
            return false;
        }
    }
    memcpy(maas->nonces[maas->nonces_count++ % MAAS_NONCES_MAX], mark, sizeof mark);
    return true;
}

static const struct maas_user *user_find(const struct claims *claims)
{
    char key[400];

    snprintf(key, sizeof key, "%s:%s:%s", claims->values[CONSUMER], claims->values[TOKEN],
             claims->values[SIGNATURE] + 1);
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        if (claims->values[SIGNATURE][0] == '&' && strcmp(users[i].key, key) == 0) {
            return &users[i];
        }
    }
    return NULL;
}

const struct maas_user *maas_authorize(struct lab_maas *maas, const char *authorization, char *why,
                                       size_t why_bytes)
{
    struct claims claims = {.given = {false}};
    char *end = NULL;
    char text[160];

    if (authorization == NULL || strncmp(authorization, "OAuth ", 6) != 0) {
        return refuse(why, why_bytes, "No authorization header received.");
    }
    if (!claims_read(authorization + 6, &claims)) {
        return refuse(why, why_bytes, "Invalid request: parameters are missing or wrong.");
    }
    if (strcmp(claims.values[VERSION], "1.0") != 0) {
        return refuse(why, why_bytes, "OAuth version not supported.");
    }
    if (strcmp(claims.values[METHOD], "PLAINTEXT") != 0) {
        return refuse(why, why_bytes, "Signature method not supported.");
    }
    const struct maas_user *user = user_find(&claims);
    if (user == NULL || (maas->door.bmc.modes & LAB_DENY) != 0) {
        snprintf(text, sizeof text, "Invalid access token: %.100s", claims.values[TOKEN]);
        return refuse(why, why_bytes, text);
    }
    long long at_s = strtoll(claims.values[TIMESTAMP], &end, 10);
    long long now_s = lab_clock_unix_ms() / 1000;
    if (*end != '\0' || end == claims.values[TIMESTAMP] || at_s < now_s - MAAS_TIMESTAMP_S_MAX ||
        at_s > now_s + MAAS_TIMESTAMP_S_MAX) {
        snprintf(text, sizeof text,
                 "Expired timestamp: given %lld and now %lld has a greater difference than "
                 "threshold %d",
                 at_s, now_s, MAAS_TIMESTAMP_S_MAX);
        return refuse(why, why_bytes, text);
    }
    if (claims.values[NONCE][0] == '\0' || !nonce_fresh(maas, &claims)) {
        return refuse(why, why_bytes, "Nonce already used.");
    }
    return user;
}
