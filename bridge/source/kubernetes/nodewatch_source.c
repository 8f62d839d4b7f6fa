/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type `kubernetes`: a cluster's own view of its nodes. A thread of its own lists and watches
 * (nodewatch_link.c); here are its keys, its life on the loop, its doctor.
 */

#include "nodewatch_link.h"

#include "abi/json_value.h"
#include "abi/kube_login.h"
#include "base/json.h"
#include "model/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_MS (10 * 60 * 1000) /* Less than the engine knows repeats for. */
#define ROLE_HINT "kubectl apply -f drivers/kubernetes/role.json"

static const struct nsh_option options[] = {
    KUBE_LOGIN_OPTIONS("File with one; read again for each request."),
    {.name = "tls",
     .type = NSH_STRING,
     .preset = "verify",
     .choices = (const char *const[]){"verify", "insecure", NULL},
     .help = "verify: certificate and name, against ca_file or the system's. insecure: encrypted, "
             "to anybody."},
    {.name = "ca_file", .type = NSH_STRING, .help = "PEM file of the authorities trusted."},
    {.name = "client_cert", .type = NSH_STRING, .help = "PEM file, instead of a token."},
    {.name = "client_key", .type = NSH_STRING, .help = "PEM file; none: it is in client_cert."},
    {.name = "proxy", .type = NSH_STRING, .help = "HTTP proxy towards it: http://10.0.0.2:3128."},
    {.name = "conditions",
     .type = NSH_LIST,
     .help = "Conditions that are told, with * and ?: [\"Ready\", \"*Pressure\"]. None: all."},
    {.name = "good",
     .type = NSH_LIST,
     .help = "Conditions besides Ready that are well when True. None: EtcdIsVoter."},
    {.name = "lease",
     .type = NSH_DURATION,
     .min = "1s",
     .max = "10m",
     .help = "Told when a node's lease was not renewed for that long: 25s is before the control "
             "plane says so. None: leases are not watched."},
};

static const char *given(const struct nsh_value *settings, const char *name)
{
    const char *text = nsh_get_text(settings, name, "");
    return text[0] == '\0' ? NULL : text;
}

static void texts_check(const struct source_config *config, const char *name, struct diags *diags)
{
    const struct nsh_value *list = nsh_get(&config->settings, name);
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        if (list->items[i].type != NSH_STRING) {
            diag_add(diags, DIAG_ERROR, source_key_place(config, name), NULL,
                     "%s is a list of names of conditions", name);
            return;
        }
    }
}

static void nodewatch_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *settings = &config->settings;
    const char *url = given(settings, "url");
    if (url != NULL && (!kube_url_safe(url) || strpbrk(url, " ?#@") != NULL)) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "url"), NULL,
                 "url is https://HOST:PORT (http:// only to this machine), got \"%s\"", url);
    }
    if (given(settings, "token") != NULL && given(settings, "bearer_file") != NULL) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "token"), NULL,
                 "token or bearer_file, not both");
    }
    if (given(settings, "context") != NULL && given(settings, "kubeconfig") == NULL) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "context"), NULL,
                 "context is one of a kubeconfig: name that too");
    }
    if (given(settings, "kubeconfig") == NULL && url != NULL && given(settings, "token") == NULL &&
        given(settings, "bearer_file") == NULL && given(settings, "client_cert") == NULL) {
        diag_add(diags, DIAG_ERROR, config->at, "bearer_file = \"/etc/nightshift/bearer\";",
                 "token, bearer_file, client_cert or kubeconfig is needed");
    }
    texts_check(config, "conditions", diags);
    texts_check(config, "good", diags);
}

/* ---- settings ---- */

/* Of a secret its text. */
static int setting_copy(struct nodewatch_source *source, const char *name, bool secret,
                        struct nsh_member *to, struct nsh_error *err)
{
    const struct source_services *services = source->services;
    const char *text = given(&source->config->settings, name);
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    const char *kept = text;
    int result = 0;
    if (secret && text != NULL) {
        result = services->secret(services->arg, text, &arena, &kept, err);
    }
    char *copy = result < 0 ? NULL : nsh_pool_text(&source->login, kept == NULL ? "" : kept);
    *to = (struct nsh_member){name, nsh_text(copy == NULL ? "" : copy)};
    if (result == 0 && copy == NULL) {
        result = nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (secret && kept != NULL && result == 0) {
        explicit_bzero((char *)(uintptr_t)kept, strlen(kept)); /* The arena's own copy. */
    }
    return result < 0 ? nsh_wrap(err, "%s", name) : 0;
}

static int settings_read(struct nodewatch_source *source, struct nsh_error *err)
{
    static const struct {
        const char *name;
        bool secret;
    } wanted[] = {{"url", false},         {"kubeconfig", true},   {"context", false},
                  {"token", true},        {"bearer_file", false}, {"ca_file", false},
                  {"client_cert", false}, {"client_key", false},  {"tls", false},
                  {"proxy", false}};
    struct nsh_member members[sizeof wanted / sizeof wanted[0]];
    size_t count = sizeof wanted / sizeof wanted[0];
    struct nsh_value all = nsh_null();
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        result = setting_copy(source, wanted[i].name, wanted[i].secret, &members[i], err);
    }
    struct nsh_value settings = nsh_map(members, count);
    result = result < 0 ? result : kube_login_read(&source->login, &settings, &all, err);
    if (result < 0) {
        return result;
    }
    source->base = given(&all, "url");
    source->token = given(&all, "token");
    source->bearer_file = given(&all, "bearer_file");
    source->ca_file = given(&all, "ca_file");
    source->client_cert = given(&all, "client_cert");
    source->client_key = given(&all, "client_key");
    source->proxy = given(&all, "proxy");
    source->insecure = strcmp(nsh_get_text(&all, "tls", "verify"), "insecure") == 0;
    return 0;
}

/* ---- life ---- */

static void nodewatch_free(struct nodewatch_source *source)
{
    for (size_t i = 0; i < NODEWATCH_KINDS_COUNT; i++) {
        curl_easy_cleanup(source->streams[i].easy);
        textbuf_done(&source->streams[i].in);
        free(source->streams[i].next);
    }
    curl_multi_cleanup(source->multi);
    nodewatch_done(&source->watch);
    pthread_cond_destroy(&source->answered);
    pthread_mutex_destroy(&source->mutex);
    arena_done(&source->arena);
    nsh_pool_done(&source->login);
    free(source);
}

static void on_closed(uv_handle_t *handle)
{
    struct nodewatch_source *source = handle->data;
    void (*done)(void *arg) = source->done;
    void *arg = source->done_arg;
    nodewatch_free(source);
    if (done != NULL) {
        done(arg);
    }
}

static void on_news(uv_async_t *async)
{
    struct nodewatch_source *source = async->data;
    const struct source_services *services = source->services;
    char text[NODEWATCH_TEXT_BYTES_MAX + 80];
    pthread_mutex_lock(&source->mutex);
    bool ended = source->ended, error = source->say_error;
    bool tell = source->say[0] != '\0' && !source->stopping;
    snprintf(text, sizeof text, "source %s: %s", source->config->name, source->say);
    source->say[0] = '\0';
    pthread_mutex_unlock(&source->mutex);
    if (tell && services->log != NULL) {
        services->log(services->arg, error, text);
    }
    if (ended && source->running) {
        source->running = false;
        pthread_join(source->thread, NULL);
        uv_close((uv_handle_t *)&source->news, on_closed);
    }
}

static int streams_make(struct nodewatch_source *source, struct nsh_error *err)
{
    int64_t now_ms = intake_now_ms(source->services->intake);
    source->multi = curl_multi_init();
    bool made = source->multi != NULL;
    for (size_t i = 0; i < NODEWATCH_KINDS_COUNT; i++) {
        struct nodewatch_stream *stream = &source->streams[i];
        stream->source = source;
        stream->kind = (enum nodewatch_kind)i;
        stream->since_ms = now_ms - RECENT_MS;
        stream->in.count_max = NODEWATCH_PAGE_BYTES_MAX + 1;
        stream->easy = curl_easy_init();
        snprintf(stream->text, sizeof stream->text, "connecting");
        made = made && stream->easy != NULL;
    }
    return made ? 0 : nsh_fail(err, NSH_NOMEM, "out of memory");
}

/* The node of an alarm: an alarm of a host has no other subject. NULL: nothing says it. */
static const char *node_of(const struct source_services *services,
                           const struct source_standing *alarm)
{
    if (alarm->host[0] == '\0' || services->inventory == NULL) {
        return alarm->subject;
    }
    const struct inventory *inventory = services->inventory(services->arg);
    const struct host *host =
        inventory == NULL ? NULL : inventory_host(inventory, text_of(alarm->host));
    const struct binding *binding = host == NULL ? NULL : host_binding(host, BINDING_NODE);
    return binding == NULL ? NULL : nsh_get_text(&binding->settings, "node", host->name);
}

static void stand_each(void *arg, const struct source_standing *alarm)
{
    struct nodewatch_source *source = arg;
    const char *node = node_of(source->services, alarm);
    if (node != NULL && !nodewatch_stood(&source->watch, node, alarm->type)) {
        source->stood_lost = true;
    }
}

/* Without it an alarm may stay; the source works. */
static void stand_read(struct nodewatch_source *source)
{
    const struct source_services *services = source->services;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    struct nsh_error err = {.text = "out of memory"};
    if (services->standing == NULL ||
        (services->standing(services->arg, source->config->name, stand_each, source, &err) == 0 &&
         !source->stood_lost)) {
        return;
    }
    textbuf_addf(&text, "source %s: alarms of nodes that are gone may stay: %s",
                 source->config->name, err.text);
    if (services->log != NULL && text.at != NULL) {
        services->log(services->arg, true, text.at);
    }
}

static int nodewatch_open(const struct source_services *services,
                          const struct source_config *config, void **ret_source,
                          struct nsh_error *err)
{
    struct nodewatch_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    source->services = services;
    source->config = config;
    source->watch.source = config->name;
    source->watch.watched = nsh_get(&config->settings, "conditions");
    source->watch.good = nsh_get(&config->settings, "good");
    source->watch.lease_ms = nsh_get_int(&config->settings, "lease", 0);
    pthread_mutex_init(&source->mutex, NULL);
    pthread_cond_init(&source->answered, NULL);
    int result = settings_read(source, err);
    result = result < 0 ? result : streams_make(source, err);
    if (result < 0) {
        nodewatch_free(source);
        return result;
    }
    stand_read(source);
    uv_async_init(services->loop, &source->news, on_news);
    source->news.data = source;
    int failed = pthread_create(&source->thread, NULL, nodewatch_thread, source);
    source->running = failed == 0;
    if (failed != 0) {
        uv_close((uv_handle_t *)&source->news, on_closed);
        return nsh_fail(err, NSH_IO, "no thread: %s", strerror(failed));
    }
    *ret_source = source;
    return 0;
}

static void nodewatch_close(void *arg, void (*done)(void *arg), void *done_arg)
{
    struct nodewatch_source *source = arg;
    pthread_mutex_lock(&source->mutex);
    source->stopping = true;
    source->done = done;
    source->done_arg = done_arg;
    pthread_cond_signal(&source->answered);
    curl_multi_wakeup(source->multi); /* Under the lock: the thread ends only after it. */
    pthread_mutex_unlock(&source->mutex);
}

/* ---- doctor ---- */

static const char *hint_for(const struct nodewatch_stream *stream)
{
    switch (stream->status) {
    case 401:
        return "the token or certificate is not known there: is it right, and not expired?";
    case 403:
        return ROLE_HINT;
    default:
        return "is it running, and is ca_file its authority? It is tried again";
    }
}

static void windows_check(const struct nodewatch_source *source, struct nsh_checks *checks)
{
    static const char *const words[] = {"nodes", "events", "leases"};
    uint64_t count = source->windows_count;
    uint64_t first = count > NODEWATCH_WINDOWS_MAX ? count - NODEWATCH_WINDOWS_MAX : 0;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    for (uint64_t i = count; i > first; i--) {
        const struct nodewatch_window *window = &source->windows[(i - 1) % NODEWATCH_WINDOWS_MAX];
        textbuf_addf(&text, "%s%s ", i == count ? "" : "; ", words[window->kind]);
        textbuf_add_time(&text, window->from_ms);
        textbuf_add_chars(&text, " for ");
        textbuf_add_span(&text, window->to_ms - window->from_ms);
        textbuf_addf(&text, " (%u events)", window->found);
    }
    nsh_check_add(checks, "missed", NSH_CHECK_OK, NULL, "%llu windows were read from a list%s%s",
                  (unsigned long long)count,
                  count == 0 ? "" : ", the last first: ", text.at == NULL ? "" : text.at);
}

static void nodewatch_doctor(void *arg, const struct source_config *config,
                             struct nsh_checks *checks)
{
    struct nodewatch_source *source = arg;
    (void)config;
    if (source == NULL) {
        return;
    }
    pthread_mutex_lock(&source->mutex);
    const struct nodewatch_stream *nodes = &source->streams[NODEWATCH_NODES];
    const struct nodewatch_stream *events = &source->streams[NODEWATCH_EVENTS];
    nsh_check_add(checks, "nodes", nodes->well ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                  nodes->well ? NULL : hint_for(nodes), "%s: %s, %u nodes, %u conditions raised",
                  source->base, nodes->text, source->nodes, source->raised);
    nsh_check_add(checks, "events", events->well ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                  events->well ? NULL : hint_for(events), "%s: %s", source->base, events->text);
    if (source->watch.lease_ms > 0) {
        const struct nodewatch_stream *leases = &source->streams[NODEWATCH_LEASES];
        nsh_check_add(checks, "leases", leases->well ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                      leases->well ? NULL : hint_for(leases), "%s: %s", source->base, leases->text);
    }
    if (source->full > 0) {
        nsh_check_add(checks, "room", NSH_CHECK_FAILED, "split it over several nightshifts",
                      "%u looks at nodes were left out: at most %d are watched", source->full,
                      NODEWATCH_NODES_MAX);
    }
    windows_check(source, checks);
    pthread_mutex_unlock(&source->mutex);
}

/* ---- a file as it would come: an object, a list, or the lines of a watch ---- */

static int file_piece(struct nodewatch *watch, struct text piece, struct nodewatch_out *out,
                      struct nsh_error *err)
{
    char version[NODEWATCH_VERSION_BYTES_MAX];
    struct nsh_value value = nsh_null();
    int result = json_parse(piece.at, piece.count, out->arena, &value, err);
    if (result < 0) {
        return result;
    }
    const char *kind = nsh_get_text(&value, "kind", nsh_at_text(&value, "object.kind", ""));
    enum nodewatch_kind of = strncmp(kind, "Event", 5) == 0   ? NODEWATCH_EVENTS
                             : strncmp(kind, "Lease", 5) == 0 ? NODEWATCH_LEASES
                                                              : NODEWATCH_NODES;
    if (nsh_get(&value, "object") != NULL) {
        enum nodewatch_result taken = nodewatch_line(watch, of, &value, out, version, err);
        return taken == NODEWATCH_TAKEN     ? 0
               : taken == NODEWATCH_EXPIRED ? nsh_fail(err, NSH_INVALID, "410: it is too old")
                                            : -NSH_INVALID;
    }
    if (nsh_get(&value, "items") == NULL) { /* One object. */
        const struct nsh_member list = {"items", nsh_list(&value, 1)};
        const struct nsh_value whole = nsh_map(&list, 1);
        nodewatch_list_page(watch, of, &whole, out);
        return 0;
    }
    nodewatch_list_page(watch, of, &value, out);
    return 0;
}

static int nodewatch_decode(const struct source_config *config, const char *bytes,
                            size_t bytes_count, struct arena *arena,
                            struct source_events *ret_events, struct nsh_error *err)
{
    struct nodewatch *watch = calloc(1, sizeof *watch);
    struct nodewatch_out out = {.arena = arena};
    struct nsh_error own = {0};
    struct nsh_value whole = nsh_null();
    if (watch == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    watch->source = config->name;
    watch->watched = nsh_get(&config->settings, "conditions");
    watch->good = nsh_get(&config->settings, "good");
    bool one = json_parse(bytes, bytes_count, arena, &whole, &own) == 0;
    int result = 0;
    while (bytes_count > 0 && result == 0) {
        const char *end = one ? NULL : memchr(bytes, '\n', bytes_count);
        size_t count = end == NULL ? bytes_count : (size_t)(end - bytes);
        if (count > 0) {
            result = file_piece(watch, (struct text){bytes, (uint32_t)count}, &out, err);
        }
        bytes += count + (end != NULL);
        bytes_count -= count + (end != NULL);
    }
    nodewatch_done(watch);
    free(watch);
    if (result == 0 && out.failed) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (result == 0) {
        *ret_events = (struct source_events){.items = out.items, .count = out.count, .rule = -1};
    }
    return result;
}

const struct source_type source_type_kubernetes = {
    .name = "kubernetes",
    .summary = "watches the nodes of a cluster: conditions, cordons, taints, their Events",
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .check = nodewatch_check,
    .open = nodewatch_open,
    .close = nodewatch_close,
    .doctor = nodewatch_doctor,
    .decode = nodewatch_decode,
};
