/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of nightshift.conf: SNMPv3 users and API tokens; what differs; the example. */

#include "config_private.h"

#include "base/assert.h"

#include <ctype.h>
#include <stdlib.h>

/* True when setting is a list of groups; *ret_count how many. */
static bool groups_of(struct config_reader *reader, struct conf *setting, const char *example)
{
    if (setting == NULL) {
        return false;
    }
    bool good = setting->type == CONF_LIST;
    for (struct conf *item = setting->first; good && item != NULL; item = item->next) {
        good = item->type == CONF_GROUP;
    }
    if (!good) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, example,
                 "'%s' must be a list ( ) of groups { }", setting->name);
    }
    return good;
}

static const char *required(struct config_reader *reader, struct conf *item, const char *name)
{
    struct conf *setting = conf_get(item, name);
    if (setting == NULL) {
        diag_add(reader->diags, DIAG_ERROR, item->value_at, NULL, "'%s' is missing here", name);
    }
    return conf_text(setting, "", reader->diags);
}

struct config_users config_read_users(struct config_reader *reader, struct conf *setting)
{
    static const char *const known[] = {"name",        "auth",   "auth_secret", "priv",
                                        "priv_secret", "engine", NULL};
    struct config_users users = {0};
    if (!groups_of(reader, setting, "( { name = \"bmc\"; auth = \"SHA-256\"; ... } )")) {
        return users;
    }
    size_t count = setting->children_count + 1;
    struct trap_user *items = arena_array(&reader->config->arena, count, sizeof *items);
    struct nsh_place *places = arena_array(&reader->config->arena, count, sizeof *places);
    for (struct conf *item = setting->first; items != NULL && places != NULL && item != NULL;
         item = item->next) {
        places[users.count] = item->value_at;
        items[users.count++] = (struct trap_user){
            .name = required(reader, item, "name"),
            .auth = conf_text(conf_get(item, "auth"), NULL, reader->diags),
            .auth_secret = conf_text(conf_get(item, "auth_secret"), NULL, reader->diags),
            .priv = conf_text(conf_get(item, "priv"), NULL, reader->diags),
            .priv_secret = conf_text(conf_get(item, "priv_secret"), NULL, reader->diags),
            .engine = conf_text(conf_get(item, "engine"), NULL, reader->diags),
        };
        conf_unknown(item, known, reader->diags);
    }
    users.items = items;
    users.places = places;
    return users;
}

static enum api_role read_role(struct config_reader *reader, struct conf *item)
{
    static const char *const words[] = {"sender", "viewer", "operator", NULL};
    static const enum api_role roles[] = {API_SENDER, API_VIEWER, API_OPERATOR};
    const char *word = required(reader, item, "role");
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            return roles[i];
        }
    }
    struct conf *setting = conf_get(item, "role");
    if (setting != NULL) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at, NULL,
                 "'role' must be sender, viewer or operator; got \"%.40s\"", word);
    }
    return API_NOBODY;
}

struct config_tokens config_read_tokens(struct config_reader *reader, struct conf *setting)
{
    static const char *const known[] = {"name", "secret", "role", NULL};
    struct config_tokens tokens = {0};
    if (!groups_of(reader, setting,
                   "( { name = \"grafana\"; secret = \"file:...\"; role = \"viewer\"; } )")) {
        return tokens;
    }
    struct api_token *items =
        arena_array(&reader->config->arena, setting->children_count + 1, sizeof *items);
    for (struct conf *item = setting->first; items != NULL && item != NULL; item = item->next) {
        items[tokens.count++] = (struct api_token){
            .name = required(reader, item, "name"),
            .secret = required(reader, item, "secret"),
            .role = read_role(reader, item),
        };
        conf_unknown(item, known, reader->diags);
    }
    tokens.items = items;
    return tokens;
}

static int resolve(struct config *config, const char **secret, struct arena *arena,
                   struct nsh_error *err)
{
    return *secret == NULL ? 0 : config_secret(config, *secret, arena, secret, err);
}

int config_user_resolve(struct config *config, size_t index, struct arena *arena,
                        struct trap_user *ret_user, struct nsh_error *err)
{
    NSH_ASSERT(index < config->snmp_users.count);
    struct trap_user user = config->snmp_users.items[index];
    int r = resolve(config, &user.auth_secret, arena, err);
    if (r == 0) {
        r = resolve(config, &user.priv_secret, arena, err);
    }
    if (r < 0) {
        return nsh_wrap(err, "SNMPv3 user %s", user.name);
    }
    *ret_user = user;
    return 0;
}

bool config_engine_id(const char *text, uint8_t id[TRAP_ENGINE_BYTES_MAX], size_t *ret_count)
{
    if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X')) {
        return false;
    }
    size_t count = 0;
    for (text += 2; isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]) &&
                    count < TRAP_ENGINE_BYTES_MAX;
         text += 2) {
        const char pair[] = {text[0], text[1], '\0'};
        id[count++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    *ret_count = count;
    return *text == '\0' && count >= 5;
}

/* ---- what a running daemon cannot change ---- */

static bool texts_same(const struct config_texts *a, const struct config_texts *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->items[i], b->items[i]) == 0;
    }
    return same;
}

static bool row_same(const struct config_row *row, const void *a, const void *b)
{
    switch (row->type) {
    case CONFIG_PATH:
    case CONFIG_TEXT:
        return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
    case CONFIG_INT:
    case CONFIG_SIZE:
    case CONFIG_DURATION:
        return *(const int64_t *)a == *(const int64_t *)b;
    case CONFIG_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case CONFIG_TEXTS:
        return texts_same(a, b);
    case CONFIG_SERVICE:
    case CONFIG_RECEIVERS:
    case CONFIG_USERS:
    case CONFIG_TOKENS:
    case CONFIG_SCRAPE:
    case CONFIG_SIGNALS:
    case CONFIG_SOURCES:
    case CONFIG_POLICY:
    default:
        return true; /* Read anew at each reload, or at the next start: users and tokens. */
    }
}

void config_fixed_differ(const struct config *now, const struct config *then, struct textbuf *out)
{
    static const char *const fixed[] = {"store.", "drivers", "helpers", "api.",    "snmp.",
                                        "log.",   "limits.", "traps",   "syslog.", "series."};
    for (size_t i = 0; i < config_rows_count; i++) {
        const struct config_row *row = &config_rows[i];
        bool is_fixed = false;
        for (size_t f = 0; f < sizeof fixed / sizeof fixed[0]; f++) {
            is_fixed = is_fixed || strncmp(row->path, fixed[f], strlen(fixed[f])) == 0;
        }
        bool read_anew =
            strstr(row->path, ".silence") != NULL || strcmp(row->path, "syslog.patterns") == 0;
        if (is_fixed && !read_anew &&
            !row_same(row, (const char *)now + row->offset, (const char *)then + row->offset)) {
            textbuf_addf(out, "%s%s", out->count == 0 ? "" : ", ", row->path);
        }
    }
}

/* ---- the example ---- */

#define EXAMPLE_COLUMNS 110

static void example_comment(const char *indent, const char *help, struct textbuf *out)
{
    size_t column = 0;
    for (const char *at = help; *at != '\0';) {
        size_t word = strcspn(at, " ");
        if (column == 0 || column + 1 + word > EXAMPLE_COLUMNS) {
            textbuf_addf(out, "%s%s# ", column == 0 ? "" : "\n", indent);
            column = strlen(indent) + 2;
        } else {
            textbuf_add_char(out, ' ');
            column++;
        }
        textbuf_addf(out, "%.*s", (int)word, at);
        column += word;
        at += word + (at[word] == ' ');
    }
    textbuf_add_char(out, '\n');
}

static void example_value(const struct config_row *row, struct textbuf *out)
{
    bool quoted = row->type == CONFIG_PATH || row->type == CONFIG_TEXT ||
                  row->type == CONFIG_SIZE || row->type == CONFIG_DURATION;
    textbuf_addf(out, quoted ? "\"%s\";\n" : "%s;\n",
                 row->type == CONFIG_SERVICE ? "{ driver = \"page\"; }" : row->preset);
}

static void example_row(const struct config_row *row, struct textbuf *out)
{
    size_t group = config_group_bytes(row->path);
    const char *indent = group == 0 ? "" : "    ";
    example_comment(indent, row->help, out);
    textbuf_addf(out, "%s#%s = ", indent, group == 0 ? row->path : row->path + group + 1);
    example_value(row, out);
}

void config_example(struct textbuf *out)
{
    textbuf_add_chars(out, "# nightshiftd's configuration: every key there is, each with its "
                           "default. The format is libconfig.\n"
                           "# nightshiftd --check --config FILE shows all mistakes at once; SIGHUP "
                           "reads it anew, and keeps what\n"
                           "# it has when the new one is wrong. Secrets are references: file:NAME "
                           "in the credentials folder,\n"
                           "# env:NAME, or credential:NAME (systemd's LoadCredential=).\n");
    const char *open = "";
    size_t open_bytes = 0;
    for (size_t i = 0; i < config_rows_count; i++) {
        const char *path = config_rows[i].path;
        size_t group = config_group_bytes(path);
        bool same = group == open_bytes && memcmp(open, path, group) == 0;
        if (!same && open_bytes > 0) {
            textbuf_add_chars(out, "};\n");
        }
        if (!same || group == 0) {
            textbuf_add_char(out, '\n');
        }
        if (!same && group > 0) {
            textbuf_addf(out, "%.*s = {\n", (int)group, path);
        }
        open = path;
        open_bytes = group;
        example_row(&config_rows[i], out);
    }
    textbuf_add_chars(out, open_bytes > 0 ? "};\n" : "");
}
