/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SEL_SEL_RECORD_H
#define SOURCE_SEL_SEL_RECORD_H

/*
 * A record of a BMC's event log (IPMI 2.0, chapter 32) -> an event. Pure.
 *
 * What a sensor's event means is not said here but in the tables of platform events
 * (etc/traps/pet.traps), so that a BMC that sends a trap and logs the same thing raises one alarm:
 * the same type, resource and qualifier. Here are the fields, the words of the specification, and
 * the severity that follows from an event type where the tables give none.
 *
 * Times: a BMC's clock is often wrong. A record's own time is kept as event.data.bmc_time; when the
 * BMC told its clock at the same visit, its age by that clock is taken off our time, else the event
 * has the time at which it was read. So has one that would be older than the reading before, which
 * did not find it: the clock was set in between, and an age of years would make the event count as
 * overtaken long ago.
 */

#include "source/map/source_map.h"
#include "source/trap/trap_map.h"

#define SEL_RECORD_BYTES 16
#define SEL_TIME_SET 0x20000000u /* Below: seconds since the BMC started, its clock is not set. */
#define SEL_FILE_RECORDS_MAX 4096

struct sel_record {
    uint8_t bytes[SEL_RECORD_BYTES];
    uint16_t id;
    uint8_t type; /* 02h: of a sensor; C0h..DFh: the maker's, with a time; E0h..FFh: without. */
    bool of_sensor, has_time; /* has_time: and the clock was set. */
    uint32_t time_s;
    uint16_t generator;
    uint8_t sensor_type, sensor_number, event_type, offset, data[3];
    bool asserted;
    uint32_t manufacturer; /* C0h..DFh */
};

void sel_record_read(const uint8_t bytes[SEL_RECORD_BYTES], struct sel_record *ret_record);
/* 32 hex digits; false: they are none. */
bool sel_record_hex(const char *text, uint8_t ret_bytes[SEL_RECORD_BYTES]);
/* The other way round. */
void sel_record_write(const uint8_t bytes[SEL_RECORD_BYTES],
                      char ret_text[2 * SEL_RECORD_BYTES + 1]);

/* "Memory", "Uncorrectable ECC": as the specification calls it; "" for what it does not name. */
const char *sel_type_words(uint8_t sensor_type);
const char *sel_event_words(const struct sel_record *record);

/* Whose log it is, and when it was read. */
struct sel_reading {
    const char *source;         /* event.source */
    const char *host, *address; /* "" when it is from a file. */
    int64_t now_ms;             /* Engine time. */
    uint32_t clock_s;           /* The BMC's, at now_ms; 0: it did not tell. */
    int64_t since_ms;           /* Its records came after this; 0: nobody knows. */
};

/*
 * How old the record is by its BMC's own clock, in seconds; -1: nobody can tell (no time, or a
 * clock that was not set, or a time that is still to come).
 */
int64_t sel_record_age_s(const struct sel_record *record, uint32_t clock_s);

/* ret_event is in arena, or borrows from the mapper's tables. name: the sensor's, "" when unknown.
 * False: no memory. */
bool sel_event(struct trap_mapper *mapper, const struct sel_record *record, const char *name,
               const struct sel_reading *reading, struct arena *arena, struct event *ret_event);

/*
 * Of events that were read together, in their order: what was raised and ended since is told, but
 * not as an alarm that somebody still has to act on: a pulse, for information. False: no memory.
 */
bool sel_events_overtake(struct event *items, uint32_t count, struct arena *arena);

/* The log is nearly full, was overrun, or is so no longer. */
bool sel_event_full(const struct sel_reading *reading, bool full, int64_t entries,
                    int64_t free_bytes, bool overflow, struct arena *arena,
                    struct event *ret_event);

/*
 * Records out of a file: as they are (16 bytes each, as `ipmitool sel writeraw` writes them), or
 * lines of 32 hex digits, spaces and 0x between them allowed, # begins a comment. -NSH_INVALID.
 */
int sel_file_read(const char *bytes, size_t bytes_count, struct arena *arena,
                  uint8_t (**ret_records)[SEL_RECORD_BYTES], size_t *ret_count,
                  struct nsh_error *err);

#endif
