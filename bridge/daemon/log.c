/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/json.h"

#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 4096
#define PAUSE_MS_MIN 10000
#define PAUSE_MS_MAX 3600000

static const struct log_row {
    const char *id;
    enum log_level level;
    const char *fields;
} log_rows[] = {
#define LOG_EVENT(NAME, id, level, fields) {id, LOG_LEVEL_##level, fields},
#include "log_events.def"
#undef LOG_EVENT
};

static const struct {
    const char *word, *journal;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", "<3>"},
    [LOG_LEVEL_WARNING] = {"warning", "<4>"},
    [LOG_LEVEL_INFO] = {"info", "<6>"},
};

static struct log_options log_current = {.level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

void log_open(const struct log_options *options)
{
    log_current = *options;
}

/* The row names the fields: what is written is what is documented. */
static void check_fields(const struct log_row *row, const struct nsh_member *members, size_t count)
{
    const char *at = row->fields;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strcspn(at, " ");
        NSH_ASSERT(strlen(members[i].name) == bytes && memcmp(members[i].name, at, bytes) == 0);
        at += bytes + (at[bytes] == ' ');
    }
    NSH_ASSERT(*at == '\0');
}

static bool is_plain(const char *chars, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)chars[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return false;
        }
    }
    return count > 0;
}

static void add_text(struct textbuf *out, const char *chars, size_t count)
{
    CLEANUP(textbuf_donep) struct textbuf safe = {0};
    textbuf_add_safe(&safe, (struct text){chars, (uint32_t)count});
    if (safe.at != NULL && is_plain(safe.at, safe.count)) {
        textbuf_add(out, (struct text){safe.at, (uint32_t)safe.count});
    } else {
        textbuf_add_json(out, (struct text){safe.at, (uint32_t)safe.count});
    }
}

static void add_logfmt(struct textbuf *out, const struct nsh_member *member)
{
    textbuf_add_char(out, ' ');
    textbuf_add_chars(out, member->name);
    textbuf_add_char(out, '=');
    if (member->value.type == NSH_STRING) {
        add_text(out, member->value.text, member->value.count);
    } else {
        json_write(&member->value, out);
    }
}

void log_format(const struct log_options *options, enum log_event event,
                const struct nsh_member *members, size_t count, int64_t unix_ms,
                struct textbuf *out)
{
    const struct log_row *row = &log_rows[event];
    check_fields(row, members, count);
    if (options->journal) {
        textbuf_add_chars(out, levels[row->level].journal);
    }
    if (options->json) {
        textbuf_add_char(out, '{');
        if (!options->journal) {
            textbuf_add_chars(out, "\"time\":\"");
            textbuf_add_time(out, unix_ms);
            textbuf_add_chars(out, "\",");
        }
        textbuf_addf(out, "\"level\":\"%s\",\"event\":\"%s\"", levels[row->level].word, row->id);
        for (size_t i = 0; i < count; i++) {
            textbuf_addf(out, ",\"%s\":", members[i].name);
            json_write(&members[i].value, out);
        }
        textbuf_add_char(out, '}');
        return;
    }
    if (!options->journal) {
        textbuf_add_chars(out, "time=");
        textbuf_add_time(out, unix_ms);
        textbuf_add_char(out, ' ');
    }
    textbuf_add(out, TEXT("level="));
    textbuf_add_chars(out, levels[row->level].word);
    textbuf_add(out, TEXT(" event="));
    textbuf_add_chars(out, row->id);
    for (size_t i = 0; i < count; i++) {
        add_logfmt(out, &members[i]);
    }
}

void log_write(enum log_event event, const struct nsh_member *members, size_t count)
{
    if (log_rows[event].level > log_current.level) {
        return;
    }
    CLEANUP(textbuf_donep) struct textbuf line = {.count_max = LINE_BYTES_MAX};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    log_format(&log_current, event, members, count,
               (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, &line);
    textbuf_add_char(&line, '\n');
    if (line.failed && line.count > 0) {
        line.at[line.count - 1] = '\n'; /* Cut, but still one line. */
    }
    if (line.at != NULL && write(log_current.fd, line.at, line.count) < 0) {
        return; /* Nowhere to say it. */
    }
}

bool complain(struct complaint *complaint, enum log_event event, int64_t now_ms)
{
    if (now_ms < complaint->next_ms) {
        complaint->suppressed++;
        return false;
    }
    if (complaint->suppressed > 0) {
        LOG(SUPPRESSED, {"event", nsh_text(log_rows[event].id)},
            {"count", nsh_int((int64_t)complaint->suppressed)});
    }
    complaint->suppressed = 0;
    complaint->pause_ms = complaint->pause_ms == 0 ? PAUSE_MS_MIN : 2 * complaint->pause_ms;
    if (complaint->pause_ms > PAUSE_MS_MAX) {
        complaint->pause_ms = PAUSE_MS_MAX;
    }
    complaint->next_ms = now_ms + complaint->pause_ms;
    return true;
}

void complaint_over(struct complaint *complaint)
{
    *complaint = (struct complaint){0};
}
