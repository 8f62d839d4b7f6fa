/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

/*
 * nightshift-lab: a data centre in a box. Racks of hosts whose BMCs speak real Redfish and real
 * RMCP+ on loopback, send real traps, and lie, hang and fail on request. One process, one libuv
 * loop; traps leave from a thread of their own because net-snmp may block. A BMC's state is small:
 * 10,000 of them fit into some 60 MB.
 *
 * lab_world.c builds it, lab_physics.c is what is true of a host, lab_ipmi*.c and lab_redfish*.c
 * are what its BMC says, lab_trap.c what it sends unasked, lab_ledger.c what was done to it,
 * lab_control.c the operator's door.
 */

#include "base/heap.h"
#include "base/map.h"
#include "base/text.h"
#include "ipmi_codec.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define LAB_HOSTS_MAX 100000
#define LAB_SYSTEMS_MAX 8
#define LAB_NAME_MAX 24
#define LAB_SEL_MAX 512 /* Records that a BMC keeps; then the oldest goes. */

struct lab;
struct lab_bmc;
struct lab_ipmi;
struct lab_tokens;
struct lab_kube;
struct lab_maas;
struct lab_netbox;
struct lab_conn;
struct lab_request;
struct lab_reply;
struct lab_sse;

typedef void lab_answer_fn(const struct lab_request *request, struct lab_reply *reply);

enum lab_kind { LAB_REDFISH, LAB_IPMI, LAB_SERVICE };
enum lab_power { LAB_OFF, LAB_ON, LAB_TURNING_OFF, LAB_TURNING_ON };

/* What a BMC is asked to do to a host, whatever the protocol calls it. */
enum lab_order {
    LAB_ORDER_ON,
    LAB_ORDER_OFF,
    LAB_ORDER_CYCLE,
    LAB_ORDER_RESET,
    LAB_ORDER_SOFT_OFF,
    LAB_ORDER_SOFT_RESET,
    LAB_ORDER_NMI,
};

enum lab_cure { LAB_CURE_REPAIR, LAB_CURE_CYCLE, LAB_CURE_RESET };

enum lab_fault {
#define LAB_FAULT(NAME, ...) LAB_FAULT_##NAME,
#include "lab_faults.def"
#undef LAB_FAULT
    LAB_FAULTS_COUNT
};

/* How a BMC misbehaves. */
enum lab_mode {
    LAB_LIE_STAYS = 0x01,   /* Accepts, then reports the state asked for; nothing happened. */
    LAB_LIE_ACCEPTS = 0x02, /* Accepts, and nothing changes, as the report says. */
    LAB_HANG = 0x04,        /* Does nothing with requests and never answers. */
    LAB_GARBAGE = 0x08,     /* Answers with nonsense. */
    LAB_DENY = 0x10,        /* Refuses the credentials. */
    LAB_BUSY = 0x20,        /* 503 with Retry-After, completion code C0h. */
    LAB_DEAD = 0x40,        /* Has no power. */
    LAB_MUTE = 0x80,        /* Carries power orders out; their answers are lost. */
};

/* What a BMC does not offer of events. */
enum lab_eventless {
    LAB_EVENTS_NONE = 0x01, /* It has no EventService. */
    LAB_EVENTS_FULL = 0x02, /* No further subscription is taken. */
    LAB_EVENTS_STREAM =
        0x04, /* It offers a stream of events: --streams, or `events TARGET stream`. */
};

struct lab_timer {
    struct heap_node node; /* First. */
    void (*fire)(void *arg);
    void *arg;
};

struct lab_host {
    struct lab_bmc *bmc;
    char name[LAB_NAME_MAX];
    char serial[8];
    uint8_t uuid[16];     /* RFC 4122 order. */
    uint8_t slot;         /* Which of the BMC's systems, from 0. */
    uint8_t power, shown; /* The truth, and what a lying BMC says. */
    bool lied;            /* shown counts. */
    bool os_up, cycling, identify, was_off, lie_cycling;
    uint8_t faults, sticky; /* Bits of enum lab_fault. */
    uint32_t etag;
    uint32_t offs_count, resets_count;
    int64_t identify_until_ms;
    int16_t inlet_more; /* Degrees, above what is usual. */
    uint32_t flaps_left, flap_ms;
    uint8_t flap_fault;
    struct lab_timer power_timer, boot_timer, flap_timer, lie_timer;
    uint8_t lie_power;
};

struct lab_bmc {
    struct lab *lab;
    uint32_t rack;
    char feed;
    uint8_t kind;
    lab_answer_fn *answer; /* Of a service; NULL: it speaks Redfish. */
    uint8_t modes;
    bool swallow; /* The answer to the request at hand is lost. */
    uint8_t hosts_count;
    uint32_t late_ms, retry_after_s;
    struct lab_host *hosts; /* The first of hosts_count. */
    struct sockaddr_in address;
    uv_poll_t poll; /* The UDP socket, or the listener. */
    int fd;
    uint64_t requests;
    uint32_t logins; /* IPMI sessions that were opened. */
    uint16_t pet_sequence;
    uint16_t sel_count, sel_next_id, sel_room; /* sel_room 0: LAB_SEL_MAX */
    uint8_t (*sel)[16];
    uint8_t sel_reservation;
    bool sel_halves, sel_lost, sel_overflow; /* Whole records refused; reservations never last. */
    uint32_t sel_added_s, sel_erased_s;
    int64_t sel_clock_s;       /* What its clock is ahead. */
    struct lab_ipmi *ipmi;     /* Sessions, made on first use. */
    struct lab_tokens *tokens; /* Redfish sessions, made on first use. */
    struct lab_sse *sse;       /* Streams of events, made on first use. */
    uint8_t events;            /* Bits of enum lab_eventless. */
    void *certificate;         /* X509, made on first use. */
    struct lab_timer start_timer;
};

struct lab_options {
    const char *base, *trap_to, *trap_version, *community;
    const char *v3_user, *v3_auth, *v3_auth_password, *v3_priv_password, *v3_engine;
    const char *state, *control, *ledger, *script, *write_inventory, *user, *password;
    int64_t racks, hosts, systems, redfish_share, https_port, ipmi_port, sessions_max, retry_after,
        lockout;
    int64_t kube_port, kube_minor, kube_grace_ms, kube_bookmark_ms;
    int64_t maas_port, maas_limit_ms, netbox_port, netbox_page;
    int64_t latency_ms, off_ms, on_ms, cycle_ms, boot_ms, soft_ms, bmc_boot_ms;
    bool informs, quiet, plain, sensors, tasks, action_info, etag_required, netbox_etags, start_off,
        help, version;
};

struct lab {
    struct lab_options options;
    uv_loop_t loop;
    uv_timer_t clock;
    uv_signal_t signals[2];
    struct heap timers;
    uint64_t timers_order;
    struct lab_bmc *bmcs;
    struct lab_host *hosts;
    size_t bmcs_count, hosts_count;
    struct map names; /* Host name -> struct lab_host. */
    struct lab_ledger *ledger;
    struct lab_trap_sender *traps;
    struct lab_https *https;
    struct lab_conn *conns;
    struct lab_control *control;
    struct lab_kube *kube; /* NULL: none was asked for. */
    struct lab_maas *maas;
    struct lab_netbox *netbox;
    struct lab_script *script;
    uint64_t connections, connections_peak;
    uint64_t refused; /* Connections, for want of file descriptors. */
    int spare_fd;     /* Given up for a moment to turn away whom we cannot serve. */
    int64_t start_ms;
    bool stopping;
};

/* ---- lab_options.c: the command line ---------------------------------------------------- */

/* Fill options from argv; mistakes are told on stderr, all of them. 0, or the exit code to leave
 * with. */
int lab_options_parse(int argc, char **argv, struct lab_options *ret_options);
void lab_options_help(void);

/* ---- lab_world.c: what there is --------------------------------------------------------- */

int lab_world_build(struct lab *lab, struct nsh_error *err);
void lab_world_free(struct lab *lab);
struct lab_host *lab_world_host(const struct lab *lab, struct text name);
/* Call each(arg, host) for a host, a rack ("r2"), a feed ("feed:a"), a pattern ("r1h*") or "all";
 * how many there were. */
size_t lab_world_select(struct lab *lab, struct text target,
                        void (*each)(void *arg, struct lab_host *host), void *arg);
int lab_world_write_inventory(const struct lab *lab, const char *path, struct nsh_error *err);
const char *lab_world_pool(const struct lab_host *host);
void lab_world_uuid_text(const struct lab_host *host, char out[37]);
void lab_world_guid(const struct lab_host *host,
                    uint8_t out[16]); /* In SMBIOS order, as BMCs send it. */

/* ---- lab_clock.c: timers ---------------------------------------------------------------- */

int64_t lab_clock_now_ms(const struct lab *lab); /* Monotonic. */
int64_t lab_clock_unix_ms(void);
void lab_clock_start(struct lab *lab);
/* Fire once after delay_ms; a timer that is set already is moved. */
void lab_clock_set(struct lab *lab, struct lab_timer *timer, int64_t delay_ms,
                   void (*fire)(void *arg), void *arg);
void lab_clock_clear(struct lab *lab, struct lab_timer *timer);

/* ---- lab_physics.c: what is true -------------------------------------------------------- */

extern const char *const lab_fault_words[LAB_FAULTS_COUNT];
bool lab_physics_lit(const struct lab_host *host); /* The locator LED. */
const char *lab_power_word(unsigned power);        /* "on", "off", "turning-off", "turning-on" */

/*
 * Carry out an order that came over a protocol; request and answer are for the ledger.
 * A lying BMC accepts and does nothing: the caller answers as if it had been done.
 */
void lab_physics_order(struct lab_host *host, enum lab_order order, const char *via,
                       const char *request, const char *answer);
void lab_physics_press(struct lab_host *host, enum lab_order order); /* The power button. */
/* What the BMC says of the power: the truth, unless it lies. */
unsigned lab_physics_shown(const struct lab_host *host);
void lab_physics_fail(struct lab_host *host, enum lab_fault fault, bool sticky);
void lab_physics_repair(struct lab_host *host, enum lab_fault fault);
void lab_physics_lose_power(struct lab_host *host);    /* With its BMC. */
void lab_physics_restore_power(struct lab_host *host); /* The BMC starts, the host stays off. */
void lab_physics_flap(struct lab_host *host, enum lab_fault fault, uint32_t times,
                      uint32_t interval_ms);
void lab_physics_identify(struct lab_host *host, bool lit, int64_t for_ms, const char *via);
void lab_physics_clear(struct lab_host *host); /* No faults, no modes, power on. */

/* ---- lab_sel.c: the BMC's event log ----------------------------------------------------- */

void lab_sel_add(struct lab_bmc *bmc, uint8_t sensor_type, uint8_t sensor_number, uint8_t offset,
                 bool asserted);
/* A record as it is; id 0: the next one, time 0: now. */
void lab_sel_put(struct lab_bmc *bmc, const uint8_t record[16]);
uint32_t lab_sel_clock(const struct lab_bmc *bmc);
/* `add HEX`, `clear`, `halves`, `lost`, `well`, `room COUNT`, `clock SECONDS`: false, it is none.
 */
bool lab_sel_command(struct lab_bmc *bmc, const char *word, const char *argument);
void lab_sel_clear(struct lab_bmc *bmc);

/* ---- lab_ledger.c: what was done -------------------------------------------------------- */

int lab_ledger_open(struct lab *lab, const char *path, struct nsh_error *err);
void lab_ledger_close(struct lab *lab);
/* Add a line; host may be NULL. effect: "off", "on", "reset", ... or "none". */
void lab_ledger_add(struct lab *lab, const struct lab_host *host, const char *via,
                    const char *request, const char *answer, const char *effect);
/* The kept lines (of one host, or all) as JSON lines. */
void lab_ledger_write(const struct lab *lab, const struct lab_host *host, struct textbuf *out);

/* ---- lab_trap.c, lab_alert.c: what BMCs send -------------------------------------------- */

#define LAB_TRAPS_QUEUED_MAX 20000
#define LAB_TRAP_VARBINDS_MAX 10
#define LAB_TRAP_OID_MAX 24
#define LAB_TRAP_TEXT_MAX 160

struct lab_varbind {
    uint32_t oid[LAB_TRAP_OID_MAX];
    uint8_t oid_count;
    bool is_integer;
    int32_t integer;
    uint8_t bytes_count;
    uint8_t bytes[LAB_TRAP_TEXT_MAX];
};

struct lab_trap {
    struct in_addr from;
    bool as_v1; /* When the version is chosen by the sender. */
    uint32_t enterprise[LAB_TRAP_OID_MAX];
    uint8_t enterprise_count;
    uint32_t specific; /* The trap is enterprise.0.specific. */
    uint32_t uptime;   /* 1/100 s */
    size_t varbinds_count;
    struct lab_varbind varbinds[LAB_TRAP_VARBINDS_MAX];
};

int lab_trap_start(struct lab *lab, struct nsh_error *err);
void lab_trap_stop(struct lab *lab); /* Sends what is queued; informs are not waited for. */
/* Queue a trap (copied). Dropped and counted when LAB_TRAPS_QUEUED_MAX wait. */
void lab_trap_send(struct lab *lab, const struct lab_trap *trap);
struct lab_trap_figures {
    uint64_t sent, failed, dropped, acknowledged, unanswered, waiting;
};
void lab_trap_count(const struct lab *lab, struct lab_trap_figures *ret_figures);

/* Tell of a fault the way the host's kind of BMC does: PET, or an iDRAC alert. */
void lab_alert_fault(struct lab_host *host, enum lab_fault fault, bool raise);
/* Any trap: "1.3.6.1.4.1.674.10892.5.3.2.1.0.2265" with an optional text. false: not an OID. */
bool lab_alert_custom(struct lab_host *host, const char *oid, const char *text);

/* ---- lab_ipmi.c, lab_ipmi_commands.c ---------------------------------------------------- */

struct lab_ipmi_session {
    struct ipmi_session session;
    struct ipmi_handshake *handshake; /* Until the first message inside the session. */
    int64_t used_ms;
    uint32_t bmc_id; /* 0: free. */
    bool active;
    uint8_t privilege, privilege_max;
};

int lab_ipmi_listen(struct lab_bmc *bmc, struct nsh_error *err);
void lab_ipmi_forget(struct lab_bmc *bmc); /* All sessions: the BMC restarted. */
/* Answer a message: fills data (completion code first), returns its length; 0: no answer. session
 * may be NULL. */
size_t lab_ipmi_command(struct lab_bmc *bmc, struct lab_ipmi_session *session,
                        const struct ipmi_message *request, uint8_t data[IPMI_DATA_MAX],
                        bool *ret_close);

/* ---- lab_http.c, lab_tls.c, lab_redfish*.c ---------------------------------------------- */

struct lab_request {
    struct lab_bmc *bmc;
    const char *method, *path; /* Path without query, NUL-terminated. */
    const char *query;         /* What follows the '?'; NULL: nothing. */
    const char *authorization, *token, *if_match, *content_type;
    const char *if_none_match, *last_event_id;
    const char *body;
    size_t body_bytes;
};

/* A request as lab_http_parse() found it. */
struct lab_http {
    struct lab_request request; /* Without bmc and body. */
    size_t head_bytes, body_bytes;
    bool close, chunked;
};

#define LAB_HTTP_REQUEST_MAX 65536 /* Bytes of a request; a longer one is 413. */

/*
 * Take the request at the beginning of bytes apart (bytes[bytes_count] is NUL). 0: more bytes are
 * needed, nothing was changed. 200: it is complete, its head is cut into texts in place. Else the
 * status to refuse it with; where the next one begins is unknown then.
 */
int lab_http_parse(char *bytes, size_t bytes_count, struct lab_http *head);

struct lab_reply {
    int status;        /* 0: no answer. */
    const char *type;  /* Of the body; NULL: JSON. */
    const char *extra; /* Further header lines, each ending in CRLF; a buffer of the reply. */
    char extra_room[512];
    struct textbuf body;
    bool with_body;
    struct lab_stream *stream; /* The body goes on until lab_stream_end(); NULL: it does not. */
};

/* An answer without an end. gone() is called once, when the connection is no more. */
struct lab_stream {
    struct lab_conn *conn;
    void (*gone)(struct lab_stream *stream);
};
void lab_stream_write(struct lab_stream *stream, const char *bytes, size_t bytes_count);
void lab_stream_end(struct lab_stream *stream);   /* As the protocol has it; gone() follows. */
void lab_stream_break(struct lab_stream *stream); /* In the middle; gone() follows. */

enum lab_role { LAB_ROLE_NONE, LAB_ROLE_READ, LAB_ROLE_OPERATE, LAB_ROLE_ADMINISTER };

int lab_https_open(struct lab *lab, struct nsh_error *err);
void lab_https_close(struct lab *lab);
int lab_https_listen(struct lab_bmc *bmc, struct nsh_error *err);
void lab_https_reset(struct lab_bmc *bmc); /* Drop its connections: it restarted. */
struct ssl_st *lab_tls_accept(struct lab_bmc *bmc, int fd);
int lab_tls_open(struct lab *lab,
                 struct nsh_error *err); /* Makes the CA; writes ca.pem into the state folder. */
void lab_tls_close(struct lab *lab);

void lab_redfish_answer(const struct lab_request *request, struct lab_reply *reply);

/* One request on its way through the routes. */
struct lab_redfish {
    const struct lab_request *request;
    struct lab_reply *reply;
    struct lab_bmc *bmc;
    struct lab_host *host; /* Of a path below Systems/ID. */
    struct text parts[10]; /* Of the path below /redfish/v1. */
    size_t parts_count;
    enum lab_role role;
};
typedef void lab_redfish_fn(struct lab_redfish *redfish);

/* A DMTF error body: key is one of Base.1.12's. */
void lab_redfish_error(struct lab_redfish *redfish, int status, const char *key, const char *text);
lab_redfish_fn lab_redfish_root, lab_redfish_odata, lab_redfish_versions, lab_redfish_metadata;
lab_redfish_fn lab_redfish_systems, lab_redfish_system, lab_redfish_action_info;
lab_redfish_fn lab_redfish_chassis_all, lab_redfish_chassis, lab_redfish_power, lab_redfish_thermal;
lab_redfish_fn lab_redfish_managers, lab_redfish_manager, lab_redfish_tasks, lab_redfish_task_list;
lab_redfish_fn lab_redfish_log_services, lab_redfish_log, lab_redfish_entries, lab_redfish_entry;
lab_redfish_fn lab_redfish_reset, lab_redfish_patch, lab_redfish_chassis_patch,
    lab_redfish_log_clear, lab_redfish_manager_reset;
lab_redfish_fn lab_redfish_task, lab_redfish_task_monitor;

/* ---- lab_redfish_sessions.c ------------------------------------------------------------- */

#define LAB_TASKS_MAX 8

#define LAB_SUBSCRIPTIONS_MAX 4
#define LAB_DESTINATION_MAX 256
#define LAB_CONTEXT_MAX 328

struct lab_subscription {
    uint32_t id; /* 0: free. */
    char destination[LAB_DESTINATION_MAX], context[LAB_CONTEXT_MAX];
    bool reports; /* Metric reports, not events. */
};

/* What a BMC remembers of its Redfish clients. */
struct lab_tokens {
    struct {
        char token[33], user[17];
        uint32_t id; /* 0: free. */
        int64_t used_ms;
    } * sessions;
    size_t sessions_count;
    uint32_t session_next;
    struct {
        uint32_t id;
        int64_t due_ms;
    } tasks[LAB_TASKS_MAX];
    uint32_t task_next;
    struct lab_subscription subscriptions[LAB_SUBSCRIPTIONS_MAX];
    uint32_t subscription_next;
};
struct lab_tokens *
lab_redfish_tokens(struct lab_bmc *bmc); /* Made on first use; NULL: no memory. */
enum lab_role lab_redfish_authenticate(const struct lab_request *request);
lab_redfish_fn lab_redfish_session_service, lab_redfish_sessions, lab_redfish_session;
lab_redfish_fn lab_redfish_login, lab_redfish_logout;
lab_redfish_fn lab_redfish_event_service, lab_redfish_subscriptions, lab_redfish_subscription;
lab_redfish_fn lab_redfish_subscribe, lab_redfish_unsubscribe;
lab_redfish_fn lab_redfish_account_service, lab_redfish_accounts, lab_redfish_account;
void lab_redfish_forget(struct lab_bmc *bmc); /* All sessions. */

/* ---- lab_redfish_sensors.c, lab_redfish_stream.c, lab_redfish_registries.c ---------------- */

lab_redfish_fn lab_redfish_sensors, lab_redfish_sensor, lab_redfish_thermal_subsystem;
lab_redfish_fn lab_redfish_power_subsystem, lab_redfish_supplies, lab_redfish_supply;
lab_redfish_fn lab_redfish_memory, lab_redfish_module;
lab_redfish_fn lab_redfish_telemetry, lab_redfish_reports, lab_redfish_report;
lab_redfish_fn lab_redfish_registries, lab_redfish_registry_file, lab_redfish_registry;
lab_redfish_fn lab_redfish_stream;
int lab_redfish_inlet(const struct lab_host *host); /* Degrees Celsius. */
void lab_redfish_report_write(const struct lab_host *host, struct textbuf *out);
/* To the streams of its BMC: what became of a fault; a message by its id; the metric report. */
void lab_redfish_tell(struct lab_host *host, enum lab_fault fault, bool raise);
void lab_redfish_say(struct lab_host *host, const char *message_id, const char *arg);
void lab_redfish_report_send(struct lab_host *host);
/* All its streams end; cut: in the middle of an event. */
void lab_redfish_stream_break(struct lab_bmc *bmc, bool cut);
size_t lab_redfish_streams(const struct lab_bmc *bmc);

/* ---- lab_control.c, lab_script.c, lab_ctl.c --------------------------------------------- */

int lab_control_open(struct lab *lab, const char *path, struct nsh_error *err);
void lab_control_close(struct lab *lab);
/* Carry out one line; the answer (JSON, or JSON lines) goes to out. false: the line was wrong, out
 * says why. */
bool lab_command_run(struct lab *lab, const char *line, struct textbuf *out);
void lab_command_help(struct textbuf *out);
int lab_script_load(struct lab *lab, const char *path, struct nsh_error *err);
void lab_script_free(struct lab *lab);
int lab_ctl_main(int argc, char **argv);

#endif
