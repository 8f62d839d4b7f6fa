/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/*
 * The command `nightshift`: one function for each row of commands.def. Data on stdout, everything
 * else on stderr. -o json prints the daemon's document as it is; tables are for people.
 */

#include "base/arena.h"

#include <stdio.h>

enum cli_exit {
#define EXIT(NAME, number, meaning) CLI_##NAME = (number),
#include "exit_codes.def"
#undef EXIT
};

struct cli_flags {
#define FLAG(name, short_name, value, field, help) const char *field;
#include "flags.def"
#undef FLAG
};

enum cli_output { CLI_TABLE, CLI_JSON, CLI_JSONL, CLI_NAME };

struct cli_command;

struct cli {
    struct cli_flags flags;
    const struct cli_command *command;
    const char *const *args;
    size_t args_count;
    enum cli_output output;
    bool color; /* On stdout. */
    int64_t now_ms;
    struct arena arena; /* Lives as long as the command. */
};

struct cli_command {
    const char *noun, *verb;
    enum cli_exit (*run)(struct cli *cli);
    const char *arguments, *help;
};

const struct cli_command *cli_command_at(size_t index); /* NULL past the end. */

#define COMMAND(noun, verb, function, arguments, help) enum cli_exit function(struct cli *cli);
#include "commands.def"
#undef COMMAND

/* Print "nightshift: TEXT" to stderr and return exit. */
enum cli_exit cli_fail(enum cli_exit exit, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- talking to the daemon
 * ------------------------------------------------------------------------------------ */

/*
 * One request; body may be NULL. On CLI_OK *ret_reply is the JSON document, in cli->arena.
 * Otherwise the problem was printed, and the exit code says what kind it was.
 */
enum cli_exit cli_request(struct cli *cli, const char *method, const char *path, const char *body,
                          struct nsh_value *ret_reply);
/* Members of a body that begins with "{". */
void cli_body_add(struct textbuf *body, const char *name, const char *value);
/* Close the body, ask for the change, and print its document, or the object's id and what was
 * said. */
enum cli_exit cli_change(struct cli *cli, const char *method, const char *path,
                         struct textbuf *body, const char *said);
/*
 * Follow a stream of server-sent events: row is called for each, until it returns false or the
 * stream ends.
 */
enum cli_exit cli_stream(struct cli *cli, const char *path,
                         bool (*row)(void *arg, const char *event, struct text data), void *arg);
/* Path with query parameters out of the flags host, state, type, since, limit. In cli->arena. */
const char *cli_path(struct cli *cli, const char *path);
/* Escaped for use as one part of a path. In cli->arena. */
const char *cli_escape(struct cli *cli, const char *part);

/* ---- printing
 * ----------------------------------------------------------------------------------------------------
 */

enum cli_format { CLI_PLAIN, CLI_AGO, CLI_LENGTH, CLI_STATE, CLI_SEVERITY, CLI_LINES, CLI_SET };

struct cli_column {
    const char *header;
    const char *member; /* "a.b" goes into maps; NULL ends the list. */
    enum cli_format format;
    unsigned width_max; /* 0: 40 */
};

/* Items of a list document as a table (or json, jsonl, names, as -o says). what: "hosts", for the
 * count line. */
void cli_print_list(struct cli *cli, const struct nsh_value *document,
                    const struct cli_column *columns, const char *what);
/* The whole document as -o json or jsonl wants it; false: a table is wanted, nothing was printed.
 */
bool cli_print_document(struct cli *cli, const struct nsh_value *document);
/* A member as text the way a column shows it. */
void cli_cell(struct cli *cli, const struct nsh_value *item, const char *member,
              enum cli_format format, struct textbuf *out);
const struct nsh_value *cli_member(const struct nsh_value *item, const char *path);
/* "NAME   value" for each column that the item has. */
void cli_print_fields(struct cli *cli, const struct nsh_value *item,
                      const struct cli_column *columns);
/* Print safe for a terminal, followed by a newline. */
void cli_print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* first, then text broken at blanks before column 100, indented to where it began. */
void cli_print_wrapped(const char *first, const char *text);
/* What texts are wrapped at: the terminal, at most 100. */
size_t cli_columns(void);
/* The same behind what stands there already, indent wide. */
void cli_print_rest(size_t indent, const char *text);
void cli_length(int64_t ms, struct textbuf *out); /* "7.5s", "2m30s": as long as a person reads. */
/* Endpoints that failed, below what was asked; nothing when there are none. */
void cli_print_endpoints(struct cli *cli, const struct nsh_value *document);
/* The escape sequence that begins the colour of a state or severity word, or "". */
const char *cli_color_of(const struct cli *cli, const char *word);
const char *cli_color_end(const struct cli *cli);

/* ---- explanations: cli_explain.c ---- */

enum cli_exit cli_explain_fetch(struct cli *cli, const char *kind, struct nsh_value *ret_document);
/* False: it says nothing, and nothing was printed. */
bool cli_explain_print(struct cli *cli, const struct nsh_value *document);

#endif
