/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <stdio.h>

static void look_at_all(struct probe_group *group)
{
    group->before = group->before && group->seen < group->count;
    group->isolated =
        group->before || (group->count >= PROBE_ISOLATED_MIN && 2 * group->suspects > group->count);
}

void probe_group_look(struct probe_group *group)
{
    group->suspects = group->seen = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        group->suspects += group->targets[i].suspect;
        group->seen += group->targets[i].seen;
    }
    look_at_all(group);
}

void probe_group_isolated_before(struct probe_group *group, bool lasts)
{
    if (group->told == PROBE_UNTOLD && !group->telling) {
        group->told = PROBE_TOLD_SILENT;
        group->before = lasts;
        look_at_all(group);
    }
}

void probe_result(struct probe_group *group, uint32_t index, const char *why, bool reached)
{
    struct probe_target *target = &group->targets[index];
    group->suspects -= target->suspect;
    target->suspect = why != NULL && !reached;
    group->suspects += target->suspect;
    group->seen += !target->seen;
    target->seen = true;
    if (why == NULL) {
        target->failures = 0;
        target->answers += target->answers < UINT32_MAX;
        if (target->answers >= group->recovers) {
            target->silent = false;
            target->decided = true;
        }
    } else {
        target->answers = 0;
        target->failures += target->failures < UINT32_MAX;
        snprintf(target->why, sizeof target->why, "%s", why);
        if (target->failures >= group->fails) {
            target->silent = true;
            target->decided = true;
        }
    }
    look_at_all(group);
}

static enum probe_say wants(bool decided, bool silent, bool telling, enum probe_told told)
{
    if (!decided || telling) {
        return PROBE_SAY_NOTHING;
    }
    if (silent) {
        return told == PROBE_TOLD_SILENT ? PROBE_SAY_NOTHING : PROBE_SAY_RAISE;
    }
    return told == PROBE_TOLD_WELL ? PROBE_SAY_NOTHING : PROBE_SAY_CLEAR;
}

enum probe_say probe_wants(const struct probe_group *group, uint32_t index)
{
    const struct probe_target *target = &group->targets[index];
    enum probe_say say = wants(target->decided, target->silent, target->telling, target->told);
    return say == PROBE_SAY_RAISE && group->isolated ? PROBE_SAY_NOTHING : say;
}

enum probe_say probe_wants_expiry(const struct probe_target *target, int64_t now_ms,
                                  int64_t soon_ms)
{
    return wants(soon_ms > 0 && target->expires_ms > 0, target->expires_ms - now_ms < soon_ms,
                 target->expiry_telling, target->expiry_told);
}

enum probe_say probe_wants_isolation(const struct probe_group *group)
{
    /* Where it never was there is nothing to take back. */
    bool known = group->isolated || group->told == PROBE_TOLD_SILENT;
    return wants(known, group->isolated, group->telling, group->told);
}

void probe_told(enum probe_told *told, bool *telling, enum probe_say said, bool durable)
{
    *telling = false;
    if (durable) {
        *told = said == PROBE_SAY_RAISE ? PROBE_TOLD_SILENT : PROBE_TOLD_WELL;
    }
}

const char *probe_address(const char *at, const struct host *host)
{
    static const struct {
        const char *word;
        enum binding_kind kind;
    } bindings[] = {{"os", BINDING_OS}, {"bmc", BINDING_BMC}, {"outlet", BINDING_OUTLET}};
    for (size_t i = 0; i < sizeof bindings / sizeof bindings[0]; i++) {
        if (strcmp(at, bindings[i].word) == 0) {
            const struct binding *binding = host_binding(host, bindings[i].kind);
            return binding == NULL ? NULL : nsh_get_text(&binding->settings, "address", NULL);
        }
    }
    return host->addresses_count > 0 ? host->addresses[0] : NULL;
}
