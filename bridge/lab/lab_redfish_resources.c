/* SPDX-License-Identifier: Apache-2.0 */
/* What can be read from the lab's Redfish service: root, systems, chassis, managers, logs. */

#include "lab.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define V1 "/redfish/v1"

static struct textbuf *body_of(struct lab_redfish *redfish)
{
    return &redfish->reply->body;
}

void lab_redfish_versions(struct lab_redfish *redfish)
{
    textbuf_add_chars(body_of(redfish), "{\"v1\":\"/redfish/v1/\"}");
}

void lab_redfish_odata(struct lab_redfish *redfish)
{
    textbuf_add_chars(
        body_of(redfish),
        "{\"@odata.context\":\"/redfish/v1/$metadata\",\"value\":["
        "{\"name\":\"Service\",\"kind\":\"Singleton\",\"url\":\"/redfish/v1/\"},"
        "{\"name\":\"Systems\",\"kind\":\"Singleton\",\"url\":\"/redfish/v1/Systems\"},"
        "{\"name\":\"Chassis\",\"kind\":\"Singleton\",\"url\":\"/redfish/v1/Chassis\"},"
        "{\"name\":\"Managers\",\"kind\":\"Singleton\",\"url\":\"/redfish/v1/Managers\"}]}");
}

void lab_redfish_metadata(struct lab_redfish *redfish)
{
    textbuf_add_chars(body_of(redfish),
                      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><edmx:Edmx Version=\"4.0\" "
                      "xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"></edmx:Edmx>");
}

void lab_redfish_root(struct lab_redfish *redfish)
{
    char uuid[37];

    const char *expands = redfish->bmc->lab->options.sensors ? "true" : "false";

    lab_world_uuid_text(redfish->bmc->hosts, uuid);
    textbuf_addf(
        body_of(redfish),
        "{\"@odata.id\":\"" V1 "\",\"@odata.type\":\"#ServiceRoot.v1_9_0.ServiceRoot\","
        "\"Id\":\"RootService\",\"Name\":\"Root Service\",\"RedfishVersion\":\"1.11.0\","
        "\"UUID\":\"%s\",\"Vendor\":\"nightshift-lab\",\"Product\":\"nightshift-lab BMC\","
        "\"ProtocolFeaturesSupported\":{\"ExpandQuery\":{\"ExpandAll\":false,\"Levels\":%s,"
        "\"NoLinks\":%s},"
        "\"FilterQuery\":false,\"SelectQuery\":false,\"OnlyMemberQuery\":false},"
        "\"Systems\":{\"@odata.id\":\"" V1 "/Systems\"},"
        "\"Chassis\":{\"@odata.id\":\"" V1 "/Chassis\"},"
        "\"Managers\":{\"@odata.id\":\"" V1 "/Managers\"},"
        "%s\"TelemetryService\":{\"@odata.id\":\"" V1 "/TelemetryService\"},"
        "\"Registries\":{\"@odata.id\":\"" V1 "/Registries\"},"
        "\"Tasks\":{\"@odata.id\":\"" V1 "/TaskService\"},"
        "\"AccountService\":{\"@odata.id\":\"" V1 "/AccountService\"},"
        "\"SessionService\":{\"@odata.id\":\"" V1 "/SessionService\"},"
        "\"Links\":{\"Sessions\":{\"@odata.id\":\"" V1 "/SessionService/Sessions\"}}}",
        uuid, expands, expands,
        (redfish->bmc->events & LAB_EVENTS_NONE) != 0 ? ""
                                                      : "\"EventService\":{\"@odata.id\":\"" V1
                                                        "/EventService\"},");
}

static void collection(struct lab_redfish *redfish, const char *path, const char *type,
                       const char *member, size_t count)
{
    struct textbuf *body = body_of(redfish);

    textbuf_addf(body,
                 "{\"@odata.id\":\"" V1 "/%s\",\"@odata.type\":\"#%sCollection.%sCollection\","
                 "\"Name\":\"%s Collection\",\"Members@odata.count\":%zu,\"Members\":[",
                 path, type, type, type, count);
    for (size_t i = 0; i < count; i++) {
        textbuf_addf(body, "%s{\"@odata.id\":\"" V1 "/%s/%s.%zu\"}", i == 0 ? "" : ",", path,
                     member, i + 1);
    }
    textbuf_add_chars(body, "]}");
}

void lab_redfish_systems(struct lab_redfish *redfish)
{
    collection(redfish, "Systems", "ComputerSystem", "System.Embedded", redfish->bmc->hosts_count);
}

void lab_redfish_chassis_all(struct lab_redfish *redfish)
{
    collection(redfish, "Chassis", "Chassis", "System.Embedded", redfish->bmc->hosts_count);
}

void lab_redfish_managers(struct lab_redfish *redfish)
{
    collection(redfish, "Managers", "Manager", "iDRAC.Embedded", 1);
}

/* ---- the system ------------------------------------------------------------------------- */

static const char *system_power(const struct lab_host *host)
{
    static const char *const words[] = {
        [LAB_OFF] = "Off",
        [LAB_ON] = "On",
        [LAB_TURNING_OFF] = "PoweringOff",
        [LAB_TURNING_ON] = "PoweringOn",
    };
    return words[lab_physics_shown(host)];
}

static const char *system_health(const struct lab_host *host)
{
    return host->faults == 0 ? "OK" : host->faults == 1u << LAB_FAULT_PSU ? "Warning" : "Critical";
}

#define RESET_TYPES                                                                                \
    "[\"On\",\"ForceOff\",\"ForceRestart\",\"GracefulRestart\",\"GracefulShutdown\","              \
    "\"PushPowerButton\",\"Nmi\",\"PowerCycle\"]"

static void system_actions(struct lab_redfish *redfish, unsigned number)
{
    struct textbuf *body = body_of(redfish);

    textbuf_addf(body,
                 "\"Actions\":{\"#ComputerSystem.Reset\":{\"target\":\"" V1
                 "/Systems/System.Embedded.%u/Actions/ComputerSystem.Reset\",",
                 number);
    if (redfish->bmc->lab->options.action_info) {
        textbuf_addf(
            body, "\"@Redfish.ActionInfo\":\"" V1 "/Systems/System.Embedded.%u/ResetActionInfo\"",
            number);
    } else {
        textbuf_add_chars(body, "\"ResetType@Redfish.AllowableValues\":" RESET_TYPES);
    }
    textbuf_add_chars(body, "}}}");
}

static void system_state(struct lab_redfish *redfish, const struct lab_host *host)
{
    struct textbuf *body = body_of(redfish);
    bool on = lab_physics_shown(host) == LAB_ON;
    bool lit = lab_physics_lit(host);
    const char *progress = !on ? "None" : host->os_up ? "OSRunning" : "OSBootStarted";

    textbuf_addf(body,
                 "\"PowerState\":\"%s\",\"Status\":{\"State\":\"%s\",\"Health\":\"%s\","
                 "\"HealthRollup\":\"%s\"},\"BootProgress\":{\"LastState\":\"%s\"},",
                 system_power(host), on ? "Enabled" : "StandbyOffline", system_health(host),
                 system_health(host), progress);
    textbuf_addf(body, "\"IndicatorLED\":\"%s\",\"LocationIndicatorActive\":%s,",
                 lit ? "Blinking" : "Off", lit ? "true" : "false");
}

void lab_redfish_system(struct lab_redfish *redfish)
{
    const struct lab_host *host = redfish->host;
    struct textbuf *body = body_of(redfish);
    unsigned number = host->slot + 1u;
    char uuid[37];

    lab_world_uuid_text(host, uuid);
    snprintf(redfish->reply->extra_room, sizeof redfish->reply->extra_room, "ETag: \"%u\"\r\n",
             host->etag);
    textbuf_addf(body,
                 "{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u\","
                 "\"@odata.type\":\"#ComputerSystem.v1_16_0.ComputerSystem\","
                 "\"@odata.etag\":\"\\\"%u\\\"\",\"Id\":\"System.Embedded.%u\",\"Name\":\"System\","
                 "\"SystemType\":\"Physical\",\"Manufacturer\":\"nightshift-lab\","
                 "\"Model\":\"Lab R650\",\"HostName\":\"%s\",\"SerialNumber\":\"%s\","
                 "\"AssetTag\":\"\",\"SKU\":\"%s\",\"UUID\":\"%s\",",
                 number, host->etag, number, host->name, host->serial, host->serial, uuid);
    system_state(redfish, host);
    textbuf_addf(body,
                 "\"Boot\":{\"BootSourceOverrideEnabled\":\"Disabled\","
                 "\"BootSourceOverrideTarget\":\"None\",\"BootSourceOverrideMode\":\"UEFI\","
                 "\"BootSourceOverrideTarget@Redfish.AllowableValues\":[\"None\",\"Pxe\",\"Hdd\"]},"
                 "\"ProcessorSummary\":{\"Count\":2,\"Model\":\"Lab CPU\"},"
                 "\"MemorySummary\":{\"TotalSystemMemoryGiB\":512},"
                 "\"LogServices\":{\"@odata.id\":\"" V1
                 "/Systems/System.Embedded.%u/LogServices\"},"
                 "\"Memory\":{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/Memory\"},"
                 "\"Links\":{\"Chassis\":[{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u\"}],"
                 "\"ManagedBy\":[{\"@odata.id\":\"" V1 "/Managers/iDRAC.Embedded.1\"}]},",
                 number, number, number);
    system_actions(redfish, number);
}

void lab_redfish_action_info(struct lab_redfish *redfish)
{
    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/ResetActionInfo\","
                 "\"@odata.type\":\"#ActionInfo.v1_2_0.ActionInfo\",\"Id\":\"ResetActionInfo\","
                 "\"Name\":\"Reset Action Info\",\"Parameters\":[{\"Name\":\"ResetType\","
                 "\"Required\":true,\"DataType\":\"String\",\"AllowableValues\":" RESET_TYPES "}]}",
                 redfish->host->slot + 1u);
}

/* ---- chassis, manager ------------------------------------------------------------------- */

static void chassis_links(struct lab_redfish *redfish, unsigned number)
{
    static const char *const old[] = {"Power", "Thermal", NULL};
    static const char *const new[] = {"PowerSubsystem", "ThermalSubsystem", "Sensors", NULL};
    const char *const *names = redfish->bmc->lab->options.sensors ? new : old;

    for (size_t i = 0; names[i] != NULL; i++) {
        textbuf_addf(body_of(redfish),
                     ",\"%s\":{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u/%s\"}", names[i],
                     number, names[i]);
    }
    textbuf_add_char(body_of(redfish), '}');
}

void lab_redfish_chassis(struct lab_redfish *redfish)
{
    const struct lab_host *host = redfish->host;
    unsigned number = host->slot + 1u;
    bool on = lab_physics_shown(host) == LAB_ON;
    bool lit = lab_physics_lit(host);

    snprintf(redfish->reply->extra_room, sizeof redfish->reply->extra_room, "ETag: \"%u\"\r\n",
             host->etag);
    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u\","
                 "\"IndicatorLED\":\"%s\",\"LocationIndicatorActive\":%s,"
                 "\"@odata.type\":\"#Chassis.v1_17_0.Chassis\",\"Id\":\"System.Embedded.%u\","
                 "\"Name\":\"Chassis\",\"ChassisType\":\"RackMount\",\"SerialNumber\":\"%s\","
                 "\"PowerState\":\"%s\",\"Status\":{\"State\":\"Enabled\",\"Health\":\"%s\"},"
                 "\"Location\":{\"Placement\":{\"Rack\":\"r%u\"}},"
                 "\"Links\":{\"ComputerSystems\":[{\"@odata.id\":\"" V1
                 "/Systems/System.Embedded.%u\"}]}",
                 number, lit ? "Blinking" : "Off", lit ? "true" : "false", number, host->serial,
                 on ? "On" : "Off", system_health(host), redfish->bmc->rack, number);
    chassis_links(redfish, number);
}

void lab_redfish_power(struct lab_redfish *redfish)
{
    const struct lab_host *host = redfish->host;
    bool failed = (host->faults & 1u << LAB_FAULT_PSU) != 0;

    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u/Power\","
                 "\"@odata.type\":\"#Power.v1_7_0.Power\",\"Id\":\"Power\",\"Name\":\"Power\","
                 "\"PowerControl\":[{\"MemberId\":\"0\",\"PowerConsumedWatts\":%d,"
                 "\"PowerCapacityWatts\":1400}],\"PowerSupplies\":[{\"@odata.id\":\"" V1
                 "/Chassis/System.Embedded.%u/Power/PowerSupplies/PSU.Slot.1\","
                 "\"MemberId\":\"PSU.Slot.1\",\"Name\":\"PS1\",\"Status\":{\"State\":\"Enabled\","
                 "\"Health\":\"%s\"}},"
                 "{\"MemberId\":\"PSU.Slot.2\",\"Name\":\"PS2\",\"Status\":{\"State\":\"Enabled\","
                 "\"Health\":\"OK\"}}]}",
                 host->slot + 1u, host->power == LAB_OFF ? 12 : 340, host->slot + 1u,
                 failed ? "Critical" : "OK");
}

void lab_redfish_thermal(struct lab_redfish *redfish)
{
    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u/Thermal\","
                 "\"@odata.type\":\"#Thermal.v1_7_0.Thermal\",\"Id\":\"Thermal\","
                 "\"Name\":\"Thermal\",\"Temperatures\":[{\"MemberId\":\"0\","
                 "\"Name\":\"System Board Inlet Temp\",\"ReadingCelsius\":%d,"
                 "\"UpperThresholdCritical\":42,\"Status\":{\"State\":\"Enabled\","
                 "\"Health\":\"OK\"}}],\"Fans\":[]}",
                 redfish->host->slot + 1u, lab_redfish_inlet(redfish->host));
}

void lab_redfish_manager(struct lab_redfish *redfish)
{
    if (!text_is(redfish->parts[1], "iDRAC.Embedded.1")) {
        lab_redfish_error(redfish, 404, "ResourceMissingAtURI", "The resource does not exist.");
        return;
    }
    textbuf_add_chars(
        body_of(redfish),
        "{\"@odata.id\":\"" V1 "/Managers/iDRAC.Embedded.1\","
        "\"@odata.type\":\"#Manager.v1_13_0.Manager\",\"Id\":\"iDRAC.Embedded.1\","
        "\"Name\":\"Manager\",\"ManagerType\":\"BMC\",\"FirmwareVersion\":\"0.1.0\","
        "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},"
        "\"Actions\":{\"#Manager.Reset\":{\"target\":\"" V1
        "/Managers/iDRAC.Embedded.1/Actions/Manager.Reset\","
        "\"ResetType@Redfish.AllowableValues\":[\"GracefulRestart\",\"ForceRestart\"]}}}");
}

/* ---- logs ------------------------------------------------------------------------------- */

void lab_redfish_log_services(struct lab_redfish *redfish)
{
    unsigned number = redfish->host->slot + 1u;

    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/LogServices\","
                 "\"@odata.type\":\"#LogServiceCollection.LogServiceCollection\","
                 "\"Name\":\"Log Services\",\"Members@odata.count\":1,\"Members\":["
                 "{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/LogServices/SEL\"}]}",
                 number, number);
}

void lab_redfish_log(struct lab_redfish *redfish)
{
    unsigned number = redfish->host->slot + 1u;

    textbuf_addf(
        body_of(redfish),
        "{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/LogServices/SEL\","
        "\"@odata.type\":\"#LogService.v1_3_0.LogService\",\"Id\":\"SEL\",\"Name\":\"SEL\","
        "\"LogEntryType\":\"SEL\",\"MaxNumberOfRecords\":%d,\"OverWritePolicy\":\"WrapsWhenFull\","
        "\"Entries\":{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/LogServices/SEL/Entries\"},"
        "\"Actions\":{\"#LogService.ClearLog\":{\"target\":\"" V1
        "/Systems/System.Embedded.%u/LogServices/SEL/Actions/LogService.ClearLog\"}}}",
        number, LAB_SEL_MAX, number, number);
}

static void entry_body(struct lab_redfish *redfish, size_t index)
{
    struct textbuf *body = body_of(redfish);
    unsigned number = redfish->host->slot + 1u;
    struct ipmi_record record;

    ipmi_record_parse(redfish->bmc->sel[index], &record);
    textbuf_addf(body,
                 "{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/LogServices/SEL/Entries/%u\","
                 "\"@odata.type\":\"#LogEntry.v1_9_0.LogEntry\",\"Id\":\"%u\","
                 "\"Name\":\"Log Entry %u\",\"EntryType\":\"SEL\",\"Created\":\"",
                 number, record.id, record.id, record.id);
    textbuf_add_time(body, (int64_t)record.time_s * 1000);
    textbuf_addf(body,
                 "\",\"Severity\":\"%s\",\"EntryCode\":\"%s\",\"SensorType\":\"%s\","
                 "\"SensorNumber\":%u,\"Message\":\"%s: %s%s\"}",
                 record.asserted ? "Critical" : "OK", record.asserted ? "Assert" : "Deassert",
                 ipmi_record_sensor(record.sensor_type), record.sensor_number,
                 ipmi_record_sensor(record.sensor_type), ipmi_record_event(&record),
                 record.asserted ? "" : " (cleared)");
}

void lab_redfish_entries(struct lab_redfish *redfish)
{
    struct textbuf *body = body_of(redfish);

    textbuf_addf(body,
                 "{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/LogServices/SEL/Entries\","
                 "\"@odata.type\":\"#LogEntryCollection.LogEntryCollection\","
                 "\"Name\":\"Log Entries\",\"Members@odata.count\":%u,\"Members\":[",
                 redfish->host->slot + 1u, redfish->bmc->sel_count);
    for (size_t i = redfish->bmc->sel_count; i-- > 0;) { /* The newest first. */
        entry_body(redfish, i);
        textbuf_add_chars(body, i == 0 ? "" : ",");
    }
    textbuf_add_chars(body, "]}");
}

void lab_redfish_entry(struct lab_redfish *redfish)
{
    int64_t id = 0;

    text_to_int(redfish->parts[redfish->parts_count - 1], &id);
    for (size_t i = 0; i < redfish->bmc->sel_count; i++) {
        if ((redfish->bmc->sel[i][0] | redfish->bmc->sel[i][1] << 8) == id) {
            entry_body(redfish, i);
            return;
        }
    }
    lab_redfish_error(redfish, 404, "ResourceMissingAtURI", "The entry does not exist.");
}
