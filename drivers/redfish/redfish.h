/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REDFISH_H
#define REDFISH_H

/*
 * What the driver's files share.
 *
 *   redfish.c            the table of options and verbs, devices
 *   redfish_session.c    requests of one device, one at a time: service root, login, 401, redirects
 *   redfish_walk.c       the states a call walks through, and its ending
 *   redfish_find.c       which system it is, and reading it
 *   redfish_power.c      deciding, acting once, tasks, proving
 *   redfish_identify.c, redfish_log.c, redfish_doctor.c
 *
 * Order: service root, login, systems, system (a first power.status: systems, system); kept are the
 * token and the system's path, so that later calls begin with one GET of the system. A request with
 * an effect is sent once; again only when the peer said that it did nothing (401, 412).
 */

#include "abi/doctor.h"
#include "redfish_codec.h"

#define REDFISH_ETAG_BYTES_MAX 128
#define REDFISH_TEXT_MAX 768
#define REDFISH_SYSTEMS_PATH "/redfish/v1/Systems" /* Where nearly every BMC has them. */

/* ---- devices and their requests (redfish_session.c) ---- */

enum redfish_auth { AUTH_AUTO, AUTH_SESSION, AUTH_BASIC, AUTH_NONE };

enum link_state { LINK_IDLE, LINK_ROOT, LINK_SERVICE, LINK_LOGIN, LINK_REQUEST, LINK_STATES_COUNT };

/* How a request ended. `reply` is NULL when no answer to it came. */
struct redfish_result {
    int code;     /* NSH_OK for 2xx. */
    bool sent;    /* It may have reached the BMC. */
    bool refused; /* The BMC said that it did nothing. */
    int status;
    uint32_t retry_after_ms;
    const struct nsh_http_reply *reply;
    const char *text; /* On failure: endpoint, request, the peer's words. */
};

/* One request; inside the call that makes it. */
struct redfish_request {
    struct redfish_request *next;
    void (*done)(void *arg, const struct redfish_result *result);
    void *arg;
    const struct nsh_op *op; /* For traces. */
    const char *method;
    char *path; /* Owned; NULL: the collection of systems. */
    char body[64];
    char etag[REDFISH_ETAG_BYTES_MAX];
    size_t reply_bytes_max;
    uint32_t timeout_ms;
    bool queued, renewed; /* renewed: a new session was made for it. */
    uint8_t redirects;
};

struct nsh_device {
    struct nsh_services *services;
    char *base; /* "https://10.0.0.1:8443" */
    char *user, *password, *ca_file, *pinned_key, *client_cert, *client_key;
    char *system, *serial, *uuid; /* As the inventory says; NULL: not said. */
    char *systems_path, *sessions_path;
    char *token, *session_path;
    /* Of the system, once it was found and read. */
    char *system_path, *reset_target;
    uint32_t resets;
    bool resets_known;

    enum redfish_auth auth;
    enum link_state link;
    bool insecure, closed, login_again, orphan;
    bool root_known, service_first, no_sessions; /* service_first: it names the sessions' path. */
    bool called, first_look; /* first_look: no session for the first call, it only reads. */
    uint8_t busy;            /* Callbacks that run: close waits for them. */
    uint32_t request_timeout_ms, poll_ms, off_time_ms;
    struct nsh_http *http;
    struct redfish_request *first, *last;
};

/* Queue a request; done follows, also from inside when it cannot be sent: it is the last thing a
 * function does with its call. */
void redfish_request(struct nsh_device *device, struct redfish_request *request);
/* Take it back; true: it left already and its fate is open. */
bool redfish_request_cancel(struct nsh_device *device, struct redfish_request *request);
/* Log out, drop what is under way, free. */
void redfish_device_close(struct nsh_device *device);
void redfish_device_free(struct nsh_device *device);

/* ---- calls (redfish_walk.c) ---- */

enum walk {
    WALK_LIST,            /* Reads the collection of systems, */
    WALK_MEMBER,          /* one of several to see whether it is ours, */
    WALK_READ,            /* the system. */
    WALK_SETTLE,          /* The power is in transition: wait. */
    WALK_INFO,            /* Reads the reset types. */
    WALK_ACT,             /* Posts the reset, */
    WALK_TASK,            /* waits for its task, */
    WALK_PROVE,           /* reads until it is proven. */
    WALK_REST,            /* Off, until it is switched on again. */
    WALK_LED,             /* Reads what has the LED, */
    WALK_LIGHT,           /* patches it, */
    WALK_LIT,             /* reads until it is so. */
    WALK_MANAGER,         /* Reads the manager, when the system has no logs, */
    WALK_LOGS,            /* the log services, */
    WALK_LOG,             /* the one chosen, */
    WALK_ENTRIES,         /* its entries, page by page, */
    WALK_ENTRY,           /* or one by one. */
    WALK_ACCOUNT_SERVICE, /* Reads who has accounts, */
    WALK_ACCOUNT_LIST,    /* their list, */
    WALK_ACCOUNT,         /* each, until it is ours. */
    WALK_ENDED,
    WALKS_COUNT,
};

enum redfish_what { WHAT_STATUS, WHAT_POWER, WHAT_IDENTIFY, WHAT_LOG, WHAT_DOCTOR };
enum redfish_aim { AIM_ON, AIM_OFF, AIM_RESTART, AIM_CYCLE };

struct redfish_plan;
struct redfish_log;
struct redfish_doctor;

struct redfish_call {
    struct nsh_device *device;
    struct nsh_op *op;
    struct redfish_request request;
    struct nsh_timer *timer;
    int64_t deadline_ms;
    enum walk state;
    enum redfish_what what;
    bool acted;        /* A request with an effect may have been carried out. */
    bool looked_again; /* The remembered path was wrong: found anew. */
    /* Finding */
    char **paths; /* Members of the collection of systems. */
    char *page;
    uint8_t paths_count, path_index, pages;
    /* Power */
    const struct redfish_plan *plan;
    enum redfish_reset reset; /* Last sent. */
    enum redfish_aim aim;
    enum redfish_power power; /* Last read. */
    int64_t settle_until_ms;  /* 0: not settling. */
    uint8_t seen_count, refusals;
    bool then_on, second; /* second: switching on after off. */
    bool watch, moved;    /* watch: a restart shows in boot or reset_time; moved: it did. */
    char boot[40], reset_time[40];
    char *task;
    /* Identify */
    struct redfish_led led;
    char *led_path;
    uint8_t led_tries;
    /* Log */
    struct redfish_log *log;
    struct redfish_doctor *doctor;
};

/* Go on in a state now, or after a pause, or by asking for a path (copied). An arrow that is not in
 * the table is a mistake of ours. The call may be gone afterwards. */
void walk_move(struct redfish_call *call, enum walk next);
void walk_pause(struct redfish_call *call, enum walk next, uint32_t delay_ms);
void walk_get(struct redfish_call *call, enum walk next, const char *path);
/* The state's request: a path (copied), or NULL for the collection of systems. */
void walk_request(struct redfish_call *call, const char *method, const char *path);

/* Endings: the call is gone after each. */
void walk_done(struct redfish_call *call, const struct nsh_value *result);
void walk_done_checks(struct redfish_call *call, const struct nsh_checks *checks);
void walk_fail(struct redfish_call *call, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void walk_fail_result(struct redfish_call *call, const struct redfish_result *result);

/* The reply's document; NULL: the call has failed and is gone. */
struct json_object *walk_document(struct redfish_call *call, const struct redfish_result *result);
/* Until our deadline. */
int64_t walk_left_ms(const struct redfish_call *call);

int redfish_start(struct nsh_device *device, struct nsh_op *op, struct nsh_error *err);
void redfish_cancel(struct nsh_device *device, struct nsh_op *op);

/* ---- the functions of the states ---- */

void find_begin(struct redfish_call *call);
void find_list(struct redfish_call *call);
void find_list_answered(struct redfish_call *call, const struct redfish_result *result);
void find_member(struct redfish_call *call);
void find_member_answered(struct redfish_call *call, const struct redfish_result *result);
void find_read(struct redfish_call *call);
void find_read_answered(struct redfish_call *call, const struct redfish_result *result);
void find_free(struct redfish_call *call);
/* Read the system of a document and check whose it is. */
int find_system(const struct redfish_call *call, struct json_object *doc,
                struct redfish_system *ret_system, struct nsh_error *err);

bool power_plan(struct redfish_call *call);
void power_begin(struct redfish_call *call, const struct redfish_system *system);
void power_info_answered(struct redfish_call *call, const struct redfish_result *result);
void power_act(struct redfish_call *call);
void power_act_answered(struct redfish_call *call, const struct redfish_result *result);
void power_task(struct redfish_call *call);
void power_task_answered(struct redfish_call *call, const struct redfish_result *result);
void power_prove_answered(struct redfish_call *call, const struct redfish_result *result);
void power_rest_over(struct redfish_call *call);
void power_status(struct redfish_call *call, const struct redfish_system *system);

void identify_begin(struct redfish_call *call, const struct redfish_system *system);
void identify_read(struct redfish_call *call);
void identify_read_answered(struct redfish_call *call, const struct redfish_result *result);
void identify_light(struct redfish_call *call);
void identify_light_answered(struct redfish_call *call, const struct redfish_result *result);
void identify_lit_answered(struct redfish_call *call, const struct redfish_result *result);

void log_begin(struct redfish_call *call, const struct redfish_system *system);
void log_manager_answered(struct redfish_call *call, const struct redfish_result *result);
void log_services_answered(struct redfish_call *call, const struct redfish_result *result);
void log_service_answered(struct redfish_call *call, const struct redfish_result *result);
void log_entries_answered(struct redfish_call *call, const struct redfish_result *result);
void log_entry(struct redfish_call *call);
void log_entry_answered(struct redfish_call *call, const struct redfish_result *result);
void log_free(struct redfish_log *log);

void doctor_begin(struct redfish_call *call, const struct redfish_system *system);
void doctor_service_answered(struct redfish_call *call, const struct redfish_result *result);
void doctor_list_answered(struct redfish_call *call, const struct redfish_result *result);
void doctor_account(struct redfish_call *call);
void doctor_account_answered(struct redfish_call *call, const struct redfish_result *result);
void doctor_free(struct redfish_doctor *doctor);

#endif
