/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_REDFISH_REDFISH_PAGE_H
#define SOURCE_REDFISH_REDFISH_PAGE_H

/*
 * What a resource of a BMC says of itself: the health of parts, the values of sensors, and where to
 * read on. Both generations: Thermal and Power; Sensors, ThermalSubsystem, PowerSubsystem and
 * EnvironmentMetrics; metric reports too. Pure. A resource that is not known says nothing.
 *
 * Replies are hostile: what exceeds a bound is left out, and `cut` says so; a path is taken only
 * when it is absolute, short and printable.
 */

#include "base/arena.h"
#include "model/sample.h"

#define REDFISH_PATH_BYTES_MAX 256
#define REDFISH_PARTS_MAX 128
#define REDFISH_VALUES_MAX 1024
#define REDFISH_LINKS_MAX 128
#define REDFISH_LABEL_BYTES_MAX 128

enum redfish_health {
    REDFISH_HEALTH_UNKNOWN, /* It does not say, or is not there. */
    REDFISH_HEALTH_OK,
    REDFISH_HEALTH_WARNING,
    REDFISH_HEALTH_CRITICAL,
};

struct redfish_part {
    const char *path; /* As the OriginOfCondition of an event names it. */
    const char *name;
    enum redfish_health health;
    enum redfish_health rollup; /* Of a whole: with all that is in it. */
    bool whole;                 /* A system, a chassis, a manager. */
    bool absent;                /* Its place is empty. */
};

struct redfish_value {
    const char *metric;                               /* "redfish_temperature_celsius" */
    const char *sensor, *context, *report, *property; /* Labels; NULL: it has none. */
    double value;
    int64_t at_ms; /* Unix; 0: it does not say. */
};

struct redfish_link {
    const char *path;
    bool deep; /* To what is in a whole: much, and only of interest when something is wrong. */
};

struct redfish_page {
    struct redfish_part *parts;
    struct redfish_value *values;
    struct redfish_link *links;
    uint32_t parts_count, values_count, links_count;
    bool cut;     /* Something was left out: more than fits, or the system is off. */
    bool expands; /* A root whose service takes $expand. */
    bool ill;     /* Something is not well: deep links may say why. */
};

/*
 * Everything is in arena, or borrowed from body. path: where it was read, for parts that do not say
 * their own.
 *
 * -NSH_NOMEM
 */
int redfish_page_read(const struct nsh_value *body, const char *path, struct arena *arena,
                      struct redfish_page *ret_page);

/* "OK", "Warning", "Critical", "unknown". */
const char *redfish_health_word(enum redfish_health health);

/* The type of a resource: "#Thermal.v1_7_0.Thermal" -> "Thermal". Empty: it has none. */
struct text redfish_type_of(const struct nsh_value *body);

/* A path of a BMC, without scheme and authority. False: it is none; ret_path is untouched then. */
bool redfish_path_take(const char *path, char ret_path[REDFISH_PATH_BYTES_MAX]);

/*
 * Hand the values over as samples of host (NULL: the BMC's, by its address), values without a time
 * at now_ms.
 */
void redfish_page_samples(const struct redfish_page *page, const char *host, const char *address,
                          int64_t now_ms, const struct sample_sink *sink);

#endif
