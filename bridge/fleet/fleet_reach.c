/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reach: by which bindings, in which order, the verbs of one purpose may be carried out.
 *     reach = { power = ["bmc", "outlet"]; when = ["unreachable", "timeout"]; };
 * A binding that the host itself names and does not have is a mistake; one that the defaults name
 * is not for this host.
 */

#include "fleet/fleet_private.h"

static int verbs_of(const char *name)
{
    for (int kind = BINDING_BMC; kind < BINDINGS_COUNT; kind++) {
        if (strcmp(name, binding_verbs((enum binding_kind)kind)) == 0) {
            return kind;
        }
    }
    return -1;
}

/* A way to a host. */
static bool is_way(int kind)
{
    return kind > BINDING_NONE && binding_verbs((enum binding_kind)kind)[0] != 0;
}

static void words_of(struct textbuf *out, bool codes)
{
    textbuf_add_chars(out, "one of: ");
    bool first = true;
    for (int i = 1; i < (codes ? (int)NSH_CODES_COUNT : (int)BINDINGS_COUNT); i++) {
        if (codes ? (REACH_WHEN_ALL & 1u << i) != 0 : is_way(i)) {
            textbuf_addf(out, "%s%s", first ? "" : ", ",
                         codes ? nsh_code_word(i) : binding_word((enum binding_kind)i));
            first = false;
        }
    }
}

static void wrong_word(struct fleet_build *build, struct conf *setting, const char *key, bool codes)
{
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    words_of(&remedy, codes);
    diag_add(build->diags, DIAG_ERROR, setting->value_at, remedy.at,
             "'%s' of reach cannot be \"%.40s\"", key, setting->text);
}

static void read_when(struct fleet_build *build, struct conf *list, struct reach *reach)
{
    reach->when = 0;
    for (struct conf *child = list->first; child != NULL; child = child->next) {
        const char *word = conf_text(child, NULL, build->diags);
        int code = word == NULL ? 0 : nsh_code_of(word);
        if (word != NULL && (code <= 0 || (REACH_WHEN_ALL & 1u << code) == 0)) {
            wrong_word(build, child, "when", true);
        } else if (word != NULL) {
            reach->when |= 1u << code;
        }
    }
}

static bool is_listed(const uint8_t order[HOST_REACH_MAX], size_t count, int kind)
{
    for (size_t i = 0; i < count; i++) {
        if (order[i] == kind) {
            return true;
        }
    }
    return false;
}

static void read_order(struct fleet_build *build, struct conf *list, const struct host *host,
                       uint8_t order[HOST_REACH_MAX])
{
    size_t count = 0;
    for (struct conf *child = list->first; child != NULL; child = child->next) {
        const char *word = conf_text(child, NULL, build->diags);
        int kind = word == NULL ? 0 : binding_of(text_of(word));
        if (word == NULL) {
            continue;
        }
        if (!is_way(kind)) {
            wrong_word(build, child, list->name, false);
        } else if (is_listed(order, count, kind)) {
            diag_add(build->diags, DIAG_ERROR, child->value_at, NULL, "%s is named twice", word);
        } else if (host != NULL && host_binding(host, (enum binding_kind)kind) == NULL) {
            diag_add(build->diags, DIAG_ERROR, child->value_at, NULL, "host %s has no %s",
                     host->name, word);
        } else if (count == HOST_REACH_MAX) {
            diag_add(build->diags, DIAG_ERROR, child->value_at, NULL, "at most %d are possible",
                     HOST_REACH_MAX);
        } else {
            order[count++] = (uint8_t)kind;
        }
    }
}

static void read_row(struct fleet_build *build, struct conf *child, const struct host *host,
                     struct reach *reach)
{
    bool when = strcmp(child->name, "when") == 0;
    int kind = when ? BINDING_NONE : verbs_of(child->name);
    child->seen = true;
    if (kind < 0) {
        diag_add(build->diags, DIAG_ERROR, child->at,
                 "there are: power, fence, probe, drain, capacity; and when", "unknown key '%s'",
                 child->name);
    } else if ((child->type != CONF_ARRAY && child->type != CONF_LIST) || child->first == NULL) {
        diag_add(build->diags, DIAG_ERROR, child->value_at, "power = [\"bmc\", \"outlet\"]",
                 "'%s' must be a list of strings", child->name);
    } else if (when) {
        read_when(build, child, reach);
    } else {
        read_order(build, child, host, reach->order[kind]);
    }
}

/* host: NULL for the defaults. NULL: said to be wrong. */
static const struct reach *reach_of(struct fleet_build *build, struct conf *setting,
                                    const struct host *host)
{
    if (setting->type != CONF_GROUP) {
        diag_add(build->diags, DIAG_ERROR, setting->value_at,
                 "reach = { power = [\"bmc\", \"outlet\"]; };", "'reach' must be a group");
        return NULL;
    }
    struct reach *reach = fleet_array(build, 1, sizeof *reach);
    if (reach == NULL) {
        return NULL;
    }
    *reach = (struct reach){.when = REACH_WHEN_PRESET};
    for (struct conf *child = setting->first; child != NULL; child = child->next) {
        read_row(build, child, host, reach);
    }
    return reach;
}

void fleet_read_reach(struct fleet_build *build, struct conf *setting, bool own, struct host *host)
{
    if (setting == NULL) {
        return;
    }
    if (own) {
        host->reach = reach_of(build, setting, host);
        return;
    }
    if (!build->reach_read) {
        build->reach_read = true;
        build->reach = reach_of(build, setting, NULL);
    }
    host->reach = build->reach;
}
