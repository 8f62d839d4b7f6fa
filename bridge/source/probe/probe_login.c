/* SPDX-License-Identifier: Apache-2.0 */
/* As whom sources ask SNMP agents. */

#include "probe.h"

#include "abi/snmp/snmp_kit.h"
#include "source/map/source_type.h"

const char *const probe_login_versions[] = {"2c", "3", NULL};

void probe_login_check(const struct source_config *config, struct diags *diags)
{
    const struct nsh_value *settings = &config->settings;
    bool three = strcmp(nsh_get_text(settings, "version", "2c"), "3") == 0;
    if (three && nsh_get_text(settings, "user", "")[0] == '\0') {
        diag_add(diags, DIAG_ERROR, config->at, "user = \"nightshift\";", "v3 needs a user");
    }
    if (!three && nsh_get(settings, "community") == NULL) {
        diag_add(diags, DIAG_ERROR, config->at, "community = \"file:snmp.community\";",
                 "v2c needs a community");
    }
}

int probe_login_read(const struct source_services *services, const struct source_config *config,
                     struct arena *arena, struct snmp_credentials *ret_credentials,
                     struct nsh_error *err)
{
    const struct nsh_value *settings = &config->settings;
    struct snmp_credentials credentials = {
        .version = nsh_get_text(settings, "version", "2c"),
        .community = "",
        .user = nsh_get_text(settings, "user", ""),
        .auth_protocol = nsh_get_text(settings, "auth_protocol", "sha"),
        .priv_protocol = nsh_get_text(settings, "priv_protocol", "aes"),
    };
    const struct {
        const char *name;
        const char **secret;
    } rows[] = {{"community", &credentials.community},
                {"auth_password", &credentials.auth_password},
                {"priv_password", &credentials.priv_password}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *reference = nsh_get_text(settings, rows[i].name, NULL);
        int result = reference == NULL
                         ? 0
                         : services->secret(services->arg, reference, arena, rows[i].secret, err);
        if (result < 0) {
            return nsh_wrap(err, "%s", rows[i].name);
        }
    }
    *ret_credentials = credentials;
    return 0;
}
