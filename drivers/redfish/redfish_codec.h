/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REDFISH_CODEC_H
#define REDFISH_CODEC_H

/*
 * Redfish resources: JSON replies to what the driver needs of them, and requests to JSON. Pure.
 *
 * A reply is hostile: its depth, the length of every text and the number of members are bounded; a
 * text with a control character or with broken UTF-8 counts as missing; a link is taken only when
 * it is an absolute path. Structs borrow from the document they were read from.
 */

#include "abi/driver.h"

#define REDFISH_DEPTH_MAX 32
#define REDFISH_SIGNS_MAX 65536 /* Of ',', '{' and '[' in a reply: a value has one of them. */
#define REDFISH_PATH_BYTES_MAX 512
#define REDFISH_TEXT_BYTES_MAX 256
#define REDFISH_WORDS_BYTES_MAX 400
#define REDFISH_MEMBERS_MAX 64 /* Systems behind one BMC; parameters of an action. */
#define REDFISH_MESSAGES_MAX 4 /* Of an error, told; more are left out. */
#define REDFISH_WAIT_MS_MAX 3600000u

struct json_object;

/* -NSH_PROTOCOL: no JSON object; -NSH_LIMIT: of more values than any log has. */
int redfish_parse(const char *bytes, size_t bytes_count, struct json_object **ret_doc,
                  struct nsh_error *err);
void redfish_free(struct json_object *doc);

/* ---- resources ---- */

struct redfish_root {
    const char *systems;  /* NULL: the service has no systems. */
    const char *sessions; /* NULL: there are none, or only behind session_service. */
    const char *session_service;
};

void redfish_root_read(struct json_object *doc, struct redfish_root *ret_root);

/* The path of the sessions in a SessionService, or NULL. */
const char *redfish_session_service_read(struct json_object *doc);

/* The path of the accounts in an AccountService, or NULL; after how many failures they are locked
 * (0: never), untouched when it does not tell. */
const char *redfish_account_service_read(struct json_object *doc, int64_t *ret_lockout);

struct redfish_account {
    const char *user, *role; /* NULL: not told. */
    bool locked, disabled, change_password;
};

void redfish_account_read(struct json_object *doc, struct redfish_account *ret_account);

struct redfish_collection {
    size_t count;     /* Members there are. */
    const char *next; /* The next page, or NULL. */
    struct json_object *members;
};

/* -NSH_PROTOCOL: it has no Members. */
int redfish_collection_read(struct json_object *doc, struct redfish_collection *ret_collection,
                            struct nsh_error *err);
const char *redfish_collection_path(const struct redfish_collection *collection, size_t index);

enum redfish_power {
    REDFISH_POWER_UNKNOWN,
    REDFISH_POWER_ON,
    REDFISH_POWER_OFF,
    REDFISH_POWERING_ON,
    REDFISH_POWERING_OFF,
    REDFISH_PAUSED,
    REDFISH_POWERS_COUNT,
};

const char *redfish_power_word(enum redfish_power power); /* "on", "powering-off", ... */

enum redfish_reset {
    REDFISH_ON,
    REDFISH_FORCE_OFF,
    REDFISH_GRACEFUL_SHUTDOWN,
    REDFISH_GRACEFUL_RESTART,
    REDFISH_FORCE_RESTART,
    REDFISH_FORCE_ON,
    REDFISH_POWER_CYCLE,
    REDFISH_RESETS_COUNT,
};

#define REDFISH_BIT(reset) (1u << (reset))

const char *redfish_reset_word(enum redfish_reset reset); /* "ForceOff" */

struct redfish_led {
    bool has_location, has_indicator; /* LocationIndicatorActive; the older IndicatorLED. */
    bool lit;
};

struct redfish_system {
    enum redfish_power power;
    const char *id, *serial, *sku, *uuid, *etag, *health, *boot, *reset_time;
    const char *reset_target, *action_info; /* NULL: none. */
    const char *log_services, *chassis, *manager;
    uint32_t resets; /* Bits of the reset types it allows, when resets_known. */
    bool resets_known;
    struct redfish_led led;
};

/* A ComputerSystem; of a Chassis or Manager what they have in common. */
void redfish_system_read(struct json_object *doc, struct redfish_system *ret_system);

/* The reset types of an ActionInfo; -NSH_PROTOCOL: it says nothing of ResetType. */
int redfish_action_info_read(struct json_object *doc, uint32_t *ret_resets, struct nsh_error *err);

/* Whether the system is the machine the inventory says, by what is given (NULL: not given): the
 * serial number or SKU, and the UUID in either byte order. -NSH_MISMATCH with what it tells. */
int redfish_identity_check(const struct redfish_system *system, const char *serial,
                           const char *uuid, struct nsh_error *err);

/* ---- tasks ---- */

enum redfish_task { REDFISH_TASK_RUNNING, REDFISH_TASK_DONE, REDFISH_TASK_FAILED };

bool redfish_is_task(struct json_object *doc);
/* What a task monitor's or task's body says; words gets the messages of a failed one. */
enum redfish_task redfish_task_read(struct json_object *doc, char words[REDFISH_WORDS_BYTES_MAX]);
/* The path to poll that a 202 without Location names, or NULL. */
const char *redfish_task_monitor(struct json_object *doc);

/* ---- logs ---- */

#define REDFISH_MESSAGE_BYTES_MAX 256

struct redfish_entry {
    int64_t time_s; /* 0: not told. */
    char id[48], severity[16], sensor[32], message_id[64];
    char message[REDFISH_MESSAGE_BYTES_MAX];
};

/* The log service to read of these: one named like an event log, else the first; NULL: none. */
const char *redfish_log_choose(const struct redfish_collection *collection);
/* The path of a LogService's entries, or NULL. */
const char *redfish_log_entries(struct json_object *doc);
/* false: the member is only a link. */
bool redfish_entry_read(struct json_object *doc, struct redfish_entry *ret_entry);
struct json_object *redfish_collection_at(const struct redfish_collection *collection,
                                          size_t index);

/* ---- requests: JSON texts in room, cut never: -1 when room is too small ---- */

/* {"UserName":"..","Password":".."}; malloc'd, or NULL. */
char *redfish_login_body(const char *user, const char *password);
void redfish_reset_body(enum redfish_reset reset, char room[64]);
void redfish_led_body(const struct redfish_led *led, bool lit, char room[64]);

/* ---- words, paths, times (redfish_codec_words.c) ---- */

/* What an HTTP status means: enum nsh_code, NSH_OK for 2xx. */
int redfish_status_code(int status);

/* The peer's own words for an error, one line; also the code its message ids name more exactly
 * than the status (or the one given). */
int redfish_error_read(const char *body, size_t body_bytes, int code,
                       char words[REDFISH_WORDS_BYTES_MAX]);

/* One line of valid UTF-8, cut at room. */
void redfish_words_add(char *room, size_t room_bytes, const char *text, size_t text_bytes);

/* Whether a text is good as a path to request: absolute, bounded, no blank, no fragment. */
bool redfish_path_good(const char *path);

/* The path in a Location header ("/path" or "https://any-host/path"); the host in it is ignored,
 * requests go to the BMC only. */
bool redfish_location_path(const char *location, char path[REDFISH_PATH_BYTES_MAX]);

/* Retry-After in seconds, or as a date relative to the reply's Date; 0: none or nonsense. */
uint32_t redfish_retry_after_ms(const char *retry_after, const char *date);

/* "https://10.0.0.1:8443" from what an inventory says ("10.0.0.1", "bmc.example:8443",
 * "https://[::1]/redfish/v1"); plain: http is meant. */
int redfish_base_url(const char *address, bool plain, char url[REDFISH_TEXT_BYTES_MAX],
                     struct nsh_error *err);

/* "2021-07-13T15:09:55+03:00" in Unix seconds; 0: no time. */
int64_t redfish_time_s(const char *text);

/* Whether text is valid UTF-8 without control characters. */
bool redfish_text_clean(const char *text, size_t bytes_count);

#endif
