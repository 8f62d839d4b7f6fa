/* SPDX-License-Identifier: Apache-2.0 */
/* What runs ask of people, and their answers. Who answers is who the socket says, not the body. */

#include "routes_private.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#define TEAMS_MAX 64
#define TEAMS_NAMES_BYTES 16384

void routes_approvals(const struct api_request *request)
{
    routes_post(request, "approvals", "ApprovalList", NULL);
}

/* "uid:1000(ops)": the user of that number; NULL: no such actor. */
static const struct passwd *actor_user(const char *actor, struct passwd *entry, char *names)
{
    struct passwd *found = NULL;
    char *end = NULL;
    if (strncmp(actor, "uid:", 4) != 0) {
        return NULL;
    }
    unsigned long uid = strtoul(actor + 4, &end, 10);
    return end == actor + 4 || getpwuid_r((uid_t)uid, entry, names, TEAMS_NAMES_BYTES, &found) != 0
               ? NULL
               : found;
}

/* The groups the actor is in by the machine's own word. */
static struct nsh_value teams_of(const struct api_request *request)
{
    struct passwd entry;
    gid_t gids[TEAMS_MAX];
    int count = TEAMS_MAX;
    char *names = arena_alloc(request->arena, TEAMS_NAMES_BYTES);
    struct nsh_value *teams = arena_array(request->arena, TEAMS_MAX, sizeof *teams);
    const struct passwd *user =
        names == NULL || teams == NULL ? NULL : actor_user(request->actor, &entry, names);
    if (user == NULL || getgrouplist(user->pw_name, user->pw_gid, gids, &count) < 0) {
        return nsh_list(NULL, 0); /* In more groups than that: then by name. */
    }
    uint32_t known = 0;
    for (int i = 0; i < count; i++) {
        struct group group, *found = NULL;
        if (getgrgid_r(gids[i], &group, names, TEAMS_NAMES_BYTES, &found) == 0 && found != NULL) {
            const char *name = arena_copy(request->arena, group.gr_name, strlen(group.gr_name));
            teams[known] = nsh_text(name == NULL ? "" : name);
            known += name != NULL;
        }
    }
    return nsh_list(teams, known);
}

static void post_answer(const struct api_request *request, const char *name, bool reason_wanted)
{
    static const char *const known[] = {"reason", NULL};
    struct nsh_value body;
    struct nsh_error err = {0};
    const char *reason = "";
    int result = routes_body(request, known, &body, &err);
    if (result == 0 && (reason_wanted || nsh_get(&body, "reason") != NULL)) {
        result = routes_body_text(&body, "reason", &reason, &err);
    }
    if (result < 0) {
        routes_fail(request, &err);
        return;
    }
    const struct nsh_member members[] = {{"id", nsh_text(request->id)},
                                         {"owner", nsh_text(request->actor)},
                                         {"reason", nsh_text(reason)},
                                         {"teams", teams_of(request)}};
    const struct nsh_value args = nsh_map(members, 4);
    routes_post(request, name, "Run", &args);
}

void routes_run_approve(const struct api_request *request)
{
    post_answer(request, "approve", false);
}

void routes_run_deny(const struct api_request *request)
{
    post_answer(request, "deny", true);
}

void routes_run_veto(const struct api_request *request)
{
    post_answer(request, "veto", true);
}
