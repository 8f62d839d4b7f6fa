/* SPDX-License-Identifier: Apache-2.0 */
/*
 * APIs: what is the same for all calls to one of them. The login belongs to the API, not to the
 * call that needed it: when that call is cancelled meanwhile, what the login brings is kept. A
 * login that failed is told to all who wait for it and not tried again for them: that would lock
 * accounts.
 */

#include "abi/rest_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDACT_BYTES_MIN 3 /* A shorter secret is in every other word. */

static void rest_free(struct nsh_rest *rest)
{
    if (rest->session != NULL) {
        if (rest->config.session_done != NULL) {
            rest->config.session_done(rest->session);
        }
        explicit_bzero(rest->session, rest->config.session_bytes);
        free(rest->session);
    }
    if (rest->credential != NULL) {
        explicit_bzero(rest->credential, strlen(rest->credential));
        free(rest->credential);
    }
    nsh_pool_done(&rest->pool);
    free(rest);
}

void rest_enter(struct nsh_rest *rest)
{
    rest->busy++;
}

void rest_leave(struct nsh_rest *rest)
{
    if (--rest->busy == 0 && rest->uses == 0) {
        rest_free(rest);
    }
}

/* ---- settings --------------------------------------------------------------------------- */

static const char *setting(const struct nsh_rest *rest, const char *name)
{
    const char *text = nsh_get_text(&rest->settings, name, NULL);
    return text == NULL || text[0] == '\0' ? NULL : text;
}

static int settings_take(struct nsh_rest *rest, struct nsh_error *err)
{
    const char *tls = nsh_get_text(&rest->settings, "tls", "verify");
    bool pin = strcmp(tls, "pin") == 0;
    rest->ca_file = setting(rest, "ca_file");
    rest->pinned_key = setting(rest, "pinned_key");
    rest->client_cert = setting(rest, "client_cert");
    rest->client_key = setting(rest, "client_key");
    rest->proxy = setting(rest, "proxy");
    rest->insecure = strcmp(tls, "insecure") == 0;
    rest->request_timeout_ms = (uint32_t)nsh_get_int(&rest->settings, "request_timeout", 30000);
    rest->poll_ms = (uint32_t)nsh_get_int(&rest->settings, "poll", 1000);
    if (pin != (rest->pinned_key != NULL)) {
        return nsh_fail(err, NSH_INVALID, "tls = \"pin\" and pinned_key need each other");
    }
    if (pin && strncmp(rest->pinned_key, "sha256//", 8) != 0) {
        return nsh_fail(err, NSH_INVALID, "pinned_key: want sha256//BASE64, got %.64s",
                        rest->pinned_key);
    }
    if (rest->ca_file != NULL && strcmp(tls, "verify") != 0) {
        return nsh_fail(err, NSH_INVALID, "ca_file needs tls = \"verify\"");
    }
    if (rest->client_key != NULL && rest->client_cert == NULL) {
        return nsh_fail(err, NSH_INVALID, "client_key needs client_cert");
    }
    return 0;
}

int nsh_rest_base_check(const char *name, const char *text, char *ret_url, size_t url_bytes,
                        struct nsh_error *err)
{
    size_t count = strlen(text), origin = rest_origin_bytes(text);
    while (count > origin && text[count - 1] == '/') {
        count--;
    }
    bool good = origin > 0 && count < url_bytes;
    for (size_t i = 0; good && i < count; i++) {
        good = (unsigned char)text[i] > ' ' && (unsigned char)text[i] < 0x7f &&
               strchr("\"'<>\\^`{|}?#@", text[i]) == NULL;
    }
    if (!good) {
        return nsh_fail(err, NSH_INVALID, "%s: want https://host:port/path, got %.128s", name,
                        text);
    }
    memcpy(ret_url, text, count);
    ret_url[count] = '\0';
    return 0;
}

int nsh_rest_bases_check(const struct nsh_value *settings, const char *const *names, char *ret_url,
                         size_t url_bytes, struct nsh_error *err)
{
    char other[NSH_REST_TEXT_BYTES_MAX] = "";
    int result = 0;
    for (size_t i = 0; names[i] != NULL && result == 0; i++) {
        result =
            nsh_rest_base_check(names[i], nsh_get_text(settings, names[i], ""),
                                i == 0 ? ret_url : other, i == 0 ? url_bytes : sizeof other, err);
    }
    return result;
}

static bool is_apart(const struct nsh_rest_config *config, const char *name)
{
    for (size_t i = 0; config->apart != NULL && config->apart[i] != NULL; i++) {
        if (strcmp(config->apart[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A copy of those settings that are the API's. */
static bool settings_copy(struct nsh_rest *rest, const struct nsh_rest_config *config)
{
    const struct nsh_value *from = config->settings;
    uint32_t count = from != NULL && from->type == NSH_MAP ? from->count : 0;
    struct nsh_member *kept = nsh_pool_array(&rest->pool, count, sizeof *kept);
    size_t used = 0;
    if (kept == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (is_apart(config, from->members[i].name)) {
            continue;
        }
        kept[used].name = nsh_pool_text(&rest->pool, from->members[i].name);
        if (kept[used].name == NULL ||
            !nsh_pool_value(&rest->pool, &from->members[i].value, &kept[used].value)) {
            return false;
        }
        used++;
    }
    rest->settings = nsh_map(kept, used);
    return true;
}

static int rest_fill(struct nsh_rest *rest, const struct nsh_rest_config *config,
                     struct nsh_error *err)
{
    rest->base = nsh_pool_text(&rest->pool, config->base == NULL ? "" : config->base);
    rest->session = config->session_bytes == 0 ? NULL : calloc(1, config->session_bytes);
    if (rest->base == NULL || !settings_copy(rest, config) ||
        (rest->session == NULL && config->session_bytes > 0)) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    return settings_take(rest, err);
}

/* The list of APIs that this driver's devices have open. */
static void **shared_list(struct nsh_services *services)
{
    static const char key = 0;
    return services->shared(services, &key);
}

/* Whether the settings are those of rest, but for what is apart. */
static bool settings_same(const struct nsh_rest *rest, const struct nsh_rest_config *config)
{
    const struct nsh_value *settings = config->settings;
    uint32_t same = 0;
    for (uint32_t i = 0; settings != NULL && settings->type == NSH_MAP && i < settings->count;
         i++) {
        const struct nsh_member *member = &settings->members[i];
        const struct nsh_value *other = nsh_get(&rest->settings, member->name);
        if (is_apart(config, member->name)) {
            continue;
        }
        if (other == NULL || !nsh_equal(other, &member->value)) {
            return false;
        }
        same++;
    }
    return same == rest->settings.count &&
           strcmp(rest->base, config->base == NULL ? "" : config->base) == 0 &&
           rest->config.login == config->login && rest->config.sign == config->sign;
}

static struct nsh_rest *shared_find(struct nsh_services *services,
                                    const struct nsh_rest_config *config)
{
    void **list = shared_list(services);
    struct nsh_rest *rest = list == NULL ? NULL : *list;
    while (rest != NULL && !settings_same(rest, config)) {
        rest = rest->next;
    }
    return rest;
}

static void shared_add(struct nsh_rest *rest)
{
    void **list = shared_list(rest->services);
    if (list != NULL) {
        rest->next = *list;
        *list = rest;
    }
}

static void shared_remove(struct nsh_rest *rest)
{
    void **list = shared_list(rest->services);
    struct nsh_rest *before = list == NULL ? NULL : *list;
    if (before == rest) {
        *list = rest->next;
        return;
    }
    while (before != NULL && before->next != rest) {
        before = before->next;
    }
    if (before != NULL) {
        before->next = rest->next;
    }
}

int nsh_rest_open(struct nsh_services *services, const struct nsh_rest_config *config,
                  struct nsh_rest **ret_rest, struct nsh_error *err)
{
    struct nsh_rest *rest = shared_find(services, config);
    if (rest != NULL) {
        rest->uses++;
        *ret_rest = rest;
        return 0;
    }
    rest = calloc(1, sizeof *rest);
    if (rest == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    rest->services = services;
    rest->config = *config;
    rest->uses = 1;
    int result = rest_fill(rest, config, err);
    rest->config.settings = NULL; /* The caller's; ours is the copy. */
    if (result < 0) {
        rest->config.session_done = NULL; /* It never held anything. */
        rest_free(rest);
        return result;
    }
    shared_add(rest);
    *ret_rest = rest;
    return 0;
}

void nsh_rest_close(struct nsh_rest *rest)
{
    if (rest == NULL || --rest->uses > 0) {
        return;
    }
    shared_remove(rest);
    rest_enter(rest);
    if (rest->login != NULL) {
        struct nsh_rest_call *login = rest->login;
        rest->login = NULL;
        call_free(login);
    }
    rest_leave(rest);
}

const struct nsh_value *nsh_rest_settings(const struct nsh_rest *rest)
{
    return &rest->settings;
}

const char *nsh_rest_base(const struct nsh_rest *rest)
{
    return rest->base;
}

void *nsh_rest_session(const struct nsh_rest *rest)
{
    return rest->session;
}

int64_t nsh_rest_unix_ms(const struct nsh_rest *rest)
{
    return rest->services->unix_ms(rest->services) + rest->skew_ms;
}

void nsh_rest_random(struct nsh_rest *rest, void *bytes, size_t bytes_count)
{
    rest->services->random(rest->services, bytes, bytes_count);
}

/* ---- secrets ---------------------------------------------------------------------------- */

static void credential_set(struct nsh_rest *rest, char *taken)
{
    if (rest->credential != NULL) {
        explicit_bzero(rest->credential, strlen(rest->credential));
        free(rest->credential);
    }
    rest->credential = taken;
}

int nsh_rest_credential(struct nsh_rest *rest, const char *header, struct nsh_error *err)
{
    char *copy = strdup(header);
    if (copy == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    credential_set(rest, copy);
    return 0;
}

static void blot(char *text, const char *secret)
{
    size_t count = secret == NULL ? 0 : strlen(secret);
    if (count < REDACT_BYTES_MIN) {
        return;
    }
    for (char *at = strstr(text, secret); at != NULL; at = strstr(at + count, secret)) {
        memset(at, '*', count);
    }
}

void rest_redact(const struct nsh_rest *rest, char *text)
{
    for (size_t i = 0; rest->config.secrets != NULL && rest->config.secrets[i] != NULL; i++) {
        blot(text, setting(rest, rest->config.secrets[i]));
    }
    if (rest->credential != NULL) {
        const char *blank = strrchr(rest->credential, ' ');
        blot(text, blank == NULL ? rest->credential : blank + 1);
    }
}

/* ---- the login -------------------------------------------------------------------------- */

static bool login_good(const struct nsh_rest *rest)
{
    return rest->config.login == NULL ||
           (rest->logged_in &&
            (rest->expires_ms == 0 || rest->services->now_ms(rest->services) < rest->expires_ms));
}

static void login_begin(struct nsh_rest *rest)
{
    struct nsh_rest_call *login = call_new(rest, sizeof *login);
    if (login == NULL) {
        rest_login_failed(rest, &(struct nsh_outcome){.code = NSH_NOMEM, .text = "out of memory"});
        return;
    }
    rest->login = login;
    rest->logged_in = false;
    login->flight->deadline_ms = INT64_MAX; /* Its requests have theirs. */
    rest->config.login(login);
}

static void waiting_add(struct nsh_rest *rest, struct nsh_rest_flight *flight)
{
    flight->waits = true;
    flight->next = NULL;
    *(rest->waiting_last == NULL ? &rest->waiting : &rest->waiting_last->next) = flight;
    rest->waiting_last = flight;
}

void rest_waiting_remove(struct nsh_rest *rest, struct nsh_rest_flight *flight)
{
    struct nsh_rest_flight *before = NULL;
    for (struct nsh_rest_flight *at = rest->waiting; at != NULL; before = at, at = at->next) {
        if (at == flight) {
            *(before == NULL ? &rest->waiting : &before->next) = at->next;
            rest->waiting_last = rest->waiting_last == at ? before : rest->waiting_last;
            break;
        }
    }
    flight->waits = false;
}

static void login_wait(struct nsh_rest_call *call)
{
    waiting_add(call->rest, call->flight);
    if (call->rest->login == NULL) {
        login_begin(call->rest);
    }
}

void rest_depart(struct nsh_rest_call *call)
{
    call->flight->ready = false;
    if (call->op == NULL || (call->flight->flags & NSH_REST_PLAIN) != 0 || login_good(call->rest)) {
        flight_send(call);
    } else {
        login_wait(call);
    }
}

void nsh_rest_ready(struct nsh_rest_call *call, void (*then)(struct nsh_rest_call *call))
{
    call->flight->reply = NULL;
    if (login_good(call->rest)) {
        then(call);
        return;
    }
    call->flight->ready = true;
    call->flight->then = then;
    login_wait(call);
}

static void login_tell(struct nsh_rest_call *call, const struct nsh_outcome *failure)
{
    if (!call->flight->ready) {
        if (failure == NULL) {
            flight_send(call);
        } else {
            flight_tell(call, failure);
        }
    } else if (failure == NULL) {
        call->flight->then(call);
    } else {
        nsh_rest_fail_reply(call,
                            &(struct nsh_rest_reply){.code = failure->code,
                                                     .text = failure->text,
                                                     .retry_after_ms = failure->retry_after_ms});
    }
}

void rest_login_spoil(struct nsh_rest *rest, uint32_t generation)
{
    if (rest->generation == generation) {
        rest->spoiled = true;
        rest->logged_in = false;
    }
}

/* Those who wait now, one after the other; who comes meanwhile is not among them. */
static void waiting_go(struct nsh_rest *rest, const struct nsh_outcome *failure)
{
    size_t count = 0;
    for (const struct nsh_rest_flight *at = rest->waiting; at != NULL; at = at->next) {
        count++;
    }
    rest_enter(rest);
    for (; count > 0 && rest->waiting != NULL; count--) {
        struct nsh_rest_call *call = rest->waiting->call;
        rest_waiting_remove(rest, rest->waiting);
        login_tell(call, failure);
    }
    rest_leave(rest);
}

void rest_login_failed(struct nsh_rest *rest, const struct nsh_outcome *outcome)
{
    bool unanswered = outcome->code == NSH_TIMEOUT || outcome->code == NSH_DISCONNECTED ||
                      outcome->code == NSH_UNREACHABLE;
    bool orphan = rest->orphan;
    rest->orphan = false;
    if (orphan && unanswered && rest->waiting != NULL) {
        login_begin(rest); /* It was begun for calls that are gone: those that wait try anew. */
        return;
    }
    waiting_go(rest, outcome);
}

bool nsh_rest_spoiled(const struct nsh_rest *rest)
{
    return rest->spoiled;
}

void nsh_rest_logged_in(struct nsh_rest_call *login, const char *header, int64_t lifetime_ms)
{
    struct nsh_rest *rest = login->rest;
    char *copy = header == NULL ? NULL : strdup(header);
    if (header != NULL && copy == NULL) {
        nsh_rest_fail_nomem(login);
        return;
    }
    /* A life shorter than twice the margin is renewed half-way. */
    int64_t early_ms = lifetime_ms / 2 < NSH_REST_EARLY_MS ? lifetime_ms / 2 : NSH_REST_EARLY_MS;
    credential_set(rest, copy);
    rest->logged_in = true;
    rest->spoiled = false;
    rest->orphan = false;
    rest->generation++;
    rest->expires_ms =
        lifetime_ms <= 0 ? 0 : rest->services->now_ms(rest->services) + lifetime_ms - early_ms;
    rest->login = NULL;
    call_free(login);
    waiting_go(rest, NULL);
}
