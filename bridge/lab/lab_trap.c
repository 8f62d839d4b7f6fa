/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending traps and informs with net-snmp, from each BMC's own address. A thread of its own,
 * because opening an SNMPv3 session towards a receiver that is not there blocks; the loop hands
 * over copies through a bounded queue. Informs are repeated until they are acknowledged,
 * INFORMS_OPEN_MAX at a time.
 */

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <net-snmp/library/large_fd_set.h>

#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INFORMS_OPEN_MAX 64 /* Each has a socket. */
#define INFORM_TIMEOUT_US 1000000
#define INFORM_RETRIES 30

/* An inform that waits for its acknowledgement. */
struct inform {
    struct lab_trap_sender *sender;
    void *session;
    bool done;
};

struct trap_node {
    struct trap_node *next;
    struct lab_trap trap;
};

struct lab_trap_sender {
    const struct lab_options *options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct trap_node *first, **last;
    size_t count;
    bool stop;
    struct lab_trap_figures figures;
    /* The thread's own. */
    struct inform *informs[INFORMS_OPEN_MAX];
    size_t informs_count;
};

static void trap_add_varbinds(netsnmp_pdu *pdu, const struct lab_trap *trap)
{
    for (size_t i = 0; i < trap->varbinds_count; i++) {
        const struct lab_varbind *varbind = &trap->varbinds[i];
        oid name[LAB_TRAP_OID_MAX];
        long integer = varbind->integer;

        for (size_t j = 0; j < varbind->oid_count; j++) {
            name[j] = varbind->oid[j];
        }
        if (varbind->is_integer) {
            snmp_pdu_add_variable(pdu, name, varbind->oid_count, ASN_INTEGER, &integer,
                                  sizeof integer);
        } else {
            snmp_pdu_add_variable(pdu, name, varbind->oid_count, ASN_OCTET_STR, varbind->bytes,
                                  varbind->bytes_count);
        }
    }
}

static netsnmp_pdu *trap_pdu_v1(const struct lab_trap *trap)
{
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_TRAP);

    if (pdu == NULL) {
        return NULL;
    }
    pdu->enterprise = malloc(trap->enterprise_count * sizeof(oid));
    if (pdu->enterprise == NULL) {
        snmp_free_pdu(pdu);
        return NULL;
    }
    for (size_t i = 0; i < trap->enterprise_count; i++) {
        pdu->enterprise[i] = trap->enterprise[i];
    }
    pdu->enterprise_length = trap->enterprise_count;
    memcpy(pdu->agent_addr, &trap->from, sizeof pdu->agent_addr);
    pdu->trap_type = SNMP_TRAP_ENTERPRISESPECIFIC;
    pdu->specific_type = (long)trap->specific;
    pdu->time = trap->uptime;
    trap_add_varbinds(pdu, trap);
    return pdu;
}

static netsnmp_pdu *trap_pdu_v2(const struct lab_trap *trap, bool inform)
{
    static const oid uptime_oid[] = {1, 3, 6, 1, 2, 1, 1, 3, 0};
    static const oid trap_oid[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0};
    netsnmp_pdu *pdu = snmp_pdu_create(inform ? SNMP_MSG_INFORM : SNMP_MSG_TRAP2);
    oid value[LAB_TRAP_OID_MAX + 2];
    size_t count = trap->enterprise_count;
    unsigned long uptime = trap->uptime;

    if (pdu == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        value[i] = trap->enterprise[i];
    }
    value[count++] = 0;
    value[count++] = trap->specific;
    snmp_pdu_add_variable(pdu, uptime_oid, OID_LENGTH(uptime_oid), ASN_TIMETICKS, &uptime,
                          sizeof uptime);
    snmp_pdu_add_variable(pdu, trap_oid, OID_LENGTH(trap_oid), ASN_OBJECT_ID, value,
                          count * sizeof(oid));
    trap_add_varbinds(pdu, trap);
    return pdu;
}

/* ---- sessions --------------------------------------------------------------------------- */

static bool trap_key(const oid *protocol, size_t protocol_count, const char *password, u_char *key,
                     size_t *key_bytes)
{
    char *copy = strdup(password);
    bool good = copy != NULL && generate_Ku(protocol, (u_int)protocol_count, (u_char *)copy,
                                            strlen(copy), key, key_bytes) == SNMPERR_SUCCESS;

    free(copy);
    return good;
}

static bool trap_session_v3(const struct lab_options *options, netsnmp_session *session,
                            char **user, bool inform)
{
    static const oid sha1[] = {1, 3, 6, 1, 6, 3, 10, 1, 1, 3};
    static const oid sha256[] = {1, 3, 6, 1, 6, 3, 10, 1, 1, 5};
    static const oid aes[] = {1, 3, 6, 1, 6, 3, 10, 1, 2, 4};
    bool is_sha256 = strcmp(options->v3_auth, "SHA-256") == 0;
    const oid *auth = is_sha256 ? sha256 : sha1;

    *user = strdup(options->v3_user);
    if (*user == NULL) {
        return false;
    }
    session->version = SNMP_VERSION_3;
    session->securityName = *user;
    session->securityNameLen = strlen(*user);
    session->securityModel = SNMP_SEC_MODEL_USM;
    session->securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
    session->securityAuthProto = snmp_duplicate_objid(auth, OID_LENGTH(sha1));
    session->securityAuthProtoLen = OID_LENGTH(sha1);
    session->securityPrivProto = snmp_duplicate_objid(aes, OID_LENGTH(aes));
    session->securityPrivProtoLen = OID_LENGTH(aes);
    session->securityAuthKeyLen = USM_AUTH_KU_LEN;
    session->securityPrivKeyLen = USM_PRIV_KU_LEN;
    if (!trap_key(auth, OID_LENGTH(sha1), options->v3_auth_password, session->securityAuthKey,
                  &session->securityAuthKeyLen) ||
        !trap_key(auth, OID_LENGTH(sha1), options->v3_priv_password, session->securityPrivKey,
                  &session->securityPrivKeyLen)) {
        return false;
    }
    if (!inform) { /* The sender is the authority: its engine id, boots and time go out. */
        size_t id_bytes = 0, id_room = 0;
        u_char *id = NULL;
        const char *hex = options->v3_engine;
        if (netsnmp_hex_to_binary(&id, &id_room, &id_bytes, 1,
                                  strncmp(hex, "0x", 2) == 0 ? hex + 2 : hex, " ") == 0) {
            return false;
        }
        session->securityEngineID = id;
        session->securityEngineIDLen = id_bytes;
        session->contextEngineID = netsnmp_memdup(id, id_bytes);
        session->contextEngineIDLen = id_bytes;
        session->engineBoots = 1;
        session->engineTime = (u_int)(time(NULL) & 0x7fffffff);
        set_enginetime(id, (u_int)id_bytes, session->engineBoots, session->engineTime, TRUE);
    }
    return true;
}

static void *trap_session_open(struct lab_trap_sender *sender, const struct lab_trap *trap,
                               long version, bool inform)
{
    const struct lab_options *options = sender->options;
    netsnmp_session session;
    char from[INET_ADDRSTRLEN + 8], to[128];
    char *community = strdup(options->community), *user = NULL;
    void *opened = NULL;

    snmp_sess_init(&session);
    snprintf(to, sizeof to, "udp:%s", options->trap_to);
    inet_ntop(AF_INET, &trap->from, from, sizeof from);
    session.peername = to;
    session.localname = from;
    session.version = version;
    session.timeout = INFORM_TIMEOUT_US;
    session.retries = inform ? INFORM_RETRIES : 0;
    if (version != SNMP_VERSION_3) {
        session.community = (u_char *)community;
        session.community_len = community == NULL ? 0 : strlen(community);
    }
    if (community != NULL &&
        (version != SNMP_VERSION_3 || trap_session_v3(options, &session, &user, inform))) {
        opened = snmp_sess_open(&session);
    }
    free(session.securityAuthProto);
    free(session.securityPrivProto);
    free(session.securityEngineID);
    free(session.contextEngineID);
    free(user);
    free(community);
    return opened;
}

static int inform_answered(int operation, netsnmp_session *session, int request_id,
                           netsnmp_pdu *pdu, void *arg)
{
    struct inform *inform = arg;
    struct lab_trap_sender *sender = inform->sender;

    if (operation == NETSNMP_CALLBACK_OP_RESEND) {
        return 1;
    }
    pthread_mutex_lock(&sender->lock);
    if (operation == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE) {
        sender->figures.acknowledged++;
    } else {
        sender->figures.unanswered++;
    }
    pthread_mutex_unlock(&sender->lock);
    inform->done = true;
    return 1;
}

static void sender_count(struct lab_trap_sender *sender, bool sent)
{
    pthread_mutex_lock(&sender->lock);
    if (sent) {
        sender->figures.sent++;
    } else {
        sender->figures.failed++;
    }
    pthread_mutex_unlock(&sender->lock);
}

/* Send and keep until it is acknowledged; takes session and pdu. */
static bool sender_inform(struct lab_trap_sender *sender, void *session, netsnmp_pdu *pdu)
{
    struct inform *inform = calloc(1, sizeof *inform);

    if (inform != NULL) {
        *inform = (struct inform){.sender = sender, .session = session};
    }
    if (inform == NULL || pdu == NULL ||
        snmp_sess_async_send(session, pdu, inform_answered, inform) == 0) {
        if (pdu != NULL) {
            snmp_free_pdu(pdu);
        }
        snmp_sess_close(session);
        free(inform);
        return false;
    }
    sender->informs[sender->informs_count++] = inform;
    return true;
}

static void sender_send(struct lab_trap_sender *sender, const struct lab_trap *trap)
{
    const struct lab_options *options = sender->options;
    bool automatic = strcmp(options->trap_version, "auto") == 0;
    bool inform = options->informs;
    long version = strcmp(options->trap_version, "v3") == 0   ? SNMP_VERSION_3
                   : strcmp(options->trap_version, "v1") == 0 ? SNMP_VERSION_1
                                                              : SNMP_VERSION_2c;

    if (automatic && trap->as_v1 && !inform) {
        version = SNMP_VERSION_1;
    }
    inform = inform && version != SNMP_VERSION_1;
    void *session = trap_session_open(sender, trap, version, inform);
    if (session == NULL) {
        sender_count(sender, false);
        return;
    }
    netsnmp_pdu *pdu = version == SNMP_VERSION_1 ? trap_pdu_v1(trap) : trap_pdu_v2(trap, inform);
    if (inform) {
        sender_count(sender, sender_inform(sender, session, pdu));
        return;
    }
    bool sent = pdu != NULL && snmp_sess_send(session, pdu) != 0;
    if (!sent && pdu != NULL) {
        snmp_free_pdu(pdu);
    }
    sender_count(sender, sent);
    snmp_sess_close(session);
}

/* Wait at most wait_ms for answers, resend what is due, forget what is done. */
static void sender_serve(struct lab_trap_sender *sender, long wait_ms)
{
    struct timeval wait = {.tv_usec = wait_ms * 1000};
    netsnmp_large_fd_set set;
    int fds = 0;

    /* Behind thousands of BMCs our descriptors have large numbers. */
    netsnmp_large_fd_set_init(&set, FD_SETSIZE);
    for (size_t i = 0; i < sender->informs_count; i++) {
        struct timeval own;
        int block = 1;
        snmp_sess_select_info2(sender->informs[i]->session, &fds, &set, &own, &block);
    }
    if (netsnmp_large_fd_set_select(fds, &set, NULL, NULL, &wait) <= 0) {
        NETSNMP_LARGE_FD_ZERO(&set);
    }
    for (size_t i = 0; i < sender->informs_count;) {
        struct inform *inform = sender->informs[i];
        snmp_sess_read2(inform->session, &set);
        if (!inform->done) {
            snmp_sess_timeout(inform->session);
        }
        if (!inform->done) {
            i++;
            continue;
        }
        snmp_sess_close(inform->session);
        free(inform);
        sender->informs[i] = sender->informs[--sender->informs_count];
    }
    netsnmp_large_fd_set_cleanup(&set);
}

/* The next trap, waiting for one while nothing else is to be done; NULL: none now. */
static struct trap_node *sender_next(struct lab_trap_sender *sender, bool *ret_stop)
{
    struct trap_node *node = NULL;

    pthread_mutex_lock(&sender->lock);
    sender->figures.waiting = sender->informs_count;
    while (sender->first == NULL && sender->informs_count == 0 && !sender->stop) {
        pthread_cond_wait(&sender->wake, &sender->lock);
    }
    if (sender->informs_count < INFORMS_OPEN_MAX && sender->first != NULL) {
        node = sender->first;
        sender->first = node->next;
        sender->count--;
        if (sender->first == NULL) {
            sender->last = &sender->first;
        }
    }
    *ret_stop = sender->stop;
    pthread_mutex_unlock(&sender->lock);
    return node;
}

static void *sender_main(void *arg)
{
    struct lab_trap_sender *sender = arg;
    bool stop = false;

    for (;;) {
        struct trap_node *node = sender_next(sender, &stop);
        if (node == NULL && stop) {
            break;
        }
        if (node != NULL) {
            sender_send(sender, &node->trap);
            free(node);
        }
        if (sender->informs_count > 0) {
            sender_serve(sender, node != NULL ? 0 : 10);
        }
    }
    for (size_t i = 0; i < sender->informs_count; i++) {
        struct inform *inform = sender->informs[i];
        snmp_sess_close(inform->session); /* Calls inform_answered for what is open. */
        free(inform);
    }
    return NULL;
}

/* ---- the loop's side -------------------------------------------------------------------- */

int lab_trap_start(struct lab *lab, struct nsh_error *err)
{
    if (lab->options.trap_to == NULL) {
        return 0;
    }
    setenv("MIBS", "", 1); /* Numbers are all that is needed; no MIB files are read. */
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    init_snmp("nightshift-lab");
    struct lab_trap_sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for the trap sender");
    }
    sender->options = &lab->options;
    sender->last = &sender->first;
    pthread_mutex_init(&sender->lock, NULL);
    pthread_cond_init(&sender->wake, NULL);
    if (pthread_create(&sender->thread, NULL, sender_main, sender) != 0) {
        free(sender);
        return nsh_fail(err, NSH_LIMIT, "cannot start the trap thread: %s", strerror(errno));
    }
    lab->traps = sender;
    return 0;
}

void lab_trap_stop(struct lab *lab)
{
    struct lab_trap_sender *sender = lab->traps;

    if (sender == NULL) {
        return;
    }
    pthread_mutex_lock(&sender->lock);
    sender->stop = true;
    pthread_cond_signal(&sender->wake);
    pthread_mutex_unlock(&sender->lock);
    pthread_join(sender->thread, NULL);
    pthread_mutex_destroy(&sender->lock);
    pthread_cond_destroy(&sender->wake);
    free(sender);
    lab->traps = NULL;
}

void lab_trap_send(struct lab *lab, const struct lab_trap *trap)
{
    struct lab_trap_sender *sender = lab->traps;
    struct trap_node *node = sender == NULL ? NULL : malloc(sizeof *node);

    if (node == NULL) {
        return;
    }
    *node = (struct trap_node){.trap = *trap};
    pthread_mutex_lock(&sender->lock);
    if (sender->count == LAB_TRAPS_QUEUED_MAX) {
        sender->figures.dropped++;
        free(node);
    } else {
        *sender->last = node;
        sender->last = &node->next;
        sender->count++;
        pthread_cond_signal(&sender->wake);
    }
    pthread_mutex_unlock(&sender->lock);
}

void lab_trap_count(const struct lab *lab, struct lab_trap_figures *ret_figures)
{
    struct lab_trap_sender *sender = lab->traps;

    *ret_figures = (struct lab_trap_figures){0};
    if (sender != NULL) {
        pthread_mutex_lock(&sender->lock);
        *ret_figures = sender->figures;
        ret_figures->waiting += sender->count;
        pthread_mutex_unlock(&sender->lock);
    }
}
