/* SPDX-License-Identifier: Apache-2.0 */
/* The type `contrail`: its keys, its life on the loop, its doctor, and files as they would come. */

#include "contrail_private.h"

#include "abi/json_value.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define PAUSE_MS_MIN 1000
#define PAUSE_DOUBLINGS_MAX 6

static const struct nsh_option options[] = {
    {.name = "url",
     .type = NSH_STRING,
     .flags = NSH_REQUIRED | NSH_IDENTIFIES,
     .help = "The analytics API: https://10.0.0.1:8081."},
    {.name = "token", .type = NSH_SECRET, .help = "A token, sent as X-Auth-Token."},
    {.name = "keystone",
     .type = NSH_STRING,
     .help = "https://10.0.0.1:5000/v3: tokens are made there, with user and password."},
    {.name = "user",
     .type = NSH_STRING,
     .help = "Of Keystone; without keystone: basic authentication (the admin port)."},
    {.name = "password", .type = NSH_SECRET, .help = "Its password."},
    {.name = "project", .type = NSH_STRING, .preset = "admin", .help = "Of Keystone."},
    {.name = "user_domain", .type = NSH_STRING, .preset = "Default", .help = "Of Keystone."},
    {.name = "project_domain", .type = NSH_STRING, .preset = "Default", .help = "Of Keystone."},
    {.name = "tls",
     .type = NSH_STRING,
     .preset = "verify",
     .choices = (const char *const[]){"verify", "insecure", "none", NULL},
     .help = "verify: certificate and name, against ca_file or the system's. insecure: encrypted, "
             "to anybody. none: http:// to another machine, as Contrail comes."},
    {.name = "ca_file", .type = NSH_STRING, .help = "PEM file of the authorities trusted."},
    {.name = "client_cert", .type = NSH_STRING, .help = "PEM file."},
    {.name = "client_key", .type = NSH_STRING, .help = "PEM file; none: it is in client_cert."},
    {.name = "tables",
     .type = NSH_LIST,
     .help = "Only alarms of these: [\"vrouter\", \"control-node\"]. None: all."},
    {.name = "acknowledge",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "Acknowledge over there what is durable here."},
    {.name = "settle",
     .type = NSH_DURATION,
     .preset = "5s",
     .min = "0s",
     .max = "10m",
     .help = "An alarm that is missing for so long is cleared."},
    {.name = "resync",
     .type = NSH_DURATION,
     .preset = "5m",
     .min = "1s",
     .max = "1d",
     .help = "The list is read that often besides."},
};

static const char *given(const struct nsh_value *settings, const char *name)
{
    const char *text = nsh_get_text(settings, name, "");
    return text[0] == '\0' ? NULL : text;
}

/* ---- check ---- */

static bool is_near(const char *url)
{
    static const char *const own[] = {"http://127.", "http://localhost", "http://[::1]"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strncasecmp(url, own[i], strlen(own[i])) == 0) {
            return true;
        }
    }
    return strncasecmp(url, "https://", 8) == 0;
}

static void url_check(const struct source_config *config, const char *name, struct diags *diags)
{
    const struct nsh_value *settings = &config->settings;
    const char *url = given(settings, name);
    if (url == NULL) {
        return;
    }
    if ((strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) ||
        strpbrk(url, " ?#@\\") != NULL) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, name), NULL,
                 "%s is https://HOST:PORT, got \"%s\"", name, url);
    } else if (!is_near(url) && strcmp(nsh_get_text(settings, "tls", ""), "none") != 0) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, name), "tls = \"none\";",
                 "%s is not https://: what is said there, passwords and tokens too, can be read on "
                 "the way; if that is meant, say so",
                 name);
    }
}

static void tables_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *list = nsh_get(&config->settings, "tables");
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count; i++) {
        const char *name = list->items[i].type == NSH_STRING ? list->items[i].text : "";
        size_t count =
            strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_0123456789");
        if (count == 0 || name[count] != '\0' || count >= CONTRAIL_TABLE_BYTES_MAX) {
            diag_add(diags, DIAG_ERROR, source_key_place(config, "tables"), NULL,
                     "tables is a list of names such as \"vrouter\", got \"%s\"", name);
        }
    }
}

static void contrail_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *settings = &config->settings;
    bool user = given(settings, "user") != NULL, password = given(settings, "password") != NULL;
    url_check(config, "url", diags);
    url_check(config, "keystone", diags);
    tables_check(config, diags);
    if (user != password) {
        diag_add(diags, DIAG_ERROR, config->at, NULL, "user and password belong together");
    }
    if (given(settings, "keystone") != NULL && !user) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "keystone"),
                 "user = \"nightshift\"; password = \"file:/etc/nightshift/keystone.password\";",
                 "keystone needs user and password");
    }
    if (given(settings, "token") != NULL && user) {
        diag_add(diags, DIAG_ERROR, source_key_place(config, "token"), NULL,
                 "token, or user and password, not both");
    }
}

/* ---- settings ---- */

static const char *query_make(struct arena *arena, const struct nsh_value *list)
{
    const char *query = "";
    for (uint32_t i = 0; list != NULL && list->type == NSH_LIST && i < list->count && query != NULL;
         i++) {
        query =
            arena_printf(arena, "%s%s%s", query, i == 0 ? "?tablefilt=" : ",", list->items[i].text);
    }
    return query;
}

static int settings_read(struct contrail_source *source, struct nsh_error *err)
{
    const struct source_services *services = source->services;
    const struct nsh_value *settings = &source->config->settings;
    const char *url = given(settings, "url"), *password = given(settings, "password");
    size_t count = strlen(url);
    count -= count > 0 && url[count - 1] == '/';
    source->base = arena_copy(&source->settings, url, count);
    source->query = query_make(&source->settings, nsh_get(settings, "tables"));
    source->ca_file = given(settings, "ca_file");
    source->client_cert = given(settings, "client_cert");
    source->client_key = given(settings, "client_key");
    source->user = given(settings, "user");
    source->insecure = strcmp(nsh_get_text(settings, "tls", ""), "insecure") == 0;
    source->resync_ms = nsh_get_int(settings, "resync", 300000);
    source->login = given(settings, "keystone") != NULL ? LOGIN_KEYSTONE
                    : given(settings, "token") != NULL  ? LOGIN_TOKEN
                    : source->user != NULL              ? LOGIN_BASIC
                                                        : LOGIN_NONE;
    source->state.source = source->config->name;
    source->state.settle_ms = nsh_get_int(settings, "settle", 5000);
    source->state.acknowledges = nsh_get_bool(settings, "acknowledge", false);
    if (password != NULL) {
        int result =
            services->secret(services->arg, password, &source->settings, &source->password, err);
        if (result < 0) {
            return nsh_wrap(err, "password");
        }
    }
    return source->base == NULL || source->query == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                                                         : 0;
}

/* ---- life ---- */

int64_t link_now_ms(const struct contrail_source *source)
{
    return intake_now_ms(source->services->intake);
}

int64_t link_pause_ms(const struct contrail_source *source, unsigned failures)
{
    (void)source;
    return (int64_t)PAUSE_MS_MIN << (failures > PAUSE_DOUBLINGS_MAX ? PAUSE_DOUBLINGS_MAX
                                                                    : failures);
}

void link_say(struct contrail_source *source, bool error, const char *text)
{
    CLEANUP(textbuf_donep) struct textbuf line = {0};
    if (source->services->log == NULL || source->closing) {
        return;
    }
    textbuf_addf(&line, "source %s: %s", source->config->name, text);
    if (line.at != NULL) {
        source->services->log(source->services->arg, error, line.at);
    }
}

static void source_free(struct contrail_source *source)
{
    contrail_done(&source->state);
    explicit_bzero(source->token, sizeof source->token);
    if (source->password != NULL) {
        explicit_bzero((void *)(uintptr_t)source->password, strlen(source->password));
    }
    arena_done(&source->settings);
    free(source);
}

void link_maybe_done(struct contrail_source *source)
{
    if (!source->closing || !source->tick_closed || source->batches > 0 || source->job != NULL) {
        return;
    }
    void (*done)(void *arg) = source->done;
    void *arg = source->done_arg;
    source_free(source);
    done(arg);
}

static void on_tick(uv_timer_t *timer)
{
    link_tick(timer->data);
}

static int contrail_open(const struct source_services *services, const struct source_config *config,
                         void **ret_source, struct nsh_error *err)
{
    struct contrail_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    source->services = services;
    source->config = config;
    snprintf(source->why, sizeof source->why, "connecting");
    int result = settings_read(source, err);
    result = result < 0 ? result : link_open(source, err);
    if (result < 0) {
        source_free(source);
        return result;
    }
    uv_timer_init(services->loop, &source->tick);
    source->tick.data = source;
    uv_timer_start(&source->tick, on_tick, LINK_TICK_MS, LINK_TICK_MS);
    source->away_ms = link_now_ms(source);
    source->login_due_ms = source->away_ms; /* With the first tick. */
    *ret_source = source;
    return 0;
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct contrail_source *source = handle->data;
    source->tick_closed = true;
    link_maybe_done(source);
}

static void contrail_close(void *arg, void (*done)(void *arg), void *done_arg)
{
    struct contrail_source *source = arg;
    source->closing = true;
    source->done = done;
    source->done_arg = done_arg;
    link_close(source);
    uv_close((uv_handle_t *)&source->tick, on_tick_closed);
}

/* ---- doctor ---- */

static const char *hint_for(int status)
{
    return status == 401   ? "the token or password is not known there: is it right, not expired?"
           : status == 403 ? "the user needs the role of a cloud admin (cloud_admin_role)"
           : status == 404 ? "is it the analytics API (port 8081), and recent enough for alarms?"
                           : "is contrail-analytics-api running there? It is tried again";
}

static void windows_check(const struct contrail_source *source, struct nsh_checks *checks)
{
    uint64_t count = source->windows_count;
    uint64_t first = count > LINK_WINDOWS_MAX ? count - LINK_WINDOWS_MAX : 0;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    for (uint64_t i = count; i > first; i--) {
        const struct link_window *window = &source->windows[(i - 1) % LINK_WINDOWS_MAX];
        textbuf_add_chars(&text, i == count ? "" : "; ");
        textbuf_add_time(&text, window->from_ms);
        textbuf_add_chars(&text, " for ");
        textbuf_add_span(&text, window->to_ms - window->from_ms);
        textbuf_addf(&text, " (%u alarms)", window->found);
    }
    nsh_check_add(checks, "missed", NSH_CHECK_OK, NULL, "%llu windows were read from a list%s%s",
                  (unsigned long long)count,
                  count == 0 ? "" : ", the last first: ", text.at == NULL ? "" : text.at);
}

static void acks_check(const struct contrail_source *source, struct nsh_checks *checks)
{
    bool wrong = source->acks_refused > 0;
    if (!source->state.acknowledges) {
        return;
    }
    nsh_check_add(checks, "acknowledge", wrong ? NSH_CHECK_WARNING : NSH_CHECK_OK,
                  wrong ? "may that user write there?" : NULL,
                  "%llu acknowledged, %u wait, %llu refused%s%s",
                  (unsigned long long)source->acks_done, source->state.acks.count,
                  (unsigned long long)source->acks_refused,
                  source->ack_why[0] == '\0' ? "" : "; last failure: ", source->ack_why);
}

static void contrail_doctor(void *arg, const struct source_config *config,
                            struct nsh_checks *checks)
{
    const struct contrail_source *source = arg;
    (void)config;
    if (source == NULL) {
        return;
    }
    bool known = source->login_why[0] == '\0', listed = source->listed;
    if (source->login == LOGIN_TOKEN || source->login == LOGIN_KEYSTONE) {
        nsh_check_add(checks, "login", known ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                      known ? NULL : "look at token, or keystone, user, password and project", "%s",
                      !known              ? source->login_why
                      : source->logged_in ? "done"
                                          : "under way");
    }
    nsh_check_add(checks, "stream", source->open ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                  source->open ? NULL : hint_for(source->status), "%s: %s", source->base,
                  source->open ? "open" : source->why);
    nsh_check_add(checks, "list", listed ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                  listed ? NULL : hint_for(source->status), "%zu objects, %u alarms%s%s",
                  source->state.objects.count, source->state.alarms,
                  source->list_why[0] == '\0' ? "" : "; ", source->list_why);
    if (source->state.left_out > 0) {
        nsh_check_add(checks, "room", NSH_CHECK_FAILED, "see the key tables",
                      "%u looks at alarms were left out: at most %d objects with %d alarms each",
                      source->state.left_out, CONTRAIL_OBJECTS_MAX, CONTRAIL_ALARMS_MAX);
    }
    acks_check(source, checks);
    windows_check(source, checks);
}

/* ---- a file as it would come: a list, an update, or the bytes of a stream ---- */

struct file {
    struct contrail state;
    struct arena *arena;
    struct event *items;
    uint32_t count, room;
    int result;
    struct nsh_error *err;
};

static bool file_add(struct file *file, const struct event *event)
{
    if (file->count == file->room) {
        uint32_t room = file->room == 0 ? 16 : file->room * 2;
        struct event *items = arena_array(file->arena, room, sizeof *items);
        if (items == NULL) {
            return false;
        }
        if (file->count > 0) {
            memcpy(items, file->items, file->count * sizeof *items);
        }
        file->items = items;
        file->room = room;
    }
    file->items[file->count++] = *event;
    return true;
}

/* An event whose texts are the arena's: the alarm goes. */
static bool file_event(struct file *file, const struct contrail_alarm *alarm)
{
    struct event event;
    if (!contrail_event(&file->state, alarm, 0, file->arena, &event)) {
        return false;
    }
    struct text *const texts[] = {&event.source,   &event.type, &event.subject,
                                  &event.resource, &event.name, &event.message,
                                  &event.hint,     &event.data, &event.qualifier};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_text(file->arena, *texts[i]);
        if (texts[i]->at == NULL) {
            return false;
        }
    }
    return file_add(file, &event);
}

static void file_tell(struct file *file)
{
    struct contrail_alarm *alarm;
    contrail_settle(&file->state, 0);
    while (file->result == 0 && (alarm = contrail_next(&file->state)) != NULL) {
        bool raised = contrail_is_raise(alarm);
        if (!file_event(file, alarm)) {
            file->result = nsh_fail(file->err, NSH_NOMEM, "out of memory");
        }
        contrail_told(&file->state, alarm, raised);
        contrail_landed(&file->state, alarm, raised, true);
    }
}

static void file_value(struct file *file, const struct nsh_value *value)
{
    if (nsh_get(value, "key") != NULL) {
        file->result = contrail_update(&file->state, value, 0, file->err);
    } else {
        contrail_list_begin(&file->state);
        file->result = contrail_list(&file->state, value, 0, file->err);
    }
    file_tell(file);
}

static bool file_message(void *arg, const struct sse_event *event)
{
    struct file *file = arg;
    struct nsh_value value = nsh_null();
    if (!text_is(event->type, "update")) {
        return true;
    }
    file->result = event->large ? nsh_fail(file->err, NSH_LIMIT, "an update of more than 1 MiB")
                                : json_parse(event->data.at, event->data.count, file->arena, &value,
                                             file->err);
    if (file->result == 0) {
        file_value(file, &value);
    }
    return file->result == 0;
}

static int contrail_decode_file(const struct source_config *config, const char *bytes,
                                size_t bytes_count, struct arena *arena,
                                struct source_events *ret_events, struct nsh_error *err)
{
    struct file file = {.state = {.source = config->name}, .arena = arena, .err = err};
    struct nsh_error own = {0};
    struct nsh_value whole = nsh_null();
    if (json_parse(bytes, bytes_count, arena, &whole, &own) == 0) {
        file_value(&file, &whole);
    } else if (bytes_count > 0 && bytes[0] == '{') {
        file.result = nsh_fail(err, NSH_INVALID, "%s", own.text);
    } else {
        struct sse_decoder decoder;
        size_t taken = 0;
        sse_decoder_init(&decoder, LINK_EVENT_BYTES_MAX);
        int result = sse_decode(&decoder, bytes, bytes_count, file_message, &file, &taken, err);
        file.result = file.result < 0 ? file.result : result;
        if (file.result == 0 && decoder.events_count == 0) {
            file.result =
                nsh_fail(err, NSH_INVALID, "neither JSON nor an event stream: %s", own.text);
        }
        sse_decoder_done(&decoder);
    }
    contrail_done(&file.state);
    if (file.result == 0) {
        *ret_events = (struct source_events){.items = file.items, .count = file.count, .rule = -1};
    }
    return file.result;
}

const struct source_type source_type_contrail = {
    .name = "contrail",
    .summary =
        "alarms of Contrail / Tungsten Fabric analytics: the list, the stream, acknowledging",
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .check = contrail_check,
    .open = contrail_open,
    .close = contrail_close,
    .doctor = contrail_doctor,
    .decode = contrail_decode_file,
};
