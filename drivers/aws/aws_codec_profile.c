/* SPDX-License-Identifier: Apache-2.0 */
/* Profile files of AWS's tools: sections of "name = value" lines. */

#include "aws_codec.h"

#include <string.h>

struct line {
    const char *at;
    size_t count;
};

static struct line trim(const char *at, size_t count)
{
    while (count > 0 && strchr(" \t\r", at[0]) != NULL) {
        at++;
        count--;
    }
    while (count > 0 && strchr(" \t\r", at[count - 1]) != NULL) {
        count--;
    }
    return (struct line){at, count};
}

static bool line_is(struct line line, const char *text)
{
    return line.count == strlen(text) && memcmp(line.at, text, line.count) == 0;
}

/* "[name]" and, in the config file, "[profile name]". */
static bool section_is(struct line line, const char *name, bool prefixed)
{
    struct line inner = trim(line.at + 1, line.count - 1);
    const char *end = memchr(inner.at, ']', inner.count);
    inner = end == NULL ? inner : trim(inner.at, (size_t)(end - inner.at));
    if (prefixed && inner.count > 8 && memcmp(inner.at, "profile", 7) == 0 &&
        strchr(" \t", inner.at[7]) != NULL) {
        return line_is(trim(inner.at + 8, inner.count - 8), name);
    }
    return line_is(inner, name) && (!prefixed || strcmp(name, "default") == 0);
}

/* The value of `key` in section `name` of a file's text; the last line counts. found: there is such
 * a section. */
static struct line value_find(const char *text, const char *name, bool prefixed, const char *key,
                              bool *found)
{
    struct line value = {NULL, 0};
    bool inside = false;
    while (text != NULL && *text != '\0') {
        size_t bytes = strcspn(text, "\n");
        struct line line = trim(text, bytes);
        bool nested = bytes > 0 && (text[0] == ' ' || text[0] == '\t');
        const char *equals = line.count == 0 ? NULL : memchr(line.at, '=', line.count);
        if (line.count > 0 && line.at[0] == '[') {
            inside = section_is(line, name, prefixed);
            *found = *found || inside;
        } else if (inside && !nested && equals != NULL && strchr("#;", line.at[0]) == NULL &&
                   line_is(trim(line.at, (size_t)(equals - line.at)), key)) {
            value = trim(equals + 1, line.count - (size_t)(equals + 1 - line.at));
        }
        text += bytes + (text[bytes] == '\n');
    }
    return value;
}

struct files {
    struct nsh_pool *pool;
    const char *credentials, *config;
    bool found, no_memory;
};

static const char *value_of(struct files *files, const char *name, const char *key)
{
    struct line line = value_find(files->credentials, name, false, key, &files->found);
    if (line.at == NULL) {
        line = value_find(files->config, name, true, key, &files->found);
    }
    if (line.at == NULL || line.count == 0) {
        return NULL;
    }
    const char *copy = nsh_pool_copy(files->pool, line.at, line.count);
    files->no_memory = files->no_memory || copy == NULL;
    return copy;
}

static void keys_read(struct files *files, const char *name, struct aws_profile *profile)
{
    profile->key_id = value_of(files, name, "aws_access_key_id");
    profile->secret = value_of(files, name, "aws_secret_access_key");
    profile->session_token = value_of(files, name, "aws_session_token");
}

int aws_profile_read(struct nsh_pool *pool, const char *credentials, const char *config,
                     const char *name, struct aws_profile *ret_profile, struct nsh_error *err)
{
    struct files files = {.pool = pool, .credentials = credentials, .config = config};
    struct aws_profile profile = {0};
    const char *from = name;
    keys_read(&files, name, &profile);
    profile.role_arn = value_of(&files, name, "role_arn");
    profile.external_id = value_of(&files, name, "external_id");
    profile.region = value_of(&files, name, "region");
    if (!files.found) {
        return nsh_fail(err, NSH_NOT_FOUND, "the files have no profile %.64s", name);
    }
    for (size_t i = 0; profile.key_id == NULL && i < AWS_PROFILE_CHAIN_MAX; i++) {
        const char *source = value_of(&files, from, "source_profile");
        if (source == NULL || strcmp(source, from) == 0) {
            break;
        }
        from = source;
        keys_read(&files, from, &profile);
    }
    if (files.no_memory) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (profile.key_id == NULL && (value_of(&files, from, "credential_process") != NULL ||
                                   value_of(&files, from, "sso_session") != NULL ||
                                   value_of(&files, from, "sso_start_url") != NULL)) {
        return nsh_fail(err, NSH_UNSUPPORTED,
                        "profile %.64s wants a program or a browser for its keys", from);
    }
    if (profile.key_id == NULL || profile.secret == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND,
                        "profile %.64s has no aws_access_key_id and "
                        "aws_secret_access_key, nor has its source_profile",
                        from);
    }
    *ret_profile = profile;
    return 0;
}
