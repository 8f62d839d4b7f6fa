/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The locator LED: of the system, else of its chassis; LocationIndicatorActive, else the older
 * IndicatorLED. Changed with If-Match where there is an ETag; when that is out of date (412) it is
 * read once more. Some BMCs make a weak tag of a strong one: the second time it is sent as strong.
 */

#include "redfish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 2

static bool wanted(const struct redfish_call *call)
{
    return nsh_get_bool(call->op->args, "lit", true);
}

static void identify_done(struct redfish_call *call)
{
    const struct nsh_member members[] = {{"lit", nsh_bool(wanted(call))}};
    struct nsh_value result = nsh_map(members, 1);
    walk_done(call, &result);
}

static bool path_keep(struct redfish_call *call, const char *path)
{
    free(call->led_path);
    call->led_path = strdup(path);
    return call->led_path != NULL;
}

static void etag_keep(struct redfish_call *call, const char *etag)
{
    char *kept = call->request.etag;
    kept[0] = '\0';
    if (etag == NULL || strlen(etag) >= REDFISH_ETAG_BYTES_MAX ||
        !redfish_text_clean(etag, strlen(etag))) {
        return;
    }
    bool weak = strncmp(etag, "W/", 2) == 0;
    snprintf(kept, REDFISH_ETAG_BYTES_MAX, "%s", weak && call->led_tries > 0 ? etag + 2 : etag);
}

void identify_begin(struct redfish_call *call, const struct redfish_system *system)
{
    call->led = system->led;
    bool has = call->led.has_location || call->led.has_indicator;
    if (!has && system->chassis == NULL) {
        walk_fail(call, NSH_UNSUPPORTED, "the system has no locator LED and names no chassis");
    } else if (!path_keep(call, has ? call->device->system_path : system->chassis)) {
        walk_fail(call, NSH_NOMEM, "out of memory");
    } else if (has) {
        etag_keep(call, system->etag);
        walk_move(call, WALK_LIGHT);
    } else {
        walk_move(call, WALK_LED);
    }
}

void identify_read(struct redfish_call *call)
{
    call->request.etag[0] = '\0';
    walk_request(call, "GET", call->led_path);
}

void identify_read_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_system thing;
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    redfish_system_read(doc, &thing);
    const char *etag = nsh_http_header(result->reply, "etag");
    call->led = thing.led;
    etag_keep(call, etag != NULL ? etag : thing.etag);
    redfish_free(doc);
    if (!call->led.has_location && !call->led.has_indicator) {
        walk_fail(call, NSH_UNSUPPORTED, "neither the system nor its chassis has a locator LED");
    } else {
        walk_move(call, WALK_LIGHT);
    }
}

void identify_light(struct redfish_call *call)
{
    call->led_tries++;
    redfish_led_body(&call->led, wanted(call), call->request.body);
    walk_request(call, "PATCH", call->led_path);
}

void identify_light_answered(struct redfish_call *call, const struct redfish_result *result)
{
    call->request.body[0] = '\0';
    call->request.etag[0] = '\0';
    if (result->status == 412 && call->led_tries < TRIES_MAX) {
        walk_move(call, WALK_LED);
        return;
    }
    if (result->code != NSH_OK) {
        call->acted = result->sent && !result->refused;
        walk_fail_result(call, result);
        return;
    }
    call->acted = true;
    walk_move(call, WALK_LIT);
}

void identify_lit_answered(struct redfish_call *call, const struct redfish_result *result)
{
    struct redfish_system thing;
    struct json_object *doc = walk_document(call, result);

    if (doc == NULL) {
        return;
    }
    redfish_system_read(doc, &thing);
    redfish_free(doc);
    if (thing.led.lit == wanted(call)) {
        identify_done(call);
    } else if (walk_left_ms(call) > call->device->poll_ms) {
        walk_pause(call, WALK_LIT, call->device->poll_ms);
    } else {
        walk_fail(call, NSH_UNVERIFIED, "the change was accepted, but the LED is %s",
                  thing.led.lit ? "still lit" : "not lit");
    }
}
