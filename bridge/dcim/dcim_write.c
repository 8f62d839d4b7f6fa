/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inventory's text. One setting a line, in one order, so that the difference to the text before
 * can be read; the same register and the same inventory give the same text.
 */

#include "dcim/dcim.h"

#include <stdio.h>
#include <string.h>

struct writing {
    struct dcim *dcim;
    struct textbuf *out;
    struct conf *defaults; /* NULL: there are none. */
    bool *written;         /* Of each host of the register. */
    bool first;
};

/* ---- values as libconfig has them ------------------------------------------------------- */

static void write_text(struct textbuf *out, const char *text)
{
    textbuf_add_char(out, '"');
    text = text == NULL ? "" : text; /* Memory ran out: the whole is thrown away. */
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            textbuf_addf(out, "\\%c", *c);
        } else if (*c < ' ' || *c == 0x7f) {
            textbuf_addf(out, "\\x%02x", *c);
        } else {
            textbuf_add_char(out, (char)*c);
        }
    }
    textbuf_add_char(out, '"');
}

static void write_value(struct textbuf *out, const struct conf *value);

static void write_children(struct textbuf *out, const struct conf *value)
{
    for (const struct conf *child = value->first; child != NULL; child = child->next) {
        if (value->type == CONF_GROUP) {
            textbuf_addf(out, "%s = ", child->name);
        }
        write_value(out, child);
        textbuf_add_chars(out, value->type == CONF_GROUP ? "; " : child->next != NULL ? ", " : "");
    }
}

static void write_value(struct textbuf *out, const struct conf *value)
{
    static const char *const ends[][2] = {
        [CONF_GROUP] = {"{ ", "}"}, [CONF_LIST] = {"(", ")"}, [CONF_ARRAY] = {"[", "]"}};

    switch (value->type) {
    case CONF_GROUP:
    case CONF_LIST:
    case CONF_ARRAY:
        textbuf_add_chars(out, ends[value->type][0]);
        write_children(out, value);
        textbuf_add_chars(out, ends[value->type][1]);
        break;
    case CONF_STRING:
        write_text(out, value->text);
        break;
    case CONF_INT:
        textbuf_addf(out, "%lld%s", (long long)value->integer,
                     value->integer > INT32_MAX || value->integer < INT32_MIN ? "L" : "");
        break;
    case CONF_FLOAT:
        textbuf_addf(out, "%.17g%s", value->real,
                     value->real == (double)(int64_t)value->real ? ".0" : "");
        break;
    case CONF_BOOL:
        textbuf_add_chars(out, value->boolean ? "true" : "false");
        break;
    }
}

/* ---- settings --------------------------------------------------------------------------- */

static void setting_begin(struct writing *writing, const char *name)
{
    textbuf_addf(writing->out, "    %s = ", name);
}

static void setting_end(struct writing *writing)
{
    textbuf_add_chars(writing->out, ";\n");
}

static void setting_keep(struct writing *writing, const struct conf *setting)
{
    if (setting != NULL) {
        setting_begin(writing, setting->name);
        write_value(writing->out, setting);
        setting_end(writing);
    }
}

/* The texts of a setting that may be one or several. */
static void texts_of(const struct conf *setting, struct dcim_texts *texts)
{
    if (setting == NULL) {
        return;
    }
    if (setting->type == CONF_STRING) {
        dcim_texts_add(texts, setting->text);
        return;
    }
    for (const struct conf *child = setting->first; child != NULL; child = child->next) {
        if (child->type == CONF_STRING) {
            dcim_texts_add(texts, child->text);
        }
    }
}

static bool texts_same(const struct dcim_texts *a, const struct dcim_texts *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->at[i], b->at[i]) == 0;
    }
    return same;
}

static void write_field(struct writing *writing, enum dcim_field field, struct conf *group,
                        const struct dcim_host *host)
{
    const char *word = dcim_field_words[field];
    struct conf *own = group == NULL ? NULL : conf_get(group, word);
    struct conf *preset = writing->defaults == NULL ? NULL : conf_get(writing->defaults, word);
    struct dcim_texts texts = {.count = 0}, before = {.count = 0};

    if (host->fields[field].count == 0) {
        setting_keep(writing, own); /* NetBox does not say: what stands there stays. */
        return;
    }
    texts_of(own != NULL ? own : preset, &before);
    if (field == DCIM_ADDRESSES) { /* It may have more than the register knows of. */
        texts = before;
    }
    for (size_t i = 0; i < host->fields[field].count; i++) {
        dcim_texts_add(&texts, host->fields[field].at[i]);
    }
    if (texts_same(&texts, &before)) {
        setting_keep(writing, own);
        return;
    }
    setting_begin(writing, word);
    if (!dcim_field_lists[field]) {
        write_text(writing->out, texts.at[0]);
    } else {
        textbuf_add_char(writing->out, '[');
        for (size_t i = 0; i < texts.count; i++) {
            textbuf_add_chars(writing->out, i == 0 ? "" : ", ");
            write_text(writing->out, texts.at[i]);
        }
        textbuf_add_char(writing->out, ']');
    }
    setting_end(writing);
}

/* "https://10.0.0.1:8443/x" with 10.0.0.9 instead: what is around it stays. */
static const char *address_replace(struct dcim *dcim, const char *text, const char *address)
{
    char old[FLEET_ADDRESS_BYTES_MAX];
    const char *at = fleet_address(text_of(text), old) ? strstr(text, old) : NULL;

    return at == NULL ? address
                      : arena_printf(&dcim->arena, "%.*s%s%s", (int)(at - text), text, address,
                                     at + strlen(old));
}

static bool address_same(const char *text, const char *address)
{
    char one[FLEET_ADDRESS_BYTES_MAX], two[FLEET_ADDRESS_BYTES_MAX];

    return text != NULL && fleet_address(text_of(text), one) &&
           fleet_address(text_of(address), two) && strcmp(one, two) == 0;
}

/* A binding with these texts in it, in the places where they stand. */
static void write_binding(struct writing *writing, const char *word, const struct conf *group,
                          const char *const *names, const char *const *texts)
{
    setting_begin(writing, word);
    textbuf_add_chars(writing->out, "{ ");
    for (const struct conf *child = group == NULL ? NULL : group->first; child != NULL;
         child = child->next) {
        const char *text = NULL;
        for (size_t i = 0; names[i] != NULL; i++) {
            text = strcmp(names[i], child->name) == 0 ? texts[i] : text;
        }
        textbuf_addf(writing->out, "%s = ", child->name);
        if (text != NULL) {
            write_text(writing->out, text);
        } else {
            write_value(writing->out, child);
        }
        textbuf_add_chars(writing->out, "; ");
    }
    for (size_t i = 0; names[i] != NULL; i++) {
        bool there = false;
        for (const struct conf *child = group == NULL ? NULL : group->first; child != NULL;
             child = child->next) {
            there = there || strcmp(child->name, names[i]) == 0;
        }
        if (!there) {
            textbuf_addf(writing->out, "%s = ", names[i]);
            write_text(writing->out, texts[i]);
            textbuf_add_chars(writing->out, "; ");
        }
    }
    textbuf_add_char(writing->out, '}');
    setting_end(writing);
}

static void write_bmc(struct writing *writing, struct conf *group, const struct dcim_host *host)
{
    struct conf *own = group == NULL ? NULL : conf_get(group, "bmc");
    struct conf *address = own == NULL ? NULL : conf_get(own, "address");
    const char *before = address != NULL && address->type == CONF_STRING ? address->text : NULL;

    if (host->bmc == NULL || address_same(before, host->bmc)) {
        setting_keep(writing, own);
        return;
    }
    const char *text =
        before == NULL ? host->bmc : address_replace(writing->dcim, before, host->bmc);
    write_binding(writing, "bmc", own, (const char *const[]){"address", NULL},
                  (const char *const[]){text == NULL ? host->bmc : text});
}

static const char *driver_of(struct conf *group)
{
    struct conf *driver = group == NULL ? NULL : conf_get(group, "driver");

    return driver != NULL && driver->type == CONF_STRING ? driver->text : "";
}

/* Outlets are written for the driver whose settings they are: snmp. */
static void write_outlet(struct writing *writing, struct conf *group, const struct dcim_host *host)
{
    struct conf *own = group == NULL ? NULL : conf_get(group, "outlet");
    struct conf *preset = writing->defaults == NULL ? NULL : conf_get(writing->defaults, "outlet");
    const char *driver = driver_of(own)[0] != '\0' ? driver_of(own) : driver_of(preset);

    if (host->outlets == NULL || strcmp(driver, "snmp") != 0) {
        setting_keep(writing, own);
        return;
    }
    struct conf *address = own == NULL ? NULL : conf_get(own, "address");
    const char *before = address != NULL && address->type == CONF_STRING ? address->text : NULL;
    const char *text = address_same(before, host->pdu_address) ? before
                       : before != NULL ? address_replace(writing->dcim, before, host->pdu_address)
                                        : host->pdu_address;
    write_binding(writing, "outlet", own, (const char *const[]){"address", "outlets", NULL},
                  (const char *const[]){text == NULL ? host->pdu_address : text, host->outlets});
}

static bool is_ours(const char *name)
{
    static const char *const others[] = {"name", "maintenance", "bmc", "outlet"};
    bool ours = false;

    for (size_t i = 0; i < DCIM_FIELDS_COUNT; i++) {
        ours = ours || strcmp(dcim_field_words[i], name) == 0;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ours = ours || strcmp(others[i], name) == 0;
    }
    return ours;
}

static void host_begin(struct writing *writing)
{
    textbuf_add_chars(writing->out, writing->first ? "  {\n" : ",\n  {\n");
    writing->first = false;
}

/* A host; group: what the inventory has of it, or NULL. */
static void write_host(struct writing *writing, struct conf *group, const struct dcim_host *host)
{
    host_begin(writing);
    setting_begin(writing, "name");
    write_text(writing->out, host->name);
    setting_end(writing);
    for (enum dcim_field field = 0; field < DCIM_FIELDS_COUNT; field++) {
        write_field(writing, field, group, host);
    }
    if (host->maintenance) {
        setting_begin(writing, "maintenance");
        textbuf_add_chars(writing->out, "true");
        setting_end(writing);
    } else if (group != NULL) {
        setting_keep(writing, conf_get(group, "maintenance"));
    }
    for (const struct conf *child = group == NULL ? NULL : group->first; child != NULL;
         child = child->next) {
        if (!is_ours(child->name)) {
            setting_keep(writing, child);
        }
    }
    write_bmc(writing, group, host);
    write_outlet(writing, group, host);
    textbuf_add_chars(writing->out, "  }");
}

/* A host that the register does not know, or contradicts itself about. */
static void write_kept(struct writing *writing, const struct conf *group)
{
    host_begin(writing);
    for (const struct conf *child = group->first; child != NULL; child = child->next) {
        setting_keep(writing, child);
    }
    textbuf_add_chars(writing->out, "  }");
}

/* ---- the whole -------------------------------------------------------------------------- */

static const char *name_of(struct conf *group)
{
    struct conf *name = group->type == CONF_GROUP ? conf_get(group, "name") : NULL;

    return name != NULL && name->type == CONF_STRING ? name->text : "";
}

static void write_old(struct writing *writing, struct conf *group)
{
    const char *name = name_of(group);
    const struct dcim_host *host = dcim_find(writing->dcim, name);

    if (host == NULL) {
        dcim_remark(writing->dcim, false, name, "", "is in the inventory and not in NetBox: kept");
        write_kept(writing, group);
    } else if (host->left_out) {
        dcim_remark(writing->dcim, false, name, host->url, "stays as the inventory has it");
        write_kept(writing, group);
        writing->written[host - writing->dcim->hosts] = true;
    } else {
        write_host(writing, group, host);
        writing->written[host - writing->dcim->hosts] = true;
    }
}

/* Bytes of text in front of the place. */
static size_t place_offset(const char *text, const struct nsh_place *place)
{
    const char *at = text;

    for (uint32_t line = 1; line < place->line && at != NULL; line++) {
        at = strchr(at, '\n');
        at = at == NULL ? NULL : at + 1;
    }
    return at == NULL ? strlen(text) : (size_t)(at - text);
}

int dcim_write(struct dcim *dcim, const char *before, struct conf *root, struct textbuf *out,
               struct nsh_error *err)
{
    struct conf *hosts = root == NULL ? NULL : conf_get(root, "hosts");
    struct writing writing = {
        .dcim = dcim,
        .out = out,
        .defaults = root == NULL ? NULL : conf_get(root, "defaults"),
        .written = arena_array(&dcim->arena, dcim->hosts_count + 1, sizeof *writing.written),
        .first = true,
    };

    if (writing.written == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (root != NULL && (hosts == NULL || hosts->type != CONF_LIST || hosts->next != NULL ||
                         strcmp(hosts->at.file, root->at.file) != 0)) {
        return nsh_fail(err, NSH_INVALID,
                        "`hosts` must be the last setting of the file: what comes behind it would "
                        "be lost");
    }
    if (hosts != NULL && before != NULL) {
        textbuf_add(out, (struct text){before, (uint32_t)place_offset(before, &hosts->at)});
    }
    textbuf_add_chars(out, "hosts: (\n");
    for (struct conf *group = hosts == NULL ? NULL : hosts->first; group != NULL;
         group = group->next) {
        write_old(&writing, group);
    }
    for (size_t i = 0; i < dcim->hosts_count; i++) {
        if (!writing.written[i] && !dcim->hosts[i].left_out) {
            write_host(&writing, NULL, &dcim->hosts[i]);
        }
    }
    textbuf_add_chars(out, writing.first ? ");\n" : "\n);\n");
    return out->failed ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}
