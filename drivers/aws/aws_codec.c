/* SPDX-License-Identifier: Apache-2.0 */
/* XML answers as values, and what AWS's errors mean. */

#include "aws_codec.h"

#include <expat.h>
#include <string.h>

struct element {
    struct element *parent, *next; /* next: of the same parent. */
    const char *name;
    struct element *first, *last;
    struct nsh_value value;
    size_t children_count;
};

struct reading {
    XML_Parser parser;
    struct nsh_pool *pool;
    struct element root, *at; /* root stands above the document's. */
    size_t nodes_count, depth;
    char *text; /* Of the innermost element, grows. */
    size_t text_bytes, text_room;
    enum nsh_code failed;
};

static void reading_stop(struct reading *reading, enum nsh_code code)
{
    if (reading->failed == NSH_OK) {
        reading->failed = code;
    }
    XML_StopParser(reading->parser, XML_FALSE);
}

static void element_begins(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *reading = arg;
    (void)attributes;
    if (reading->depth == NSH_VALUE_DEPTH_MAX || reading->nodes_count == AWS_NODES_MAX) {
        reading_stop(reading, NSH_LIMIT);
        return;
    }
    struct element *element = nsh_pool_alloc(reading->pool, sizeof *element);
    const char *copy = nsh_pool_text(reading->pool, name);
    if (element == NULL || copy == NULL) {
        reading_stop(reading, NSH_NOMEM);
        return;
    }
    struct element *parent = reading->at;
    element->name = copy;
    element->parent = parent;
    *(parent->last == NULL ? &parent->first : &parent->last->next) = element;
    parent->last = element;
    parent->children_count++;
    reading->at = element;
    reading->nodes_count++;
    reading->depth++;
    reading->text_bytes = 0;
}

static bool is_entry(const char *name)
{
    return strcmp(name, "item") == 0 || strcmp(name, "member") == 0;
}

static bool is_list(const struct element *element)
{
    for (const struct element *child = element->first; child != NULL; child = child->next) {
        if (!is_entry(child->name)) {
            return false;
        }
    }
    return element->first != NULL;
}

static bool list_make(struct nsh_pool *pool, struct element *element)
{
    struct nsh_value *items = nsh_pool_array(pool, element->children_count, sizeof *items);
    size_t count = 0;
    if (items == NULL) {
        return false;
    }
    for (const struct element *child = element->first; child != NULL; child = child->next) {
        items[count++] = child->value;
    }
    element->value = nsh_list(items, count);
    return true;
}

/* Linear for maps as AWS writes them, of at most some dozens of members. */
static bool map_make(struct nsh_pool *pool, struct element *element)
{
    struct nsh_member *members = nsh_pool_array(pool, element->children_count, sizeof *members);
    size_t count = 0;
    if (members == NULL) {
        return false;
    }
    for (const struct element *child = element->first; child != NULL; child = child->next) {
        struct nsh_value so_far = nsh_map(members, count);
        if (nsh_get(&so_far, child->name) == NULL) {
            members[count++] = (struct nsh_member){child->name, child->value};
        }
    }
    element->value = nsh_map(members, count);
    return true;
}

static void element_ends(void *arg, const XML_Char *name)
{
    struct reading *reading = arg;
    struct element *element = reading->at;
    bool good = true;
    (void)name;
    if (element->first == NULL) {
        const char *text = nsh_pool_copy(reading->pool, reading->text == NULL ? "" : reading->text,
                                         reading->text_bytes);
        good = text != NULL;
        element->value = nsh_text(text);
    } else if (element->children_count > 256 && !is_list(element)) {
        reading_stop(reading, NSH_LIMIT);
        return;
    } else {
        good =
            is_list(element) ? list_make(reading->pool, element) : map_make(reading->pool, element);
    }
    reading->text_bytes = 0;
    reading->depth--;
    reading->at = element->parent;
    if (!good) {
        reading_stop(reading, NSH_NOMEM);
    }
}

static void text_comes(void *arg, const XML_Char *text, int count)
{
    struct reading *reading = arg;
    size_t bytes = (size_t)count;
    if (reading->text_bytes + bytes > reading->text_room) {
        size_t room = 2 * (reading->text_bytes + bytes) + 64;
        char *grown = nsh_pool_alloc(reading->pool, room);
        if (grown == NULL) {
            reading_stop(reading, NSH_NOMEM);
            return;
        }
        if (reading->text_bytes > 0) {
            memcpy(grown, reading->text, reading->text_bytes);
        }
        reading->text = grown;
        reading->text_room = room;
    }
    memcpy(reading->text + reading->text_bytes, text, bytes);
    reading->text_bytes += bytes;
}

static void doctype_begins(void *arg, const XML_Char *name, const XML_Char *system_id,
                           const XML_Char *public_id, int has_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_subset;
    reading_stop(arg, NSH_PROTOCOL);
}

int aws_xml_read(struct nsh_pool *pool, const char *bytes, size_t bytes_count,
                 struct nsh_value *ret_value, struct nsh_error *err)
{
    struct reading reading = {.pool = pool, .parser = XML_ParserCreate("UTF-8")};
    if (reading.parser == NULL || bytes_count > INT32_MAX) {
        XML_ParserFree(reading.parser);
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    reading.at = &reading.root;
    XML_SetUserData(reading.parser, &reading);
    XML_SetElementHandler(reading.parser, element_begins, element_ends);
    XML_SetCharacterDataHandler(reading.parser, text_comes);
    XML_SetStartDoctypeDeclHandler(reading.parser, doctype_begins);
    enum XML_Status status = XML_Parse(reading.parser, bytes, (int)bytes_count, XML_TRUE);
    enum XML_Error error = XML_GetErrorCode(reading.parser);
    unsigned long line = XML_GetCurrentLineNumber(reading.parser);
    XML_ParserFree(reading.parser);
    if (reading.failed == NSH_LIMIT) {
        return nsh_fail(err, NSH_LIMIT, "XML that is too deep or has too many elements");
    }
    if (reading.failed == NSH_NOMEM || error == XML_ERROR_NO_MEMORY) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    if (status != XML_STATUS_OK || reading.failed != NSH_OK || reading.root.first == NULL) {
        return nsh_fail(err, NSH_PROTOCOL, "no XML as AWS writes it, line %lu: %s", line,
                        reading.failed != NSH_OK ? "a document type" : XML_ErrorString(error));
    }
    *ret_value = reading.root.first->value;
    return 0;
}

/* ---- errors ----------------------------------------------------------------------------- */

const char *aws_error_code(const struct nsh_value *document)
{
    const struct nsh_value *errors = nsh_get(document, "Errors");
    const struct nsh_value *error = nsh_get(errors == NULL ? document : errors, "Error");
    return nsh_get_text(error, "Code", NULL);
}

/* The end of a code is matched where its row begins with '*'. */
static const struct {
    const char *error;
    enum nsh_code code;
    enum aws_cure cure;
} errors_table[] = {
    {"RequestTimeTooSkewed", NSH_AUTH, AWS_CURE_CLOCK},
    {"RequestExpired", NSH_AUTH, AWS_CURE_CLOCK},
    {"SignatureDoesNotMatch", NSH_AUTH, AWS_CURE_CLOCK},
    {"ExpiredToken", NSH_AUTH, AWS_CURE_LOGIN},
    {"ExpiredTokenException", NSH_AUTH, AWS_CURE_LOGIN},
    {"AuthFailure", NSH_AUTH, AWS_CURE_NONE},
    {"InvalidClientTokenId", NSH_AUTH, AWS_CURE_NONE},
    {"UnrecognizedClientException", NSH_AUTH, AWS_CURE_NONE},
    {"IncompleteSignature", NSH_AUTH, AWS_CURE_NONE},
    {"MissingAuthenticationToken", NSH_AUTH, AWS_CURE_NONE},
    {"UnauthorizedOperation", NSH_DENIED, AWS_CURE_NONE},
    {"AccessDenied", NSH_DENIED, AWS_CURE_NONE},
    {"AccessDeniedException", NSH_DENIED, AWS_CURE_NONE},
    {"OptInRequired", NSH_DENIED, AWS_CURE_NONE},
    {"OperationNotPermitted", NSH_REFUSED, AWS_CURE_NONE},
    {"RequestLimitExceeded", NSH_BUSY, AWS_CURE_NONE},
    {"Throttling", NSH_BUSY, AWS_CURE_NONE},
    {"ThrottlingException", NSH_BUSY, AWS_CURE_NONE},
    {"ThrottledException", NSH_BUSY, AWS_CURE_NONE},
    {"RequestThrottled", NSH_BUSY, AWS_CURE_NONE},
    {"RequestThrottledException", NSH_BUSY, AWS_CURE_NONE},
    {"EC2ThrottledException", NSH_BUSY, AWS_CURE_NONE},
    {"SlowDown", NSH_BUSY, AWS_CURE_NONE},
    {"Unavailable", NSH_BUSY, AWS_CURE_NONE},
    {"ServiceUnavailable", NSH_BUSY, AWS_CURE_NONE},
    {"ScalingActivityInProgress", NSH_BUSY, AWS_CURE_NONE},
    {"ResourceContention", NSH_BUSY, AWS_CURE_NONE},
    {"ResourceInUse", NSH_BUSY, AWS_CURE_NONE},
    {"IncorrectInstanceState", NSH_CONFLICT, AWS_CURE_NONE},
    {"IncorrectState", NSH_CONFLICT, AWS_CURE_NONE},
    {"IdempotentParameterMismatch", NSH_CONFLICT, AWS_CURE_NONE},
    {"UnsupportedOperation", NSH_UNSUPPORTED, AWS_CURE_NONE},
    {"Unsupported", NSH_UNSUPPORTED, AWS_CURE_NONE},
    {"InsufficientInstanceCapacity", NSH_LIMIT, AWS_CURE_NONE},
    {"InsufficientHostCapacity", NSH_LIMIT, AWS_CURE_NONE},
    {"InsufficientCapacity", NSH_LIMIT, AWS_CURE_NONE},
    {"*LimitExceeded", NSH_LIMIT, AWS_CURE_NONE},
    {"MaxSpotInstanceCountExceeded", NSH_LIMIT, AWS_CURE_NONE},
    {"*.NotFound", NSH_NOT_FOUND, AWS_CURE_NONE},
    {"*.Malformed", NSH_INVALID, AWS_CURE_NONE},
    {"InvalidParameterValue", NSH_INVALID, AWS_CURE_NONE},
    {"InvalidParameterCombination", NSH_INVALID, AWS_CURE_NONE},
    {"MissingParameter", NSH_INVALID, AWS_CURE_NONE},
};

static size_t error_row(const char *error)
{
    size_t count = sizeof errors_table / sizeof errors_table[0], i = 0;
    for (; i < count; i++) {
        const char *row = errors_table[i].error;
        size_t bytes = strlen(error), end_bytes = strlen(row) - 1;
        if (row[0] == '*' ? bytes >= end_bytes && strcmp(error + bytes - end_bytes, row + 1) == 0
                          : strcmp(error, row) == 0) {
            break;
        }
    }
    return i;
}

bool aws_error_known(const char *error)
{
    return error != NULL && error_row(error) < sizeof errors_table / sizeof errors_table[0];
}

int aws_error_means(const char *error, int code)
{
    size_t row = error == NULL ? SIZE_MAX : error_row(error);
    return row < sizeof errors_table / sizeof errors_table[0] ? (int)errors_table[row].code : code;
}

enum aws_cure aws_error_cure(const char *error)
{
    size_t row = error == NULL ? SIZE_MAX : error_row(error);
    return row < sizeof errors_table / sizeof errors_table[0] ? errors_table[row].cure
                                                              : AWS_CURE_NONE;
}

const char *aws_power_word(const char *state)
{
    static const char *const words[][2] = {
        {"running", "on"},          {"stopped", "off"},
        {"pending", "powering-on"}, {"stopping", "powering-off"},
        {"terminated", "off"},      {"shutting-down", "powering-off"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(state, words[i][0]) == 0) {
            return words[i][1];
        }
    }
    return "unknown";
}
