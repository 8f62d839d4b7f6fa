/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: codec_redfish
/* A Redfish reply, read as everything it could be. What comes out must be clean texts and paths. */

#include "redfish_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(bool good)
{
    if (!good) {
        abort();
    }
}

static void want_text(const char *text)
{
    want(text == NULL || redfish_text_clean(text, strlen(text)));
}

static void want_path(const char *path)
{
    want(path == NULL || redfish_path_good(path));
}

static void read_system(struct json_object *doc)
{
    struct redfish_system system;
    redfish_system_read(doc, &system);
    const char *const texts[] = {system.id,   system.serial, system.sku,       system.uuid,
                                 system.etag, system.health, system.reset_time};
    const char *const paths[] = {system.reset_target, system.action_info, system.log_services,
                                 system.chassis, system.manager};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        want_text(texts[i]);
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        want_path(paths[i]);
    }
    redfish_identity_check(&system, "A1", "4c4c4544-0039-3510-8051-b7c04f4a4e31", NULL);
}

static void read_collection(struct json_object *doc)
{
    struct redfish_collection collection;
    struct redfish_entry entry;
    if (redfish_collection_read(doc, &collection, NULL) < 0) {
        return;
    }
    want_path(collection.next);
    want_path(redfish_log_choose(&collection));
    for (size_t i = 0; i < collection.count; i++) {
        want_path(redfish_collection_path(&collection, i));
        if (redfish_entry_read(redfish_collection_at(&collection, i), &entry)) {
            want_text(entry.id);
            want_text(entry.message);
        }
    }
}

static void read_words(const uint8_t *data, size_t size)
{
    char text[1024], path[REDFISH_PATH_BYTES_MAX], url[REDFISH_TEXT_BYTES_MAX];
    size_t count = size < sizeof text ? size : sizeof text - 1;
    memcpy(text, data, count);
    text[count] = '\0';
    if (redfish_location_path(text, path)) {
        want_path(path);
    }
    redfish_time_s(text);
    redfish_retry_after_ms(text, "Wed, 21 Oct 2015 07:28:00 GMT");
    redfish_base_url(text, false, url, NULL);
    free(redfish_login_body(text, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char words[REDFISH_WORDS_BYTES_MAX];
    struct json_object *doc = NULL;
    struct redfish_root root;
    uint32_t resets = 0;

    read_words(data, size);
    redfish_error_read((const char *)data, size, NSH_REFUSED, words);
    want_text(words);
    if (redfish_parse((const char *)data, size, &doc, NULL) < 0) {
        return 0;
    }
    redfish_root_read(doc, &root);
    want_path(root.systems);
    want_path(root.sessions);
    want_path(redfish_session_service_read(doc));
    want_path(redfish_log_entries(doc));
    want_path(redfish_task_monitor(doc));
    redfish_action_info_read(doc, &resets, NULL);
    redfish_task_read(doc, words);
    want_text(words);
    read_system(doc);
    read_collection(doc);
    redfish_free(doc);
    return 0;
}
