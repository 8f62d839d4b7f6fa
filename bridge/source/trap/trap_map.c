/* SPDX-License-Identifier: Apache-2.0 */
#include "trap_map.h"

#include "base/assert.h"
#include "base/pack.h"

#include <stdlib.h>

#define SCRATCH_BYTES                                                                              \
    (3 * TRAP_DATAGRAM_BYTES_MAX) /* Hexadecimal of the largest datagram, and its names. */
#define MEMBERS_MAX (TRAP_VARBINDS_MAX + 32)
#define NUMBER_CHARS_MAX 24
#define RESOURCE_BYTES_MAX 128
#define VALUE_IN_TEXT_BYTES_MAX 256 /* Of one value inside a resource or message. */

/* Traps repeat themselves: which object an identifier belongs to is looked up once. */
#define FOUND_SLOTS 256 /* A power of two. */
#define FOUND_ARCS_MAX 24
struct found {
    uint32_t count; /* 0: empty */
    uint32_t arcs[FOUND_ARCS_MAX];
    const struct trap_object *object; /* NULL: of none. */
};

struct trap_mapper {
    const struct trap_tables *tables;
    struct found found[FOUND_SLOTS];
    uint32_t *seen; /* By object: the run in which it last named a member. */
    uint32_t run;
    const struct trap_object *objects[TRAP_VARBINDS_MAX];
    struct nsh_member members[MEMBERS_MAX];
    size_t members_count;
    struct pet pet;
    bool is_pet;
    size_t scratch_count;
    char scratch[SCRATCH_BYTES];
    uint8_t data[EVENT_DATA_BYTES_MAX];
    char id[32], source[80], hint[320], resource[RESOURCE_BYTES_MAX], message[EVENT_TEXT_BYTES_MAX];
    char name[TRAP_OID_TEXT_MAX];
};

/* A bounded text under construction; what does not fit is cut. */
struct line {
    char *at;
    size_t count, room;
};

struct trap_mapper *trap_mapper_new(const struct trap_tables *tables)
{
    struct trap_mapper *mapper = calloc(1, sizeof *mapper);
    if (mapper == NULL) {
        return NULL;
    }
    mapper->tables = tables;
    mapper->seen = calloc((tables == NULL ? 0 : tables->objects_count) + 1, sizeof *mapper->seen);
    if (mapper->seen == NULL) {
        free(mapper);
        return NULL;
    }
    return mapper;
}

void trap_mapper_free(struct trap_mapper *mapper)
{
    if (mapper != NULL) {
        free(mapper->seen);
        free(mapper);
    }
}

static void line_add(struct line *line, const char *bytes, size_t count)
{
    size_t left = line->room - line->count;
    if (count > left) {
        count = left;
        while (count > 0 && ((uint8_t)bytes[count] & 0xc0) == 0x80) {
            count--; /* Not inside a character. */
        }
    }
    memcpy(line->at + line->count, bytes, count);
    line->count += count;
}

static void line_text(struct line *line, struct text text)
{
    line_add(line, text.at, text.count);
}

static size_t natural_write(uint64_t value, char digits[NUMBER_CHARS_MAX])
{
    char reversed[NUMBER_CHARS_MAX];
    size_t count = 0;
    size_t used = 0;
    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        digits[used++] = reversed[--count];
    }
    return used;
}

static void line_natural(struct line *line, uint64_t value)
{
    char digits[NUMBER_CHARS_MAX];
    line_add(line, digits, natural_write(value, digits));
}

static void line_integer(struct line *line, int64_t value)
{
    if (value < 0) {
        line_add(line, "-", 1);
    }
    line_natural(line, value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value);
}

static void line_hex(struct line *line, struct text bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = 0; i < bytes.count && line->room - line->count >= 2; i++) {
        line->at[line->count++] = digits[(uint8_t)bytes.at[i] >> 4];
        line->at[line->count++] = digits[(uint8_t)bytes.at[i] & 15];
    }
}

static void line_address(struct line *line, const uint8_t bytes[4])
{
    for (int i = 0; i < 4; i++) {
        line_natural(line, bytes[i]);
        line_add(line, ".", i < 3);
    }
}

static void line_oid(struct line *line, struct trap_oid oid)
{
    line->count += trap_oid_write(oid, line->at + line->count, line->room - line->count);
}

static const char *label_of(const struct trap_object *object, int64_t value)
{
    for (size_t i = 0; object != NULL && i < object->labels_count; i++) {
        if (object->labels[i].value == value) {
            return object->labels[i].word;
        }
    }
    return NULL;
}

/* The content without the NULs and blanks that agents leave at the end. */
static struct text octets_trimmed(struct text octets)
{
    while (octets.count > 0 &&
           (octets.at[octets.count - 1] == '\0' || octets.at[octets.count - 1] == ' ')) {
        octets.count--;
    }
    return octets;
}

static bool is_plain(struct text octets)
{
    uint8_t high = 0;
    bool control = false;
    uint32_t i = 0;
    for (uint64_t word; i + sizeof word <= octets.count; i += sizeof word) {
        memcpy(&word, octets.at + i, sizeof word);
        /* A high bit, or one that is borrowed: something other than printable ASCII. */
        if (((word | (word - 0x2020202020202020u)) & 0x8080808080808080u) != 0) {
            break;
        }
    }
    for (; i < octets.count; i++) {
        uint8_t c = (uint8_t)octets.at[i];
        high |= c & 0x80;
        control = control || (c < 0x20 && c != '\t' && c != '\n' && c != '\r');
    }
    return !control && (high == 0 || text_is_utf8(octets.at, octets.count));
}

/* A value as words, for resources and messages. */
static void line_value(struct line *line, const struct trap_varbind *varbind,
                       const struct trap_object *object)
{
    const char *word = NULL;
    switch (varbind->type) {
    case TRAP_INTEGER:
    case TRAP_INT64:
        word = label_of(object, varbind->integer);
        if (word != NULL) {
            line_text(line, text_of(word));
        } else {
            line_integer(line, varbind->integer);
        }
        break;
    case TRAP_UNSIGNED:
    case TRAP_COUNTER32:
    case TRAP_COUNTER64:
    case TRAP_TIMETICKS:
    case TRAP_UINT64:
        line_natural(line, varbind->natural);
        break;
    case TRAP_REAL:
        line_integer(line,
                     (int64_t)(varbind->real > -9e18 && varbind->real < 9e18 ? varbind->real : 0));
        break;
    case TRAP_OCTETS: {
        struct text octets = octets_trimmed(varbind->octets);
        if (is_plain(octets)) {
            line_text(line, octets);
            break;
        }
        line_hex(line, octets);
        break;
    }
    case TRAP_OPAQUE:
        line_hex(line, varbind->octets);
        break;
    case TRAP_IPADDRESS:
        line_address(line, (const uint8_t *)varbind->octets.at);
        break;
    case TRAP_OID:
        line_oid(line, varbind->objid);
        break;
    case TRAP_NULL:
        break;
    }
}

/* NUL-terminated texts in the mapper's scratch. At the end of the room they are cut short. */
static struct line scratch_open(struct trap_mapper *mapper)
{
    size_t left = SCRATCH_BYTES - mapper->scratch_count;
    return (struct line){.at = mapper->scratch + mapper->scratch_count,
                         .room = left == 0 ? 0 : left - 1};
}

static struct nsh_value scratch_close(struct trap_mapper *mapper, const struct line *line)
{
    if (mapper->scratch_count == SCRATCH_BYTES) {
        return nsh_text("");
    }
    line->at[line->count] = '\0';
    mapper->scratch_count += line->count + 1;
    return (struct nsh_value){.type = NSH_STRING, .count = (uint32_t)line->count, .text = line->at};
}

static struct nsh_value value_of_octets(struct trap_mapper *mapper, struct text octets, bool opaque)
{
    struct line line = scratch_open(mapper);
    if (!opaque && is_plain(octets_trimmed(octets))) {
        line_text(&line, octets_trimmed(octets));
    } else {
        line_add(&line, "0x", 2);
        line_hex(&line, octets);
    }
    return scratch_close(mapper, &line);
}

static struct nsh_value value_of(struct trap_mapper *mapper, const struct trap_varbind *varbind,
                                 const struct trap_object *object)
{
    switch (varbind->type) {
    case TRAP_INTEGER:
    case TRAP_INT64: {
        const char *word = label_of(object, varbind->integer);
        return word != NULL ? nsh_text(word) : nsh_int(varbind->integer);
    }
    case TRAP_UNSIGNED:
    case TRAP_COUNTER32:
    case TRAP_COUNTER64:
    case TRAP_TIMETICKS:
    case TRAP_UINT64:
        if (varbind->natural <= INT64_MAX) {
            return nsh_int((int64_t)varbind->natural);
        }
        break;
    case TRAP_REAL:
        return varbind->real - varbind->real == 0 ? nsh_double(varbind->real) : nsh_null();
    case TRAP_OCTETS:
        return value_of_octets(mapper, varbind->octets, false);
    case TRAP_OPAQUE:
        return value_of_octets(mapper, varbind->octets, true);
    case TRAP_NULL:
        return nsh_null();
    case TRAP_IPADDRESS:
    case TRAP_OID:
        break;
    }
    struct line line = scratch_open(mapper);
    line_value(&line, varbind, object);
    return scratch_close(mapper, &line);
}

static void member_add(struct trap_mapper *mapper, const char *name, struct nsh_value value)
{
    if (mapper->members_count < MEMBERS_MAX) {
        mapper->members[mapper->members_count++] = (struct nsh_member){name, value};
    }
}

/* A name of its own for every varbind: the object's; with the instance for its second one; numeric
 * without object. */
static const char *member_name(struct trap_mapper *mapper, const struct trap_varbind *varbind,
                               const struct trap_object *object)
{
    if (object != NULL && mapper->seen[object->number] != mapper->run) {
        mapper->seen[object->number] = mapper->run;
        return object->name.at;
    }
    struct line line = scratch_open(mapper);
    if (object != NULL) {
        line_text(&line, object->name);
        line_add(&line, ".", 1);
        line_oid(&line, (struct trap_oid){varbind->oid.count - object->oid.count,
                                          varbind->oid.arcs + object->oid.count});
    } else {
        line_oid(&line, varbind->oid);
    }
    return scratch_close(mapper, &line).text;
}

/* Hostile traps repeat a name; a map's names are unique: the last value stands. */
static bool member_replace(struct trap_mapper *mapper, const char *name, struct nsh_value value)
{
    for (size_t i = 0; i < mapper->members_count; i++) {
        if (strcmp(mapper->members[i].name, name) == 0) {
            mapper->members[i].value = value;
            return true;
        }
    }
    return false;
}

static const struct trap_object *object_find(struct trap_mapper *mapper, struct trap_oid oid)
{
    if (mapper->tables == NULL || oid.count < 4 || oid.count > FOUND_ARCS_MAX) {
        return mapper->tables == NULL ? NULL : trap_tables_find_object(mapper->tables, oid);
    }
    uint32_t hash = oid.arcs[oid.count - 1] * 31 + oid.arcs[oid.count - 2];
    hash = (hash * 31 + oid.arcs[oid.count - 3]) * 31 + oid.count;
    struct found *found = &mapper->found[hash * 0x9e3779b1u >> 24];
    if (!trap_oid_equal(oid, (struct trap_oid){found->count, found->arcs})) {
        found->object = trap_tables_find_object(mapper->tables, oid);
        found->count = oid.count;
        memcpy(found->arcs, oid.arcs, oid.count * sizeof *oid.arcs);
    }
    return found->object;
}

static void map_varbinds(struct trap_mapper *mapper, const struct trap *trap)
{
    mapper->run++;
    size_t first = mapper->is_pet && mapper->pet.has_body
                       ? 1
                       : 0; /* Decoded field by field: not repeated raw. */
    mapper->objects[0] = NULL;
    for (size_t i = first; i < trap->varbinds_count; i++) {
        const struct trap_varbind *varbind = &trap->varbinds[i];
        const struct trap_object *object = object_find(mapper, varbind->oid);
        mapper->objects[i] = object;
        const char *name = member_name(mapper, varbind, object);
        struct nsh_value value = value_of(mapper, varbind, object);
        if ((object != NULL && name == object->name.at) || !member_replace(mapper, name, value)) {
            member_add(mapper, name, value);
        }
    }
}

static void member_number(struct trap_mapper *mapper, const char *name, int64_t value)
{
    member_add(mapper, name, nsh_int(value));
}

static void guid_write(struct line *line, const uint8_t guid[16])
{
    for (uint32_t i = 0; i < 16; i++) {
        line_hex(line, (struct text){(const char *)guid + i, 1});
        line_add(line, "-", i == 3 || i == 5 || i == 7 || i == 9);
    }
}

static void map_pet(struct trap_mapper *mapper, const struct pet *pet)
{
    member_add(mapper, "sensor", nsh_text(pet_sensor_word(pet->sensor_type)));
    member_number(mapper, "sensor_type", pet->sensor_type);
    member_number(mapper, "event_type", pet->event_type);
    member_number(mapper, "offset", pet->offset);
    member_add(mapper, "deasserted", nsh_bool(pet->deasserted));
    if (!pet->has_body) {
        return;
    }
    struct line line = scratch_open(mapper);
    guid_write(&line, pet->guid);
    member_add(mapper, "guid", scratch_close(mapper, &line));
    member_number(mapper, "sequence", pet->sequence);
    if (pet->seconds != 0) {
        int64_t offset_s = pet->has_utc_offset ? pet->utc_offset_min * 60 : 0;
        member_number(mapper, "timestamp", PET_EPOCH_S + (int64_t)pet->seconds - offset_s);
    }
    if (pet->has_utc_offset) {
        member_number(mapper, "utc_offset_min", pet->utc_offset_min);
    }
    member_number(mapper, "trap_source", pet->trap_source);
    member_number(mapper, "event_source", pet->event_source);
    member_number(mapper, "event_severity", pet->severity);
    member_number(mapper, "sensor_device", pet->sensor_device);
    member_number(mapper, "sensor_number", pet->sensor_number);
    member_number(mapper, "entity", pet->entity);
    if (pet_entity_word(pet->entity) != NULL) {
        member_add(mapper, "entity_name", nsh_text(pet_entity_word(pet->entity)));
    }
    member_number(mapper, "entity_instance", pet->entity_instance);
    line = scratch_open(mapper);
    line_hex(&line, (struct text){(const char *)pet->event_data, sizeof pet->event_data});
    member_add(mapper, "event_data", scratch_close(mapper, &line));
    member_number(mapper, "language", pet->language);
    member_number(mapper, "manufacturer", pet->manufacturer);
    member_number(mapper, "system", pet->system);
    line = scratch_open(mapper);
    line_hex(&line, pet->oem);
    member_add(mapper, "oem", scratch_close(mapper, &line));
}

/* The varbind a reference names, or NULL. */
static const struct trap_varbind *ref_find(const struct trap_mapper *mapper,
                                           const struct trap *trap, const struct trap_ref *ref,
                                           size_t *ret_index)
{
    if (ref->number > 0) {
        *ret_index = ref->number - 1;
        return ref->number <= trap->varbinds_count ? &trap->varbinds[ref->number - 1] : NULL;
    }
    for (size_t i = 0; i < trap->varbinds_count; i++) {
        if (mapper->objects[i] != NULL && mapper->objects[i]->name.at == ref->name) {
            *ret_index = i;
            return &trap->varbinds[i];
        }
    }
    return NULL;
}

/* The row that knows trap: the first of its identifier whose object the trap carries. */
static const struct trap_row *row_find(const struct trap_mapper *mapper, const struct trap *trap)
{
    size_t index = 0;
    const struct trap_row *row =
        mapper->tables == NULL ? NULL : trap_tables_find(mapper->tables, trap->trap_oid);
    while (row != NULL && row->with != NULL &&
           ref_find(mapper, trap, &(struct trap_ref){.name = row->with}, &index) == NULL) {
        row = row->next;
    }
    return row;
}

/* A reference as words; false: nothing there. */
static bool ref_write(const struct trap_mapper *mapper, const struct trap *trap,
                      const struct trap_ref *ref, struct line *line)
{
    if (ref->number == 0 && strncmp(ref->name, "pet.", 4) == 0) {
        for (size_t i = 0; i < mapper->members_count; i++) {
            if (strcmp(mapper->members[i].name, ref->name + 4) == 0) {
                const struct nsh_value *value = &mapper->members[i].value;
                if (value->type == NSH_STRING) {
                    line_add(line, value->text, value->count);
                } else {
                    line_integer(line, value->integer);
                }
                return true;
            }
        }
        return false;
    }
    size_t index = 0;
    const struct trap_varbind *varbind = ref_find(mapper, trap, ref, &index);
    if (varbind == NULL) {
        return false;
    }
    const struct trap_object *object = mapper->objects[index];
    size_t before = line->count;
    if (ref->index) {
        uint32_t skipped = object != NULL ? object->oid.count : varbind->oid.count - 1;
        line_oid(line,
                 (struct trap_oid){varbind->oid.count - skipped, varbind->oid.arcs + skipped});
    } else {
        line_value(line, varbind, object);
    }
    return line->count > before;
}

static struct text expand(const struct trap_mapper *mapper, const struct trap *trap,
                          const struct trap_template *template, struct line line, bool strict)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct trap_part *part = &template->parts[i];
        if (part->literal.count > 0) {
            line_text(&line, part->literal);
        } else {
            struct line piece = {line.at + line.count, 0,
                                 line.room - line.count < VALUE_IN_TEXT_BYTES_MAX
                                     ? line.room - line.count
                                     : VALUE_IN_TEXT_BYTES_MAX};
            if (!ref_write(mapper, trap, &part->ref, &piece) && strict) {
                return (struct text){0};
            }
            line.count += piece.count;
        }
    }
    return (struct text){line.at, (uint32_t)line.count};
}

/* Without a template: the name, and the first words the sender gave. */
static struct text preset_message(struct trap_mapper *mapper, const struct trap *trap,
                                  struct text name)
{
    struct line line = {mapper->message, 0, sizeof mapper->message};
    line_text(&line, name);
    for (size_t i = 0; i < trap->varbinds_count; i++) {
        const struct trap_varbind *varbind = &trap->varbinds[i];
        struct text octets =
            varbind->type == TRAP_OCTETS ? octets_trimmed(varbind->octets) : (struct text){0};
        if (octets.count > 2 && is_plain(octets)) {
            line_add(&line, ": ", 2);
            line_text(&line, octets);
            break;
        }
    }
    return (struct text){line.at, (uint32_t)line.count};
}

static void apply_grades(const struct trap_mapper *mapper, const struct trap *trap,
                         const struct trap_row *row, struct event *event)
{
    size_t index = 0;
    const struct trap_varbind *varbind = ref_find(mapper, trap, &row->severity_from, &index);
    if (varbind == NULL) {
        return;
    }
    int64_t value = varbind->type == TRAP_INTEGER || varbind->type == TRAP_INT64 ? varbind->integer
                    : varbind->type == TRAP_UNSIGNED || varbind->type == TRAP_UINT64
                        ? (int64_t)(varbind->natural & INT64_MAX)
                        : -1;
    for (size_t i = 0; i < row->grades_count; i++) {
        if (row->grades[i].value == value) {
            if (row->grades[i].severity < 0) {
                event->state = EVENT_CLEAR;
                event->severity = SEVERITY_INFO;
            } else {
                event->severity = (enum severity)row->grades[i].severity;
            }
            return;
        }
    }
}

static void apply_row(struct trap_mapper *mapper, const struct trap *trap,
                      const struct trap_row *row, struct event *event)
{
    event->type = row->type;
    event->name = row->name;
    event->qualifier = row->qualifier;
    event->severity = row->severity < 0 ? SEVERITY_INFO : (enum severity)row->severity;
    event->state = row->state < 0 ? EVENT_PULSE : (enum event_state)row->state;
    event->resource = expand(mapper, trap, &row->resource,
                             (struct line){mapper->resource, 0, sizeof mapper->resource}, true);
    if (row->grades_count > 0) {
        apply_grades(mapper, trap, row, event);
    }
    if (row->message.parts != NULL) {
        event->message = expand(mapper, trap, &row->message,
                                (struct line){mapper->message, 0, sizeof mapper->message}, false);
    }
}

static enum severity pet_severity(uint8_t mask)
{
    return (mask & 0x20) != 0   ? SEVERITY_CRITICAL
           : (mask & 0x10) != 0 ? SEVERITY_MAJOR
           : (mask & 0x08) != 0 ? SEVERITY_WARNING
                                : SEVERITY_INFO;
}

/* What the sensor says decides type, state and resource; a row of the identifier keeps its name and
 * severity. */
static void apply_pet(struct trap_mapper *mapper, const struct trap *trap,
                      const struct trap_row *exact, struct event *event)
{
    const struct pet *pet = &mapper->pet;
    struct trap_pet_key key = {pet->sensor_type, pet->event_type, pet->offset};
    const struct trap_row *row = trap_tables_find_pet(mapper->tables, &key);
    if (row != NULL) {
        apply_row(mapper, trap, row, event);
        event->unmatched = false;
        if (row->severity < 0) {
            event->severity = pet_severity(pet->severity);
        }
        event->state = row->state < 0 ? EVENT_RAISE : (enum event_state)row->state;
        if (pet->deasserted && event->state != EVENT_PULSE) {
            event->state = event->state == EVENT_RAISE ? EVENT_CLEAR : EVENT_RAISE;
        }
        bool returned = pet->severity == 0x04;
        if (event->state == EVENT_CLEAR || (returned && event->state == EVENT_RAISE)) {
            event->state = EVENT_CLEAR;
            event->severity = SEVERITY_INFO;
        }
    }
    if (exact != NULL) {
        if (row == NULL) {
            apply_row(mapper, trap, exact, event);
        }
        event->name = exact->name;
        event->severity = exact->severity < 0 ? event->severity : (enum severity)exact->severity;
    }
}

static void write_identity(struct trap_mapper *mapper, const struct trap *trap, struct text source,
                           struct event *event)
{
    struct line line = {mapper->source, 0, sizeof mapper->source};
    line_add(&line, "trap/", 5);
    line_text(&line, source);
    event->source = (struct text){line.at, (uint32_t)line.count};
    line = (struct line){mapper->hint, 0, sizeof mapper->hint};
    line_add(&line, "addr=", 5);
    line_text(&line, source);
    if (trap->has_agent) {
        line_add(&line, ",agent=", 7);
        line_address(&line, trap->agent);
    }
    if (trap->engine.count > 0) {
        line_add(&line, ",engine=", 8);
        line_hex(&line, trap->engine);
    }
    if (mapper->is_pet && mapper->pet.has_body) {
        line_add(&line, ",uuid=", 6);
        guid_write(&line, mapper->pet.guid);
    }
    event->hint = (struct text){line.at, (uint32_t)line.count};
    if (trap->inform) { /* A sender repeats an inform until it is answered. */
        line = (struct line){mapper->id, 0, sizeof mapper->id};
        uint64_t hash = trap_hash_bytes(trap_identity(trap, source), &trap->request_id,
                                        sizeof trap->request_id);
        line_add(&line, "inform-", 7);
        for (int shift = 60; shift >= 0; shift -= 4) {
            line_add(&line, &"0123456789abcdef"[hash >> shift & 15], 1);
        }
        event->id = (struct text){line.at, (uint32_t)line.count};
    }
}

uint64_t trap_identity(const struct trap *trap, struct text source)
{
    uint64_t hash = trap_hash_bytes(TRAP_HASH_SEED, source.at, source.count);
    hash = trap_hash_arcs(hash, trap->trap_oid.arcs, trap->trap_oid.count);
    if (trap->has_agent) { /* A proxy sends for many. */
        hash = trap_hash_bytes(hash, trap->agent, sizeof trap->agent);
    }
    /* Without sysUpTime, which differs between repetitions. */
    return trap_hash_bytes(hash, trap->payload.at, trap->payload.count);
}

static void pack_data(struct trap_mapper *mapper, struct event *event)
{
    struct pack_writer writer = {.at = mapper->data, .room = sizeof mapper->data};
    struct nsh_value map = nsh_map(mapper->members, mapper->members_count);
    pack_value(&writer, &map);
    while (writer.failed && mapper->members_count > 0) { /* Hexadecimal doubles: keep what fits. */
        mapper->members_count /= 2;
        writer = (struct pack_writer){.at = mapper->data, .room = sizeof mapper->data};
        map = nsh_map(mapper->members, mapper->members_count);
        pack_value(&writer, &map);
    }
    event->data = (struct text){(const char *)mapper->data, (uint32_t)writer.count};
}

void trap_map(struct trap_mapper *mapper, const struct trap *trap, struct text source,
              int64_t received_ms, struct event *ret_event)
{
    NSH_ASSERT(source.count <= 64);
    struct event event = {
        .received_ms = received_ms, .severity = SEVERITY_INFO, .state = EVENT_PULSE};
    mapper->members_count = 0;
    mapper->scratch_count = 0;
    mapper->is_pet = pet_decode(trap, &mapper->pet);
    map_varbinds(mapper, trap);
    if (mapper->is_pet) {
        map_pet(mapper, &mapper->pet);
    }
    event.unmatched = true;
    event.type = TEXT("snmp.unmatched");
    const struct trap_row *row = row_find(mapper, trap);
    if (row != NULL) {
        event.unmatched = false;
    }
    if (mapper->is_pet && mapper->tables != NULL) {
        apply_pet(mapper, trap, row, &event);
    } else if (row != NULL) {
        apply_row(mapper, trap, row, &event);
    }
    if (event.name.count == 0) {
        event.name =
            (struct text){mapper->name, (uint32_t)trap_oid_write(trap->trap_oid, mapper->name,
                                                                 sizeof mapper->name)};
    }
    if (event.message.count == 0) {
        event.message = preset_message(mapper, trap, event.name);
    }
    if (trap->version == TRAP_V1 && trap->enterprise.count > 0) {
        struct line line = scratch_open(mapper);
        line_oid(&line, trap->enterprise);
        member_add(mapper, "enterprise", scratch_close(mapper, &line));
    }
    write_identity(mapper, trap, source, &event);
    pack_data(mapper, &event);
    *ret_event = event;
}

void trap_map_pet(struct trap_mapper *mapper, const struct pet *pet, const struct nsh_member *more,
                  size_t more_count, struct event *ret_event)
{
    static const struct trap none;
    struct event event = {.severity = SEVERITY_INFO, .state = EVENT_PULSE, .unmatched = true};
    mapper->members_count = 0;
    mapper->scratch_count = 0;
    mapper->is_pet = true;
    mapper->pet = *pet;
    map_pet(mapper, pet);
    for (size_t i = 0; i < more_count; i++) {
        member_add(mapper, more[i].name, more[i].value);
    }
    event.type = TEXT("ipmi.event");
    if (mapper->tables != NULL) {
        apply_pet(mapper, &none, NULL, &event);
    }
    pack_data(mapper, &event);
    *ret_event = event;
}
