/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs do. Power is libvirt's own word for it: an active domain has power, whatever it
 * does with it. Every order is followed by reading the state until it is as wanted; our clock ends
 * a wait that is too long.
 */

#include "libvirt_helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_NS (100 * 1000 * 1000) /* Between two looks at a state. */

/* In the order of virDomainState. */
static const char *const state_words[] = {"unknown",       "running", "blocked", "paused",
                                          "shutting-down", "off",     "crashed", "suspended"};

struct seen {
    bool active;
    int state, reason;
};

static struct seen look(virDomainPtr domain)
{
    struct seen seen = {0};
    int active = virDomainIsActive(domain);
    if (active < 0 || virDomainGetState(domain, &seen.state, &seen.reason, 0) < 0) {
        answer_error("state");
    }
    seen.active = active == 1;
    return seen;
}

static const char *word_of(const struct seen *seen)
{
    bool known =
        seen->state > 0 && (size_t)seen->state < sizeof state_words / sizeof state_words[0];
    return state_words[known ? seen->state : 0];
}

static void put(struct json_object *object, const char *name, struct json_object *value)
{
    if (object == NULL || value == NULL || json_object_object_add(object, name, value) != 0) {
        exit(EXIT_FAILURE); /* No memory: an end without an answer. */
    }
}

static void put_text(struct json_object *object, const char *name, const char *text)
{
    put(object, name, json_object_new_string(text));
}

static struct json_object *result_of(virDomainPtr domain, const struct seen *seen)
{
    struct json_object *result = json_object_new_object();
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    const char *name = virDomainGetName(domain);
    put_text(result, "power", seen->active ? "on" : "off");
    put_text(result, "state", word_of(seen));
    put_text(result, "name", name == NULL ? "" : name);
    put_text(result, "uuid", virDomainGetUUIDString(domain, uuid) < 0 ? "" : uuid);
    return result;
}

static _Noreturn void done(virDomainPtr domain, const struct seen *seen, bool changed)
{
    struct json_object *result = result_of(domain, seen);
    char text[160];
    put(result, "changed", json_object_new_boolean(changed));
    snprintf(text, sizeof text, "domain is %s", word_of(seen));
    answer_ok(result, text);
}

/* ---- orders ---- */

/* It answered; order: its name for texts. */
static void ordered(int result, const char *order)
{
    if (result < 0) {
        answer_error(order);
    }
    order_accepted();
}

static struct seen await(virDomainPtr domain, bool active)
{
    struct seen seen = look(domain);
    while (seen.active != active) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        seen = look(domain);
    }
    return seen;
}

/* A transient domain is gone when it is off: that is no switching off. */
static void must_stay(virDomainPtr domain)
{
    int persistent = virDomainIsPersistent(domain);
    if (persistent < 0) {
        answer_error("persistent");
    }
    if (persistent == 0) {
        answer_fail(NSH_CONFLICT,
                    "the domain is transient: off would remove it for good; define it "
                    "first");
    }
}

static void start(virDomainPtr domain)
{
    order_leaves();
    ordered(virDomainCreate(domain), "start");
}

static void destroy(virDomainPtr domain)
{
    order_leaves();
    ordered(virDomainDestroy(domain), "destroy");
}

static void power_on(virDomainPtr domain)
{
    struct seen seen = look(domain);
    if (seen.active && seen.state == VIR_DOMAIN_CRASHED) {
        answer_fail(NSH_CONFLICT, "the domain has crashed: power.cycle starts it again");
    }
    if (seen.active && seen.state == VIR_DOMAIN_PAUSED) {
        order_leaves();
        ordered(virDomainResume(domain), "resume");
    } else if (seen.active && seen.state == VIR_DOMAIN_PMSUSPENDED) {
        order_leaves();
        ordered(virDomainPMWakeup(domain, 0), "wake");
    } else if (seen.active) {
        done(domain, &seen, false);
    } else {
        start(domain);
    }
    seen = await(domain, true);
    done(domain, &seen, true);
}

static void power_off(virDomainPtr domain)
{
    struct seen seen = look(domain);
    if (!seen.active) {
        done(domain, &seen, false);
    }
    must_stay(domain);
    destroy(domain);
    seen = await(domain, false);
    done(domain, &seen, true);
}

static void power_cycle(virDomainPtr domain)
{
    struct seen seen = look(domain);
    if (seen.active) {
        must_stay(domain);
        destroy(domain);
        await(domain, false);
    }
    start(domain);
    seen = await(domain, true);
    done(domain, &seen, true);
}

static void must_be_on(const struct seen *seen)
{
    if (!seen->active) {
        answer_fail(NSH_CONFLICT, "the domain is off");
    }
}

static void reset_hard(virDomainPtr domain)
{
    struct seen seen = look(domain);
    must_be_on(&seen);
    order_leaves();
    ordered(virDomainReset(domain, 0), "reset");
    seen = await(domain, true);
    done(domain, &seen, true);
}

static void reset_soft(virDomainPtr domain)
{
    struct seen seen = look(domain);
    must_be_on(&seen);
    order_leaves();
    ordered(virDomainReboot(domain, 0), "reboot");
    seen = await(domain, true);
    done(domain, &seen, true);
}

static void shut_down(virDomainPtr domain)
{
    struct seen seen = look(domain);
    if (!seen.active) {
        done(domain, &seen, false);
    }
    must_stay(domain);
    order_leaves();
    ordered(virDomainShutdown(domain), "shutdown");
    seen = await(domain, false);
    done(domain, &seen, true);
}

static void migrate(virDomainPtr domain, const char *to)
{
    unsigned flags = VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_PERSIST_DEST |
                     VIR_MIGRATE_UNDEFINE_SOURCE | VIR_MIGRATE_ABORT_ON_ERROR;
    struct seen seen = look(domain);
    must_be_on(&seen);
    order_leaves();
    ordered(virDomainMigrateToURI3(domain, to, NULL, 0, flags), "migrate");
    struct json_object *result = json_object_new_object();
    put_text(result, "hypervisor", to);
    answer_ok(result, "it runs there");
}

/* ---- readings ---- */

static void status(virConnectPtr connection, virDomainPtr domain)
{
    struct seen seen = look(domain);
    struct json_object *result = result_of(domain, &seen);
    unsigned long library = 0, hypervisor = 0;
    virDomainInfo info;
    int autostart = 0;
    if (virDomainGetInfo(domain, &info) < 0) {
        answer_error("info");
    }
    put(result, "reason", json_object_new_int(seen.reason));
    put(result, "processors", json_object_new_int(info.nrVirtCpu));
    put(result, "memory_mib", json_object_new_int64((int64_t)(info.memory / 1024)));
    put(result, "persistent", json_object_new_boolean(virDomainIsPersistent(domain) == 1));
    if (virDomainGetAutostart(domain, &autostart) == 0) {
        put(result, "autostart", json_object_new_boolean(autostart != 0));
    }
    const char *type = virConnectGetType(connection);
    put_text(result, "type", type == NULL ? "" : type);
    if (virConnectGetLibVersion(connection, &library) == 0) {
        put(result, "libvirt", json_object_new_int64((int64_t)library));
    }
    if (virConnectGetVersion(connection, &hypervisor) == 0) {
        put(result, "version", json_object_new_int64((int64_t)hypervisor));
    }
    answer_ok(result, word_of(&seen));
}

static void probe(virDomainPtr domain)
{
    struct seen seen = look(domain);
    bool runs =
        seen.active && (seen.state == VIR_DOMAIN_RUNNING || seen.state == VIR_DOMAIN_BLOCKED ||
                        seen.state == VIR_DOMAIN_SHUTDOWN);
    if (!runs) {
        answer_fail(NSH_SILENT, "the domain is %s", word_of(&seen));
    }
    done(domain, &seen, false);
}

static void check(struct json_object *list, const char *name, const char *state, const char *text,
                  const char *hint)
{
    struct json_object *line = json_object_new_object();
    put_text(line, "check", name);
    put_text(line, "state", state);
    put_text(line, "text", text);
    put_text(line, "hint", hint);
    if (json_object_array_add(list, line) != 0) {
        exit(EXIT_FAILURE);
    }
}

/* The connection may write: it was opened so. */
static void doctor(virConnectPtr connection, virDomainPtr domain)
{
    struct json_object *result = json_object_new_object(), *list = json_object_new_array();
    struct seen seen = look(domain);
    bool secure = virConnectIsSecure(connection) == 1;
    int autostart = 0;
    put(result, "checks", list);
    check(list, "connection", secure ? "ok" : "warning",
          secure ? "encrypted, or within this machine"
                 : "neither encrypted nor within this machine",
          secure ? "" : "qemu+tls:// or qemu+ssh:// in place of qemu+tcp://");
    check(list, "rights", "ok", "the connection may write", "");
    bool stays = virDomainIsPersistent(domain) == 1;
    check(list, "domain", stays ? "ok" : "warning",
          stays ? word_of(&seen) : "it is transient: it is gone when it is off",
          stays ? "" : "virsh define");
    if (virDomainGetAutostart(domain, &autostart) == 0) {
        check(list, "autostart", autostart != 0 ? "ok" : "warning",
              autostart != 0 ? "it starts with the hypervisor"
                             : "it stays off when the hypervisor "
                               "restarts",
              autostart != 0 ? "" : "virsh autostart");
    }
    answer_ok(result, "");
}

void verb_run(const struct request *request, virConnectPtr connection, virDomainPtr domain)
{
    static const struct {
        const char *verb;
        void (*run)(virDomainPtr domain);
    } orders[] = {
        {"power.on", power_on},     {"power.off", power_off},   {"power.cycle", power_cycle},
        {"reset.hard", reset_hard}, {"reset.soft", reset_soft}, {"libvirt.shutdown", shut_down},
        {"probe", probe},
    };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (strcmp(request->verb, orders[i].verb) == 0) {
            orders[i].run(domain);
        }
    }
    if (strcmp(request->verb, "libvirt.migrate") == 0) {
        migrate(domain, request->to);
    } else if (strcmp(request->verb, "libvirt.status") == 0) {
        status(connection, domain);
    } else if (strcmp(request->verb, "libvirt.doctor") == 0) {
        doctor(connection, domain);
    } else if (strcmp(request->verb, "power.status") == 0) {
        struct seen seen = look(domain);
        done(domain, &seen, false);
    }
    answer_fail(NSH_UNSUPPORTED, "no verb %s", request->verb);
}
