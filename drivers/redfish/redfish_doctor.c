/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For `driver doctor`: what the system offers, and what the account that is configured may do. Only
 * reads, with that account alone; no other password is ever tried.
 */

#include "redfish.h"

#include <stdlib.h>
#include <string.h>

#define ACCOUNTS_MAX 16 /* Looked at; BMCs have so many slots. */
#define ACCOUNT_SERVICE_PATH "/redfish/v1/AccountService"

struct redfish_doctor {
    struct nsh_checks checks;
    char *paths[ACCOUNTS_MAX];
    size_t paths_count, index;
};

void doctor_free(struct redfish_doctor *doctor)
{
    for (size_t i = 0; doctor != NULL && i < doctor->paths_count; i++) {
        free(doctor->paths[i]);
    }
    free(doctor);
}

static void account_unknown(struct redfish_call *call, const char *why)
{
    nsh_check_add(&call->doctor->checks, "permissions", NSH_CHECK_SKIPPED, NULL,
                  "what the account may do is not known: %.120s", why);
    walk_done_checks(call, &call->doctor->checks);
}

static void system_look(struct redfish_call *call, const struct redfish_system *system)
{
    const struct nsh_device *device = call->device;
    struct nsh_checks *checks = &call->doctor->checks;
    if (device->serial == NULL && device->uuid == NULL) {
        nsh_check_add(checks, "identity", NSH_CHECK_WARNING,
                      "serial or uuid in the inventory: an address may come to be another host's",
                      "not checked; it says serial %.60s",
                      system->serial == NULL ? "(none)" : system->serial);
    } else {
        nsh_check_add(checks, "identity", NSH_CHECK_OK, NULL, "the machine of the inventory");
    }
    if (system->reset_target == NULL) {
        nsh_check_add(checks, "actions", NSH_CHECK_FAILED,
                      "update the firmware; some accounts do not even see the action",
                      "the system offers no Reset");
    } else {
        nsh_check_add(checks, "actions", NSH_CHECK_OK, NULL, "the system offers Reset");
    }
}

void doctor_begin(struct redfish_call *call, const struct redfish_system *system)
{
    call->doctor = calloc(1, sizeof *call->doctor);
    if (call->doctor == NULL) {
        walk_fail(call, NSH_NOMEM, "out of memory");
        return;
    }
    system_look(call, system);
    if (call->device->user == NULL) {
        account_unknown(call, "it logs in by certificate");
        return;
    }
    walk_get(call, WALK_ACCOUNT_SERVICE, ACCOUNT_SERVICE_PATH);
}

/* The document; NULL: the rest is not known, and the call is gone. */
static struct json_object *document(struct redfish_call *call, const struct redfish_result *result)
{
    struct json_object *doc = NULL;
    struct nsh_error err = {0};
    if (result->code != NSH_OK) {
        account_unknown(call, result->text);
        return NULL;
    }
    if (redfish_parse(result->reply->body, result->reply->body_bytes, &doc, &err) < 0) {
        account_unknown(call, err.text);
        return NULL;
    }
    return doc;
}

void doctor_service_answered(struct redfish_call *call, const struct redfish_result *result)
{
    int64_t lockout = -1;
    struct json_object *doc = document(call, result);
    if (doc == NULL) {
        return;
    }
    const char *accounts = redfish_account_service_read(doc, &lockout);
    if (lockout == 0) {
        nsh_check_add(&call->doctor->checks, "lockout", NSH_CHECK_WARNING,
                      "set AccountLockoutThreshold",
                      "passwords may be guessed without end: accounts are never locked");
    }
    if (accounts == NULL) {
        account_unknown(call, "the account service names no accounts");
    } else {
        walk_get(call, WALK_ACCOUNT_LIST, accounts);
    }
    redfish_free(doc);
}

void doctor_list_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_doctor *doctor = call->doctor;
    struct redfish_collection collection;
    struct nsh_error err = {0};
    struct json_object *doc = document(call, result);
    if (doc == NULL) {
        return;
    }
    bool read = redfish_collection_read(doc, &collection, &err) == 0;
    for (size_t i = 0; read && i < collection.count && doctor->paths_count < ACCOUNTS_MAX; i++) {
        const char *path = redfish_collection_path(&collection, i);
        char *copy = path == NULL ? NULL : strdup(path);
        if (copy != NULL) {
            doctor->paths[doctor->paths_count++] = copy;
        }
    }
    redfish_free(doc);
    if (doctor->paths_count == 0) {
        account_unknown(call, read ? "it sees no accounts" : err.text);
    } else {
        walk_move(call, WALK_ACCOUNT);
    }
}

void doctor_account(struct redfish_call *call)
{
    walk_request(call, "GET", call->doctor->paths[call->doctor->index]);
}

static void account_look(struct redfish_call *call, const struct redfish_account *account)
{
    struct nsh_checks *checks = &call->doctor->checks;
    const char *role = account->role == NULL ? "" : account->role;
    if (account->locked || account->disabled || account->change_password) {
        nsh_check_add(checks, "account", NSH_CHECK_FAILED, "an administrator of the BMC mends it",
                      "%s",
                      account->locked     ? "it is locked"
                      : account->disabled ? "it is disabled"
                                          : "its password must be changed first");
    }
    if (strcmp(role, "ReadOnly") == 0) {
        nsh_check_add(checks, "permissions", NSH_CHECK_FAILED, "give it the role Operator",
                      "read-only: every action would be refused");
    } else if (strcmp(role, "Administrator") == 0) {
        nsh_check_add(checks, "permissions", NSH_CHECK_OK, NULL,
                      "Administrator; Operator would be enough");
    } else if (role[0] == '\0') {
        nsh_check_add(checks, "permissions", NSH_CHECK_SKIPPED, NULL, "its role is not told");
    } else {
        nsh_check_add(checks, "permissions", NSH_CHECK_OK, NULL, "its role is %.60s", role);
    }
}

/* Accounts of others may not be ours to see. */
void doctor_account_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_doctor *doctor = call->doctor;
    struct redfish_account account = {.user = NULL};
    struct json_object *doc = NULL;
    if (result->code == NSH_OK &&
        redfish_parse(result->reply->body, result->reply->body_bytes, &doc, NULL) == 0) {
        redfish_account_read(doc, &account);
    }
    bool ours = account.user != NULL && strcmp(account.user, call->device->user) == 0;
    if (ours) {
        account_look(call, &account);
    }
    redfish_free(doc);
    if (ours) {
        walk_done_checks(call, &doctor->checks);
    } else if (++doctor->index < doctor->paths_count) {
        walk_move(call, WALK_ACCOUNT);
    } else {
        account_unknown(call, "it is none of the accounts that it may see");
    }
}
