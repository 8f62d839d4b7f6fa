/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERIES_SERIES_H
#define SERIES_SERIES_H

/*
 * The series that signals watch: what each of them learned, whether it is raised, and what of that
 * is not told yet.
 *
 * A value of a series that no signal wants costs a look at its name and leaves nothing. Several
 * series that give the same host and resource are one: their values meet in its window (the hottest
 * core of a host); of a counter (delta, rate) the first one counts and the others are refused.
 *
 * Turns are told as events, and an entry remembers what is durable of them (`told`): a turn that
 * could not be handed over is handed over later, in whatever state it is then.
 *
 * Pure: no clock, no I/O, no threads; whoever shares it, locks it. Bounds: series_max entries, of
 * at most SERIES_STATE_BYTES_MAX each; what is beyond is refused and counted. Silent ones make
 * room.
 */

#include "series/signals.h"

#define SERIES_STATE_BYTES_MAX 768 /* Fold, level, baseline or line: all that a series learns. */
#define SERIES_TEXT_BYTES_MAX 256  /* Host, resource. */
#define SERIES_TURNS_MAX 512       /* Events of one batch. */
#define SERIES_FUTURE_MS_MAX (INT64_C(600) * 1000)
#define SERIES_IDLE_MS (INT64_C(3600) * 1000) /* Silent for so long: makes room for a new one. */

struct series;

struct series_options {
    size_t series_max;
    int64_t keep_ms; /* A series that was silent for so long is forgotten. */
};

struct series_counters {
#define SERIES_COUNTER(name, help) uint64_t name;
#include "series/series_counters.def"
#undef SERIES_COUNTER
};

struct series *series_new(const struct series_options *options); /* NULL: out of memory. */
void series_free(struct series *series);

/*
 * From now on these signals, borrowed until the next call. States of a signal whose `same` stays go
 * on; others end, and what they raised is cleared.
 */
void series_signals(struct series *series, const struct signals *signals);

/* ---- values ---- */

/* Engine time of what follows: values may not lie far beyond it, silence is measured by it. */
void series_now(struct series *series, int64_t now_ms);
void series_labels(struct series *series, const struct sample_label *labels, size_t count);
void series_value(struct series *series, int64_t at_ms, double value); /* Of the last labels. */
struct sample_sink series_sink(struct series *series);
/* What silence does, to some of them: call about once a second. */
void series_sweep(struct series *series);

/* ---- turns ---- */

struct series_turns {
    const uint8_t *bytes; /* Packed events, in the arena. */
    size_t bytes_count;
    uint32_t count;
    uint32_t *entries; /* The table's; for series_told(). */
    bool *raised;
};

/* Up to SERIES_TURNS_MAX of what is not told and not under way; count 0: nothing. False: no memory.
 */
bool series_turns(struct series *series, struct arena *arena, struct series_turns *ret_turns);
/* The end of what series_turns() gave: durable, or to be told again. Once each. */
void series_told(struct series *series, const struct series_turns *turns, bool durable);

/*
 * After a start: an alarm of a signal that stands. resolve says whether an entry's host text is
 * that host (or, for alarms without host, that subject). An entry that is not known yet may come
 * within the next values: ask again. False: none was found.
 */
bool series_known(struct series *series, struct text signal, struct text resource,
                  bool (*is)(void *arg, struct text host), void *arg);

/* ---- over a restart ---- */

#define SERIES_SLICE_ENTRIES 512
#define SERIES_SLICE_BYTES_MAX (SERIES_SLICE_ENTRIES * 2048)

/* The states from *cursor on (0: the first) as bytes; false: there are none left. */
bool series_save(const struct series *series, size_t *cursor, struct pack_writer *writer);
/* What series_save() wrote. -NSH_CORRUPT: that slice is not taken. */
int series_load(struct series *series, struct pack_reader *reader);

/* ---- for people ---- */

struct series_filter {
    struct text signal, host; /* Empty: all; host is a part of it. */
    bool raised;
    size_t limit;
};

bool series_has_signal(const struct series *series, struct text name);
/* Appends the JSON objects of signals, with how many series each has. */
void series_signals_json(const struct series *series, struct textbuf *out);
/* ... of entries: value, level or baseline, state. */
void series_entries_json(const struct series *series, const struct series_filter *filter,
                         struct textbuf *out);
void series_count(const struct series *series, struct series_counters *ret_counters);
size_t series_entries_count(const struct series *series);

#endif
