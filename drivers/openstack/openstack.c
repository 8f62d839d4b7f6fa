/* SPDX-License-Identifier: Apache-2.0 */
/* openstack: servers, compute hosts and bare metal of an OpenStack cloud. The table, and devices.
 */

#include "openstack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const interfaces[] = {"public", "internal", "admin", NULL};

static const struct nsh_option options[] = {
    {.name = "server",
     .type = NSH_STRING,
     .help = "A Nova server: its id, or its name in the project."},
    {.name = "compute",
     .type = NSH_STRING,
     .help = "Or a compute host, as Nova calls it: the host of its nova-compute service."},
    {.name = "node",
     .type = NSH_STRING,
     .help = "Or an Ironic node: its UUID or name. None of the "
             "three: the cloud itself (openstack.capacity)."},
    {.name = "auth_url",
     .type = NSH_STRING,
     .flags = NSH_IDENTIFIES,
     .help = "Keystone: https://keystone.example:5000/v3."},
    {.name = "user", .type = NSH_STRING, .help = "User name; or user_id."},
    {.name = "user_id", .type = NSH_STRING, .help = "User id."},
    {.name = "user_domain",
     .type = NSH_STRING,
     .help = "Domain of the user's name; none: Default."},
    {.name = "password", .type = NSH_SECRET, .help = "Password."},
    {.name = "project", .type = NSH_STRING, .help = "Project name; or project_id."},
    {.name = "project_id", .type = NSH_STRING, .help = "Project id."},
    {.name = "project_domain",
     .type = NSH_STRING,
     .help = "Domain of the project's name; none: Default."},
    {.name = "system_scope",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "A token for the system instead of a project: clouds with strict roles want it for "
             "Ironic."},
    {.name = "application_credential_id",
     .type = NSH_STRING,
     .help = "Application credential, instead of a password and a project."},
    {.name = "application_credential_name",
     .type = NSH_STRING,
     .help = "Or its name, together with the user."},
    {.name = "application_credential_secret",
     .type = NSH_SECRET,
     .help = "The application credential's secret."},
    {.name = "clouds",
     .type = NSH_SECRET,
     .help = "A clouds.yaml (file:/etc/openstack/clouds.yaml): fills in what is not set here."},
    {.name = "cloud", .type = NSH_STRING, .help = "Which cloud of it; none: the only one."},
    {.name = "region", .type = NSH_STRING, .help = "Region of the services; none: any."},
    {.name = "interface",
     .type = NSH_STRING,
     .choices = interfaces,
     .help = "Which of the catalogue's endpoints: public (none given), internal, admin."},
    {.name = "baremetal_url",
     .type = NSH_STRING,
     .help = "Ironic alone, without Keystone: http://ironic.example:6385; with user and password "
             "(http_basic), or without (noauth)."},
    {.name = "flavor", .type = NSH_STRING, .help = "For add: the flavor's id."},
    {.name = "image", .type = NSH_STRING, .help = "For add: the image's id."},
    {.name = "network",
     .type = NSH_STRING,
     .help = "For add: the network's id, auto (none given), or none."},
    {.name = "zone", .type = NSH_STRING, .help = "For add: availability zone."},
    {.name = "key_name", .type = NSH_STRING, .help = "For add: key pair."},
    {.name = "user_data", .type = NSH_STRING, .help = "For add: base64, for cloud-init."},
    {.name = "rescue_password",
     .type = NSH_SECRET,
     .help = "For openstack.rescue: the password of the rescue system."},
    NSH_REST_OPTIONS,
};

static const char *const secrets[] = {"password", "application_credential_secret",
                                      "rescue_password", NULL};
/* Devices that differ in these share one token. */
static const char *const apart[] = {"server", "compute", "node",      "flavor",
                                    "image",  "network", "zone",      "key_name",
                                    "clouds", "cloud",   "user_data", NULL};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct nsh_option evacuate_args[] = {
    {.name = "fenced",
     .type = NSH_BOOL,
     .preset = "false",
     .help = "The host was fenced: have Nova believe that it is down. Never without: two hosts "
             "would write the same disks."},
    {.name = "parallel",
     .type = NSH_INT,
     .preset = "5",
     .min = "1",
     .max = "50",
     .help = "Servers at once."},
};
static const struct nsh_option drain_args[] = {
    {.name = "parallel",
     .type = NSH_INT,
     .preset = "5",
     .min = "1",
     .max = "50",
     .help = "Servers at once."},
};
static const struct nsh_option migrate_args[] = {
    {.name = "to", .type = NSH_STRING, .help = "The host; none: the scheduler chooses."},
};
static const struct nsh_option down_args[] = {
    {.name = "down", .type = NSH_BOOL, .preset = "true", .help = "Forced down, or no more."},
};
static const struct nsh_option provision_args[] = {
    {.name = "image", .type = NSH_STRING, .help = "Bare metal: what to deploy (image_source)."},
    {.name = "checksum", .type = NSH_STRING, .help = "Bare metal: of that image."},
};
static const struct nsh_option maintenance_args[] = {
    {.name = "on", .type = NSH_BOOL, .preset = "true", .help = "In maintenance, or out of it."},
    {.name = "reason", .type = NSH_STRING, .help = "Shown in Ironic."},
};
static const struct nsh_option capacity_args[] = {
    {.name = "vcpus", .type = NSH_INT, .min = "1", .help = "Of one more server."},
    {.name = "memory_mb", .type = NSH_INT, .min = "1", .help = "Of one more server."},
    {.name = "disk_gb", .type = NSH_INT, .min = "1", .help = "Of one more server."},
    {.name = "resource_class", .type = NSH_STRING, .help = "Of bare metal: CUSTOM_BAREMETAL_GOLD."},
};

#define VERB(verb_name, verb_effect, verb_flags, verb_undo, verb_verify, verb_proof, timeout,      \
             verb_help)                                                                            \
    {                                                                                              \
        NSH_PROVEN_VERB(verb_name, verb_effect, verb_flags, verb_verify, verb_proof, timeout,      \
                        verb_help),                                                                \
            .undo = (verb_undo)                                                                    \
    }
#define VERB_ARGS(verb_args, verb_name, verb_effect, verb_flags, verb_undo, verb_verify,           \
                  verb_proof, timeout, verb_help)                                                  \
    {                                                                                              \
        NSH_PROVEN_VERB(verb_name, verb_effect, verb_flags, verb_verify, verb_proof, timeout,      \
                        verb_help),                                                                \
            .undo = (verb_undo), .args = (verb_args), .args_count = COUNT(verb_args)               \
    }
#define ALONE NSH_EXCLUSIVE
#define AGAIN (NSH_IDEMPOTENT | NSH_EXCLUSIVE)

static const struct nsh_verb verbs[] = {
    VERB("power.status", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, NULL, 60000,
         "Server or node: whether it runs."),
    VERB("power.on", NSH_CHANGES, AGAIN, NULL, "power.status", "power=on", 300000,
         "Server: start, resume, unpause. Node: on."),
    VERB("power.off", NSH_INTERRUPTS, AGAIN, "power.on", "power.status", "power=off", 300000,
         "Server: stop, which asks its system first. Node: off."),
    VERB("power.cycle", NSH_INTERRUPTS, ALONE, NULL, "power.status", "power=on", 600000,
         "Off, proven off, on, proven on."),
    VERB("reset.soft", NSH_INTERRUPTS, ALONE, NULL, "power.status", "power=on", 900000,
         "Ask the operating system to restart."),
    VERB("reset.hard", NSH_INTERRUPTS, ALONE, NULL, "power.status", "power=on", 600000,
         "Restart; proven by Nova's record of the action, or Ironic's state."),
    VERB("probe", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, NULL, 60000,
         "The state of the server, the compute service (up, down) or the node."),
    VERB_ARGS(drain_args, "drain", NSH_CHANGES, AGAIN, "undrain", NULL, NULL, 3600000,
              "Compute host: nothing new is scheduled, running servers migrate live."),
    VERB("undrain", NSH_CHANGES, AGAIN, NULL, NULL, NULL, 60000,
         "Compute host: no more forced down, then enabled."),
    VERB_ARGS(evacuate_args, "evacuate", NSH_INTERRUPTS, AGAIN, NULL, NULL, NULL, 1800000,
              "Compute host that is down: its servers are rebuilt elsewhere."),
    VERB_ARGS(provision_args, "provision", NSH_DESTROYS, AGAIN, NULL, NULL, NULL, 3600000,
              "Node: by all states to active, deployed."),
    VERB("release", NSH_DESTROYS, AGAIN, NULL, NULL, NULL, 3600000,
         "Node: undeployed, cleaned, available. Server: deleted."),
    VERB("add", NSH_CHANGES, AGAIN, "remove", NULL, NULL, 900000,
         "Create the server, by its name; one that exists is it."),
    VERB("remove", NSH_DESTROYS, AGAIN, NULL, NULL, NULL, 600000, "Delete the server."),
    VERB_ARGS(migrate_args, "openstack.live_migrate", NSH_CHANGES, ALONE, NULL, "probe", "power=on",
              1800000, "Move a running server to another host."),
    VERB("openstack.disable", NSH_CHANGES, AGAIN, "undrain", "probe", "scheduling=disabled", 60000,
         "Compute host: nothing new is scheduled; what runs stays."),
    VERB_ARGS(down_args, "openstack.force_down", NSH_CHANGES, AGAIN, NULL, "probe", NULL, 60000,
              "Compute host that was fenced: Nova holds it for down."),
    VERB("openstack.report_failure", NSH_INTERRUPTS, ALONE, NULL, NULL, NULL, 1800000,
         "Compute host that was fenced: Masakari recovers its servers."),
    VERB_ARGS(capacity_args, "openstack.capacity", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, NULL,
              60000, "How many places there are for one more server (Placement)."),
    VERB_ARGS(maintenance_args, "openstack.maintenance", NSH_CHANGES, AGAIN, NULL, "probe", NULL,
              120000, "Node: out of Nova's and Ironic's hands, or back."),
    VERB("openstack.soft_off", NSH_INTERRUPTS, AGAIN, "power.on", "power.status", "power=off",
         900000, "Node: ask the operating system to shut down."),
    VERB("openstack.manage", NSH_CHANGES, AGAIN, NULL, "probe", "state=manageable", 900000,
         "Node: to manageable."),
    VERB("openstack.provide", NSH_CHANGES, AGAIN, NULL, "probe", "state=available", 3600000,
         "Node: to available, cleaned; an active one is left alone."),
    VERB("openstack.rescue", NSH_INTERRUPTS, AGAIN, "openstack.unrescue", "probe", "state=rescue",
         3600000, "Node: into the rescue system."),
    VERB("openstack.unrescue", NSH_INTERRUPTS, AGAIN, NULL, "probe", "state=active", 3600000,
         "Node: back from it."),
    VERB("openstack.doctor", NSH_READS, NSH_IDEMPOTENT, NULL, NULL, NULL, 60000,
         "Roles, services, clock, and whether the object can be read."),
};

/* ---- devices ---------------------------------------------------------------------------- */

static const char *setting(const struct nsh_device *device, const char *name)
{
    const char *text = nsh_get_text(&device->settings, name, NULL);
    return text == NULL || text[0] == '\0' ? NULL : text;
}

/* The settings, with what clouds.yaml adds. */
static int settings_take(struct nsh_device *device, const struct nsh_value *settings,
                         struct nsh_error *err)
{
    const char *yaml = nsh_get_text(settings, "clouds", "");
    const char *cloud = nsh_get_text(settings, "cloud", "");
    struct nsh_value more = nsh_null();
    if (yaml[0] != '\0') {
        int result = openstack_clouds_read(&device->pool, yaml, strlen(yaml),
                                           cloud[0] == '\0' ? NULL : cloud, settings, &more, err);
        if (result < 0) {
            return result;
        }
    }
    size_t more_count = more.type == NSH_MAP ? more.count : 0, used = 0;
    struct nsh_member *members =
        nsh_pool_array(&device->pool, settings->count + more_count, sizeof *members);
    if (members == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < settings->count; i++) {
        bool empty =
            settings->members[i].value.type == NSH_STRING && settings->members[i].value.count == 0;
        if (!empty && strcmp(settings->members[i].name, "clouds") != 0) {
            members[used++] = settings->members[i];
        }
    }
    for (size_t i = 0; i < more_count; i++) {
        members[used++] = more.members[i];
    }
    struct nsh_value all = nsh_map(members, used);
    return nsh_pool_value(&device->pool, &all, &device->settings)
               ? 0
               : nsh_fail(err, NSH_NOMEM, "out of memory");
}

static int object_take(struct nsh_device *device, struct nsh_error *err)
{
    static const char *const names[OS_OBJECTS_COUNT] = {
        [OS_SERVER] = "server", [OS_HOST] = "compute", [OS_NODE] = "node"};
    for (size_t i = OS_SERVER; i < OS_OBJECTS_COUNT; i++) {
        const char *name = setting(device, names[i]);
        if (name == NULL) {
            continue;
        }
        if (device->object != OS_CLOUD) {
            return nsh_fail(err, NSH_INVALID, "want one of server, compute and node");
        }
        if (strlen(name) >= OPENSTACK_NAME_BYTES_MAX) {
            return nsh_fail(err, NSH_INVALID, "%s: a name of more than %d bytes", names[i],
                            OPENSTACK_NAME_BYTES_MAX - 1);
        }
        device->object = (enum openstack_object)i;
        device->name = name;
        device->path = nsh_percent(&device->pool, name);
        if (device->path == NULL) {
            return nsh_fail(err, NSH_NOMEM, "out of memory");
        }
    }
    return 0;
}

static int credentials_check(const struct nsh_device *device, struct nsh_error *err)
{
    bool alone = setting(device, "baremetal_url") != NULL;
    bool user = setting(device, "user") != NULL || setting(device, "user_id") != NULL;
    bool credential = setting(device, "application_credential_id") != NULL ||
                      (setting(device, "application_credential_name") != NULL && user);
    bool secret = setting(device, "application_credential_secret") != NULL;
    bool password = setting(device, "password") != NULL;
    if (alone && setting(device, "auth_url") != NULL) {
        return nsh_fail(err, NSH_INVALID, "auth_url and baremetal_url are one or the other");
    }
    if (alone && (device->object == OS_SERVER || device->object == OS_HOST)) {
        return nsh_fail(err, NSH_INVALID, "baremetal_url: Ironic alone has nodes only");
    }
    if (alone && user != password) {
        return nsh_fail(err, NSH_INVALID, "user and password need each other");
    }
    if (!alone && setting(device, "auth_url") == NULL) {
        return nsh_fail(err, NSH_INVALID, "want auth_url, clouds or baremetal_url");
    }
    if (!alone && credential != secret) {
        return nsh_fail(err, NSH_INVALID,
                        "want application_credential_secret with application_credential_id, or "
                        "with application_credential_name and user");
    }
    if (!alone && !secret && (!user || !password)) {
        return nsh_fail(err, NSH_INVALID, "want user and password, or an application credential");
    }
    return 0;
}

/* Ironic alone: no login, one service. */
static int alone_open(struct nsh_device *device, const char *base, struct nsh_error *err)
{
    struct openstack_session *session = nsh_rest_session(device->rest);
    const char *user = setting(device, "user"), *password = setting(device, "password");
    session->urls[OS_BAREMETAL] = nsh_rest_base(device->rest);
    (void)base;
    if (user == NULL) {
        return 0;
    }
    char *both = nsh_pool_printf(&device->pool, "%s:%s", user, password);
    char *encoded = both == NULL ? NULL : nsh_base64(&device->pool, both, strlen(both));
    char *header =
        encoded == NULL ? NULL : nsh_pool_printf(&device->pool, "Authorization: Basic %s", encoded);
    return header == NULL ? nsh_fail(err, NSH_NOMEM, "out of memory")
                          : nsh_rest_credential(device->rest, header, err);
}

static int device_fill(struct nsh_device *device, const struct nsh_value *settings,
                       struct nsh_error *err)
{
    char base[NSH_REST_URL_BYTES_MAX / 8];
    int result = settings_take(device, settings, err);
    result = result < 0 ? result : object_take(device, err);
    result = result < 0 ? result : credentials_check(device, err);
    if (result < 0) {
        return result;
    }
    const char *alone = setting(device, "baremetal_url");
    const char *name = alone != NULL ? "baremetal_url" : "auth_url";
    result = nsh_rest_base_check(name, setting(device, name), base, sizeof base, err);
    if (result < 0) {
        return result;
    }
    result = nsh_rest_open(device->services,
                           &(struct nsh_rest_config){
                               .base = base,
                               .settings = &device->settings,
                               .secrets = secrets,
                               .apart = apart,
                               .login = alone != NULL ? NULL : openstack_login,
                               .session_bytes = sizeof(struct openstack_session),
                               .session_done = openstack_session_done,
                           },
                           &device->rest, err);
    return result < 0 || alone == NULL ? result : alone_open(device, base, err);
}

static void openstack_close(struct nsh_device *device)
{
    nsh_rest_close(device->rest);
    nsh_pool_done(&device->pool);
    free(device);
}

static int openstack_open(struct nsh_services *services, const struct nsh_value *settings,
                          struct nsh_device **ret_device, struct nsh_error *err)
{
    struct nsh_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    device->services = services;
    int result = device_fill(device, settings, err);
    if (result < 0) {
        openstack_close(device);
        return result;
    }
    *ret_device = device;
    return 0;
}

static void openstack_begin(struct nsh_rest_call *call)
{
    static const char *const words[OS_OBJECTS_COUNT] = {"the cloud itself", "a server",
                                                        "a compute host", "a node"};
    enum openstack_object object = openstack_device(call)->object;
    bool begun = (object == OS_SERVER && openstack_server_begin(call)) ||
                 (object == OS_HOST && openstack_host_begin(call)) ||
                 (object == OS_NODE && openstack_node_begin(call)) || openstack_cloud_begin(call);
    if (!begun) {
        nsh_rest_fail(call, NSH_UNSUPPORTED, "%s: %s means nothing for %s",
                      nsh_rest_base(call->rest), call->op->verb->name, words[object]);
    }
}

static int openstack_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err)
{
    return nsh_rest_start(device->rest, device, op, sizeof(struct openstack_call), openstack_begin,
                          err);
}

__attribute__((visibility("default"))) const struct nsh_driver nsh_driver = {
    .abi = NSH_ABI,
    .size = sizeof(struct nsh_driver),
    .name = "openstack",
    .version = "1",
    .summary = "OpenStack: Nova servers and compute hosts, Ironic nodes, Placement, Masakari",
    .maturity = NSH_EXPERIMENTAL,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
    .verbs = verbs,
    .verbs_count = sizeof verbs / sizeof verbs[0],
    .open = openstack_open,
    .start = openstack_start,
    .cancel = nsh_rest_cancel,
    .close = openstack_close,
};
