/* SPDX-License-Identifier: Apache-2.0 */
/* clouds.yaml: the settings of one cloud out of it. */

#include "openstack_codec.h"

#include "abi/yaml_value.h"

#include <string.h>
#include <strings.h>

/* ---- one cloud -------------------------------------------------------------------------- */

/* Names in clouds.yaml (below auth, else in the cloud itself) and in our settings. */
static const struct {
    const char *yaml, *ours;
    bool auth;
} names[] = {
    {"auth_url", "auth_url", true},
    {"username", "user", true},
    {"user_id", "user_id", true},
    {"password", "password", true},
    {"user_domain_name", "user_domain", true},
    {"project_name", "project", true},
    {"project_id", "project_id", true},
    {"project_domain_name", "project_domain", true},
    {"application_credential_id", "application_credential_id", true},
    {"application_credential_name", "application_credential_name", true},
    {"application_credential_secret", "application_credential_secret", true},
    {"region_name", "region", false},
    {"interface", "interface", false},
    {"cacert", "ca_file", false},
    {"cert", "client_cert", false},
    {"key", "client_key", false},
};
#define NAMES_COUNT (sizeof names / sizeof names[0])

static int cloud_find(const struct nsh_value *root, const char *name,
                      const struct nsh_value **ret_cloud, struct nsh_error *err)
{
    const struct nsh_value *clouds = nsh_get(root, "clouds");
    if (clouds == NULL || clouds->type != NSH_MAP || clouds->count == 0) {
        return nsh_fail(err, NSH_INVALID, "clouds: the file has no clouds");
    }
    if (name == NULL && clouds->count > 1) {
        return nsh_fail(err, NSH_INVALID, "cloud: which of %u? (%s, %s ...)", clouds->count,
                        clouds->members[0].name, clouds->members[1].name);
    }
    const struct nsh_value *cloud =
        name == NULL ? &clouds->members[0].value : nsh_get(clouds, name);
    if (cloud == NULL || cloud->type != NSH_MAP) {
        return nsh_fail(err, NSH_INVALID, "cloud: the file has no cloud %s", name);
    }
    *ret_cloud = cloud;
    return 0;
}

int openstack_clouds_read(struct nsh_pool *pool, const char *yaml, size_t yaml_bytes,
                          const char *cloud_name, const struct nsh_value *given,
                          struct nsh_value *ret_settings, struct nsh_error *err)
{
    struct nsh_value root = nsh_null();
    const struct nsh_value *cloud = NULL;
    size_t used = 0;
    int result = nsh_yaml_read(pool, "clouds", yaml, yaml_bytes, &root, err);
    result = result < 0 ? result : cloud_find(&root, cloud_name, &cloud, err);
    if (result < 0) {
        return result;
    }
    const char *verify = nsh_get_text(cloud, "verify", "true");
    if (strcasecmp(verify, "false") == 0 &&
        strcmp(nsh_get_text(given, "tls", "verify"), "verify") == 0) {
        return nsh_fail(err, NSH_INVALID,
                        "clouds: it says verify: false; to trust anybody say tls = \"insecure\"");
    }
    struct nsh_member *members = nsh_pool_array(pool, NAMES_COUNT, sizeof *members);
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < NAMES_COUNT; i++) {
        const char *text =
            nsh_get_text(names[i].auth ? nsh_get(cloud, "auth") : cloud, names[i].yaml, "");
        if (text[0] != '\0' && nsh_get_text(given, names[i].ours, "")[0] == '\0') {
            members[used++] = (struct nsh_member){names[i].ours, nsh_text(text)};
        }
    }
    *ret_settings = nsh_map(members, used);
    return 0;
}
