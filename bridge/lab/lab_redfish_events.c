/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's EventService: subscriptions are made, read and removed; a BMC has few of them, and
 * forgets them with its sessions. */

#include "lab.h"

#include "base/arena.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V1 "/redfish/v1/EventService"

void lab_redfish_event_service(struct lab_redfish *redfish)
{
    textbuf_addf(&redfish->reply->body,
                 "{\"@odata.id\":\"" V1 "\",\"@odata.type\":\"#EventService.v1_7_0.EventService\","
                 "\"Id\":\"EventService\",\"Name\":\"Event Service\",\"ServiceEnabled\":true,"
                 "\"DeliveryRetryAttempts\":3,\"DeliveryRetryIntervalSeconds\":30,"
                 "\"EventFormatTypes\":[\"Event\",\"MetricReport\"],\"RegistryPrefixes\":["
                 "\"ResourceEvent\"],"
                 "%s\"Subscriptions\":{\"@odata.id\":\"" V1 "/Subscriptions\"}}",
                 (redfish->bmc->events & LAB_EVENTS_STREAM) == 0 ? ""
                                                                 : "\"ServerSentEventUri\":\"" V1
                                                                   "/SSE\",");
}

void lab_redfish_subscriptions(struct lab_redfish *redfish)
{
    const struct lab_tokens *tokens = redfish->bmc->tokens;
    struct textbuf *body = &redfish->reply->body;
    size_t count = 0;

    textbuf_add_chars(body, "{\"@odata.id\":\"" V1 "/Subscriptions\",\"@odata.type\":"
                            "\"#EventDestinationCollection.EventDestinationCollection\","
                            "\"Name\":\"Event Subscriptions Collection\",\"Members\":[");
    for (size_t i = 0; tokens != NULL && i < LAB_SUBSCRIPTIONS_MAX; i++) {
        if (tokens->subscriptions[i].id != 0) {
            textbuf_addf(body, "%s{\"@odata.id\":\"" V1 "/Subscriptions/%u\"}",
                         count++ == 0 ? "" : ",", tokens->subscriptions[i].id);
        }
    }
    textbuf_addf(body, "],\"Members@odata.count\":%zu}", count);
}

/* The subscription that the path's last part names, or NULL. */
static struct lab_subscription *subscription_find(struct lab_redfish *redfish)
{
    struct lab_tokens *tokens = redfish->bmc->tokens;
    int64_t id = 0;

    text_to_int(redfish->parts[redfish->parts_count - 1], &id);
    for (size_t i = 0; tokens != NULL && i < LAB_SUBSCRIPTIONS_MAX; i++) {
        if (id != 0 && tokens->subscriptions[i].id == id) {
            return &tokens->subscriptions[i];
        }
    }
    lab_redfish_error(redfish, 404, "ResourceMissingAtURI", "The subscription does not exist.");
    return NULL;
}

static void subscription_body(struct lab_redfish *redfish, const struct lab_subscription *own)
{
    struct textbuf *body = &redfish->reply->body;

    textbuf_addf(body,
                 "{\"@odata.id\":\"" V1 "/Subscriptions/%u\","
                 "\"@odata.type\":\"#EventDestination.v1_10_0.EventDestination\",\"Id\":\"%u\","
                 "\"Name\":\"Event Subscription\",\"Protocol\":\"Redfish\","
                 "\"SubscriptionType\":\"RedfishEvent\",\"EventFormatType\":\"%s\","
                 "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},\"Destination\":",
                 own->id, own->id, own->reports ? "MetricReport" : "Event");
    textbuf_add_json(body, text_of(own->destination));
    textbuf_add_chars(body, ",\"Context\":");
    textbuf_add_json(body, text_of(own->context));
    textbuf_add_char(body, '}');
}

void lab_redfish_subscription(struct lab_redfish *redfish)
{
    const struct lab_subscription *own = subscription_find(redfish);

    if (own != NULL) {
        subscription_body(redfish, own);
    }
}

void lab_redfish_unsubscribe(struct lab_redfish *redfish)
{
    struct lab_subscription *own = subscription_find(redfish);

    if (own != NULL) {
        own->id = 0;
        redfish->reply->status = 204;
    }
}

/* A service is strict: a property that it does not know is refused. */
static bool properties_known(const struct nsh_value *body)
{
    static const char *const known[] = {"Destination", "Protocol", "Context", "EventFormatType",
                                        "SubscriptionType"};
    for (uint32_t i = 0; body->type == NSH_MAP && i < body->count; i++) {
        bool found = false;
        for (size_t j = 0; j < sizeof known / sizeof known[0]; j++) {
            found = found || strcmp(body->members[i].name, known[j]) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static void subscription_make(struct lab_redfish *redfish, const char *destination,
                              const char *context, bool reports)
{
    struct lab_tokens *tokens = lab_redfish_tokens(redfish->bmc);

    bool full = (redfish->bmc->events & LAB_EVENTS_FULL) != 0;
    for (size_t i = 0; !full && tokens != NULL && i < LAB_SUBSCRIPTIONS_MAX; i++) {
        struct lab_subscription *own = &tokens->subscriptions[i];
        if (own->id != 0) {
            continue;
        }
        own->id = ++tokens->subscription_next;
        own->reports = reports;
        snprintf(own->destination, sizeof own->destination, "%s", destination);
        snprintf(own->context, sizeof own->context, "%s", context);
        redfish->reply->status = 201;
        snprintf(redfish->reply->extra_room, sizeof redfish->reply->extra_room,
                 "Location: " V1 "/Subscriptions/%u\r\n", own->id);
        subscription_body(redfish, own);
        return;
    }
    lab_redfish_error(redfish, 503, "EventSubscriptionLimitExceeded",
                      "The event subscription failed due to the number of simultaneous "
                      "subscriptions exceeding the limit of the implementation.");
}

void lab_redfish_subscribe(struct lab_redfish *redfish)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value body;

    if (json_parse(redfish->request->body, redfish->request->body_bytes, &arena, &body, NULL) < 0) {
        lab_redfish_error(redfish, 400, "MalformedJSON", "The request body is not JSON.");
        return;
    }
    const char *destination = nsh_get_text(&body, "Destination", "");
    const char *context = nsh_get_text(&body, "Context", "");
    if (!properties_known(&body)) {
        lab_redfish_error(redfish, 400, "PropertyUnknown", "A property is not known.");
    } else if (strncmp(destination, "http", 4) != 0 || strlen(destination) >= LAB_DESTINATION_MAX ||
               strlen(context) >= LAB_CONTEXT_MAX ||
               strcmp(nsh_get_text(&body, "Protocol", ""), "Redfish") != 0) {
        lab_redfish_error(redfish, 400, "PropertyValueFormatError", "A property is wrong.");
    } else {
        subscription_make(redfish, destination, context,
                          strcmp(nsh_get_text(&body, "EventFormatType", ""), "MetricReport") == 0);
    }
}
