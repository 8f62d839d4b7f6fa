/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of the lab's BMCs as a stream (server-sent events): those that are kept are sent again to
 * who comes back with Last-Event-ID. A stream can be cut in the middle of an event.
 */

#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V1 "/redfish/v1"
#define STREAMS_MAX 4
#define KEPT_MAX 16
#define EVENT_MAX 1024

struct sse_stream {
    struct lab_stream stream; /* First. */
    struct lab_sse *sse;
};

struct lab_sse {
    struct sse_stream *streams[STREAMS_MAX];
    unsigned last; /* Number of the newest event. */
    char kept[KEPT_MAX][EVENT_MAX];
};

static struct lab_sse *sse_of(struct lab_bmc *bmc)
{
    if (bmc->sse == NULL) {
        bmc->sse = calloc(1, sizeof *bmc->sse);
    }
    return bmc->sse;
}

static void sse_gone(struct lab_stream *stream)
{
    struct sse_stream *own = (struct sse_stream *)stream;

    for (size_t i = 0; i < STREAMS_MAX; i++) {
        if (own->sse->streams[i] == own) {
            own->sse->streams[i] = NULL;
        }
    }
    free(own);
}

static void frame_write(const struct lab_sse *sse, unsigned id, struct textbuf *out)
{
    textbuf_addf(out, "id: %u\ndata: %s\n\n", id, sse->kept[id % KEPT_MAX]);
}

/* What the client missed. */
static void missed_write(const struct lab_sse *sse, const char *last_event_id, struct textbuf *out)
{
    unsigned last = last_event_id == NULL ? sse->last : (unsigned)strtoul(last_event_id, NULL, 10);

    last = sse->last > KEPT_MAX && last < sse->last - KEPT_MAX ? sse->last - KEPT_MAX : last;
    for (unsigned id = last + 1; id <= sse->last; id++) {
        frame_write(sse, id, out);
    }
}

void lab_redfish_stream(struct lab_redfish *redfish)
{
    struct lab_sse *sse = sse_of(redfish->bmc);
    size_t place = 0;

    while (sse != NULL && place < STREAMS_MAX && sse->streams[place] != NULL) {
        place++;
    }
    struct sse_stream *own = calloc(1, sizeof *own);
    if (sse == NULL || own == NULL || place == STREAMS_MAX) {
        free(own);
        lab_redfish_error(redfish, 503, "EventSubscriptionLimitExceeded",
                          "There are as many streams as there can be.");
        return;
    }
    own->sse = sse;
    own->stream.gone = sse_gone;
    sse->streams[place] = own;
    redfish->reply->stream = &own->stream;
    redfish->reply->type = "text/event-stream";
    textbuf_add_chars(&redfish->reply->body, ": hello\n\n");
    missed_write(sse, redfish->request->last_event_id, &redfish->reply->body);
}

static void sse_send(struct lab_bmc *bmc, const char *document)
{
    struct lab_sse *sse = sse_of(bmc);
    struct textbuf out = {0};

    if (sse == NULL || strlen(document) >= EVENT_MAX) {
        return;
    }
    sse->last++;
    snprintf(sse->kept[sse->last % KEPT_MAX], EVENT_MAX, "%s", document);
    frame_write(sse, sse->last, &out);
    for (size_t i = 0; i < STREAMS_MAX && (bmc->modes & (LAB_DEAD | LAB_HANG)) == 0; i++) {
        if (sse->streams[i] != NULL) {
            lab_stream_write(&sse->streams[i]->stream, out.at, out.count);
        }
    }
    textbuf_done(&out);
}

/* ---- what is sent ---- */

/* path: below the host's resources; NULL: the system itself. */
static void event_write(const struct lab_host *host, const char *message_id, const char *origin,
                        const char *severity, const char *arg, struct textbuf *out)
{
    textbuf_addf(out,
                 "{\"@odata.type\":\"#Event.v1_7_0.Event\",\"Id\":\"%lld\",\"Name\":\"Event\","
                 "\"Events\":[{\"EventType\":\"Alert\",\"MemberId\":\"0\",\"EventTimestamp\":\"",
                 (long long)lab_clock_unix_ms());
    textbuf_add_time(out, lab_clock_unix_ms());
    textbuf_addf(out,
                 "\",\"MessageId\":\"%s\",\"OriginOfCondition\":{\"@odata.id\":\"" V1
                 "/%s/System.Embedded.%u%s\"}",
                 message_id, strncmp(origin, "/Power", 6) == 0 ? "Chassis" : "Systems",
                 host->slot + 1u, origin);
    if (severity != NULL) {
        textbuf_addf(out, ",\"MessageSeverity\":\"%s\"", severity);
    }
    textbuf_add_chars(out, ",\"MessageArgs\":[");
    textbuf_add_json(out, text_of(arg));
    textbuf_add_chars(out, "]}]}");
}

void lab_redfish_tell(struct lab_host *host, enum lab_fault fault, bool raise)
{
    static const char *const origins[] = {
        [LAB_FAULT_MEMORY] = "/Memory/DIMM.Socket.A1",
        [LAB_FAULT_HUNG] = "",
        [LAB_FAULT_PSU] = "/Power/PowerSupplies/PSU.Slot.1",
    };
    struct textbuf out = {0};

    if (host->bmc->kind != LAB_REDFISH || host->bmc->sse == NULL) {
        return; /* Nobody ever listened. */
    }
    event_write(host,
                raise ? "ResourceEvent.1.3.ResourceStatusChangedCritical"
                      : "ResourceEvent.1.3.ResourceStatusChangedOK",
                origins[fault], raise ? "Critical" : "OK", lab_fault_words[fault], &out);
    sse_send(host->bmc, out.at);
    textbuf_done(&out);
}

void lab_redfish_say(struct lab_host *host, const char *message_id, const char *arg)
{
    struct textbuf out = {0};

    if (host->bmc->kind == LAB_REDFISH && message_id[strcspn(message_id, "\"\\")] == '\0') {
        event_write(host, message_id, "", NULL, arg, &out);
        sse_send(host->bmc, out.at);
        textbuf_done(&out);
    }
}

void lab_redfish_report_send(struct lab_host *host)
{
    struct textbuf out = {0};

    if (host->bmc->kind == LAB_REDFISH && host->bmc->sse != NULL) {
        lab_redfish_report_write(host, &out);
        sse_send(host->bmc, out.at);
        textbuf_done(&out);
    }
}

void lab_redfish_stream_break(struct lab_bmc *bmc, bool cut)
{
    static const char half[] = "id: 99999\ndata: {\"@odata.type\":\"#Event.v1_7_0.Event\",\"Eve";

    for (size_t i = 0; bmc->sse != NULL && i < STREAMS_MAX; i++) {
        if (bmc->sse->streams[i] != NULL) {
            struct lab_stream *stream = &bmc->sse->streams[i]->stream;
            if (cut) {
                lab_stream_write(stream, half, sizeof half - 1);
            }
            if (bmc->sse->streams[i] != NULL) { /* Writing may have found it broken. */
                lab_stream_break(stream);
            }
        }
    }
}

size_t lab_redfish_streams(const struct lab_bmc *bmc)
{
    size_t count = 0;

    for (size_t i = 0; bmc->sse != NULL && i < STREAMS_MAX; i++) {
        count += bmc->sse->streams[i] != NULL;
    }
    return count;
}
