/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts of the lab's BMCs: an administrator sees all three, the others only their own. */

#include "lab.h"

#include <stdio.h>
#include <string.h>

#define PATH "/redfish/v1/AccountService"

static const struct {
    enum lab_role role;
    const char *user, *role_id; /* user NULL: the one of --user. */
} accounts[] = {
    {LAB_ROLE_ADMINISTER, NULL, "Administrator"},
    {LAB_ROLE_OPERATE, "operator", "Operator"},
    {LAB_ROLE_READ, "monitor", "ReadOnly"},
};
#define ACCOUNTS_COUNT (sizeof accounts / sizeof accounts[0])

static bool visible(const struct lab_redfish *redfish, size_t index)
{
    return redfish->role == LAB_ROLE_ADMINISTER || redfish->role == accounts[index].role;
}

void lab_redfish_account_service(struct lab_redfish *redfish)
{
    textbuf_addf(&redfish->reply->body,
                 "{\"@odata.id\":\"" PATH
                 "\",\"@odata.type\":\"#AccountService.v1_10_0.AccountService\","
                 "\"Id\":\"AccountService\",\"Name\":\"Account Service\",\"ServiceEnabled\":true,"
                 "\"MinPasswordLength\":8,\"AccountLockoutThreshold\":%u,"
                 "\"Accounts\":{\"@odata.id\":\"" PATH "/Accounts\"}}",
                 (unsigned)redfish->bmc->lab->options.lockout);
}

void lab_redfish_accounts(struct lab_redfish *redfish)
{
    struct textbuf *body = &redfish->reply->body;
    size_t count = 0;

    textbuf_add_chars(body, "{\"@odata.id\":\"" PATH "/Accounts\",\"@odata.type\":"
                            "\"#ManagerAccountCollection.ManagerAccountCollection\","
                            "\"Name\":\"Accounts Collection\",\"Members\":[");
    for (size_t i = 0; i < ACCOUNTS_COUNT; i++) {
        if (visible(redfish, i)) {
            textbuf_addf(body, "%s{\"@odata.id\":\"" PATH "/Accounts/%zu\"}",
                         count++ == 0 ? "" : ",", i + 1);
        }
    }
    textbuf_addf(body, "],\"Members@odata.count\":%zu}", count);
}

void lab_redfish_account(struct lab_redfish *redfish)
{
    struct textbuf *body = &redfish->reply->body;
    int64_t number = 0;

    if (!text_to_int(redfish->parts[2], &number) || number < 1 ||
        number > (int64_t)ACCOUNTS_COUNT) {
        lab_redfish_error(redfish, 404, "ResourceMissingAtURI", "There is no such account.");
        return;
    }
    size_t index = (size_t)number - 1;
    if (!visible(redfish, index)) {
        lab_redfish_error(redfish, 403, "InsufficientPrivilege",
                          "The account does not have the privilege for this.");
        return;
    }
    const char *user =
        accounts[index].user == NULL ? redfish->bmc->lab->options.user : accounts[index].user;
    textbuf_addf(
        body,
        "{\"@odata.id\":\"" PATH "/Accounts/%lld\",\"@odata.type\":"
        "\"#ManagerAccount.v1_8_0.ManagerAccount\",\"Id\":\"%lld\",\"Name\":\"User Account\","
        "\"Enabled\":true,\"Locked\":false,\"PasswordChangeRequired\":false,"
        "\"RoleId\":\"%s\",\"Password\":null,\"UserName\":",
        (long long)number, (long long)number, accounts[index].role_id);
    textbuf_add_json(body, text_of(user));
    textbuf_add_chars(body, "}");
}
