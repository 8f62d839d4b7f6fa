/* SPDX-License-Identifier: Apache-2.0 */
/* Logins, catalogues, versions, servers and nodes. No I/O. */

#include "openstack_codec.h"

#include <stdlib.h>
#include <string.h>

/* ---- the login -------------------------------------------------------------------------- */

static const char *setting(const struct nsh_value *settings, const char *name)
{
    const char *text = nsh_get_text(settings, name, NULL);
    return text == NULL || text[0] == '\0' ? NULL : text;
}

/* Members as an object in the pool, without those that are null. */
static bool object(struct nsh_pool *pool, const struct nsh_member *members, size_t count,
                   struct nsh_value *ret_value)
{
    struct nsh_member *kept = nsh_pool_array(pool, count, sizeof *kept);
    size_t used = 0;
    for (size_t i = 0; kept != NULL && i < count; i++) {
        if (members[i].value.type != NSH_NULL) {
            kept[used++] = members[i];
        }
    }
    *ret_value = nsh_map(kept, used);
    return kept != NULL;
}

static bool object_of(struct nsh_pool *pool, const char *name, const struct nsh_value *value,
                      struct nsh_value *ret_value)
{
    return object(pool, &(struct nsh_member){name, *value}, 1, ret_value);
}

/* {"name": .., "domain": {"name": ..}}, or {"id": ..} */
static bool named(struct nsh_pool *pool, const char *id, const char *name, const char *domain,
                  struct nsh_value *ret_value)
{
    struct nsh_value in = nsh_null();
    if (id != NULL) {
        struct nsh_value text = nsh_text(id);
        return object_of(pool, "id", &text, ret_value);
    }
    struct nsh_value domain_name = nsh_text(domain == NULL ? "Default" : domain);
    return object_of(pool, "name", &domain_name, &in) &&
           object(pool, (const struct nsh_member[]){{"name", nsh_text(name)}, {"domain", in}}, 2,
                  ret_value);
}

static bool user_value(struct nsh_pool *pool, const struct nsh_value *settings,
                       struct nsh_value *ret_user)
{
    return named(pool, setting(settings, "user_id"), setting(settings, "user"),
                 setting(settings, "user_domain"), ret_user);
}

/* An application credential: its scope is its own. */
static bool credential_body(struct nsh_pool *pool, const struct nsh_value *settings,
                            struct nsh_value *ret_identity)
{
    const char *id = setting(settings, "application_credential_id");
    struct nsh_value user = nsh_null(), credential;
    if (id == NULL && !user_value(pool, settings, &user)) {
        return false;
    }
    const struct nsh_member members[] = {
        {"id", nsh_text(id)},
        {"name",
         id == NULL ? nsh_text(setting(settings, "application_credential_name")) : nsh_null()},
        {"secret", nsh_text(setting(settings, "application_credential_secret"))},
        {"user", user},
    };
    struct nsh_value *method = nsh_pool_alloc(pool, sizeof *method);
    if (method == NULL || !object(pool, members, 4, &credential)) {
        return false;
    }
    *method = nsh_text("application_credential");
    return object(pool,
                  (const struct nsh_member[]){{"methods", nsh_list(method, 1)},
                                              {"application_credential", credential}},
                  2, ret_identity);
}

static bool password_body(struct nsh_pool *pool, const struct nsh_value *settings,
                          struct nsh_value *ret_identity)
{
    struct nsh_value user, with_password, password;
    if (!user_value(pool, settings, &user)) {
        return false;
    }
    struct nsh_member members[3] = {{0}};
    for (uint32_t i = 0; i < user.count && i < 2; i++) {
        members[i] = user.members[i];
    }
    members[2] = (struct nsh_member){"password", nsh_text(setting(settings, "password"))};
    struct nsh_value *method = nsh_pool_alloc(pool, sizeof *method);
    if (method == NULL || !object(pool, members, 3, &with_password) ||
        !object_of(pool, "user", &with_password, &password)) {
        return false;
    }
    *method = nsh_text("password");
    return object(
        pool, (const struct nsh_member[]){{"methods", nsh_list(method, 1)}, {"password", password}},
        2, ret_identity);
}

/* {"project": ..} or {"system": {"all": true}}; null: the user's own default. */
static bool scope_value(struct nsh_pool *pool, const struct nsh_value *settings,
                        struct nsh_value *ret_scope)
{
    const char *id = setting(settings, "project_id"), *name = setting(settings, "project");
    struct nsh_value inner;
    *ret_scope = nsh_null();
    if (nsh_get_bool(settings, "system_scope", false)) {
        struct nsh_value yes = nsh_bool(true);
        return object_of(pool, "all", &yes, &inner) && object_of(pool, "system", &inner, ret_scope);
    }
    if (id == NULL && name == NULL) {
        return true;
    }
    return named(pool, id, name, setting(settings, "project_domain"), &inner) &&
           object_of(pool, "project", &inner, ret_scope);
}

bool openstack_login_body(struct nsh_pool *pool, const struct nsh_value *settings,
                          struct nsh_value *ret_body)
{
    bool credential = setting(settings, "application_credential_secret") != NULL;
    struct nsh_value identity, scope = nsh_null(), auth;
    bool good = credential ? credential_body(pool, settings, &identity)
                           : password_body(pool, settings, &identity) &&
                                 scope_value(pool, settings, &scope);
    return good &&
           object(pool, (const struct nsh_member[]){{"identity", identity}, {"scope", scope}}, 2,
                  &auth) &&
           object_of(pool, "auth", &auth, ret_body);
}

/* ---- the catalogue ---------------------------------------------------------------------- */

static const char *endpoint_url(const struct nsh_value *service, const char *interface,
                                const char *region)
{
    for (size_t i = 0; i < nsh_at_count(service, "endpoints"); i++) {
        const struct nsh_value *endpoint = nsh_at_item(service, "endpoints", i);
        const char *own = nsh_get_text(endpoint, "region_id", nsh_get_text(endpoint, "region", ""));
        if (strcmp(nsh_get_text(endpoint, "interface", ""), interface) == 0 &&
            (region == NULL || strcmp(own, region) == 0)) {
            return nsh_get_text(endpoint, "url", NULL);
        }
    }
    return NULL;
}

const char *openstack_catalog_url(const struct nsh_value *token, const char *const *types,
                                  const char *interface, const char *region)
{
    for (size_t k = 0; types[k] != NULL; k++) {
        for (size_t i = 0; i < nsh_at_count(token, "catalog"); i++) {
            const struct nsh_value *service = nsh_at_item(token, "catalog", i);
            const char *url = strcmp(nsh_get_text(service, "type", ""), types[k]) == 0
                                  ? endpoint_url(service, interface, region)
                                  : NULL;
            if (url != NULL) {
                return url;
            }
        }
    }
    return NULL;
}

/* ---- versions --------------------------------------------------------------------------- */

static int minor_of(const char *text)
{
    const char *dot = text == NULL ? NULL : strchr(text, '.');
    if (dot == NULL || dot[1] < '0' || dot[1] > '9' || strlen(dot) > 6) {
        return -1;
    }
    return atoi(dot + 1);
}

/* {"version": {..}} (Nova), {"version": {..}, "nodes": ..} (Ironic), {"versions": [..]} (Placement,
 * Masakari). */
static int version_member(const struct nsh_value *body, const char *name, const char *other)
{
    const struct nsh_value *version = nsh_get(body, "version");
    int found = -1;
    if (version != NULL && version->type == NSH_MAP) {
        return minor_of(nsh_get_text(version, name, nsh_get_text(version, other, NULL)));
    }
    for (size_t i = 0; i < nsh_at_count(body, "versions"); i++) {
        version = nsh_at_item(body, "versions", i);
        int minor = minor_of(nsh_get_text(version, name, nsh_get_text(version, other, NULL)));
        found = minor > found ? minor : found;
    }
    return found;
}

int openstack_version_newest(const struct nsh_value *body)
{
    return version_member(body, "version", "max_version");
}

int openstack_version_oldest(const struct nsh_value *body)
{
    return version_member(body, "min_version", "min_version");
}

bool openstack_is_uuid(const char *text)
{
    size_t digits = 0;
    for (; *text != '\0'; text++) {
        bool digit = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'f') ||
                     (*text >= 'A' && *text <= 'F');
        if (!digit && *text != '-') {
            return false;
        }
        digits += digit;
    }
    return digits == 32;
}

/* ---- servers and nodes ------------------------------------------------------------------ */

bool openstack_server_read(const struct nsh_value *server, struct openstack_server *ret_server)
{
    const char *id = nsh_get_text(server, "id", NULL);
    if (id == NULL || id[0] == '\0') {
        return false;
    }
    *ret_server = (struct openstack_server){
        .id = id,
        .name = nsh_get_text(server, "name", ""),
        .status = nsh_get_text(server, "status", ""),
        .task = nsh_get_text(server, "OS-EXT-STS:task_state", ""),
        .host = nsh_get_text(server, "OS-EXT-SRV-ATTR:host", ""),
        .fault = nsh_at_text(nsh_get(server, "fault"), "message", ""),
        .power = (int)nsh_get_int(server, "OS-EXT-STS:power_state", -1),
    };
    return ret_server->status[0] != '\0';
}

const char *openstack_server_power(const struct openstack_server *server)
{
    enum { NO_STATE, RUNNING, PAUSED = 3, SHUT_DOWN, CRASHED = 6, SUSPENDED };
    bool stopped = strcmp(server->status, "SHUTOFF") == 0 ||
                   strncmp(server->status, "SHELVED", 7) == 0 ||
                   strcmp(server->status, "SUSPENDED") == 0;
    if (stopped || server->power == SHUT_DOWN || server->power == CRASHED ||
        server->power == SUSPENDED) {
        return "off";
    }
    if (server->power == RUNNING || server->power == PAUSED) {
        return "on";
    }
    /* No power state: a project's own user is not always shown it. */
    return server->power == -1 && strcmp(server->status, "ACTIVE") == 0 ? "on" : "unknown";
}

bool openstack_node_read(const struct nsh_value *node, struct openstack_node *ret_node)
{
    if (nsh_get(node, "power_state") == NULL || nsh_get(node, "provision_state") == NULL) {
        return false;
    }
    *ret_node = (struct openstack_node){
        .power = nsh_get_text(node, "power_state", ""),
        .target_power = nsh_get_text(node, "target_power_state", ""),
        .provision = nsh_get_text(node, "provision_state", "available"), /* null before 1.2 */
        .target_provision = nsh_get_text(node, "target_provision_state", ""),
        .error = nsh_get_text(node, "last_error", ""),
        .fault = nsh_get_text(node, "fault", ""),
        .maintenance = nsh_get_bool(node, "maintenance", false),
    };
    return true;
}

const char *openstack_node_power(const struct openstack_node *node)
{
    return strcmp(node->power, "power on") == 0    ? "on"
           : strcmp(node->power, "power off") == 0 ? "off"
                                                   : "unknown";
}

bool openstack_node_failed(const char *state)
{
    size_t count = strlen(state);
    return strcmp(state, "error") == 0 || (count > 7 && strcmp(state + count - 7, " failed") == 0);
}
