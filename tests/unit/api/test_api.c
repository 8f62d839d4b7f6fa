/* SPDX-License-Identifier: Apache-2.0 */
/* The server alone: routes, who may ask, bodies, and what is answered when. */

#include "api_rig.h"

#include <curl/curl.h>
#include <grp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static void handle_echo(const struct api_request *request)
{
    const char *word = api_query(request, "word");
    char *text = arena_printf(request->arena, "%s %s id=%s word=%s actor=%s role=%s body=%zu:%.20s",
                              request->method, request->path, request->id,
                              word == NULL ? "-" : word, request->actor,
                              api_role_word(request->role), request->body_bytes, request->body);
    api_reply(request->exchange, 200, "text/plain", text, strlen(text));
}

static void handle_reader(const struct api_request *request)
{
    struct store_figures figures;
    struct nsh_error err = {0};
    if (request->reader == NULL) {
        nsh_fail(&err, NSH_IO, "no store");
        api_problem(request->exchange, &err, NULL);
        return;
    }
    assert_int_equal(store_figures(request->reader, &figures, &err), 0);
    api_reply(request->exchange, 200, "text/plain", "read", 4);
}

static const struct api_route routes[] = {
    {"GET", "/open", API_VIEWER, .open = true, .handle = handle_echo},
    {"GET", "/v1/things", API_VIEWER, .queries = "word limit", .handle = handle_echo},
    {"GET", "/v1/things/{id}", API_VIEWER, .handle = handle_echo},
    {"POST", "/v1/things", API_OPERATOR, .handle = handle_echo},
    {"POST", "/v1/things/{id}/stop", API_OPERATOR, .handle = handle_echo},
    {"POST", "/v1/drop", API_SENDER, .handle = handle_echo},
    {"GET", "/read", API_VIEWER, .reads = true, .handle = handle_reader},
};

static void test_routes(void **state)
{
    (void)state;
    const struct {
        const char *method, *path, *body;
        unsigned status;
        const char *has, *why;
    } rows[] = {
        {"GET", "/v1/things", NULL, 200, "GET /v1/things id= word=-", "a plain path"},
        {"HEAD", "/v1/things", NULL, 200, "Content-Length:", "HEAD is GET without its body"},
        {"GET", "/v1/things/a%2Fb", NULL, 200, "id=a/b ", "a slash in an id stays in the id"},
        {"GET", "/v1/things/%e2%82%ac", NULL, 200, "id=\xe2\x82\xac ", "UTF-8 in an id"},
        {"GET", "/v1/things?word=a+b%26c", NULL, 200, "word=a b&c ", "plus is a space in a query"},
        {"POST", "/v1/things/7/stop", "x", 200, "id=7 word=- ", "a segment in the middle"},
        {"POST", "/v1/things", "{}", 200, "body=2:{}", "a body"},
        {"GET", "/v1/things/", NULL, 404, "no such path", "an empty id is none"},
        {"GET", "/v1/nothing", NULL, 404, "openapi", "unknown paths point to the list"},
        {"GET", "/v1/things/a/b", NULL, 404, "no such path", "one segment, not two"},
        {"GET", "/v1/things/%zz", NULL, 400, "well encoded", "a wrong escape"},
        {"GET", "/v1/things/%00", NULL, 400, "well encoded", "NUL never gets in"},
        {"GET", "/v1/things/%ff", NULL, 400, "well encoded", "no UTF-8"},
        {"GET", "/v1/things?wrod=1", NULL, 400, "did you mean word?",
         "unknown parameters are told"},
        {"GET", "/v1/things?word=%f", NULL, 400, "word is not well encoded", "in a query too"},
        {"GET", "/open?x=1", NULL, 400, "takes none", "a route without parameters"},
        {"DELETE", "/v1/things", NULL, 405, "Allow: GET, HEAD, POST", "the methods it has"},
        {"OPTIONS", "/v1/things", NULL, 204, "Allow: GET, HEAD, POST", "OPTIONS says them"},
        {"BREW", "/v1/drop", NULL, 405, "Allow: POST", "a method nobody knows"},
        {"GET", "/read", NULL, 503, "no store", "a reading route without a store"},
    };
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    rig_open(&rig);
    rig_start(&rig, routes, ROWS(routes));
    int fd = rig_connect(&rig); /* All on one connection: none of these breaks it. */
    for (size_t i = 0; i < ROWS(rows); i++) {
        rig_ask(fd, rows[i].method, rows[i].path, NULL, rows[i].body, reply);
        if (reply->status != rows[i].status || strstr(reply->bytes, rows[i].has) == NULL) {
            fail_msg("%s (%s %s): want %u with \"%s\", got:\n%s", rows[i].why, rows[i].method,
                     rows[i].path, rows[i].status, rows[i].has, reply->bytes);
        }
    }
    rig_ask(fd, "GET", "/v1/nothing", NULL, NULL, reply);
    assert_non_null(strstr(reply->head, "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(reply->body, "\"title\":\"Not Found\",\"status\":404"));
    close(fd);
    rig_close(&rig);
    free(reply);
}

/* Ourselves are the operator; the actor is the user the kernel names. */
static void test_unix_peer(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    char wanted[64];
    rig_open(&rig);
    rig_start(&rig, routes, ROWS(routes));
    struct stat file;
    assert_int_equal(stat(rig.socket, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0660);
    int fd = rig_connect(&rig);
    rig_ask(fd, "POST", "/v1/things", NULL, "", reply);
    assert_int_equal(reply->status, 200);
    snprintf(wanted, sizeof wanted, "actor=uid:%u", geteuid());
    assert_non_null(strstr(reply->body, wanted));
    assert_non_null(strstr(reply->body, "role=operator"));
    close(fd);
    rig_close(&rig);
    free(reply);
}

/* Another user: nothing but the open routes, until he is in the group. Needs root to become one. */
static void test_unix_stranger(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    struct group *group = getgrnam("daemon");
    assert_non_null(group);
    const struct {
        const char *group;
        gid_t gid;
        const char *path;
        unsigned status;
    } rows[] = {
        {NULL, 65534, "/v1/things", 403},
        {NULL, 65534, "/open", 200},
        {"daemon", 65534, "/v1/things", 403},
        {"daemon", group->gr_gid, "/v1/things", 200},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rig rig;
        struct rig_reply *reply = rig_reply_new();
        rig_open(&rig);
        rig.options.unix_group = rows[i].group;
        rig_start(&rig, routes, ROWS(routes));
        assert_int_equal(chmod(rig.folder, 0755), 0);
        assert_int_equal(chmod(rig.socket, 0666), 0); /* Past the file's mode: roles must hold. */
        /* The kernel takes the effective ids when the socket connects. */
        assert_int_equal(setegid(rows[i].gid), 0);
        assert_int_equal(seteuid(65534), 0);
        int fd = rig_connect(&rig);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        rig_ask(fd, "GET", rows[i].path, NULL, NULL, reply);
        if (reply->status != rows[i].status) {
            fail_msg("row %zu: want %u, got %s", i, rows[i].status, reply->bytes);
        }
        close(fd);
        rig_close(&rig);
        free(reply);
    }
}

static const struct api_token tokens[] = {
    {"grafana", "viewer-secret-0123456789", API_VIEWER},
    {"alarms", "sender-secret-0123456789", API_SENDER},
    {"ops", "operator-secret-0123456789", API_OPERATOR},
};

static void test_tokens(void **state)
{
    (void)state;
#define BEARER "Authorization: Bearer "
    const struct {
        const char *method, *path, *header;
        unsigned status;
        const char *has;
    } rows[] = {
        {"GET", "/v1/things", NULL, 401, "WWW-Authenticate: Bearer"},
        {"GET", "/v1/nothing", NULL, 401, "needs a bearer token"},
        {"GET", "/v1/things", BEARER "wrong-secret-0123456789ab\r\n", 401, "does not know"},
        {"GET", "/v1/things", BEARER "viewer-secret-012345678\r\n", 401, "does not know"},
        {"GET", "/v1/things", BEARER "\r\n", 401, "does not know"},
        {"GET", "/v1/things", "Authorization: Basic dmlld2Vy\r\n", 401, "does not know"},
        {"GET", "/v1/things", BEARER "viewer-secret-0123456789\r\n", 200, "actor=token:grafana"},
        {"GET", "/v1/things", "authorization: bearer viewer-secret-0123456789\r\n", 200, "viewer"},
        {"POST", "/v1/things", BEARER "viewer-secret-0123456789\r\n", 403, "wants operator"},
        {"GET", "/v1/things", BEARER "sender-secret-0123456789\r\n", 403, "wants viewer"},
        {"POST", "/v1/drop", BEARER "sender-secret-0123456789\r\n", 200, "role=sender"},
        {"POST", "/v1/things", BEARER "operator-secret-0123456789\r\n", 200, "role=operator"},
        {"GET", "/open", NULL, 200, "actor=nobody"},
    };
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    rig_open(&rig);
    rig.options.tcp_address = "127.0.0.1:0";
    rig.options.tokens = tokens;
    rig.options.tokens_count = ROWS(tokens);
    rig.options.open_reads = true;
    rig_start(&rig, routes, ROWS(routes));
    int fd = rig_connect_tcp(&rig);
    for (size_t i = 0; i < ROWS(rows); i++) {
        rig_ask(fd, rows[i].method, rows[i].path, rows[i].header, "", reply);
        if (reply->status != rows[i].status || strstr(reply->bytes, rows[i].has) == NULL) {
            fail_msg("row %zu: want %u with \"%s\", got:\n%s", i, rows[i].status, rows[i].has,
                     reply->bytes);
        }
    }
    close(fd);
    rig_close(&rig);
    free(reply);
}

static void test_open_reads_are_off_unless_asked_for(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    rig_open(&rig);
    rig.options.tcp_address = "127.0.0.1:0";
    rig_start(&rig, routes, ROWS(routes));
    int fd = rig_connect_tcp(&rig);
    rig_ask(fd, "GET", "/open", NULL, NULL, reply);
    assert_int_equal(reply->status, 401);
    close(fd);
    rig_close(&rig);
    free(reply);
}

static void test_starts_refused(void **state)
{
    (void)state;
    static const struct api_token weak[] = {{"weak", "short", API_VIEWER}};
    const struct {
        struct api_options options;
        int result;
        const char *has;
    } rows[] = {
        {{.unix_fd = -1, .tcp_address = "0.0.0.0:0"}, -NSH_INVALID, "without TLS"},
        {{.unix_fd = -1, .tcp_address = "localhost:1"}, -NSH_INVALID, "IP:PORT"},
        {{.unix_fd = -1, .tcp_address = "127.0.0.1"}, -NSH_INVALID, "IP:PORT"},
        {{.unix_fd = -1, .tcp_address = "127.0.0.1:"}, -NSH_INVALID, "IP:PORT"},
        {{.unix_fd = -1, .tcp_address = "127.0.0.1:99999"}, -NSH_INVALID, "IP:PORT"},
        {{.unix_fd = -1, .tcp_address = "127.0.0.1:0", .tls_cert_file = "/x"}, -NSH_INVALID, "key"},
        {{.unix_fd = -1,
          .tcp_address = "127.0.0.1:0",
          .tls_cert_file = "/nonexistent/c",
          .tls_key_file = "/nonexistent/k"},
         -NSH_IO,
         "/nonexistent/c"},
        {{.unix_fd = -1,
          .tcp_address = "127.0.0.1:0",
          .tls_cert_file = "/etc/passwd",
          .tls_key_file = "/etc/passwd"},
         -NSH_INVALID,
         "certificate"},
        {{.unix_fd = -1, .unix_path = "/nonexistent/folder/s"}, -NSH_IO, "/nonexistent/folder/s"},
        {{.unix_fd = -1, .unix_path = "/tmp/x", .unix_group = "no-such-group"},
         -NSH_NOT_FOUND,
         "no-such-group"},
        {{.unix_fd = -1, .tokens = weak, .tokens_count = 1}, -NSH_INVALID, "weak is shorter"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct nsh_error err = {0};
        struct api *api = NULL;
        int result = api_start(&rows[i].options, routes, ROWS(routes), &api, &err);
        if (result != rows[i].result || strstr(err.text, rows[i].has) == NULL) {
            fail_msg("row %zu: got %d, %s", i, result, err.text);
        }
        assert_null(api);
    }
}

static void test_socket_files(void **state)
{
    (void)state;
    struct rig rig;
    struct api *second = NULL;
    struct nsh_error err = {0};
    rig_open(&rig);
    rig_start(&rig, routes, ROWS(routes));
    assert_int_equal(api_start(&rig.options, routes, ROWS(routes), &second, &err), -NSH_EXISTS);
    assert_non_null(strstr(err.text, "another daemon listens"));
    api_stop(rig.api);
    assert_int_equal(access(rig.socket, F_OK), -1); /* It removes what it made. */

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", rig.socket);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale); /* The file stays, as after a kill. */
    rig_start(&rig, routes, ROWS(routes));
    close(rig_connect(&rig));
    api_stop(rig.api);

    FILE *file = fopen(rig.socket, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(api_start(&rig.options, routes, ROWS(routes), &second, &err), -NSH_EXISTS);
    assert_int_equal(access(rig.socket, F_OK), 0); /* No socket: not ours to remove. */
    rig.api = NULL;
    rig_close(&rig);
}

static void test_activation(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    rig_open(&rig);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", rig.socket);
    rig.options.unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(rig.options.unix_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(rig.options.unix_fd, 8), 0);
    rig_start(&rig, routes, ROWS(routes));
    int fd = rig_connect(&rig);
    rig_ask(fd, "GET", "/open", NULL, NULL, reply);
    assert_int_equal(reply->status, 200);
    close(fd);
    api_stop(rig.api);
    assert_int_equal(access(rig.socket, F_OK), 0); /* The file belongs to who made it. */
    rig.api = NULL;
    rig_close(&rig);
    free(reply);
}

static void test_bodies(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    rig_open(&rig);
    rig.options.body_bytes_max = 1000;
    rig_start(&rig, routes, ROWS(routes));
    char body[1002];
    memset(body, 'x', sizeof body);
    body[1000] = 0;
    int fd = rig_connect(&rig);
    rig_ask(fd, "POST", "/v1/things", NULL, body, reply);
    assert_int_equal(reply->status, 200);
    assert_non_null(strstr(reply->body, "body=1000:xxxx"));
    rig_ask(fd, "POST", "/v1/things", NULL, "", reply); /* Nothing is left of the one before. */
    assert_non_null(strstr(reply->body, "body=0:"));
    body[1000] = 'x';
    body[1001] = 0;
    rig_ask(fd, "POST", "/v1/things", NULL, body, reply);
    assert_int_equal(reply->status, 413);
    assert_non_null(strstr(reply->body, "at most 1000 bytes"));
    const char *huge = "POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n";
    assert_true(rig_send(fd, huge, strlen(huge)));
    rig_receive(fd, false, reply); /* Refused before it is sent. */
    assert_int_equal(reply->status, 413);
    close(fd);

    fd = rig_connect(&rig); /* Without a length to refuse at once. */
    const char *head = "POST /v1/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_true(rig_send(fd, head, strlen(head)));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(rig_send(fd, "1f4\r\n", 5));
        assert_true(rig_send(fd, body, 500));
        assert_true(rig_send(fd, "\r\n", 2));
    }
    assert_true(rig_send(fd, "0\r\n\r\n", 5));
    rig_receive(fd, false, reply);
    assert_int_equal(reply->status, 413);
    close(fd);
    rig_close(&rig);
    free(reply);
}

static void test_reader(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_reply *reply = rig_reply_new();
    struct nsh_error err = {0};
    struct store *store = NULL;
    char path[96];
    rig_open(&rig);
    snprintf(path, sizeof path, "%s/s.db", rig.folder);
    assert_int_equal(store_open(&(struct store_options){.path = path}, &store, &err), 0);
    rig.options.store_path = path;
    rig_start(&rig, routes, ROWS(routes));
    int fd = rig_connect(&rig);
    rig_ask(fd, "GET", "/read", NULL, NULL, reply);
    assert_int_equal(reply->status, 200);
    assert_string_equal(reply->body, "read");
    close(fd);
    api_stop(rig.api);
    rig.api = NULL;
    store_close(store);
    char command[160];
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ROWS(ends); i++) {
        snprintf(command, sizeof command, "%s%s", path, ends[i]);
        unlink(command);
    }
    rig_close(&rig);
    free(reply);
}

/* A self-signed certificate and its key, in files. */
static void certificate_write(const char *cert_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_true(key != NULL && cert != NULL);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *file = fopen(cert_path, "w");
    assert_true(file != NULL && PEM_write_X509(file, cert) == 1);
    fclose(file);
    file = fopen(key_path, "w");
    assert_true(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static size_t body_drop(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

/* The status of a GET over TLS, verified against ca; 0: no answer. */
static long tls_get(const struct rig *rig, const char *ca, long version_max, const char *header)
{
    char url[64];
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, header);
    snprintf(url, sizeof url, "https://localhost:%u/v1/things", api_port(rig->api));
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V4);
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, version_max);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_drop);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)RIG_WAIT_MS);
    if (curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return status;
}

static void test_tls(void **state)
{
    (void)state;
    static const char good[] = BEARER "viewer-secret-0123456789";
    struct rig rig;
    char cert[96], key[96], other[96], other_key[96];
    struct nsh_error err = {0};
    rig_open(&rig);
    snprintf(cert, sizeof cert, "%s/cert", rig.folder);
    snprintf(key, sizeof key, "%s/key", rig.folder);
    snprintf(other, sizeof other, "%s/other", rig.folder);
    snprintf(other_key, sizeof other_key, "%s/other-key", rig.folder);
    certificate_write(cert, key);
    certificate_write(other, other_key);
    rig.options.tokens = tokens;
    rig.options.tokens_count = ROWS(tokens);
    rig.options.tcp_address = "0.0.0.0:0"; /* With TLS any address will do. */
    rig.options.tls_cert_file = cert;
    rig.options.tls_key_file = other_key;
    assert_int_equal(api_start(&rig.options, routes, ROWS(routes), &rig.api, &err), -NSH_INVALID);
    rig.options.tls_key_file = key;
    rig_start(&rig, routes, ROWS(routes));
    assert_int_equal(tls_get(&rig, cert, CURL_SSLVERSION_DEFAULT, good), 200);
    assert_int_equal(tls_get(&rig, cert, CURL_SSLVERSION_DEFAULT, "X: y"), 401);
    assert_int_equal(tls_get(&rig, other, CURL_SSLVERSION_DEFAULT, good), 0);
    assert_int_equal(
        tls_get(&rig, cert, CURL_SSLVERSION_TLSv1_0 | CURL_SSLVERSION_MAX_TLSv1_1, good), 0);
    unlink(cert);
    unlink(key);
    unlink(other);
    unlink(other_key);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_unix_peer),
        cmocka_unit_test(test_unix_stranger),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_open_reads_are_off_unless_asked_for),
        cmocka_unit_test(test_starts_refused),
        cmocka_unit_test(test_socket_files),
        cmocka_unit_test(test_activation),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
