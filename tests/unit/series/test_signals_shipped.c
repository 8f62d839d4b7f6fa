/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signals that are shipped (etc/signals): each is raised by what it is for, and by nothing that
 * only looks like it. A signal without rows fails.
 */

#include "series_rig.h"

#define FILE_PATH TEST_SOURCE_DIR "/etc/signals/predictive.signals"
#define DAY (24 * 60.0)

static char text[1 << 16];

static const char *shipped(void)
{
    static const char head[] = "signals: (\n", tail[] = "\n);\n";
    FILE *file = fopen(FILE_PATH, "re");
    assert_non_null(file);
    strcpy(text, head);
    size_t count = fread(text + sizeof head - 1, 1, sizeof text - 64, file);
    fclose(file);
    strcpy(text + sizeof head - 1 + count, tail);
    return text;
}

/* What a row's series does: its value at a minute. */
static double flat(double minute, double level)
{
    (void)minute;
    return level;
}

static double late(double minute, double level) /* From the third day on. */
{
    return minute >= 3 * DAY ? level : 0;
}

static double late_below_one(double minute, double level)
{
    return minute >= 3 * DAY ? level : 1;
}

static double late_below_hundred(double minute, double level)
{
    return minute >= 3 * DAY ? level : 100;
}

static double grows_daily(double minute, double level) /* level a day. */
{
    return (double)(int64_t)(minute / DAY) * level;
}

static double grows(double minute, double level) /* level a day, steadily. */
{
    return level * minute / DAY;
}

static double once(double minute, double level) /* On one day. */
{
    return minute >= 4 * DAY + 60 ? level : 0;
}

static double leap(double minute, double level) /* Within one hour of the fifth day. */
{
    double hours = (minute - 4 * DAY) / 60;
    return hours <= 0 ? 0 : hours >= 0.8 ? level : level * hours;
}

static double fills(double minute, double level) /* level a day, from 0.3 on. */
{
    return 0.3 + level * minute / DAY;
}

static const struct {
    const char *signal, *labels;
    double (*value)(double minute, double level);
    double level;
    double every, days;
    bool raises;
    const char *why;
} rows[] = {
#define SMART "smartctl_device_attribute host=a device=sda attribute_value_type=raw attribute_id="
    {"disk-smart", SMART "5", late, 1, 5, 4, true, "one reallocated sector"},
    {"disk-smart", SMART "197", flat, 0, 5, 4, false, "none pending"},
    {"disk-smart", SMART "9", flat, 30000, 5, 4, false, "hours are no fault"},
    {"disk-smart-growing", SMART "5", grows_daily, 1, 60, 8, true, "a sector each day"},
    {"disk-smart-growing", SMART "187", once, 5, 60, 8, false, "grew on one day"},
    {"disk-smart-leaping", SMART "198", once, 12, 60, 8, true, "twelve in a day"},
    {"disk-smart-leaping", SMART "198", grows_daily, 1, 60, 8, false, "one a day"},
    {"disk-smart-failed", "smartctl_device_smart_status host=a device=sda", late_below_one, 0, 5, 4,
     true, "the drive says that it fails"},
    {"disk-smart-failed", "smartctl_device_smart_status host=a device=sda", flat, 1, 5, 4, false,
     "it passes"},
    {"nvme-warning", "smartctl_device_critical_warning host=a device=n1", late, 4, 5, 4, true,
     "a bit is set"},
    {"nvme-warning", "smartctl_device_critical_warning host=a device=n1", flat, 0, 5, 4, false,
     "none is"},
    {"nvme-spare", "smartctl_device_available_spare host=a device=n1", late_below_hundred, 19, 5, 4,
     true, "under a fifth"},
    {"nvme-spare", "smartctl_device_available_spare host=a device=n1", flat, 21, 5, 4, false,
     "just above it"},
    {"nvme-spare-low", "nightshift:nvme_spare_above_threshold host=a device=n1", late_below_hundred,
     0, 5, 4, true, "at the drive's own threshold"},
    {"nvme-spare-low", "nightshift:nvme_spare_above_threshold host=a device=n1", flat, 5, 5, 4,
     false, "above it"},
    {"nvme-media-errors", "smartctl_device_media_errors host=a device=n1", once, 1, 20, 6, true,
     "a new one"},
    {"nvme-media-errors", "smartctl_device_media_errors host=a device=n1", flat, 7, 20, 6, false,
     "old ones"},
    {"nvme-used", "smartctl_device_percentage_used host=a device=n1", flat, 90, 30, 2, true,
     "nine tenths"},
    {"nvme-used", "smartctl_device_percentage_used host=a device=n1", flat, 89, 30, 2, false,
     "not yet"},
    {"nvme-used-up-soon", "smartctl_device_percentage_used host=a device=n1", grows, 1.5, 30, 30,
     true, "a hundred within 60 days"},
    {"nvme-used-up-soon", "smartctl_device_percentage_used host=a device=n1", grows, 0.1, 30, 30,
     false, "years away"},
    {"memory-ue", "node_edac_uncorrectable_errors_total host=a controller=0", once, 1, 1, 5, true,
     "one"},
    {"memory-ue", "node_edac_uncorrectable_errors_total host=a controller=0", flat, 1, 1, 2, false,
     "one of long ago"},
#define CSROW "node_edac_csrow_correctable_errors_total host=a controller=0 csrow=1"
    {"memory-ce-rate", CSROW, once, 11, 30, 8, true, "eleven in a day"},
    {"memory-ce-rate", CSROW, grows, 5, 30, 8, false, "five a day"},
    {"memory-ce-storm", CSROW, leap, 1500, 5, 6, true, "1,500 within an hour"},
    {"memory-ce-storm", CSROW, grows, 5000, 5, 4, false, "200 an hour"},
    {"psu-uneven", "nightshift:psu_share host=a name=PS1", flat, 0.15, 1, 0.1, true,
     "less than a fifth"},
    {"psu-uneven", "nightshift:psu_share host=a name=PS1", flat, 0.45, 1, 0.1, false,
     "nearly even"},
#define INLET "ipmi_temperature_celsius host=a name=Inlet_Temp"
    {"inlet-warm", INLET, flat, 33, 1, 0.1, true, "warm"},
    {"inlet-warm", INLET, flat, 31, 1, 0.1, false, "usual"},
    {"inlet-warm", "ipmi_temperature_celsius host=a name=CPU_Temp", flat, 70, 1, 0.1, false,
     "another sensor"},
    {"inlet-hot", INLET, flat, 36, 1, 0.1, true, "hot"},
    {"inlet-hot", INLET, flat, 33, 1, 0.1, false, "warm"},
    {"inlet-critical", INLET, flat, 41, 1, 0.1, true, "critical"},
    {"inlet-critical", INLET, flat, 39, 1, 0.1, false, "hot"},
    {"cpu-throttled", "node_cpu_package_throttles_total host=a package=0", grows, 5000, 0.5, 0.1,
     true, "in each minute"},
    {"cpu-throttled", "node_cpu_package_throttles_total host=a package=0", grows, 400, 0.5, 0.1,
     false, "now and then"}, /* Counted whole below. */
#define ETH "node_network_receive_errs_total host=a device="
    {"link-errors", ETH "eth0", grows_daily, 3, 60, 8, true, "each day some"},
    {"link-errors", ETH "eth0", once, 500, 60, 8, false, "on one day many"},
    {"link-errors", ETH "veth7", grows_daily, 3, 60, 8, false, "no link of ours"},
    {"link-error-rate", "nightshift:link_error_ratio host=a device=eth0", flat, 1e-5, 1, 0.1, true,
     "ten in a million"},
    {"link-error-rate", "nightshift:link_error_ratio host=a device=eth0", flat, 1e-8, 1, 0.1, false,
     "one in a hundred million"},
#define USED "nightshift:filesystem_used host=a mountpoint=/"
    {"capacity-soon", USED, fills, 0.1, 5, 3, true, "full in three days"},
    {"capacity-soon", USED, fills, 0.01, 5, 3, false, "full in two months"},
    {"capacity-very-soon", USED, fills, 0.2, 5, 2.5, true, "full tomorrow"},
    {"capacity-very-soon", USED, fills, 0.05, 5, 2.5, false, "full in ten days"},
    {"capacity-reached", USED, flat, 0.91, 1, 0.1, true, "it is full"},
    {"capacity-reached", USED, flat, 0.89, 1, 0.1, false, "nearly"},
    {"sensor-stuck", INLET, flat, 21, 5, 2, true, "the same for two days"},
    {"sensor-stuck", INLET, grows, 1, 5, 2, false, "it moves"},
    {"sensor-stuck", INLET, flat, 0, 5, 2, false, "no sensor there"},
};

static unsigned seen(const char *told, const char *signal)
{
    char word[96];
    snprintf(word, sizeof word, "raise %s ", signal);
    return strstr(told, word) != NULL;
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct series_rig rig;
        bool raised = false;
        rig_open(&rig, shipped());
        for (double minute = 0; minute < rows[i].days * DAY; minute += rows[i].every) {
            double value = rows[i].value(minute, rows[i].level);
            /* Counters count. */
            value = rows[i].value == grows && value > 1 && rows[i].level >= 5
                        ? (double)(int64_t)value
                        : value;
            series_now(rig.table, NOW_MS + (int64_t)(minute * (double)MINUTE_MS));
            rig_put(&rig, rows[i].labels, minute, value);
            raised = raised || seen(rig_told(&rig), rows[i].signal);
        }
        if (raised != rows[i].raises) {
            fail_msg("%s %s: %s", rows[i].signal, raised ? "is raised" : "is not raised",
                     rows[i].why);
        }
        rig_close(&rig);
    }
}

/* Eight drives of a model, six fans of a host: the odd one out, and only it. */
static void test_peers_rows(void **state)
{
    static const struct {
        const char *signal, *labels; /* Its number follows. */
        int count;
        double usual, step, odd;
        const char *told;
    } peers[] = {
        {"disk-slow", "nightshift:disk_latency_seconds device=sda model=m host=h", 9, 0.004, 0.0001,
         0.060, "raise disk-slow h8 "},
        {"disk-slow", "nightshift:disk_latency_seconds device=sda model=m host=h", 9, 0.004, 0.0001,
         0.0045, ""},
        {"fan-wear", "ipmi_fan_speed_rpm host=h instance=h:9290 name=FAN", 6, 9000, 20, 6000,
         "raise fan-wear h "},
        {"fan-wear", "ipmi_fan_speed_rpm host=h instance=h:9290 name=FAN", 6, 9000, 20, 8700, ""},
    };
    for (size_t i = 0; i < ROWS(peers); i++) {
        struct series_rig rig;
        bool raised = false;
        unsigned others = 0;
        rig_open(&rig, shipped());
        for (int minute = 0; minute < 90; minute++) {
            series_now(rig.table, NOW_MS + minute * MINUTE_MS);
            for (int n = 0; n < peers[i].count; n++) {
                char labels[128];
                snprintf(labels, sizeof labels, "%s%d", peers[i].labels, n);
                double usual = peers[i].usual + peers[i].step * ((minute + n) % 4);
                rig_put(&rig, labels, minute, n == peers[i].count - 1 ? peers[i].odd : usual);
            }
            const char *told = rig_told(&rig);
            raised = raised || (peers[i].told[0] != '\0' && strstr(told, peers[i].told) != NULL);
            others += told[0] != '\0' && !raised;
        }
        if (raised != (peers[i].told[0] != '\0') || others > 0) {
            fail_msg("%s, row %zu: raised %d, others %u", peers[i].signal, i, raised, others);
        }
        rig_close(&rig);
    }
}

static void test_silent(void **state)
{
    struct series_rig rig;
    rig_open(&rig, shipped());
    rig_put(&rig, "up host=a job=node", 0, 1);
    series_now(rig.table, NOW_MS + 11 * MINUTE_MS);
    series_sweep(rig.table);
    assert_string_equal(rig_told(&rig), "raise host-silent a  at 11");
    rig_close(&rig);
}

static void test_every_signal_has_rows(void **state)
{
    struct series_rig rig;
    rig_open(&rig, shipped());
    for (size_t s = 0; s < rig.signals.count; s++) {
        const char *name = rig.signals.rules[s].name;
        bool elsewhere = strcmp(name, "disk-slow") == 0 || strcmp(name, "fan-wear") == 0 ||
                         strcmp(name, "host-silent") == 0;
        bool raises = elsewhere, quiet = elsewhere;
        for (size_t i = 0; i < ROWS(rows); i++) {
            bool mine = strcmp(rows[i].signal, name) == 0;
            raises = raises || (mine && rows[i].raises);
            quiet = quiet || (mine && !rows[i].raises);
        }
        if (!raises || !quiet) {
            fail_msg("%s has no row that %s", name, raises ? "stays quiet" : "is raised");
        }
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_peers_rows),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_every_signal_has_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
