/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser beside libconfig's: the same grammar, with places, messages for the usual mistakes,
 * and recovery, so that all mistakes of a file are told at once. A file without mistakes is then
 * given to libconfig; both trees must agree.
 */

#include "base/confscan.h"

#include "base/confscan_lex.h"

#include <libconfig.h>
#include <stdio.h>

struct parser {
    struct conf_lexer lexer;
    struct arena *arena;
    struct diags *diags;
    struct conf *root;
    unsigned depth;
    enum conf_token_kind closers[NSH_VALUE_DEPTH_MAX + 1]; /* What closes each open bracket. */
    bool unclosed_told;
    struct nsh_place
        long_string; /* The last string over several lines: the usual cause of nonsense after it. */
    uint32_t long_string_lines;
};

static const char *const marks[] = {
    [TOKEN_EQUALS] = "'='",     [TOKEN_COMMA] = "','",       [TOKEN_SEMICOLON] = "';'",
    [TOKEN_GROUP_OPEN] = "'{'", [TOKEN_GROUP_CLOSE] = "'}'", [TOKEN_LIST_OPEN] = "'('",
    [TOKEN_LIST_CLOSE] = "')'", [TOKEN_ARRAY_OPEN] = "'['",  [TOKEN_ARRAY_CLOSE] = "']'",
    [TOKEN_GARBAGE] = NULL,
};

static const char *const type_words[] = {
    [CONF_GROUP] = "group",   [CONF_LIST] = "list",   [CONF_ARRAY] = "array",
    [CONF_STRING] = "string", [CONF_INT] = "integer", [CONF_FLOAT] = "number",
    [CONF_BOOL] = "boolean",
};

static bool parse_value(struct parser *parser, struct conf *conf);
static void parse_settings(struct parser *parser, struct conf *group);

/* ---- tokens
 * --------------------------------------------------------------------------------------------------
 */

static void next(struct parser *parser)
{
    conf_lexer_next(&parser->lexer);
}

static enum conf_token_kind kind(const struct parser *parser)
{
    return parser->lexer.token.kind;
}

static bool is_closer(enum conf_token_kind kind)
{
    return kind == TOKEN_GROUP_CLOSE || kind == TOKEN_LIST_CLOSE || kind == TOKEN_ARRAY_CLOSE;
}

static bool is_opener(enum conf_token_kind kind)
{
    return kind == TOKEN_GROUP_OPEN || kind == TOKEN_LIST_OPEN || kind == TOKEN_ARRAY_OPEN;
}

static bool is_scalar(enum conf_token_kind kind)
{
    return kind >= TOKEN_STRING && kind <= TOKEN_BOOL;
}

/* What stands here, for a message. */
static const char *shown(const struct parser *parser)
{
    const struct conf_token *token = &parser->lexer.token;
    if (token->kind == TOKEN_END) {
        return "the end of the file";
    }
    if (token->kind == TOKEN_STRING) {
        return "a string";
    }
    const char *text = marks[token->kind];
    if (text == NULL) {
        text = arena_printf(parser->arena, "'%.*s'",
                            (int)(token->text.count < 60 ? token->text.count : 60), token->text.at);
    }
    return text == NULL ? "something else" : text;
}

/* Tell of the token that stands here; after a string over several lines, its missing quote is the
 * likely cause. */
static void complain(struct parser *parser, const char *remedy, const char *text)
{
    diag_add(parser->diags, DIAG_ERROR, parser->lexer.token.at, remedy, "%s, got %s",
             text == NULL ? "out of memory" : text, shown(parser));
    if (parser->long_string_lines > 0) {
        diag_add(parser->diags, DIAG_NOTE, parser->long_string, NULL,
                 "this string goes over %u lines: is its closing quote missing?",
                 parser->long_string_lines + 1);
        parser->long_string_lines = 0;
    }
}

/* Skip to where a setting or an item may begin again: behind a ';', at a closing bracket, at a name
 * that begins a line. */
static void recover(struct parser *parser)
{
    for (unsigned nested = 0; kind(parser) != TOKEN_END;) {
        if (nested == 0 && is_closer(kind(parser))) {
            return;
        }
        nested += is_opener(kind(parser));
        nested -= is_closer(kind(parser));
        bool ended = nested == 0 && kind(parser) == TOKEN_SEMICOLON;
        next(parser);
        if (ended ||
            (nested == 0 && kind(parser) == TOKEN_NAME && parser->lexer.token.first_on_line)) {
            return;
        }
    }
}

/* ---- brackets
 * ------------------------------------------------------------------------------------------------
 */

/* A child of a named group that stands no deeper than the group itself: the group was not closed
 * before it. */
static struct conf *find_misplaced(struct conf *conf)
{
    for (struct conf *child = conf->first; child != NULL; child = child->next) {
        if (conf->name != NULL && child->name != NULL && child->at.line > conf->at.line &&
            child->at.column <= conf->at.column) {
            return child;
        }
        struct conf *found = find_misplaced(child);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static void tell_unclosed(struct parser *parser, const struct conf *conf)
{
    if (parser->unclosed_told) {
        return;
    }
    parser->unclosed_told = true;
    struct conf *misplaced = find_misplaced(parser->root);
    if (misplaced != NULL) {
        diag_add(parser->diags, DIAG_ERROR, misplaced->at, NULL, "'%s' cannot stand inside '%s'",
                 misplaced->name, misplaced->parent->name);
        diag_add(parser->diags, DIAG_NOTE, misplaced->parent->value_at,
                 arena_printf(parser->arena, "close it before '%s'", misplaced->name),
                 "this group is not closed");
        return;
    }
    diag_add(parser->diags, DIAG_ERROR, conf->value_at,
             arena_printf(parser->arena, "add %s", marks[parser->closers[parser->depth]]),
             "this %s is not closed", type_words[conf->type]);
}

static bool enclosing_closer(const struct parser *parser, enum conf_token_kind closer)
{
    for (unsigned i = 1; i < parser->depth; i++) {
        if (parser->closers[i] == closer) {
            return true;
        }
    }
    return false;
}

static void close_bracket(struct parser *parser, const struct conf *conf)
{
    enum conf_token_kind closer = parser->closers[parser->depth];
    if (kind(parser) == closer) {
        next(parser);
    } else if (kind(parser) == TOKEN_END) {
        tell_unclosed(parser, conf);
    } else {
        complain(parser, NULL,
                 arena_printf(parser->arena, "%s must close this %s", marks[closer],
                              type_words[conf->type]));
        diag_add(parser->diags, DIAG_NOTE, conf->value_at, NULL, "it is opened here");
        if (!enclosing_closer(parser, kind(parser))) {
            next(parser);
        }
    }
}

/* ---- values
 * --------------------------------------------------------------------------------------------------
 */

static void child_append(struct conf *parent, struct conf **last, struct conf *child)
{
    child->parent = parent;
    if (*last == NULL) {
        parent->first = child;
    } else {
        (*last)->next = child;
    }
    *last = child;
    parent->children_count++;
}

static struct conf *conf_new(struct parser *parser)
{
    struct conf *conf = arena_alloc(parser->arena, sizeof *conf);
    if (conf == NULL) {
        diag_add(parser->diags, DIAG_ERROR, parser->lexer.token.at, NULL, "out of memory");
    }
    return conf;
}

/* Adjacent strings are one. */
static void parse_string(struct parser *parser, struct conf *conf)
{
    struct conf_lexer *lexer = &parser->lexer;
    conf->type = CONF_STRING;
    while (kind(parser) == TOKEN_STRING) {
        if (lexer->token.lines_count > 0) {
            parser->long_string = lexer->token.at;
            parser->long_string_lines = lexer->token.lines_count;
        }
        next(parser);
    }
    struct conf_piece *pieces = arena_array(parser->arena, lexer->pieces_count, sizeof *pieces);
    conf->text = arena_copy(parser->arena, lexer->joined.at, lexer->joined.count);
    if (conf->text == NULL || pieces == NULL || lexer->joined.failed) {
        diag_add(parser->diags, DIAG_ERROR, conf->value_at, NULL, "out of memory");
        conf->text = "";
        return;
    }
    memcpy(pieces, lexer->pieces, lexer->pieces_count * sizeof *pieces);
    conf->pieces = pieces;
    conf->pieces_count = lexer->pieces_count;
    conf->text_bytes = (uint32_t)lexer->joined.count;
}

static void parse_scalar(struct parser *parser, struct conf *conf)
{
    const struct conf_token *token = &parser->lexer.token;
    if (token->kind == TOKEN_STRING) {
        parse_string(parser, conf);
        return;
    }
    conf->type = token->kind == TOKEN_BOOL    ? CONF_BOOL
                 : token->kind == TOKEN_FLOAT ? CONF_FLOAT
                                              : CONF_INT;
    conf->boolean = token->boolean;
    conf->integer = token->integer;
    conf->real = token->real;
    next(parser);
}

/* A word without quotes where a value must stand. */
static void parse_bare_word(struct parser *parser, struct conf *conf)
{
    struct text word = parser->lexer.token.text;
    bool yes = text_is(word, "yes") || text_is(word, "on"),
         no = text_is(word, "no") || text_is(word, "off");
    int bytes = (int)(word.count < 60 ? word.count : 60);
    const char *remedy =
        arena_printf(parser->arena, yes || no ? "write %s, or \"%.*s\"" : "%swrite \"%.*s\"",
                     yes  ? "true"
                     : no ? "false"
                          : "",
                     bytes, word.at);
    diag_add(parser->diags, DIAG_ERROR, parser->lexer.token.at, remedy,
             "a text stands in quotes, got %s", shown(parser));
    conf->type = CONF_STRING;
    conf->text = "";
    next(parser);
}

/* After an item: a comma or the end. True when another item follows. */
static bool parse_separator(struct parser *parser, const struct conf *list,
                            enum conf_token_kind closer)
{
    struct nsh_place at = parser->lexer.token.at;
    if (kind(parser) == TOKEN_COMMA) {
        next(parser);
        if (kind(parser) == closer) {
            const char *remedy = arena_printf(parser->arena, "remove it (the %s ends in line %u)",
                                              type_words[list->type], parser->lexer.token.at.line);
            diag_add(parser->diags, DIAG_ERROR, at, remedy, "%s %s must not end with a comma",
                     list->type == CONF_ARRAY ? "an" : "a", type_words[list->type]);
            return false;
        }
        return kind(parser) != TOKEN_END;
    }
    if (kind(parser) == closer || kind(parser) == TOKEN_END || is_closer(kind(parser))) {
        return false;
    }
    if (kind(parser) == TOKEN_SEMICOLON) {
        complain(parser, "write ','",
                 arena_printf(parser->arena, "',' stands between the items of a %s",
                              type_words[list->type]));
        next(parser);
        return !is_closer(kind(parser)) && kind(parser) != TOKEN_END;
    }
    complain(parser, "write ',' before it",
             arena_printf(parser->arena, "',' stands between the items of a %s",
                          type_words[list->type]));
    if (!is_opener(kind(parser)) && !is_scalar(kind(parser))) {
        recover(parser);
    }
    return !is_closer(kind(parser)) && kind(parser) != TOKEN_END;
}

static void parse_items(struct parser *parser, struct conf *list)
{
    enum conf_token_kind closer = parser->closers[parser->depth], first = TOKEN_END;
    struct conf *last = NULL;
    bool more = !is_closer(kind(parser)) && kind(parser) != TOKEN_END;
    while (more) {
        enum conf_token_kind item_kind = kind(parser);
        struct nsh_place at = parser->lexer.token.at;
        struct conf *item = conf_new(parser);
        if (item == NULL) {
            return;
        }
        item->at = at;
        item->parent = list;
        first = first == TOKEN_END ? item_kind : first;
        if (list->type == CONF_ARRAY && is_opener(item_kind)) {
            diag_add(parser->diags, DIAG_ERROR, at, "write ( ) around the items instead of [ ]",
                     "an array holds plain values only");
        } else if (list->type == CONF_ARRAY && is_scalar(first) && is_scalar(item_kind) &&
                   item_kind != first) {
            diag_add(parser->diags, DIAG_ERROR, at, "write all items alike, or use a list ( )",
                     "the items of an array are of one type");
        }
        if (parse_value(parser, item)) {
            child_append(list, &last, item);
        }
        more = parse_separator(parser, list, closer);
    }
}

static void parse_bracket(struct parser *parser, struct conf *conf)
{
    enum conf_token_kind opener = kind(parser);
    conf->type = opener == TOKEN_GROUP_OPEN  ? CONF_GROUP
                 : opener == TOKEN_LIST_OPEN ? CONF_LIST
                                             : CONF_ARRAY;
    if (parser->depth == NSH_VALUE_DEPTH_MAX) {
        diag_add(parser->diags, DIAG_ERROR, parser->lexer.token.at, NULL, "nested deeper than %d",
                 NSH_VALUE_DEPTH_MAX);
        next(parser);
        recover(parser);
        next(parser);
        return;
    }
    parser->closers[++parser->depth] = opener + 1;
    next(parser);
    if (conf->type == CONF_GROUP) {
        parse_settings(parser, conf);
    } else {
        parse_items(parser, conf);
    }
    close_bracket(parser, conf);
    parser->depth--;
}

/* False: no value stands here; the token that does is told of and skipped with what follows. */
static bool parse_value(struct parser *parser, struct conf *conf)
{
    conf->value_at = parser->lexer.token.at;
    if (is_opener(kind(parser))) {
        parse_bracket(parser, conf);
    } else if (is_scalar(kind(parser))) {
        parse_scalar(parser, conf);
    } else if (kind(parser) == TOKEN_NAME) {
        parse_bare_word(parser, conf);
    } else {
        bool quote = kind(parser) == TOKEN_GARBAGE && parser->lexer.token.text.at[0] == '\'';
        complain(parser, quote ? "write \" for '" : NULL,
                 quote ? "a string stands in double quotes"
                       : (conf->name == NULL ? "a value is missing" : "a value must follow '='"));
        if (conf->name == NULL && kind(parser) == TOKEN_COMMA) {
            return false;
        }
        recover(parser);
        return false;
    }
    return true;
}

/* ---- settings
 * ------------------------------------------------------------------------------------------------
 */

static void check_duplicate(struct parser *parser, const struct conf *group,
                            const struct conf *conf)
{
    for (const struct conf *other = group->first; other != NULL; other = other->next) {
        if (other != conf && strcmp(other->name, conf->name) == 0) {
            diag_add(parser->diags, DIAG_ERROR, conf->at, "keep one of them", "'%s' is set twice",
                     conf->name);
            diag_add(parser->diags, DIAG_NOTE, other->at, NULL, "it is set here first");
            return;
        }
    }
}

static void parse_setting(struct parser *parser, struct conf *group, struct conf **last)
{
    struct conf *conf = conf_new(parser);
    if (conf == NULL) {
        recover(parser);
        return;
    }
    struct text name = parser->lexer.token.text;
    conf->at = parser->lexer.token.at;
    conf->value_at = conf->at;
    conf->name = arena_copy(parser->arena, name.at, name.count);
    conf->name = conf->name == NULL ? "" : conf->name;
    conf->parent = group;
    next(parser);
    if (kind(parser) == TOKEN_EQUALS) {
        next(parser);
    } else {
        complain(parser,
                 kind(parser) == TOKEN_GARBAGE ? "names hold letters, digits, '-', '_', '*'" : NULL,
                 arena_printf(parser->arena, "'=' must follow '%s'", conf->name));
        bool value_follows = !parser->lexer.token.first_on_line &&
                             (is_opener(kind(parser)) || is_scalar(kind(parser)));
        if (!value_follows) {
            if (kind(parser) != TOKEN_NAME || !parser->lexer.token.first_on_line) {
                recover(parser);
            }
            return;
        }
    }
    /* Known to its group before its value is read: an unclosed group is then found by its
     * indentation. */
    check_duplicate(parser, group, conf);
    child_append(group, last, conf);
    if (parse_value(parser, conf) &&
        (kind(parser) == TOKEN_SEMICOLON || kind(parser) == TOKEN_COMMA)) {
        next(parser);
    }
}

static void parse_settings(struct parser *parser, struct conf *group)
{
    struct conf *last = NULL;
    while (kind(parser) != TOKEN_END && !is_closer(kind(parser))) {
        const struct conf_token *token = &parser->lexer.token;
        if (token->kind == TOKEN_NAME) {
            parse_setting(parser, group, &last);
        } else if (token->kind == TOKEN_SEMICOLON || token->kind == TOKEN_COMMA) {
            diag_add(parser->diags, DIAG_ERROR, token->at, "remove it",
                     "no setting stands before this %s", marks[token->kind]);
            next(parser);
        } else {
            bool include = token->kind == TOKEN_GARBAGE && token->text.at[0] == '@';
            complain(parser,
                     include ? "write @include \"FILE\" on a line of its own"
                     : token->kind == TOKEN_STRING
                         ? "names stand without quotes: NAME = VALUE"
                         : "names begin with a letter and hold letters, digits, '-', '_', '*'",
                     "the name of a setting must stand here");
            next(parser);
            recover(parser);
        }
    }
}

static void parse_root(struct parser *parser)
{
    parse_settings(parser, parser->root);
    while (kind(parser) != TOKEN_END) {
        diag_add(parser->diags, DIAG_ERROR, parser->lexer.token.at, "remove it",
                 "this %s closes nothing", marks[kind(parser)]);
        next(parser);
        struct conf rest = *parser->root;
        rest.first = NULL;
        parse_settings(parser, &rest);
    }
}

/* ---- agreement with libconfig
 * -------------------------------------------------------------------------------- */

static bool scalar_agrees(struct conf *conf, config_setting_t *setting)
{
    int type = config_setting_type(setting);
    const char *text = type == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : NULL;
    switch (conf->type) {
    case CONF_STRING:
        return text != NULL && strlen(text) == conf->text_bytes &&
               memcmp(text, conf->text, conf->text_bytes) == 0;
    case CONF_INT:
        return (type == CONFIG_TYPE_INT && config_setting_get_int(setting) == conf->integer) ||
               (type == CONFIG_TYPE_INT64 && config_setting_get_int64(setting) == conf->integer);
    case CONF_FLOAT:
        /* libconfig's reading is the one that counts: it does not depend on the locale. */
        conf->real = config_setting_get_float(setting);
        return type == CONFIG_TYPE_FLOAT;
    case CONF_BOOL:
        return type == CONFIG_TYPE_BOOL && (config_setting_get_bool(setting) != 0) == conf->boolean;
    case CONF_GROUP:
        return type == CONFIG_TYPE_GROUP;
    case CONF_LIST:
        return type == CONFIG_TYPE_LIST;
    case CONF_ARRAY:
        return type == CONFIG_TYPE_ARRAY;
    }
    return false;
}

/* The first setting that libconfig reads otherwise, or NULL. */
static struct conf *disagreement(struct conf *conf, config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    bool named_alike = conf->name == NULL || (name != NULL && strcmp(name, conf->name) == 0);
    if (!named_alike || !scalar_agrees(conf, setting)) {
        return conf;
    }
    bool holds_others =
        conf->type == CONF_GROUP || conf->type == CONF_LIST || conf->type == CONF_ARRAY;
    if (holds_others && (size_t)config_setting_length(setting) != conf->children_count) {
        return conf;
    }
    unsigned i = 0;
    for (struct conf *child = conf->first; child != NULL; child = child->next) {
        struct conf *found = disagreement(child, config_setting_get_elem(setting, i++));
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static void check_agreement(struct parser *parser)
{
    config_t config;
    config_init(&config);
    const char *flat = parser->lexer.flat.at == NULL ? "" : parser->lexer.flat.at;
    if (parser->lexer.flat.failed) {
        diag_add(parser->diags, DIAG_ERROR, parser->root->at, NULL, "out of memory");
    } else if (config_read_string(&config, flat) != CONFIG_TRUE) {
        int line = config_error_line(&config);
        diag_add(parser->diags, DIAG_ERROR,
                 conf_lexer_place(&parser->lexer, line < 1 ? 1 : (uint32_t)line), NULL,
                 "libconfig cannot read this: %s", config_error_text(&config));
    } else {
        struct conf *found = disagreement(parser->root, config_root_setting(&config));
        if (found != NULL) {
            diag_add(parser->diags, DIAG_ERROR, found->at, "write it in a simpler way",
                     "libconfig reads this setting differently");
        }
    }
    config_destroy(&config);
}

/* ---- the face
 * ------------------------------------------------------------------------------------------------
 */

static struct conf *read_text(const char *name, const char *text, size_t bytes_count,
                              struct arena *arena, struct diags *diags)
{
    size_t errors_before = diags->errors_count;
    struct parser parser = {
        .lexer = {.arena = arena, .diags = diags}, .arena = arena, .diags = diags};
    const char *kept_name = arena_copy(arena, name, strlen(name));
    parser.root = arena_alloc(arena, sizeof *parser.root);
    if (kept_name == NULL || parser.root == NULL) {
        diag_add(diags, DIAG_ERROR, (struct nsh_place){.file = name}, NULL, "out of memory");
        return NULL;
    }
    *parser.root = (struct conf){
        .type = CONF_GROUP, .at = {kept_name, 1, 1, 1}, .value_at = {kept_name, 1, 1, 1}};
    if (conf_lexer_open(&parser.lexer, kept_name, text, bytes_count)) {
        next(&parser);
        parse_root(&parser);
        if (diags->errors_count == errors_before) {
            check_agreement(&parser);
        }
    }
    conf_lexer_done(&parser.lexer);
    return diags->errors_count == errors_before ? parser.root : NULL;
}

struct conf *conf_read(const char *path, struct arena *arena, struct diags *diags)
{
    size_t bytes_count = 0;
    char *text = conf_file_read(path, (struct nsh_place){.file = path}, arena, diags, &bytes_count);
    return text == NULL ? NULL : read_text(path, text, bytes_count, arena, diags);
}

struct conf *conf_read_text(const char *name, const char *text, struct arena *arena,
                            struct diags *diags)
{
    return read_text(name, text, strlen(text), arena, diags);
}
