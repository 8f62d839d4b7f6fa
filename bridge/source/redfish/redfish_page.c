/* SPDX-License-Identifier: Apache-2.0 */
/* Resources by their type: one function for each kind, found in a table. */

#include "redfish_page.h"

#include "abi/error.h"
#include "abi/json_value.h"
#include "model/event.h"

#include <math.h>
#include <stdlib.h>

#define EMBEDDED_MAX 128 /* Resources that come inside a collection. */
#define ITEMS_MAX 4096   /* Of one list that are looked at. */

struct reader {
    struct redfish_page *page;
    struct arena *arena;
    const char *path;
    unsigned depth;
    bool nomem;
};

typedef void page_fn(struct reader *reader, const struct nsh_value *body);

static void body_read(struct reader *reader, const struct nsh_value *body);

/* ---- lists ---- */

struct list {
    const struct nsh_value *items;
    uint32_t count;
};

/* Looked up once, whatever comes before it in body. */
static struct list list_of(struct reader *reader, const struct nsh_value *body, const char *name)
{
    const struct nsh_value *value = nsh_get(body, name);
    struct list list = {0};
    if (value != NULL && value->type == NSH_LIST) {
        reader->page->cut = reader->page->cut || value->count > ITEMS_MAX;
        list.items = value->items;
        list.count = value->count > ITEMS_MAX ? ITEMS_MAX : value->count;
    }
    return list;
}

/* ---- what is noted ---- */

bool redfish_path_take(const char *path, char ret_path[REDFISH_PATH_BYTES_MAX])
{
    const char *scheme = path == NULL ? NULL : strstr(path, "://");
    if (scheme != NULL) { /* A Location may be a whole URL: the path of it counts. */
        path = strchr(scheme + 3, '/');
    }
    size_t count = path == NULL ? 0 : strlen(path);
    bool good = count > 1 && count < REDFISH_PATH_BYTES_MAX && path[0] == '/' && path[1] != '/';
    for (size_t i = 0; good && i < count; i++) {
        good = path[i] > ' ' && path[i] < 0x7f;
    }
    if (good) {
        memcpy(ret_path, path, count + 1);
    }
    return good;
}

static const char *path_keep(struct reader *reader, const char *path)
{
    char taken[REDFISH_PATH_BYTES_MAX];
    if (!redfish_path_take(path, taken)) {
        reader->page->cut = reader->page->cut || path != NULL;
        return NULL;
    }
    const char *kept = arena_copy(reader->arena, taken, strlen(taken));
    reader->nomem = reader->nomem || kept == NULL;
    return kept;
}

static void link_add(struct reader *reader, const char *path, bool deep)
{
    struct redfish_page *page = reader->page;
    const char *kept = path_keep(reader, path);
    if (kept == NULL) {
        return;
    }
    if (page->links_count == REDFISH_LINKS_MAX) {
        page->cut = true;
        return;
    }
    page->links[page->links_count++] = (struct redfish_link){kept, deep};
}

/* The resource that the member name of body leads to. False: there is none. */
static bool link_member(struct reader *reader, const struct nsh_value *body, const char *name,
                        bool deep)
{
    const char *path = nsh_get_text(nsh_get(body, name), "@odata.id", NULL);
    uint32_t count = reader->page->links_count;
    link_add(reader, path, deep);
    return path != NULL && reader->page->links_count > count;
}

/* A label or a name: short enough, or nothing. */
static const char *word_of(const struct nsh_value *body, const char *name)
{
    const char *word = nsh_get_text(body, name, NULL);
    return word != NULL && word[0] != '\0' && strlen(word) < REDFISH_LABEL_BYTES_MAX ? word : NULL;
}

static const char *last_of(const char *path)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    return slash == NULL || strlen(slash + 1) >= REDFISH_LABEL_BYTES_MAX ? path : slash + 1;
}

static enum redfish_health health_of(const struct nsh_value *status, const char *name)
{
    static const char *const gone[] = {"Absent", "Disabled", "UnavailableOffline", "Deferring"};
    const char *state = nsh_get_text(status, "State", "Enabled");
    const char *word = nsh_get_text(status, name, "");
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        if (strcmp(state, gone[i]) == 0) {
            return REDFISH_HEALTH_UNKNOWN;
        }
    }
    return strcmp(word, "OK") == 0         ? REDFISH_HEALTH_OK
           : strcmp(word, "Warning") == 0  ? REDFISH_HEALTH_WARNING
           : strcmp(word, "Critical") == 0 ? REDFISH_HEALTH_CRITICAL
                                           : REDFISH_HEALTH_UNKNOWN;
}

const char *redfish_health_word(enum redfish_health health)
{
    static const char *const words[] = {"unknown", "OK", "Warning", "Critical"};
    return words[health];
}

/* path: of the part, when it does not say its own; kept by the caller. */
static void part_add(struct reader *reader, const struct nsh_value *body, const char *path,
                     bool whole)
{
    struct redfish_page *page = reader->page;
    const struct nsh_value *status = nsh_get(body, "Status");
    const char *own = path_keep(reader, nsh_get_text(body, "@odata.id", path));
    if (status == NULL || status->type != NSH_MAP || own == NULL) {
        return;
    }
    if (page->parts_count == REDFISH_PARTS_MAX) {
        page->cut = true;
        return;
    }
    const char *name = word_of(body, "Name");
    struct redfish_part part = {
        .path = own,
        .name = name == NULL ? last_of(own) : name,
        .health = health_of(status, "Health"),
        .rollup = whole ? health_of(status, "HealthRollup") : REDFISH_HEALTH_UNKNOWN,
        .whole = whole,
        .absent = strcmp(nsh_get_text(status, "State", ""), "Absent") == 0,
    };
    page->ill = page->ill || part.health > REDFISH_HEALTH_OK || part.rollup > REDFISH_HEALTH_OK;
    page->parts[page->parts_count++] = part;
}

static bool number_of(const struct nsh_value *value, double *ret_number)
{
    if (value == NULL || (value->type != NSH_INT && value->type != NSH_DOUBLE)) {
        return false;
    }
    *ret_number = value->type == NSH_INT ? (double)value->integer : value->real;
    return isfinite(*ret_number);
}

static void value_add(struct reader *reader, const struct redfish_value *value)
{
    struct redfish_page *page = reader->page;
    if (page->values_count == REDFISH_VALUES_MAX) {
        page->cut = true;
        return;
    }
    page->values[page->values_count++] = *value;
}

/* The member `name` of body, if it is a number. */
static void reading_add(struct reader *reader, const struct nsh_value *body, const char *name,
                        const char *metric, const char *sensor)
{
    struct redfish_value value = {
        .metric = metric, .sensor = sensor, .context = word_of(body, "PhysicalContext")};
    if (sensor != NULL && number_of(nsh_get(body, name), &value.value)) {
        value_add(reader, &value);
    }
}

/* The path of an item of a list that says none: "/redfish/v1/Chassis/1/Thermal#/Fans/0". */
static const char *item_path(struct reader *reader, const char *list, uint32_t index)
{
    const char *path = arena_printf(reader->arena, "%s#/%s/%u", reader->path, list, index);
    reader->nomem = reader->nomem || path == NULL;
    return path;
}

static const char *sensor_of(const struct nsh_value *item)
{
    static const char *const names[] = {"Name", "FanName", "DeviceName", "MemberId"};
    const char *name = NULL;
    for (size_t i = 0; name == NULL && i < sizeof names / sizeof names[0]; i++) {
        name = word_of(item, names[i]);
    }
    return name;
}

/* ---- the older generation: Thermal, Power ---- */

struct reading {
    const char *list, *member, *metric;
};

static void readings_read(struct reader *reader, const struct nsh_value *body,
                          const struct reading *readings, size_t readings_count)
{
    for (size_t i = 0; i < readings_count; i++) {
        const char *name = readings[i].list;
        const struct list list = list_of(reader, body, name);
        for (uint32_t at = 0; at < list.count; at++) {
            const struct nsh_value *item = &list.items[at];
            const char *metric = readings[i].metric;
            bool percent = strcmp(nsh_get_text(item, "ReadingUnits", "RPM"), "Percent") == 0;
            metric = strcmp(name, "Fans") == 0 && percent ? "redfish_fan_speed_percent" : metric;
            reading_add(reader, item, readings[i].member, metric, sensor_of(item));
            part_add(reader, item, item_path(reader, name, at), false);
        }
    }
}

static void thermal_read(struct reader *reader, const struct nsh_value *body)
{
    static const struct reading readings[] = {
        {"Temperatures", "ReadingCelsius", "redfish_temperature_celsius"},
        {"Fans", "Reading", "redfish_fan_speed_rpm"},
    };
    readings_read(reader, body, readings, sizeof readings / sizeof readings[0]);
}

static void power_read(struct reader *reader, const struct nsh_value *body)
{
    static const struct reading readings[] = {
        {"PowerSupplies", "PowerInputWatts", "redfish_power_watts"},
        {"PowerControl", "PowerConsumedWatts", "redfish_power_watts"},
        {"Voltages", "ReadingVolts", "redfish_voltage_volts"},
    };
    readings_read(reader, body, readings, sizeof readings / sizeof readings[0]);
}

/* ---- the newer generation ---- */

static const char *metric_of(const struct nsh_value *sensor)
{
    static const struct {
        const char *units, *metric;
    } rows[] = {
        {"Cel", "redfish_temperature_celsius"},
        {"RPM", "redfish_fan_speed_rpm"},
        {"{rev}/min", "redfish_fan_speed_rpm"},
        {"W", "redfish_power_watts"},
        {"V", "redfish_voltage_volts"},
        {"A", "redfish_current_amperes"},
        {"Hz", "redfish_frequency_hertz"},
        {"kW.h", "redfish_energy_kwh"},
        {"J", "redfish_energy_joules"},
        {"%RH", "redfish_humidity_percent"},
        {"%", "redfish_percent"},
    };
    const char *units = nsh_get_text(sensor, "ReadingUnits", "");
    if (strcmp(nsh_get_text(sensor, "ReadingType", ""), "Humidity") == 0) {
        return "redfish_humidity_percent";
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(units, rows[i].units) == 0) {
            return rows[i].metric;
        }
    }
    return "redfish_sensor_reading";
}

static void sensor_read(struct reader *reader, const struct nsh_value *body)
{
    const char *name = word_of(body, "Name");
    name = name == NULL ? word_of(body, "Id") : name;
    reading_add(reader, body, "Reading", metric_of(body), name);
    part_add(reader, body, reader->path, false);
}

/* An excerpt of a sensor: {Reading, DataSourceUri, DeviceName}. */
static void excerpt_read(struct reader *reader, const struct nsh_value *excerpt, const char *name,
                         const char *metric)
{
    const char *device = word_of(excerpt, "DeviceName");
    const char *source = last_of(word_of(excerpt, "DataSourceUri"));
    reading_add(reader, excerpt, "Reading", metric,
                device != NULL   ? device
                : source != NULL ? source
                                 : name);
    if (nsh_get(excerpt, "SpeedRPM") != NULL && device != NULL) {
        reading_add(reader, excerpt, "SpeedRPM", "redfish_fan_speed_rpm", device);
    }
}

static void environment_read(struct reader *reader, const struct nsh_value *body)
{
    static const struct {
        const char *member, *metric;
    } rows[] = {
        {"TemperatureCelsius", "redfish_temperature_celsius"},
        {"HumidityPercent", "redfish_humidity_percent"},
        {"PowerWatts", "redfish_power_watts"},
        {"EnergykWh", "redfish_energy_kwh"},
        {"EnergyJoules", "redfish_energy_joules"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        excerpt_read(reader, nsh_get(body, rows[i].member), rows[i].member, rows[i].metric);
    }
    const struct list list = list_of(reader, body, "FanSpeedsPercent");
    for (uint32_t i = 0; i < list.count; i++) {
        excerpt_read(reader, &list.items[i], NULL, "redfish_fan_speed_percent");
    }
}

static void thermal_metrics_read(struct reader *reader, const struct nsh_value *body)
{
    const struct list list = list_of(reader, body, "TemperatureReadingsCelsius");
    for (uint32_t i = 0; i < list.count; i++) {
        excerpt_read(reader, &list.items[i], NULL, "redfish_temperature_celsius");
    }
}

static void subsystem_read(struct reader *reader, const struct nsh_value *body)
{
    static const char *const members[] = {"Fans", "PowerSupplies", "Batteries", "ThermalMetrics"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        link_member(reader, body, members[i], false);
    }
}

/* A fan, a supply, a drive, a module: its health. */
static void part_read(struct reader *reader, const struct nsh_value *body)
{
    part_add(reader, body, reader->path, false);
}

static void storage_read(struct reader *reader, const struct nsh_value *body)
{
    part_add(reader, body, reader->path, false);
    const struct list drives = list_of(reader, body, "Drives");
    for (uint32_t i = 0; i < drives.count; i++) {
        link_add(reader, nsh_get_text(&drives.items[i], "@odata.id", NULL), false);
    }
    const struct list controllers = list_of(reader, body, "StorageControllers");
    for (uint32_t i = 0; i < controllers.count; i++) {
        part_add(reader, &controllers.items[i], item_path(reader, "StorageControllers", i), false);
    }
}

/* ---- wholes ---- */

static void root_read(struct reader *reader, const struct nsh_value *body)
{
    static const char *const members[] = {"Systems", "Chassis", "Managers", "TelemetryService"};
    const struct nsh_value *features = nsh_get(body, "ProtocolFeaturesSupported");
    const struct nsh_value *expand = nsh_get(features, "ExpandQuery");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        link_member(reader, body, members[i], false);
    }
    reader->page->expands =
        nsh_get_bool(expand, "NoLinks", false) && nsh_get_bool(expand, "Levels", false);
}

static void system_read(struct reader *reader, const struct nsh_value *body)
{
    static const char *const members[] = {"Memory", "Processors", "Storage"};
    const char *power = nsh_get_text(body, "PowerState", "On");
    part_add(reader, body, reader->path, true);
    reader->page->cut = reader->page->cut || strcmp(power, "On") != 0; /* Many list less then. */
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        link_member(reader, body, members[i], true);
    }
}

static void chassis_read(struct reader *reader, const struct nsh_value *body)
{
    part_add(reader, body, reader->path, true);
    if (!link_member(reader, body, "ThermalSubsystem", false)) {
        link_member(reader, body, "Thermal", false);
    }
    if (!link_member(reader, body, "PowerSubsystem", false)) {
        link_member(reader, body, "Power", false);
    }
    if (!link_member(reader, body, "Sensors", false)) {
        link_member(reader, body, "EnvironmentMetrics", false);
    }
}

static void manager_read(struct reader *reader, const struct nsh_value *body)
{
    part_add(reader, body, reader->path, true);
}

static void telemetry_read(struct reader *reader, const struct nsh_value *body)
{
    if (nsh_get_bool(body, "ServiceEnabled", true)) {
        link_member(reader, body, "MetricReports", false);
    }
}

/* ---- metric reports ---- */

/* "31.5": a number as text, whole. */
static bool text_number(const char *text, double *ret_number)
{
    char *end = NULL;
    if (text == NULL || text[0] == '\0' || strlen(text) > 40 ||
        strspn(text, "0123456789+-.eE") != strlen(text)) {
        return false;
    }
    *ret_number = strtod(text, &end);
    return *end == '\0' && isfinite(*ret_number);
}

/* What a metric is of: "/redfish/v1/Chassis/1/Sensors/Inlet#/Reading" -> "Inlet". */
static const char *property_of(struct reader *reader, const char *path)
{
    size_t count = path == NULL ? 0 : strcspn(path, "#");
    const char *slash = count == 0 ? NULL : memrchr(path, '/', count);
    const char *at = slash == NULL ? path : slash + 1;
    size_t at_count = count == 0 ? 0 : (size_t)(path + count - at);
    if (at_count == 0 || at_count >= REDFISH_LABEL_BYTES_MAX) {
        return NULL;
    }
    const char *kept = arena_copy(reader->arena, at, at_count);
    reader->nomem = reader->nomem || kept == NULL;
    return kept;
}

static void report_read(struct reader *reader, const struct nsh_value *body)
{
    const char *report = word_of(body, "Id");
    int64_t report_ms = 0;
    event_time_read(nsh_get_text(body, "Timestamp", ""), &report_ms);
    const struct list list = list_of(reader, body, "MetricValues");
    for (uint32_t i = 0; i < list.count; i++) {
        const struct nsh_value *item = &list.items[i];
        const struct nsh_value *number = nsh_get(item, "MetricValue");
        struct redfish_value value = {
            .metric = "redfish_metric",
            .sensor = word_of(item, "MetricId"),
            .report = report,
            .property = property_of(reader, nsh_get_text(item, "MetricProperty", NULL)),
            .at_ms = report_ms,
        };
        event_time_read(nsh_get_text(item, "Timestamp", ""), &value.at_ms);
        if ((value.sensor != NULL || value.property != NULL) &&
            (number_of(number, &value.value) ||
             text_number(nsh_get_text(item, "MetricValue", NULL), &value.value))) {
            value_add(reader, &value);
        }
    }
}

/* ---- by type ---- */

static const struct {
    const char *type;
    page_fn *read;
} pages[] = {
    {"ServiceRoot", root_read},
    {"ComputerSystem", system_read},
    {"Chassis", chassis_read},
    {"Manager", manager_read},
    {"Thermal", thermal_read},
    {"Power", power_read},
    {"ThermalSubsystem", subsystem_read},
    {"PowerSubsystem", subsystem_read},
    {"ThermalMetrics", thermal_metrics_read},
    {"EnvironmentMetrics", environment_read},
    {"Sensor", sensor_read},
    {"Fan", part_read},
    {"PowerSupply", part_read},
    {"Battery", part_read},
    {"Memory", part_read},
    {"Processor", part_read},
    {"Drive", part_read},
    {"Storage", storage_read},
    {"TelemetryService", telemetry_read},
    {"MetricReport", report_read},
};

struct text redfish_type_of(const struct nsh_value *body)
{
    const char *type = nsh_get_text(body, "@odata.type", "");
    const char *dot = strrchr(type, '.');
    return text_of(dot == NULL ? "" : dot + 1);
}

/* Members are links, or, where the service expands, the resources themselves. */
static void members_read(struct reader *reader, const struct nsh_value *body)
{
    const char *path = reader->path;
    const struct list list = list_of(reader, body, "Members");
    bool resource = list.items != NULL || nsh_get(body, "@odata.type") != NULL;
    reader->page->cut = reader->page->cut || !resource; /* {"error": ...}, or nothing at all. */
    for (uint32_t i = 0; i < list.count; i++) {
        const struct nsh_value *member = &list.items[i];
        const char *own = nsh_get_text(member, "@odata.id", NULL);
        if (nsh_get(member, "@odata.type") == NULL) {
            link_add(reader, own, false);
        } else if (reader->depth > 0 || i >= EMBEDDED_MAX) {
            reader->page->cut = true;
        } else {
            reader->path = own == NULL ? path : own;
            reader->depth++;
            body_read(reader, member);
            reader->depth--;
        }
    }
    reader->path = path;
    link_add(reader, nsh_get_text(body, "Members@odata.nextLink", NULL), false);
}

static void body_read(struct reader *reader, const struct nsh_value *body)
{
    struct text type = redfish_type_of(body);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (text_is(type, pages[i].type)) {
            pages[i].read(reader, body);
            return;
        }
    }
    members_read(reader, body);
}

int redfish_page_read(const struct nsh_value *body, const char *path, struct arena *arena,
                      struct redfish_page *ret_page)
{
    struct redfish_page page = {
        .parts = arena_array(arena, REDFISH_PARTS_MAX, sizeof *page.parts),
        .values = arena_array(arena, REDFISH_VALUES_MAX, sizeof *page.values),
        .links = arena_array(arena, REDFISH_LINKS_MAX, sizeof *page.links),
    };
    struct reader reader = {.page = &page, .arena = arena, .path = path};
    if (page.parts == NULL || page.values == NULL || page.links == NULL) {
        return -NSH_NOMEM;
    }
    body_read(&reader, body);
    *ret_page = page;
    return reader.nomem ? -NSH_NOMEM : 0;
}

/* ---- samples ---- */

void redfish_page_samples(const struct redfish_page *page, const char *host, const char *address,
                          int64_t now_ms, const struct sample_sink *sink)
{
    for (uint32_t i = 0; i < page->values_count; i++) {
        const struct redfish_value *value = &page->values[i];
        const struct {
            const char *name, *text;
        } rows[] = {
            {SAMPLE_METRIC, value->metric},
            {host == NULL ? "instance" : "host", host == NULL ? address : host},
            {"sensor", value->report == NULL ? value->sensor : NULL},
            {"context", value->context},
            {"metric", value->report == NULL ? NULL : value->sensor},
            {"report", value->report},
            {"property", value->property},
        };
        struct sample_label labels[sizeof rows / sizeof rows[0]];
        size_t count = 0;
        for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
            if (rows[j].text != NULL) {
                labels[count++] =
                    (struct sample_label){text_of(rows[j].name), text_of(rows[j].text)};
            }
        }
        sink->labels(sink->arg, labels, count);
        sink->value(sink->arg, value->at_ms == 0 ? now_ms : value->at_ms, value->value);
    }
}
