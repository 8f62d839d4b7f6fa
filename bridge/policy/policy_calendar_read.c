/* SPDX-License-Identifier: Apache-2.0 */
/* The list `calendars` of nightshift.conf, and names of calendars where policies say them. */

#include "policy/policy_private.h"

#include "cel/cel_time.h"

#include <stdio.h>

static const char example[] = "calendars: ( { name = \"weekly-maint\"; days = [\"tue\", \"thu\"]; "
                              "from = \"01:00\"; to = \"05:00\"; zone = \"Europe/Berlin\"; } );";
static const char *const day_words[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

struct calendar_reader {
    struct policy_calendar *calendar;
    struct diags *diags;
};

/* Exactly count digits, or -1. */
static int64_t digits(const char *at, size_t count)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return -1;
        }
        value = value * 10 + (at[i] - '0');
    }
    return value;
}

/* "01:00" to "24:00" in minutes. */
static int32_t clock_read(struct conf *setting, int32_t fallback, struct diags *diags)
{
    const char *text = conf_text(setting, NULL, diags);
    if (text == NULL) {
        return fallback;
    }
    bool form = setting->text_bytes == 5 && text[2] == ':';
    int64_t hours = form ? digits(text, 2) : -1, minutes = form ? digits(text + 3, 2) : -1;
    if (hours < 0 || minutes < 0 || minutes > 59 || hours * 60 + minutes > 24 * 60) {
        diag_add(diags, DIAG_ERROR, setting->value_at, "such as \"01:00\"; the day ends at 24:00",
                 "'%s' is no time of day", setting->name);
        return fallback;
    }
    return (int32_t)(hours * 60 + minutes);
}

/* "2026-12-18" in days. */
static bool date_read(const char *text, int32_t *ret_day)
{
    int64_t year = digits(text, 4), month = -1, day = -1;
    if (year >= 1970 && text[4] == '-') {
        month = digits(text + 5, 2);
    }
    if (month >= 1 && text[7] == '-') {
        day = digits(text + 8, 2);
    }
    struct cel_civil civil;
    int64_t days = day < 1 ? 0 : cel_days_from_civil(year, month, day);
    cel_civil(days * 86400, &civil);
    *ret_day = (int32_t)days;
    return day >= 1 && civil.month == month && civil.day == day;
}

static void dates_read(struct calendar_reader *reader, struct conf *list)
{
    struct policy_calendar *calendar = reader->calendar;
    for (struct conf *item = list->first; item != NULL; item = item->next) {
        const char *text = conf_text(item, NULL, reader->diags);
        if (text == NULL) {
            continue;
        }
        if (calendar->dates_count == CALENDAR_DATES_MAX) {
            diag_add(reader->diags, DIAG_ERROR, item->value_at, "make two calendars of it",
                     "a calendar has at most %d dates", CALENDAR_DATES_MAX);
            return;
        }
        struct calendar_range range = {0, 0};
        bool pair = item->text_bytes == 21 && text[10] == '/';
        bool good = (pair || item->text_bytes == 10) && date_read(text, &range.first);
        range.last = range.first;
        good = good && (!pair || date_read(text + 11, &range.last)) && range.last >= range.first;
        if (good) {
            calendar->dates[calendar->dates_count++] = range;
        } else {
            diag_add(reader->diags, DIAG_ERROR, item->value_at,
                     "such as \"2026-12-24\" or \"2026-12-18/2027-01-04\", the first day before "
                     "the last",
                     "this is no date");
        }
    }
}

static void days_read(struct calendar_reader *reader, struct conf *list)
{
    reader->calendar->days = 0;
    for (struct conf *item = list->first; item != NULL; item = item->next) {
        const char *text = conf_text(item, NULL, reader->diags);
        size_t day = 0;
        while (text != NULL && day_words[day] != NULL && strcmp(day_words[day], text) != 0) {
            day++;
        }
        if (text != NULL && day_words[day] == NULL) {
            diag_add(reader->diags, DIAG_ERROR, item->value_at,
                     "one of: mon, tue, wed, thu, fri, sat, sun", "\"%.40s\" is no day", text);
        } else if (text != NULL) {
            reader->calendar->days |= (uint8_t)(1u << day);
        }
    }
}

/* True when setting is there and a list of something. */
static bool list_there(struct conf *setting, const char *such_as, struct diags *diags)
{
    if (setting == NULL) {
        return false;
    }
    if ((setting->type == CONF_ARRAY || setting->type == CONF_LIST) &&
        setting->children_count > 0) {
        return true;
    }
    diag_add(diags, DIAG_ERROR, setting->value_at, such_as, "'%s' is a list, and not empty",
             setting->name);
    return false;
}

static void zone_read(struct calendar_reader *reader, struct conf *group)
{
    struct conf *setting = conf_get(group, "zone");
    const char *zone = conf_text(setting, "UTC", reader->diags);
    int64_t offset = 0;
    struct arena arena = ARENA_INIT;
    if (strlen(zone) > CALENDAR_ZONE_BYTES_MAX || (!cel_zone_is_fixed(text_of(zone), &offset) &&
                                                   cel_zone_load(&arena, text_of(zone)) == NULL)) {
        diag_add(reader->diags, DIAG_ERROR, setting->value_at,
                 "such as \"Europe/Berlin\", \"UTC\" or \"+01:00\"; names need the package tzdata",
                 "there is no time zone \"%.60s\"", zone);
        zone = "UTC";
    }
    arena_done(&arena);
    snprintf(reader->calendar->zone, sizeof reader->calendar->zone, "%s", zone);
}

static bool name_read(struct policy_calendars *calendars, struct conf *group, struct diags *diags)
{
    struct conf *setting = conf_get(group, "name");
    const char *name = conf_text(setting, NULL, diags);
    if (name == NULL || name[0] == '\0' || strlen(name) > CALENDAR_NAME_BYTES_MAX) {
        diag_add(diags, DIAG_ERROR, setting == NULL ? group->value_at : setting->value_at,
                 "such as name = \"weekly-maint\"", "a calendar needs a name of 1 to %d bytes",
                 CALENDAR_NAME_BYTES_MAX);
        return false;
    }
    for (size_t i = 0; i < calendars->count; i++) {
        if (strcmp(calendars->items[i].name, name) == 0) {
            diag_add(diags, DIAG_ERROR, setting->value_at, "names are unique",
                     "there is another calendar '%s'", name);
            return false;
        }
    }
    struct policy_calendar *calendar = &calendars->items[calendars->count];
    snprintf(calendar->name, sizeof calendar->name, "%s", name);
    return true;
}

static void calendar_read(struct policy_calendars *calendars, struct conf *group,
                          struct diags *diags)
{
    static const char *const known[] = {"name", "days", "dates", "from", "to", "zone", NULL};
    struct policy_calendar *calendar = &calendars->items[calendars->count];
    struct calendar_reader reader = {calendar, diags};
    *calendar = (struct policy_calendar){.days = 0x7f};
    bool named = name_read(calendars, group, diags);
    struct conf *days = conf_get(group, "days"), *dates = conf_get(group, "dates");
    if (list_there(days, "such as days = [\"tue\", \"thu\"]", diags)) {
        days_read(&reader, days);
    }
    if (list_there(dates, "such as dates = [\"2026-12-18/2027-01-04\"]", diags)) {
        dates_read(&reader, dates);
    }
    calendar->from_min = clock_read(conf_get(group, "from"), 0, diags);
    calendar->to_min = clock_read(conf_get(group, "to"), 24 * 60, diags);
    zone_read(&reader, group);
    if (days == NULL && dates == NULL && conf_get(group, "from") == NULL) {
        diag_add(diags, DIAG_ERROR, group->value_at, "say days, dates, or from and to",
                 "this calendar is always open");
    }
    conf_unknown(group, known, diags);
    calendars->count += named;
}

void policy_calendars_read(struct conf *list, struct policy_calendars *calendars,
                           struct diags *diags)
{
    if (list->type != CONF_LIST) {
        diag_add(diags, DIAG_ERROR, list->value_at, example, "'calendars' is a list of groups");
        return;
    }
    for (struct conf *group = list->first; group != NULL; group = group->next) {
        if (group->type != CONF_GROUP) {
            diag_add(diags, DIAG_ERROR, group->value_at, example, "a calendar is a group");
        } else if (calendars->count == CALENDARS_MAX) {
            diag_add(diags, DIAG_ERROR, group->value_at, NULL, "at most %d calendars",
                     CALENDARS_MAX);
            return;
        } else {
            calendar_read(calendars, group, diags);
        }
    }
}

void policy_calendars_builtin(struct policy_calendars *calendars)
{
    /* Before the working day, and not before a weekend. */
    static const struct policy_calendar maintenance = {.name = "maintenance",
                                                       .zone = "UTC",
                                                       .days = 1 << 2 | 1 << 4,
                                                       .from_min = 60,
                                                       .to_min = 300};
    for (size_t i = 0; i < calendars->count; i++) {
        if (strcmp(calendars->items[i].name, maintenance.name) == 0) {
            return; /* The site says when. */
        }
    }
    if (calendars->count < CALENDARS_MAX) {
        calendars->items[calendars->count++] = maintenance;
    }
}

/* ---- names ----------------------------------------------------------------------------------- */

static uint32_t named(const struct policy_calendars *calendars, struct text name,
                      struct nsh_place at, struct diags *diags)
{
    const char *names[CALENDARS_MAX + 1] = {NULL};
    CLEANUP(textbuf_donep) struct textbuf remedy = {0};
    for (size_t i = 0; i < calendars->count; i++) {
        names[i] = calendars->items[i].name;
        if (text_is(name, names[i])) {
            return (uint32_t)i + 1;
        }
        textbuf_addf(&remedy, "%s%s", i == 0 ? "there is: " : ", ", names[i]);
    }
    const char *nearest = text_nearest(name, names);
    if (nearest != NULL) {
        textbuf_clear(&remedy);
        textbuf_addf(&remedy, "did you mean '%s'?", nearest);
    } else if (calendars->count == 0) {
        textbuf_add_chars(&remedy, "the site has none: 'calendars' in nightshift.conf");
    }
    diag_add(diags, DIAG_ERROR, at, remedy.at, "there is no calendar '%.*s'",
             (int)(name.count < 80 ? name.count : 80), name.at);
    return 0;
}

uint32_t policy_calendar_of(const struct policy_calendars *calendars, struct conf *setting,
                            struct diags *diags)
{
    const char *name = conf_text(setting, NULL, diags);
    return name == NULL ? 0 : named(calendars, text_of(name), setting->value_at, diags);
}

uint32_t policy_calendars_of(const struct policy_calendars *calendars, struct conf *setting,
                             struct diags *diags)
{
    uint32_t mask = 0;
    bool several = setting->type == CONF_ARRAY || setting->type == CONF_LIST;
    setting->seen = true;
    for (struct conf *item = several ? setting->first : setting; item != NULL;
         item = several ? item->next : NULL) {
        uint32_t calendar = policy_calendar_of(calendars, item, diags);
        mask |= calendar == 0 ? 0 : 1u << (calendar - 1);
    }
    return mask;
}

void policy_calendar_calls(struct policy_loader *loader, const struct cel_program *program,
                           const struct conf *setting)
{
    static const char call[] = "in_calendar(";
    CLEANUP(textbuf_donep) struct textbuf canonical = {0};
    cel_program_print(program, &canonical); /* However it was written: one form. */
    const char *at = canonical.at == NULL ? NULL : strstr(canonical.at, call);
    for (; at != NULL; at = strstr(at + 1, call)) {
        const char *name = at + sizeof call; /* Behind its quote. */
        struct text text = {name, (uint32_t)strcspn(name, (char[]){name[-1], '\0'})};
        CLEANUP(textbuf_donep) struct textbuf written = {0};
        textbuf_add(&written, text);
        const char *found = written.at == NULL ? NULL : strstr(setting->text, written.at);
        struct nsh_place place =
            found == NULL ? setting->value_at
                          : conf_text_place(setting, (uint32_t)(found - setting->text), text.count);
        named(&loader->set->defaults.calendars, text, place, loader->diags);
    }
}
