/* SPDX-License-Identifier: Apache-2.0 */
/* Long replies are parsed beside the loop, which goes on meanwhile; who asked may go before. */

#include "../unit.h"

#include "loop/loop.h"
#include "source/redfish/redfish_private.h"

struct rig {
    struct loop *loop;
    struct source_services services;
    struct redfish_events source;
    struct redfish_reading *reading;
    uv_timer_t timer;
    unsigned turns; /* Of the loop, while it is read. */
    unsigned done;
    bool good;
    char path[REDFISH_PATH_BYTES_MAX];
    uint32_t links;
    size_t messages;
};

static void on_turn(uv_timer_t *timer)
{
    struct rig *rig = timer->data;
    rig->turns++;
}

static void rig_open(struct rig *rig)
{
    static const struct loop_hooks hooks = {.arg = NULL};
    memset(rig, 0, sizeof *rig);
    assert_int_equal(loop_new(&(struct loop_options){0}, &hooks, &rig->loop, NULL), 0);
    rig->services.services = loop_services(rig->loop);
    rig->source.services = &rig->services;
    uv_timer_init(loop_uv(rig->loop), &rig->timer);
    rig->timer.data = rig;
    uv_timer_start(&rig->timer, on_turn, 1, 1);
}

static void rig_close(struct rig *rig)
{
    uv_close((uv_handle_t *)&rig->timer, NULL);
    loop_free(rig->loop);
}

static void on_read(void *arg, struct redfish_reading *reading)
{
    struct rig *rig = arg;
    assert_ptr_equal(rig->reading, reading);
    rig->reading = NULL;
    rig->done++;
    rig->good = reading->good;
    rig->links = reading->page.links_count;
    rig->messages = reading->shared == NULL ? 0 : reading->shared->registry.count;
    snprintf(rig->path, sizeof rig->path, "%s", reading->path == NULL ? "" : reading->path);
}

static void begin(struct rig *rig, const struct textbuf *bytes, const char *path)
{
    const struct text text = {bytes->at, (uint32_t)bytes->count};
    assert_true(redfish_reading_begin(&rig->source, text, path, on_read, rig, &rig->reading));
}

/* The densest there is, as long as a reply may be. */
static void dense_make(struct textbuf *out)
{
    textbuf_add_chars(out, "{\"Members\":[{\"@odata.id\":\"/redfish/v1/a\"}");
    while (out->count < REDFISH_LONG_BYTES_MAX - 8) {
        textbuf_add_chars(out, ",{}");
    }
    textbuf_add_chars(out, "]}");
}

static void test_beside(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf dense = {.count_max = 2u << 20};
    struct rig rig;
    (void)state;
    dense_make(&dense);
    rig_open(&rig);
    begin(&rig, &dense, "/redfish/v1/Dense");
    assert_non_null(rig.reading); /* Not at once. */
    while (rig.done == 0) {
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    }
    assert_true(rig.good);
    assert_int_equal(rig.links, 1);
    assert_string_equal(rig.path, "/redfish/v1/Dense");
    assert_true(rig.turns >= 3); /* The loop went on. */
    rig_close(&rig);
    assert_int_equal(rig.done, 1);
}

static void test_rows(void **state)
{
    static const struct {
        const char *head, *fill, *tail;
        bool page, good;
        uint32_t links;
        size_t messages;
        const char *why;
    } rows[] = {
        {"{\"Members\":[{\"@odata.id\":\"/a\"}", "", "]}", true, true, 1, 0, "a short page"},
        {"{\"Members\":[{\"@odata.id\":\"/a\"}", " ", "]}", true, true, 1, 0, "a long one"},
        {"{\"Members\":[", "", "", true, false, 0, 0, "a short one that is cut"},
        {"{\"Members\":[", " ", "", true, false, 0, 0, "a long one that is cut"},
        {"{\"RegistryPrefix\":\"A\",\"Messages\":{\"M\":{}", "", "}}", false, true, 0, 1,
         "a registry"},
        {"{\"RegistryPrefix\":\"A\",\"Messages\":{\"M\":{}", " ", "}}", false, true, 0, 1,
         "a long one"},
        {"{\"Members\":[", " ", "]}", false, false, 0, 0, "what is no registry"},
        {"", "", "", false, false, 0, 0, "nothing"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        CLEANUP(textbuf_donep) struct textbuf text = {0};
        struct rig rig;
        textbuf_add_chars(&text, rows[i].head);
        while (rows[i].fill[0] != '\0' && text.count < 40000) {
            textbuf_add_chars(&text, rows[i].fill);
        }
        textbuf_add_chars(&text, rows[i].tail);
        rig_open(&rig);
        begin(&rig, &text, rows[i].page ? "/x" : NULL);
        if ((rig.done == 0) != (rows[i].fill[0] != '\0')) {
            fail_msg("%s: long ones are read beside the loop, short ones at once", rows[i].why);
        }
        while (rig.done == 0) {
            uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
        }
        if (rig.good != rows[i].good || rig.links != rows[i].links ||
            rig.messages != rows[i].messages) {
            fail_msg("%s: %d, %u links, %zu messages", rows[i].why, rig.good, rig.links,
                     rig.messages);
        }
        rig_close(&rig);
        assert_int_equal(rig.done, 1);
    }
}

/* The source ends while its reply is read: nobody is told, and nothing is lost (ASan says so). */
static void test_dropped(void **state)
{
    CLEANUP(textbuf_donep) struct textbuf dense = {.count_max = 2u << 20};
    struct rig rig;
    (void)state;
    dense_make(&dense);
    rig_open(&rig);
    begin(&rig, &dense, "/x");
    redfish_reading_drop(rig.reading);
    rig.source.services = NULL; /* It is gone. */
    rig_close(&rig);
    assert_int_equal(rig.done, 0);
    redfish_reading_drop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
