/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data centre: racks of hosts, each with a BMC at its own loopback address, and the
 * inventory.conf that tells nightshift of them. Odd racks hang on feed a, even ones on feed b.
 */

#include "lab.h"

#include "base/arena.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The same host has the same identity in every run: a hash of its name fills it. */
static void world_identity(struct lab_host *host)
{
    uint64_t hash = text_hash(text_of(host->name));
    uint64_t second = hash * 0x9e3779b97f4a7c15u;
    static const char letters[] = "0123456789BCDFGHJKLMNPQRSTVWXYZ";

    memcpy(host->uuid, &hash, 8);
    memcpy(host->uuid + 8, &second, 8);
    host->uuid[6] = (uint8_t)((host->uuid[6] & 0x0f) | 0x40);
    host->uuid[8] = (uint8_t)((host->uuid[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < 7; i++) {
        host->serial[i] = letters[second % (sizeof letters - 1)];
        second /= sizeof letters - 1;
    }
}

/* A rack serves one purpose here: budgets of pools do not get into each other's way. */
const char *lab_world_pool(const struct lab_host *host)
{
    static const char *const pools[] = {"web", "db", "batch", "cache"};

    return pools[(host->bmc->rack - 1) % 4];
}

void lab_world_uuid_text(const struct lab_host *host, char out[37])
{
    const uint8_t *u = host->uuid;

    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
             u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
}

void lab_world_guid(const struct lab_host *host, uint8_t out[16])
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

    for (size_t i = 0; i < 16; i++) {
        out[i] = host->uuid[order[i]];
    }
}

static int world_add_host(struct lab *lab, struct lab_bmc *bmc, uint32_t rack, uint32_t number,
                          struct nsh_error *err)
{
    struct lab_host *host = &lab->hosts[lab->hosts_count++];

    host->bmc = bmc;
    host->slot = bmc->hosts_count++;
    if (host->slot == 0) {
        bmc->hosts = host;
    }
    host->power = lab->options.start_off ? LAB_OFF : LAB_ON;
    host->os_up = !lab->options.start_off;
    host->etag = 1;
    snprintf(host->name, sizeof host->name, "r%uh%02u", rack, number);
    world_identity(host);
    if (map_set(&lab->names, text_of(host->name), host) < 0) {
        return nsh_fail(err, NSH_NOMEM, "no memory for %s", host->name);
    }
    return 0;
}

static void world_add_bmc(struct lab *lab, uint32_t rack, uint32_t number, uint32_t base)
{
    const struct lab_options *options = &lab->options;
    uint32_t span = ((uint32_t)options->hosts / 256 + 1) * 256;
    size_t index = lab->bmcs_count++;
    struct lab_bmc *bmc = &lab->bmcs[index];
    size_t share = (size_t)options->redfish_share;

    bmc->lab = lab;
    bmc->fd = -1;
    bmc->rack = rack;
    bmc->feed = rack % 2 == 1 ? 'a' : 'b';
    bmc->kind =
        (index * share + 99) / 100 < ((index + 1) * share + 99) / 100 ? LAB_REDFISH : LAB_IPMI;
    bmc->retry_after_s = (uint32_t)options->retry_after;
    bmc->address = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port =
            htons((uint16_t)(bmc->kind == LAB_REDFISH ? options->https_port : options->ipmi_port)),
        .sin_addr.s_addr = htonl(base + (rack - 1) * span + number),
    };
}

int lab_world_build(struct lab *lab, struct nsh_error *err)
{
    const struct lab_options *options = &lab->options;
    size_t hosts_count = (size_t)(options->racks * options->hosts);
    struct in_addr base;

    if (inet_pton(AF_INET, options->base, &base) != 1 || ntohl(base.s_addr) >> 24 != 127) {
        return nsh_fail(err, NSH_INVALID,
                        "--base: want a loopback address such as 127.1.0.0, got %s", options->base);
    }
    if (hosts_count > LAB_HOSTS_MAX) {
        return nsh_fail(err, NSH_LIMIT, "%zu hosts, at most %d", hosts_count, LAB_HOSTS_MAX);
    }
    lab->hosts = calloc(hosts_count, sizeof *lab->hosts);
    lab->bmcs = calloc(hosts_count, sizeof *lab->bmcs);
    if (lab->hosts == NULL || lab->bmcs == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for %zu hosts", hosts_count);
    }
    for (uint32_t rack = 1; rack <= options->racks; rack++) {
        struct lab_bmc *bmc = NULL;
        for (uint32_t number = 1; number <= options->hosts; number++) {
            size_t systems = bmc != NULL && bmc->kind == LAB_REDFISH ? (size_t)options->systems : 1;
            if (bmc == NULL || bmc->hosts_count == systems) {
                world_add_bmc(lab, rack, number, ntohl(base.s_addr));
                bmc = &lab->bmcs[lab->bmcs_count - 1];
            }
            int result = world_add_host(lab, bmc, rack, number, err);
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

void lab_world_free(struct lab *lab)
{
    for (size_t i = 0; i < lab->bmcs_count; i++) {
        free(lab->bmcs[i].sel);
    }
    heap_done(&lab->timers); /* First: what is still due stands in BMCs and hosts. */
    map_done(&lab->names);
    free(lab->bmcs);
    free(lab->hosts);
}

struct lab_host *lab_world_host(const struct lab *lab, struct text name)
{
    return map_get(&lab->names, name);
}

static bool world_matches(const struct lab_host *host, struct text target)
{
    char place[16];

    if (text_is(target, "all") || text_glob(target, text_of(host->name))) {
        return true;
    }
    snprintf(place, sizeof place, "r%u", host->bmc->rack);
    if (text_is(target, place)) {
        return true;
    }
    snprintf(place, sizeof place, "feed:%c", host->bmc->feed);
    return text_is(target, place);
}

size_t lab_world_select(struct lab *lab, struct text target,
                        void (*each)(void *arg, struct lab_host *host), void *arg)
{
    struct lab_host *named = lab_world_host(lab, target);
    size_t count = 0;

    if (named != NULL) {
        each(arg, named);
        return 1;
    }
    for (size_t i = 0; i < lab->hosts_count; i++) {
        if (world_matches(&lab->hosts[i], target)) {
            each(arg, &lab->hosts[i]);
            count++;
        }
    }
    return count;
}

/* ---- inventory.conf --------------------------------------------------------------------- */

static void inventory_host(const struct lab_host *host, const char *state, FILE *out)
{
    const struct lab_bmc *bmc = host->bmc;
    const struct lab_options *options = &bmc->lab->options;
    char address[INET_ADDRSTRLEN], uuid[37];

    const char *pool = lab_world_pool(host);
    inet_ntop(AF_INET, &bmc->address.sin_addr, address, sizeof address);
    lab_world_uuid_text(host, uuid);
    fprintf(out,
            "  { name = \"%s\"; rack = \"r%u\"; feed = [\"%c\"]; pool = \"%s\"; role = \"%s\";\n"
            "    serial = \"%s\"; uuid = \"%s\";\n",
            host->name, bmc->rack, bmc->feed, pool, pool, host->serial, uuid);
    if (bmc->kind == LAB_IPMI) {
        fprintf(out,
                "    bmc = { driver = \"ipmi\"; address = \"%s:%lld\"; credentials = \"lab\";\n"
                "            uuid = \"%s\"; }; }",
                address, (long long)options->ipmi_port, uuid);
        return;
    }
    fprintf(out,
            "    bmc = { driver = \"redfish\"; address = \"%s://%s:%lld\"; credentials = \"lab\";\n"
            "            serial = \"%s\"; ",
            options->plain ? "http" : "https", address, (long long)options->https_port,
            host->serial);
    if (options->systems > 1) {
        fprintf(out, "system = \"System.Embedded.%d\"; ", host->slot + 1);
    }
    if (options->plain) {
        fprintf(out, "tls = \"none\"; ");
    } else {
        fprintf(out, "tls = \"verify\"; ca_file = \"%s/ca.pem\"; ", state);
    }
    fprintf(out, "}; }");
}

static int inventory_password(const char *state, const char *password, struct nsh_error *err)
{
    CLEANUP(textbuf_donep) struct textbuf path = {0};

    textbuf_addf(&path, "%s/bmc.password", state);
    unlink(path.at);
    FILE *out = fopen(path.at, "wx");
    if (out == NULL || fchmod(fileno(out), 0600) != 0) {
        int code = errno;
        if (out != NULL) {
            fclose(out);
        }
        return nsh_fail(err, NSH_IO, "cannot write %s: %s", path.at, strerror(code));
    }
    fprintf(out, "%s\n", password);
    fclose(out);
    return 0;
}

int lab_world_write_inventory(const struct lab *lab, const char *path, struct nsh_error *err)
{
    CLEANUP(freep) char *state = realpath(lab->options.state, NULL);

    if (state == NULL) {
        return nsh_fail(err, NSH_IO, "%s: %s", lab->options.state, strerror(errno));
    }
    int result = inventory_password(state, lab->options.password, err);
    if (result < 0) {
        return result;
    }
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return nsh_fail(err, NSH_IO, "cannot write %s: %s", path, strerror(errno));
    }
    fprintf(out,
            "# Written by nightshift-lab: its hosts.\n"
            "credentials: ( { name = \"lab\"; user = \"%s\"; password = \"file:%s/bmc.password\"; "
            "} );\n"
            "hosts: (\n",
            lab->options.user, state);
    for (size_t i = 0; i < lab->hosts_count; i++) {
        inventory_host(&lab->hosts[i], state, out);
        fprintf(out, i + 1 < lab->hosts_count ? ",\n" : "\n");
    }
    fprintf(out, ");\n");
    if (ferror(out) != 0 || fclose(out) != 0) {
        return nsh_fail(err, NSH_IO, "cannot write %s: %s", path, strerror(errno));
    }
    return 0;
}
