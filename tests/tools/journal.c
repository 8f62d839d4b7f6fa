/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: store
/*
 * journal: what is in a store, read without the daemon.
 *
 *   journal events FILE           every event, oldest first, one JSON object a line
 *   journal records FILE KIND     every record of a kind (alarm, run, action, ...), its body a line
 *
 * Exit 3: the journal has a gap: its sequences do not rise by one.
 */

#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define PAGE 10000

struct walk {
    uint64_t last_seq, count;
    bool gap;
};

static int print_event(void *arg, const struct event *event)
{
    struct walk *walk = arg;
    CLEANUP(textbuf_donep) struct textbuf line = {0};

    walk->gap = walk->gap || (walk->last_seq != 0 && event->seq != walk->last_seq + 1);
    walk->last_seq = event->seq;
    walk->count++;
    event_to_json(event, &line);
    textbuf_add_char(&line, '\n');
    fwrite(line.at, 1, line.count, stdout);
    return 0;
}

static int print_events(struct store_reader *reader, struct nsh_error *err)
{
    struct walk walk = {0};
    struct store_events query = {.rising = true, .limit = PAGE};
    uint64_t before = 0;
    int result = 0;

    do {
        before = walk.count;
        query.after_seq = walk.last_seq;
        result = store_events(reader, &query, print_event, &walk, err);
    } while (result == 0 && walk.count == before + PAGE);
    return result < 0 ? result : walk.gap ? 3 : 0;
}

static int print_record(void *arg, const struct record *record)
{
    printf("%.*s\n", (int)record->body.count, record->body.at);
    return 0;
}

static int print_records(struct store_reader *reader, const char *word, struct nsh_error *err)
{
    int kind = record_kind_of(text_of(word));
    struct store_query query = {.limit = 100000};

    if (kind < 0) {
        return nsh_fail(err, NSH_INVALID, "there is no kind of record %s", word);
    }
    query.kind = (enum record_kind)kind;
    return store_query(reader, &query, print_record, NULL, err);
}

int main(int argc, char **argv)
{
    struct store_reader *reader = NULL;
    struct nsh_error err = {0};
    bool events = argc == 3 && strcmp(argv[1], "events") == 0;

    if (!events && !(argc == 4 && strcmp(argv[1], "records") == 0)) {
        fprintf(stderr, "usage: journal events FILE | records FILE KIND\n");
        return 2;
    }
    int result = store_reader_open(argv[2], &reader, &err);
    if (result == 0) {
        result = events ? print_events(reader, &err) : print_records(reader, argv[3], &err);
        store_reader_close(reader);
    }
    if (result < 0) {
        fprintf(stderr, "journal: %s\n", err.text);
        return 1;
    }
    return result;
}
