/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inventory import: NetBox is read by pages, over one connection; the inventory's text goes to
 * stdout, what is not known or contradicts itself to stderr. Nothing is changed, here or there.
 */

#include "cli.h"

#include "base/json.h"
#include "cli_local.h"
#include "dcim/dcim.h"

#include <curl/curl.h>
#include <stdlib.h>

#define PAGE_BYTES_MAX (64u << 20)
#define PAGES_MAX 2000
#define PARTS_MAX 1000
#define LISTS_BYTES_MAX ((size_t)2 << 30)
#define INVENTORY_BYTES_MAX (256u << 20)
#define DIFFERENCES_MAX 10000
#define TOKEN_BYTES_MAX 512

struct importing {
    struct cli *cli;
    CURL *curl;
    struct curl_slist *headers;
    const char *base; /* "https://netbox.example" */
    struct arena arena;
    struct netbox_lists lists;
    struct dcim dcim;
    size_t pages;
};

/* ---- one page --------------------------------------------------------------------------- */

static size_t page_add(char *bytes, size_t size, size_t count, void *arg)
{
    struct textbuf *page = arg;

    textbuf_add(page, (struct text){bytes, (uint32_t)(size * count)});
    return page->failed ? 0 : size * count;
}

static enum cli_exit page_refused(struct importing *importing, long status, const char *url,
                                  const struct textbuf *page)
{
    struct nsh_value problem = nsh_null();
    const char *detail = "";

    if (page->at != NULL &&
        json_parse(page->at, page->count, &importing->arena, &problem, NULL) == 0) {
        detail = nsh_get_text(&problem, "detail", "");
    }
    return cli_fail(status == 401 || status == 403 ? CLI_DENIED
                    : status == 404                ? CLI_NOT_FOUND
                                                   : CLI_NO,
                    "%s: %ld%s%s", url, status, detail[0] == '\0' ? "" : ": ", detail);
}

static enum cli_exit page_read(struct importing *importing, const char *url,
                               struct nsh_value *ret_page)
{
    CLEANUP(textbuf_donep) struct textbuf page = {.count_max = PAGE_BYTES_MAX};
    struct nsh_error err = {0};
    long status = 0;

    curl_easy_setopt(importing->curl, CURLOPT_URL, url);
    curl_easy_setopt(importing->curl, CURLOPT_WRITEDATA, &page);
    CURLcode code = curl_easy_perform(importing->curl);
    curl_easy_getinfo(importing->curl, CURLINFO_RESPONSE_CODE, &status);
    if (page.failed) {
        return cli_fail(CLI_NO, "%s: a page of more than %u MiB", url, PAGE_BYTES_MAX >> 20);
    }
    if (code != CURLE_OK) {
        return cli_fail(code == CURLE_OPERATION_TIMEDOUT ? CLI_TIMEOUT : CLI_UNREACHABLE, "%s: %s",
                        url, curl_easy_strerror(code));
    }
    if (status != 200) {
        return page_refused(importing, status, url, &page);
    }
    if (json_parse(page.at == NULL ? "" : page.at, page.count, &importing->arena, ret_page, &err) <
        0) {
        return cli_fail(CLI_NO, "%s: %s", url, err.text);
    }
    return CLI_OK;
}

/* ---- lists ------------------------------------------------------------------------------ */

/* NetBox' links must lead to NetBox: the token goes nowhere else. */
static bool is_own(const struct importing *importing, const char *url)
{
    size_t count = strlen(importing->base);

    return strncmp(url, importing->base, count) == 0 && strncmp(url + count, "/api/", 5) == 0;
}

static enum cli_exit list_read(struct importing *importing, enum netbox_list list, const char *path)
{
    const char *url = arena_printf(&importing->arena, "%s/api/%s", importing->base, path);
    struct nsh_error err = {0};

    while (url != NULL && url[0] != '\0') {
        struct nsh_value page = nsh_null();
        if (++importing->pages > PAGES_MAX) {
            return cli_fail(CLI_NO, "%s: more than %d pages", importing->base, PAGES_MAX);
        }
        if (!is_own(importing, url)) {
            return cli_fail(CLI_NO, "%s: the next page is elsewhere: %s", importing->base, url);
        }
        enum cli_exit result = page_read(importing, url, &page);
        const char *next = "";
        if (result == CLI_OK &&
            netbox_page_take(&importing->lists, list, &page, &importing->arena, &next, &err) < 0) {
            result = cli_fail(CLI_NO, "%s: %s", url, err.text);
        }
        if (result != CLI_OK) {
            return result;
        }
        url = next;
    }
    return url == NULL ? cli_fail(CLI_NO, "out of memory") : CLI_OK;
}

static enum cli_exit lists_read(struct importing *importing)
{
    const char *filter = importing->cli->flags.filter;

    for (enum netbox_list list = 0; list < NETBOX_LISTS_COUNT; list++) {
        for (size_t part = 0; part < PARTS_MAX; part++) {
            const char *path = netbox_list_path(
                &importing->lists, list, filter == NULL ? "" : filter, part, &importing->arena);
            if (path == NULL) {
                break;
            }
            enum cli_exit result = list_read(importing, list, path);
            if (result != CLI_OK) {
                return result;
            }
        }
    }
    return CLI_OK;
}

/* ---- the connection --------------------------------------------------------------------- */

static enum cli_exit token_read(struct importing *importing)
{
    const char *path = importing->cli->flags.token;
    char token[TOKEN_BYTES_MAX];
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    bool read = file != NULL && fgets(token, sizeof token, file) != NULL;

    if (file != NULL) {
        fclose(file);
    }
    if (!read) {
        return path == NULL ? cli_fail(CLI_USAGE, "--token FILE is needed: an API token of NetBox")
                            : cli_fail(CLI_USAGE, "cannot read a token from %s", path);
    }
    token[strcspn(token, "\r\n")] = '\0';
    if (token[0] == '\0' || strpbrk(token, " \t") != NULL) {
        return cli_fail(CLI_USAGE, "%s holds no token", path);
    }
    const char *line = arena_printf(&importing->arena, "Authorization: %s %s",
                                    strncmp(token, "nbt_", 4) == 0 ? "Bearer" : "Token", token);
    explicit_bzero(token, sizeof token);
    importing->headers =
        line == NULL ? NULL
                     : curl_slist_append(curl_slist_append(NULL, line), "Accept: application/json");
    return importing->headers == NULL ? cli_fail(CLI_NO, "out of memory") : CLI_OK;
}

static enum cli_exit connection_open(struct importing *importing)
{
    struct cli *cli = importing->cli;
    const char *url = cli->args[1];
    size_t count = strlen(url);
    int64_t timeout_ms = 30000;

    while (count > 0 && url[count - 1] == '/') {
        count--;
    }
    if ((strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0) ||
        strpbrk(url, "?# \"\\@") != NULL) {
        return cli_fail(CLI_USAGE, "want https://netbox.example, got %s", url);
    }
    if (cli->flags.timeout != NULL &&
        !text_to_duration_ms(text_of(cli->flags.timeout), &timeout_ms)) {
        return cli_fail(CLI_USAGE, "--timeout wants a duration such as 30s, got %s",
                        cli->flags.timeout);
    }
    importing->base = arena_copy(&importing->arena, url, count);
    importing->curl = curl_easy_init();
    if (importing->base == NULL || importing->curl == NULL) {
        return cli_fail(CLI_NO, "out of memory");
    }
    enum cli_exit result = token_read(importing);
    curl_easy_setopt(importing->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(importing->curl, CURLOPT_HTTPHEADER, importing->headers);
    curl_easy_setopt(importing->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(importing->curl, CURLOPT_WRITEFUNCTION, page_add);
    if (cli->flags.ca != NULL) {
        curl_easy_setopt(importing->curl, CURLOPT_CAINFO, cli->flags.ca);
    }
    return result;
}

/* ---- what is told ----------------------------------------------------------------------- */

static size_t remarks_tell(const struct importing *importing)
{
    size_t conflicts = 0;

    for (size_t i = 0; i < importing->dcim.remarks_count; i++) {
        const struct dcim_remark *remark = &importing->dcim.remarks[i];
        CLEANUP(textbuf_donep) struct textbuf line = {0};
        conflicts += remark->conflict ? 1 : 0;
        if (importing->cli->flags.quiet != NULL && !remark->conflict) {
            continue;
        }
        textbuf_addf(&line, "%s: %s%s%s", remark->conflict ? "conflict" : "note", remark->host,
                     remark->host[0] == '\0' ? "" : ": ", remark->text);
        textbuf_addf(&line, "%s%s%s", remark->url[0] == '\0' ? "" : " (", remark->url,
                     remark->url[0] == '\0' ? "" : ")");
        CLEANUP(textbuf_donep) struct textbuf safe = {0};
        textbuf_add_safe(&safe, (struct text){line.at, (uint32_t)line.count});
        fprintf(stderr, "nightshift: %s\n", safe.at == NULL ? "" : safe.at);
    }
    return conflicts;
}

static struct nsh_value remarks_value(struct importing *importing)
{
    const struct dcim *dcim = &importing->dcim;
    struct nsh_value *items = arena_array(&importing->arena, dcim->remarks_count, sizeof *items);

    for (size_t i = 0; items != NULL && i < dcim->remarks_count; i++) {
        struct nsh_member *members = arena_array(&importing->arena, 4, sizeof *members);
        if (members == NULL) {
            return nsh_list(NULL, 0);
        }
        members[0] = (struct nsh_member){
            "kind", nsh_text(dcim->remarks[i].conflict ? "conflict" : "unknown")};
        members[1] = (struct nsh_member){"host", nsh_text(dcim->remarks[i].host)};
        members[2] = (struct nsh_member){"text", nsh_text(dcim->remarks[i].text)};
        members[3] = (struct nsh_member){"url", nsh_text(dcim->remarks[i].url)};
        items[i] = nsh_map(members, 4);
    }
    return nsh_list(items, items == NULL ? 0 : dcim->remarks_count);
}

static void drift_print(struct importing *importing, const struct dcim_difference *differences,
                        size_t count)
{
    static const struct cli_column columns[] = {
        {"HOST", "host", CLI_PLAIN, 0},           {"WHAT", "field", CLI_PLAIN, 0},
        {"INVENTORY", "inventory", CLI_PLAIN, 0}, {"NETBOX", "netbox", CLI_PLAIN, 0},
        {"OBJECT", "url", CLI_PLAIN, 80},         {NULL, NULL, CLI_PLAIN, 0},
    };
    struct nsh_value *items = arena_array(&importing->arena, count, sizeof *items);

    for (size_t i = 0; items != NULL && i < count; i++) {
        struct nsh_member *members = arena_array(&importing->arena, 5, sizeof *members);
        if (members == NULL) {
            return;
        }
        members[0] = (struct nsh_member){"host", nsh_text(differences[i].host)};
        members[1] = (struct nsh_member){"field", nsh_text(differences[i].field)};
        members[2] = (struct nsh_member){"inventory", nsh_text(differences[i].inventory)};
        members[3] = (struct nsh_member){"netbox", nsh_text(differences[i].register_says)};
        members[4] = (struct nsh_member){"url", nsh_text(differences[i].url)};
        items[i] = nsh_map(members, 5);
    }
    const struct nsh_member members[] = {
        {"apiVersion", nsh_text("nightshift/v1")},
        {"kind", nsh_text("DriftList")},
        {"items", nsh_list(items, items == NULL ? 0 : count)},
        {"remarks", remarks_value(importing)},
    };
    struct nsh_value document = nsh_map(members, 4);
    cli_print_list(importing->cli, &document, columns, "differences");
}

/* ---- the two commands ------------------------------------------------------------------- */

static enum cli_exit drift_check(struct importing *importing)
{
    struct cli *cli = importing->cli;
    struct diags diags = {0};

    if (cli->flags.inventory == NULL) {
        return cli_fail(CLI_USAGE, "--check needs --inventory FILE: the inventory in use");
    }
    struct inventory *inventory = fleet_load(cli->flags.inventory, &diags);
    cli_diags_show(cli, &diags);
    diags_done(&diags);
    struct dcim_difference *differences =
        arena_array(&importing->arena, DIFFERENCES_MAX, sizeof *differences);
    if (inventory == NULL || differences == NULL) {
        inventory_free(inventory);
        return CLI_USAGE;
    }
    size_t count =
        dcim_drift(&importing->dcim, inventory, &importing->arena, differences, DIFFERENCES_MAX);
    size_t conflicts = remarks_tell(importing);
    drift_print(importing, differences, count < DIFFERENCES_MAX ? count : DIFFERENCES_MAX);
    inventory_free(inventory);
    return count > 0 || conflicts > 0 ? CLI_NO : CLI_OK;
}

/* What is written must be read without a mistake. */
static enum cli_exit text_check(struct importing *importing, const struct textbuf *text)
{
    struct diags diags = {0};
    CLEANUP(arena_donep) struct arena arena = {.bytes_max = LISTS_BYTES_MAX};
    struct conf *root = conf_read_text("the new inventory", text->at, &arena, &diags);
    struct inventory *inventory = root == NULL ? NULL : fleet_load_conf(root, &diags);
    bool good = inventory != NULL;

    CLEANUP(textbuf_donep) struct textbuf out = {0};
    diags_print(&diags, text->at, false, &out);
    if (out.count > 0) {
        fputs(out.at, stderr);
    }
    diags_done(&diags);
    inventory_free(inventory);
    return good ? CLI_OK
                : cli_fail(CLI_NO, "the new inventory has mistakes: drivers and credentials stand "
                                   "in `defaults` of --inventory");
}

static enum cli_exit text_write(struct importing *importing)
{
    struct cli *cli = importing->cli;
    const char *path = cli->flags.inventory;
    CLEANUP(textbuf_donep) struct textbuf before = {.count_max = INVENTORY_BYTES_MAX};
    CLEANUP(textbuf_donep) struct textbuf out = {.count_max = INVENTORY_BYTES_MAX};
    struct diags diags = {0};
    struct conf *root = NULL;
    struct nsh_error err = {0};

    if (path != NULL && !cli_file_read(path, &before)) {
        return cli_fail(CLI_USAGE, "cannot read %s", path);
    }
    if (path != NULL) {
        root = conf_read(path, &importing->arena, &diags);
        cli_diags_show(cli, &diags);
        diags_done(&diags);
        if (root == NULL) {
            return CLI_USAGE;
        }
    }
    if (dcim_write(&importing->dcim, before.at, root, &out, &err) < 0) {
        return cli_fail(CLI_USAGE, "%s: %s", path == NULL ? "inventory" : path, err.text);
    }
    size_t conflicts = remarks_tell(importing);
    fwrite(out.at, 1, out.count, stdout);
    enum cli_exit result = text_check(importing, &out);
    return result == CLI_OK && conflicts > 0 ? CLI_NO : result;
}

enum cli_exit cli_inventory_import(struct cli *cli)
{
    struct importing importing = {.cli = cli,
                                  .arena = {.bytes_max = LISTS_BYTES_MAX},
                                  .dcim = {.arena = {.bytes_max = LISTS_BYTES_MAX}}};
    struct nsh_error err = {0};

    if (strcmp(cli->args[0], "netbox") != 0) {
        return cli_fail(CLI_USAGE, "inventories come from netbox, not from %s", cli->args[0]);
    }
    enum cli_exit result = connection_open(&importing);
    result = result == CLI_OK ? lists_read(&importing) : result;
    if (result == CLI_OK && netbox_hosts(&importing.lists, &importing.dcim, &err) < 0) {
        result = cli_fail(CLI_NO, "%s", err.text);
    }
    if (result == CLI_OK) {
        result = cli->flags.check != NULL ? drift_check(&importing) : text_write(&importing);
    }
    curl_slist_free_all(importing.headers);
    curl_easy_cleanup(importing.curl);
    dcim_done(&importing.dcim);
    arena_done(&importing.arena);
    return result;
}
