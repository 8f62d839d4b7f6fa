/* SPDX-License-Identifier: Apache-2.0 */
/* Message registries of the lab's BMCs: one of their own, that no table outside knows. */

#include "lab.h"

#define V1 "/redfish/v1"

void lab_redfish_registries(struct lab_redfish *redfish)
{
    textbuf_add_chars(&redfish->reply->body,
                      "{\"@odata.id\":\"" V1 "/Registries\",\"@odata.type\":"
                      "\"#MessageRegistryFileCollection.MessageRegistryFileCollection\","
                      "\"Name\":\"Registries\",\"Members@odata.count\":1,\"Members\":["
                      "{\"@odata.id\":\"" V1 "/Registries/Lab.1.2.0\"}]}");
}

void lab_redfish_registry_file(struct lab_redfish *redfish)
{
    if (text_is(redfish->parts[1], "Lab.1.2.0.json")) {
        lab_redfish_registry(redfish);
        return;
    }
    textbuf_add_chars(
        &redfish->reply->body,
        "{\"@odata.id\":\"" V1 "/Registries/Lab.1.2.0\",\"@odata.type\":"
        "\"#MessageRegistryFile.v1_1_3.MessageRegistryFile\",\"Id\":\"Lab.1.2.0\","
        "\"Name\":\"Lab\",\"Registry\":\"Lab.1.2\",\"Languages\":[\"en\"],\"Location\":["
        "{\"Language\":\"en\",\"Uri\":\"" V1 "/Registries/Lab.1.2.0.json\"}]}");
}

void lab_redfish_registry(struct lab_redfish *redfish)
{
    textbuf_add_chars(
        &redfish->reply->body,
        "{\"@odata.type\":\"#MessageRegistry.v1_4_0.MessageRegistry\",\"Id\":\"Lab.1.2.0\","
        "\"Name\":\"Lab\",\"Language\":\"en\",\"RegistryPrefix\":\"Lab\",\"RegistryVersion\":"
        "\"1.2.0\",\"OwningEntity\":\"nightshift\",\"Messages\":{"
        "\"CoolantLow\":{\"Description\":\"Coolant\",\"Message\":\"The coolant of %1 is low.\","
        "\"MessageSeverity\":\"Critical\",\"NumberOfArgs\":1,\"ParamTypes\":[\"string\"],"
        "\"Resolution\":\"Refill it.\"},"
        "\"CoolantRefilled\":{\"Description\":\"Coolant\",\"Message\":\"The coolant of %1 was "
        "refilled.\",\"MessageSeverity\":\"OK\",\"NumberOfArgs\":1,\"ParamTypes\":[\"string\"],"
        "\"ClearingLogic\":{\"ClearsIf\":\"SameOriginOfCondition\",\"ClearsMessage\":"
        "[\"CoolantLow\"]},\"Resolution\":\"None.\"}}}");
}
