/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the lab's BMCs measure: the newer generation (Sensors, ThermalSubsystem, PowerSubsystem;
 * with --sensors), modules of memory, and metric reports.
 */

#include "lab.h"

#include <stdio.h>
#include <string.h>

#define V1 "/redfish/v1"
#define INLET_C 23

static const char *const sensor_names[] = {"Inlet", "Fan1", "Power"};

#define SENSORS_COUNT (sizeof sensor_names / sizeof sensor_names[0])

static struct textbuf *body_of(struct lab_redfish *redfish)
{
    return &redfish->reply->body;
}

int lab_redfish_inlet(const struct lab_host *host)
{
    return INLET_C + host->inlet_more;
}

static const char *health_of(const struct lab_host *host, enum lab_fault fault)
{
    return (host->faults & 1u << fault) != 0 ? "Critical" : "OK";
}

/* ---- sensors ---- */

static void sensor_body(struct lab_redfish *redfish, size_t index)
{
    const struct lab_host *host = redfish->host;
    static const char *const units[] = {"Cel", "RPM", "W"};
    static const char *const contexts[] = {"Intake", "SystemBoard", "PowerSupply"};
    int values[] = {lab_redfish_inlet(host), host->power == LAB_OFF ? 0 : 7200,
                    host->power == LAB_OFF ? 12 : 340};

    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u/Sensors/%s\","
                 "\"@odata.type\":\"#Sensor.v1_6_0.Sensor\",\"Id\":\"%s\",\"Name\":\"%s\","
                 "\"PhysicalContext\":\"%s\",\"Reading\":%d,\"ReadingUnits\":\"%s\","
                 "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"}}",
                 host->slot + 1u, sensor_names[index], sensor_names[index], sensor_names[index],
                 contexts[index], values[index], units[index]);
}

void lab_redfish_sensors(struct lab_redfish *redfish)
{
    struct textbuf *body = body_of(redfish);
    unsigned number = redfish->host->slot + 1u;
    bool expand =
        redfish->request->query != NULL && strstr(redfish->request->query, "$expand") != NULL;

    textbuf_addf(body,
                 "{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u/Sensors\","
                 "\"@odata.type\":\"#SensorCollection.SensorCollection\",\"Name\":\"Sensors\","
                 "\"Members@odata.count\":%zu,\"Members\":[",
                 number, SENSORS_COUNT);
    for (size_t i = 0; i < SENSORS_COUNT; i++) {
        textbuf_add_chars(body, i == 0 ? "" : ",");
        if (expand) {
            sensor_body(redfish, i);
        } else {
            textbuf_addf(body, "{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u/Sensors/%s\"}",
                         number, sensor_names[i]);
        }
    }
    textbuf_add_chars(body, "]}");
}

void lab_redfish_sensor(struct lab_redfish *redfish)
{
    for (size_t i = 0; i < SENSORS_COUNT; i++) {
        if (text_is(redfish->parts[3], sensor_names[i])) {
            sensor_body(redfish, i);
            return;
        }
    }
    lab_redfish_error(redfish, 404, "ResourceMissingAtURI", "The sensor does not exist.");
}

/* A collection of one member below a chassis or a system. */
static void collection_of_one(struct lab_redfish *redfish, const char *path, const char *type,
                              const char *member)
{
    unsigned number = redfish->host->slot + 1u;
    struct text root = redfish->parts[0];

    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/%.*s/System.Embedded.%u/%s\","
                 "\"@odata.type\":\"#%sCollection.%sCollection\",\"Name\":\"%s\","
                 "\"Members@odata.count\":1,\"Members\":[{\"@odata.id\":\"" V1
                 "/%.*s/System.Embedded.%u/%s/%s\"}]}",
                 (int)root.count, root.at, number, path, type, type, type, (int)root.count, root.at,
                 number, path, member);
}

void lab_redfish_thermal_subsystem(struct lab_redfish *redfish)
{
    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u/ThermalSubsystem\","
                 "\"@odata.type\":\"#ThermalSubsystem.v1_1_0.ThermalSubsystem\","
                 "\"Id\":\"ThermalSubsystem\",\"Name\":\"Thermal Subsystem\","
                 "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"}}",
                 redfish->host->slot + 1u);
}

void lab_redfish_power_subsystem(struct lab_redfish *redfish)
{
    unsigned number = redfish->host->slot + 1u;

    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Chassis/System.Embedded.%u/PowerSubsystem\","
                 "\"@odata.type\":\"#PowerSubsystem.v1_1_0.PowerSubsystem\","
                 "\"Id\":\"PowerSubsystem\",\"Name\":\"Power Subsystem\",\"PowerSupplies\":"
                 "{\"@odata.id\":\"" V1
                 "/Chassis/System.Embedded.%u/PowerSubsystem/PowerSupplies\"}}",
                 number, number);
}

void lab_redfish_supplies(struct lab_redfish *redfish)
{
    collection_of_one(redfish, "PowerSubsystem/PowerSupplies", "PowerSupply", "PSU.Slot.1");
}

void lab_redfish_supply(struct lab_redfish *redfish)
{
    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1
                 "/Chassis/System.Embedded.%u/PowerSubsystem/PowerSupplies/PSU.Slot.1\","
                 "\"@odata.type\":\"#PowerSupply.v1_5_0.PowerSupply\",\"Id\":\"PSU.Slot.1\","
                 "\"Name\":\"PS1\",\"Status\":{\"State\":\"Enabled\",\"Health\":\"%s\"}}",
                 redfish->host->slot + 1u, health_of(redfish->host, LAB_FAULT_PSU));
}

void lab_redfish_memory(struct lab_redfish *redfish)
{
    collection_of_one(redfish, "Memory", "Memory", "DIMM.Socket.A1");
}

void lab_redfish_module(struct lab_redfish *redfish)
{
    textbuf_addf(body_of(redfish),
                 "{\"@odata.id\":\"" V1 "/Systems/System.Embedded.%u/Memory/DIMM.Socket.A1\","
                 "\"@odata.type\":\"#Memory.v1_17_0.Memory\",\"Id\":\"DIMM.Socket.A1\","
                 "\"Name\":\"DIMM A1\",\"Status\":{\"State\":\"Enabled\",\"Health\":\"%s\"}}",
                 redfish->host->slot + 1u, health_of(redfish->host, LAB_FAULT_MEMORY));
}

/* ---- metric reports ---- */

void lab_redfish_report_write(const struct lab_host *host, struct textbuf *out)
{
    unsigned number = host->slot + 1u;

    textbuf_addf(out, "{\"@odata.id\":\"" V1 "/TelemetryService/MetricReports/Inlets\","
                      "\"@odata.type\":\"#MetricReport.v1_5_0.MetricReport\",\"Id\":\"Inlets\","
                      "\"Name\":\"Inlets\",\"Timestamp\":\"");
    textbuf_add_time(out, lab_clock_unix_ms());
    textbuf_addf(out,
                 "\",\"MetricValues\":[{\"MetricId\":\"InletTemp\",\"MetricValue\":\"%d\","
                 "\"MetricProperty\":\"" V1
                 "/Chassis/System.Embedded.%u/Sensors/Inlet#/Reading\"}]}",
                 lab_redfish_inlet(host), number);
}

void lab_redfish_report(struct lab_redfish *redfish)
{
    lab_redfish_report_write(redfish->bmc->hosts, body_of(redfish));
}

void lab_redfish_telemetry(struct lab_redfish *redfish)
{
    textbuf_add_chars(body_of(redfish),
                      "{\"@odata.id\":\"" V1 "/TelemetryService\","
                      "\"@odata.type\":\"#TelemetryService.v1_3_0.TelemetryService\","
                      "\"Id\":\"TelemetryService\",\"Name\":\"Telemetry\",\"ServiceEnabled\":true,"
                      "\"MetricReports\":{\"@odata.id\":\"" V1
                      "/TelemetryService/MetricReports\"}}");
}

void lab_redfish_reports(struct lab_redfish *redfish)
{
    textbuf_add_chars(body_of(redfish),
                      "{\"@odata.id\":\"" V1 "/TelemetryService/MetricReports\",\"@odata.type\":"
                      "\"#MetricReportCollection.MetricReportCollection\",\"Name\":\"Reports\","
                      "\"Members@odata.count\":1,\"Members\":[{\"@odata.id\":\"" V1
                      "/TelemetryService/MetricReports/Inlets\"}]}");
}
