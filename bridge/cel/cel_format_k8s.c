/* SPDX-License-Identifier: Apache-2.0 */
/* Named formats of Kubernetes: format.dns1123Label().validate("x"): none, or a list of mistakes. */

#include "cel/cel_private.h"

#define LABEL_MAX 63
#define SUBDOMAIN_MAX 253

struct named_format {
    struct cel_opaque head;
    const char *name;
    bool (*is)(struct text text);
    bool prefix; /* A dash may follow. */
    const char *wrong;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* --- names --------------------------------------------------------------------------------- */

static bool is_label(struct text text, uint32_t max)
{
    if (text.count == 0 || text.count > max || text.at[0] == '-' ||
        text.at[text.count - 1] == '-') {
        return false;
    }
    for (uint32_t i = 0; i < text.count; i++) {
        if (!is_lower(text.at[i]) && !is_digit(text.at[i]) && text.at[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool is_dns1123_label(struct text text)
{
    return is_label(text, LABEL_MAX);
}

static bool is_dns1035_label(struct text text)
{
    return is_label(text, LABEL_MAX) && is_lower(text.at[0]);
}

/* Labels of any length, but all together at most SUBDOMAIN_MAX. */
static bool is_dns1123_subdomain(struct text text)
{
    if (text.count > SUBDOMAIN_MAX) {
        return false;
    }
    for (uint32_t from = 0, i = 0; i <= text.count; i++) {
        if (i == text.count || text.at[i] == '.') {
            if (!is_label((struct text){text.at + from, i - from}, SUBDOMAIN_MAX)) {
                return false;
            }
            from = i + 1;
        }
    }
    return true;
}

static bool is_plain_name(struct text text)
{
    if (text.count == 0 || text.count > LABEL_MAX || !is_alnum(text.at[0]) ||
        !is_alnum(text.at[text.count - 1])) {
        return false;
    }
    for (uint32_t i = 0; i < text.count; i++) {
        char c = text.at[i];
        if (!is_alnum(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return true;
}

static bool is_label_value(struct text text)
{
    return text.count == 0 || is_plain_name(text);
}

static bool is_qualified_name(struct text text)
{
    const char *slash = text.count == 0 ? NULL : memchr(text.at, '/', text.count);
    if (slash == NULL) {
        return is_plain_name(text);
    }
    uint32_t before = (uint32_t)(slash - text.at);
    return is_dns1123_subdomain((struct text){text.at, before}) &&
           is_plain_name((struct text){slash + 1, text.count - before - 1});
}

/* --- others -------------------------------------------------------------------------------- */

/* Absolute, or an absolute path. */
static bool is_uri(struct text text)
{
    uint32_t scheme = 0;
    for (uint32_t i = 0; i < text.count; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c <= ' ' || c == 0x7f ||
            (c == '%' &&
             (i + 2 >= text.count || !is_hex(text.at[i + 1]) || !is_hex(text.at[i + 2])))) {
            return false;
        }
    }
    if (text_starts(text, "/")) {
        return true;
    }
    while (scheme < text.count &&
           (is_alnum(text.at[scheme]) || (scheme > 0 && strchr("+-.", text.at[scheme]) != NULL))) {
        scheme++;
    }
    return scheme > 0 && !is_digit(text.at[0]) && scheme + 1 < text.count && text.at[scheme] == ':';
}

/* The dashes may be left out. */
static bool is_uuid(struct text text)
{
    uint32_t digits = 0;
    for (uint32_t i = 0; i < text.count; i++) {
        bool place = digits == 8 || digits == 12 || digits == 16 || digits == 20;
        if (text.at[i] == '-' && place && text.at[i - 1] != '-') {
            continue;
        }
        if (!is_hex(text.at[i])) {
            return false;
        }
        digits++;
    }
    return digits == 32 && text.at[text.count - 1] != '-';
}

static bool is_base64(struct text text)
{
    uint32_t count = text.count;
    while (count > 0 && count + 2 > text.count && text.at[count - 1] == '=') {
        count--;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!is_alnum(text.at[i]) && text.at[i] != '+' && text.at[i] != '/') {
            return false;
        }
    }
    return text.count > 0 && text.count % 4 == 0;
}

static bool is_datetime(struct text text)
{
    struct cel_value value;
    return cel_parse_timestamp(text, &value);
}

static bool is_date(struct text text)
{
    char whole[] = "0000-00-00T00:00:00Z";
    if (text.count != 10) {
        return false;
    }
    memcpy(whole, text.at, text.count);
    return is_datetime((struct text){whole, sizeof whole - 1});
}

/* --- class --------------------------------------------------------------------------------- */

static bool equal(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return a == b;
}

static void print(const struct cel_opaque *value, struct textbuf *out)
{
    textbuf_add_chars(out, ((const struct named_format *)value)->name);
}

static const struct cel_opaque_class format_class = {"kubernetes.NamedFormat", equal, print};

#define DNS1123 "lower case letters, digits and '-', letters or digits at both ends"

static const struct named_format formats[] = {
    {{&format_class}, "dns1123Label", is_dns1123_label, false, "a DNS-1123 label has " DNS1123},
    {{&format_class},
     "dns1123Subdomain",
     is_dns1123_subdomain,
     false,
     "a DNS-1123 subdomain has labels with '.' between them, each " DNS1123},
    {{&format_class},
     "dns1035Label",
     is_dns1035_label,
     false,
     "a DNS-1035 label begins with a letter and has " DNS1123},
    {{&format_class},
     "dns1123LabelPrefix",
     is_dns1123_label,
     true,
     "a DNS-1123 label prefix has lower case letters, digits and '-', and begins with none"},
    {{&format_class},
     "dns1123SubdomainPrefix",
     is_dns1123_subdomain,
     true,
     "a DNS-1123 subdomain prefix has labels with '.' between them"},
    {{&format_class},
     "dns1035LabelPrefix",
     is_dns1035_label,
     true,
     "a DNS-1035 label prefix begins with a letter and has lower case letters, digits and '-'"},
    {{&format_class},
     "qualifiedName",
     is_qualified_name,
     false,
     "a qualified name has letters, digits, '-', '_' and '.', perhaps after a subdomain and '/'"},
    {{&format_class},
     "labelValue",
     is_label_value,
     false,
     "a label value has at most 63 letters, digits, '-', '_' and '.', or nothing"},
    {{&format_class}, "uri", is_uri, false, "this is no absolute URI"},
    {{&format_class}, "uuid", is_uuid, false, "this is no UUID"},
    {{&format_class}, "byte", is_base64, false, "this is no base64 with padding"},
    {{&format_class}, "date", is_date, false, "this is no date (2026-03-02)"},
    {{&format_class},
     "datetime",
     is_datetime,
     false,
     "this is no date and time (2026-03-02T10:00:00Z)"},
};

static const struct named_format *find_format(struct text name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (text_is(name, formats[i].name)) {
            return &formats[i];
        }
    }
    return NULL;
}

/* The function's own name is the format's. */
CEL_IMPL(cel_format_of_call)
{
    struct text name = code->ast->name;
    const char *dot = memrchr(name.at, '.', name.count);
    uint32_t cut = dot == NULL ? 0 : (uint32_t)(dot + 1 - name.at);
    const struct named_format *format = find_format((struct text){name.at + cut, name.count - cut});
    if (format == NULL) {
        cel_error(run, code, out, "there is no such format");
    } else {
        *out = (struct cel_value){.kind = CEL_OPAQUE, .pointer = format};
    }
}

CEL_IMPL(cel_format_named)
{
    (void)code;
    const struct named_format *format = find_format(cel_text(&args[0]));
    struct cel_value value = {.kind = CEL_OPAQUE, .pointer = format};
    cel_make_optional(run, format == NULL ? NULL : &value, out);
}

CEL_IMPL(cel_format_validate)
{
    (void)code;
    const struct named_format *format = args[0].pointer;
    struct text text = cel_text(&args[1]);
    /* Something must be able to follow a dash at the end: as if a letter stood there. */
    if (format->prefix && text.count > 1 && text.at[text.count - 1] == '-') {
        text.count--;
        while (text.count > 1 && text.at[text.count - 1] == '-') {
            text.count--;
        }
        bool after_dot = text.at[text.count - 1] == '.';
        text.count -= after_dot;
    }
    if (format->is(text)) {
        cel_make_optional(run, NULL, out);
        return;
    }
    struct cel_value list;
    struct cel_value *items = cel_make_list(run, 1, &list);
    if (items == NULL) {
        *out = list;
        return;
    }
    items[0] = cel_of_text(text_of(format->wrong));
    cel_make_optional(run, &list, out);
}
