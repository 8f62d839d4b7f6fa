/* SPDX-License-Identifier: Apache-2.0 */
/* Who may send: tokens, passwords, signatures with several keys and a window, networks,
 * certificates, SNS. */

#include "../unit.h"

#include "base/json.h"
#include "source/webhook/webhook_private.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define NOW_MS INT64_C(1767931506000)
#define BODY "{\"a\":1}"

static int plain_secret(void *arg, const char *reference, struct arena *arena,
                        const char **ret_secret, struct nsh_error *err)
{
    (void)arg;
    if (strncmp(reference, "plain:", 6) != 0) {
        return nsh_fail(err, NSH_NOT_FOUND, "no secret %s", reference);
    }
    *ret_secret = arena_copy(arena, reference + 6, strlen(reference + 6));
    return 0;
}

struct fixture {
    struct arena arena;
    struct diags diags;
    struct source_configs configs;
    struct source_services services;
    void *webhook;
};

static const struct source_type *const types[] = {&source_type_webhook, NULL};

/* keys: of the source, beside name, type and what its messages mean. */
static bool fixture_read(struct fixture *fixture, const char *keys)
{
    const char *text =
        arena_printf(&fixture->arena, "sources = ({ name = \"w\"; type = \"webhook\"; %s %s });",
                     strstr(keys, "format") == NULL ? "map = { type = \"'x'\"; };" : "", keys);
    struct conf *root = conf_read_text("t.conf", text, &fixture->arena, &fixture->diags);
    assert_non_null(root);
    fixture->configs = source_configs_read(conf_get(root, "sources"), types, NULL, &fixture->arena,
                                           &fixture->diags);
    return fixture->diags.errors_count == 0;
}

static struct webhook *fixture_open(struct fixture *fixture, const char *keys)
{
    struct nsh_error err = {0};
    if (!fixture_read(fixture, keys)) {
        fail_msg("%s: %s", keys, fixture->diags.items[0].text);
    }
    fixture->services.secret = plain_secret;
    if (source_type_webhook.open(&fixture->services, &fixture->configs.items[0], &fixture->webhook,
                                 &err) < 0) {
        fail_msg("%s: %s", keys, err.text);
    }
    return fixture->webhook;
}

static void closed(void *arg)
{
    (void)arg;
}

static void fixture_done(struct fixture *fixture)
{
    if (fixture->webhook != NULL) {
        source_type_webhook.close(fixture->webhook, closed, NULL);
    }
    diags_done(&fixture->diags);
    arena_done(&fixture->arena);
}

/* ---- requests ---- */

struct headers {
    const char *items[8]; /* Name, value, ... */
};

static const char *header(void *arg, const char *name)
{
    const struct headers *headers = arg;
    for (size_t i = 0; headers->items[i] != NULL; i += 2) {
        if (strcasecmp(headers->items[i], name) == 0) {
            return headers->items[i + 1];
        }
    }
    return NULL;
}

static int ask(struct webhook *webhook, struct headers *headers, struct webhook_request *request,
               struct webhook_ticket *ret_ticket)
{
    struct nsh_error err = {0};
    struct webhook_ticket ticket;
    request->body = request->body == NULL ? BODY : request->body;
    request->body_bytes = strlen(request->body);
    request->peer = request->peer == NULL ? "192.0.2.7" : request->peer;
    request->wall_ms = request->wall_ms == 0 ? NOW_MS : request->wall_ms;
    request->header = header;
    request->arg = headers;
    return webhook_admit(webhook, request, ret_ticket == NULL ? &ticket : ret_ticket, &err);
}

static void test_tokens(void **state)
{
    static const struct {
        const char *keys, *authorization;
        int wanted;
        const char *why;
    } rows[] = {
        {"tokens = [\"plain:t1\", \"plain:t2\"];", "Bearer t1", 0, "the first"},
        {"tokens = [\"plain:t1\", \"plain:t2\"];", "bearer  t2", 0, "the second"},
        {"tokens = [\"plain:t1\"];", "Bearer t2", -NSH_AUTH, "another"},
        {"tokens = [\"plain:t1\"];", "Bearer t", -NSH_AUTH, "the beginning of it"},
        {"tokens = [\"plain:t1\"];", "Bearer ", -NSH_AUTH, "an empty one"},
        {"tokens = [\"plain:t1\"];", NULL, -NSH_AUTH, "none"},
        {"tokens = [\"plain:t1\"];", "Basic dDE=", -NSH_AUTH, "a token is no password"},
        {"logins = [\"plain:u:p\"];", "Basic dTpw", 0, "user and password"},
        {"logins = [\"plain:user:pass\"];", "Basic dXNlcjpwYXNz", 0, "without padding"},
        {"logins = [\"plain:user:passw\"];", "Basic dXNlcjpwYXNzdw==", 0, "with two"},
        {"logins = [\"plain:user:passwo\"];", "Basic dXNlcjpwYXNzd28=", 0, "with one"},
        {"logins = [\"plain:u:p\"];", "Basic dTpx", -NSH_AUTH, "another password"},
        {"logins = [\"plain:u:p\"];", "Basic ====", -NSH_AUTH, "only padding"},
        {"logins = [\"plain:u:p\"];", "Basic =", -NSH_AUTH, "no base64"},
        {"tokens = [\"plain:t\"]; logins = [\"plain:u:p\"];", "Basic dTpw", 0, "one of both"},
        {"anyone = true;", NULL, 0, "from anyone"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fixture fixture = {0};
        struct headers headers = {{"Authorization", rows[i].authorization}};
        headers.items[0] = rows[i].authorization == NULL ? NULL : headers.items[0];
        struct webhook *webhook = fixture_open(&fixture, rows[i].keys);
        int got = ask(webhook, &headers, &(struct webhook_request){0}, NULL);
        if (got != rows[i].wanted) {
            fail_msg("row %zu (%s): got %d", i, rows[i].why, got);
        }
        fixture_done(&fixture);
    }
}

static void test_places(void **state)
{
    static const struct {
        const char *keys, *peer, *certificate;
        bool local;
        int wanted;
        const char *why;
    } rows[] = {
        {"networks = [\"192.0.2.0/24\"];", "192.0.2.7", NULL, false, 0, "inside"},
        {"networks = [\"192.0.2.0/24\"];", "192.0.3.7", NULL, false, -NSH_DENIED, "outside"},
        {"networks = [\"192.0.2.0/24\"];", "::ffff:192.0.2.9", NULL, false, 0, "IPv4 in IPv6"},
        {"networks = [\"2001:db8::/32\"];", "2001:db8:1::1", NULL, false, 0, "IPv6"},
        {"networks = [\"2001:db8::/32\"];", "2001:db9::1", NULL, false, -NSH_DENIED, "not that"},
        {"networks = [\"192.0.2.7\"];", "127.0.0.1", NULL, false, -NSH_DENIED, "nor loopback"},
        {"networks = [\"192.0.2.7\"];", "", NULL, false, -NSH_DENIED, "no address"},
        {"networks = [\"192.0.2.7\"];", "", NULL, true, 0, "the unix socket"},
        {"clients = [\"am.*\"];", "192.0.2.7", "am.dc1\n", false, 0, "a name that fits"},
        {"clients = [\"am.dc1\"];", "192.0.2.7", "other\nam.dc1\n", false, 0, "the second name"},
        {"clients = [\"am.dc1\"];", "192.0.2.7", "am.dc1.evil\n", false, -NSH_DENIED,
         "a longer one"},
        {"clients = [\"am.dc1\"];", "192.0.2.7", NULL, false, -NSH_DENIED, "no certificate"},
        {"clients = [\"am.dc1\"];", "192.0.2.7", "", false, -NSH_DENIED, "without names"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fixture fixture = {0};
        struct headers headers = {{NULL}};
        struct webhook *webhook = fixture_open(&fixture, rows[i].keys);
        int got = ask(webhook, &headers,
                      &(struct webhook_request){.peer = rows[i].peer,
                                                .certificate = rows[i].certificate,
                                                .local = rows[i].local},
                      NULL);
        if (got != rows[i].wanted) {
            fail_msg("row %zu (%s): got %d", i, rows[i].why, got);
        }
        fixture_done(&fixture);
    }
}

/* ---- signatures ---- */

static const char *sign(struct arena *arena, const EVP_MD *algorithm, const char *key,
                        const char *text, const char *prefix)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    struct textbuf hex = {0};
    HMAC(algorithm, key, (int)strlen(key), (const unsigned char *)text, strlen(text), bytes,
         &count);
    textbuf_add_chars(&hex, prefix);
    for (unsigned i = 0; i < count; i++) {
        textbuf_addf(&hex, "%02x", bytes[i]);
    }
    const char *kept = arena_copy(arena, hex.at, hex.count);
    textbuf_done(&hex);
    return kept;
}

#define TIMED                                                                                      \
    "keys = [\"plain:k1\", \"plain:k2\"]; signature = { header = \"X-S\"; timestamp = \"X-T\"; "   \
    "join = \".\"; prefix = \"v1=\"; list = true; };"

static void test_signatures(void **state)
{
    static const struct {
        const char *key, *timestamp, *signed_text;
        int wanted;
        const char *why;
    } rows[] = {
        {"k1", "1767931506", "1767931506." BODY, 0, "now, by the first key"},
        {"k2", "1767931506", "1767931506." BODY, 0, "by the second"},
        {"k3", "1767931506", "1767931506." BODY, -NSH_AUTH, "by none of them"},
        {"k1", "1767931506", "1767931506." BODY " ", -NSH_AUTH, "of another body"},
        {"k1", "1767931507", "1767931506." BODY, -NSH_AUTH, "of another time"},
        {"k1", "1767931206", "1767931206." BODY, 0, "five minutes ago"},
        {"k1", "1767931205", "1767931205." BODY, -NSH_STALE, "a second more"},
        {"k1", "1767931807", "1767931807." BODY, -NSH_STALE, "from the future"},
        {"k1", "1767931506000", "1767931506000." BODY, 0, "in milliseconds"},
        {"k1", "2026-01-09T04:05:06Z", "2026-01-09T04:05:06Z." BODY, 0, "as RFC 3339"},
        {"k1", "soon", "soon." BODY, -NSH_AUTH, "no time"},
        {"k1", "-1", "-1." BODY, -NSH_STALE, "before 1970"},
        {"k1", "9223372036854775807", "9223372036854775807." BODY, -NSH_STALE, "the largest"},
        {"k1", NULL, BODY, -NSH_AUTH, "without its time"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fixture fixture = {0};
        struct webhook *webhook = fixture_open(&fixture, TIMED);
        const char *signature =
            sign(&fixture.arena, EVP_sha256(), rows[i].key, rows[i].signed_text, "v1=");
        struct headers headers = {{"x-s", signature, "X-T", rows[i].timestamp}};
        headers.items[2] = rows[i].timestamp == NULL ? NULL : headers.items[2];
        int got = ask(webhook, &headers, &(struct webhook_request){0}, NULL);
        if (got != rows[i].wanted) {
            fail_msg("row %zu (%s): got %d", i, rows[i].why, got);
        }
        fixture_done(&fixture);
    }
}

/* How senders write them: each format's own scheme, with a true signature and with a false one. */
static void test_schemes(void **state)
{
    static const struct {
        const char *keys, *header, *prefix;
        bool sha512;
    } rows[] = {
        {"format = \"netbox\"; keys = [\"plain:k\"];", "X-Hook-Signature", "", true},
        {"format = \"pagerduty\"; keys = [\"plain:k\"];", "X-PagerDuty-Signature",
         "v1=00,v1=", false},
        {"format = \"grafana\"; keys = [\"plain:k\"];", "X-Grafana-Alerting-Signature", "", false},
        {"keys = [\"plain:k\"]; signature = { header = \"X-Hub-Signature-256\"; prefix = "
         "\"sha256=\"; };",
         "X-Hub-Signature-256", "sha256=", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (int wrong = 0; wrong < 4; wrong++) {
            struct fixture fixture = {0};
            struct webhook *webhook = fixture_open(&fixture, rows[i].keys);
            const char *signature =
                sign(&fixture.arena, rows[i].sha512 ? EVP_sha512() : EVP_sha256(),
                     wrong == 1 ? "other" : "k", BODY, rows[i].prefix);
            signature = wrong == 2 ? arena_printf(&fixture.arena, "%s0", signature) : signature;
            struct headers headers = {{rows[i].header, signature}};
            headers.items[0] = wrong == 3 ? NULL : headers.items[0];
            int got = ask(webhook, &headers, &(struct webhook_request){0}, NULL);
            if (got != (wrong == 0 ? 0 : -NSH_AUTH)) {
                fail_msg("row %zu, wrong %d: got %d", i, wrong, got);
            }
            fixture_done(&fixture);
        }
    }
}

static void test_base64(void **state)
{
    struct fixture fixture = {0};
    struct webhook *webhook = fixture_open(
        &fixture, "keys = [\"plain:k\"]; signature = { header = \"H\"; encoding = \"base64\"; };");
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned char text[128];
    unsigned count = 0;
    HMAC(EVP_sha256(), "k", 1, (const unsigned char *)BODY, strlen(BODY), bytes, &count);
    EVP_EncodeBlock(text, bytes, (int)count);
    struct headers headers = {{"H", (const char *)text}};
    assert_int_equal(ask(webhook, &headers, &(struct webhook_request){0}, NULL), 0);
    text[0] = text[0] == 'A' ? 'B' : 'A';
    assert_int_equal(ask(webhook, &headers, &(struct webhook_request){0}, NULL), -NSH_AUTH);
    fixture_done(&fixture);
}

static void test_replays(void **state)
{
    struct fixture fixture = {0};
    struct webhook_ticket ticket = {0}, again = {0};
    struct webhook *webhook = fixture_open(&fixture, "keys = [\"plain:k\"]; replay = \"1m\";");
    struct headers headers = {{"X-Signature", sign(&fixture.arena, EVP_sha256(), "k", BODY, "")}};
    assert_int_equal(ask(webhook, &headers, &(struct webhook_request){0}, &ticket), 0);
    /* Not kept yet: a sender that heard nothing comes again. */
    assert_int_equal(ask(webhook, &headers, &(struct webhook_request){0}, &again), 0);
    webhook_seen(webhook, &ticket, NOW_MS);
    assert_int_equal(ask(webhook, &headers, &(struct webhook_request){0}, &again), -NSH_EXISTS);
    /* Twice the window later it is forgotten: a signature with a time is too old by then. */
    struct webhook_request late = {.wall_ms = NOW_MS + 120001};
    assert_int_equal(ask(webhook, &headers, &late, &again), 0);
    fixture_done(&fixture);
}

/* ---- configuration ---- */

static void test_mistakes(void **state)
{
    static const struct {
        const char *keys, *wanted;
    } rows[] = {
        {"", "would take events from anyone"},
        {"tokens = \"plain:x\";", "tokens"},
        {"tokens = [];", "would take events from anyone"},
        {"tokens = [5];", "array of at most 8 texts"},
        {"tokenz = [\"plain:x\"];", "tokenz"},
        {"networks = [\"10.0.0.0/33\"];", "10.0.0.0/33"},
        {"keys = [\"plain:k\"]; signature = { algorithm = \"MD5\"; };", "algorithm"},
        {"keys = [\"plain:k\"]; signature = { heder = \"X\"; };", "heder"},
        {"signature = { scheme = \"sns\"; };", "without 'topics'"},
        {"tokens = [\"plain:x\"]; replay = \"1s\";", "replay"},
        {"format = \"netbocks\"; anyone = true;", "no format 'netbocks'"},
        {"format = \"netbox\"; map = { type = \"'x'\"; }; anyone = true;", "a format or a map"},
        {"anyone = true; silence = \"1s\";", "silence"},
        {"anyone = true; name = \"w\";", ""},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct fixture fixture = {0};
        const char *text = arena_printf(&fixture.arena, "%s", rows[i].keys);
        if (strstr(text, "name =") != NULL) {
            fixture_done(&fixture);
            continue;
        }
        if (fixture_read(&fixture, text)) {
            fail_msg("row %zu: no mistake in %s", i, text);
        }
        if (strstr(fixture.diags.items[0].text, rows[i].wanted) == NULL) {
            fail_msg("row %zu: got %s", i, fixture.diags.items[0].text);
        }
        fixture_done(&fixture);
    }
}

/* ---- bodies ---- */

static void test_bodies(void **state)
{
    static const struct {
        const char *type, *body, *wanted;
    } rows[] = {
        {"application/json", "{\"a\":1}", "{\"a\":1}"},
        {"text/plain; charset=UTF-8", "{\"a\":1}", "{\"a\":1}"},
        {"application/x-ndjson", "{\"a\":1}\n\n [2] \r\n", "[{\"a\":1},[2]]"},
        {"application/x-ndjson", "1\n{", NULL},
        {"application/json", "", NULL},
        {"application/json", "1\n2", NULL},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct arena arena = ARENA_INIT;
        struct nsh_value body;
        struct nsh_error err = {0};
        struct textbuf out = {0};
        int got =
            webhook_body(rows[i].type, rows[i].body, strlen(rows[i].body), &arena, &body, &err);
        assert_int_equal(got, rows[i].wanted == NULL ? -NSH_INVALID : 0);
        if (got == 0) {
            json_write(&body, &out);
            assert_string_equal(out.at, rows[i].wanted);
        }
        textbuf_done(&out);
        arena_done(&arena);
    }
}

/* ---- SNS ---- */

static void test_sns_urls(void **state)
{
    static const struct {
        const char *url;
        bool certificate, wanted;
    } rows[] = {
        {"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-aa.pem", true, true},
        {"https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-aa.pem", true, true},
        {"http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-aa.pem", true, false},
        {"https://sns.eu-west-1.amazonaws.com/other.pem", true, false},
        {"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-aa.pem?x", true, false},
        {"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-/../a.pem", true, false},
        {"https://sns.eu-west-1.amazonaws.com.evil.org/SimpleNotificationService-a.pem", true,
         false},
        {"https://evil.org/SimpleNotificationService-a.pem", true, false},
        {"https://sns.evil.org#.amazonaws.com/SimpleNotificationService-a.pem", true, false},
        {"https://x@sns.eu-west-1.amazonaws.com/SimpleNotificationService-a.pem", true, false},
        {"https://sns.eu-west-1.amazonaws.com:444/SimpleNotificationService-a.pem", true, false},
        {"https://sns.a.b.amazonaws.com/SimpleNotificationService-a.pem", true, false},
        {"https://sns..amazonaws.com/SimpleNotificationService-a.pem", true, false},
        {"https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-a.pem", true, false},
        {"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=1", false, true},
        {"https://sns.eu-west-1.amazonaws.com", false, false},
        {"file:///etc/passwd", false, false},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (sns_url_fits(rows[i].url, rows[i].certificate) != rows[i].wanted) {
            fail_msg("row %zu: %s", i, rows[i].url);
        }
    }
}

struct signer {
    EVP_PKEY *key;
    char pem[4096];
};

static struct signer signer_new(void)
{
    struct signer signer = {.key = EVP_RSA_gen(2048)};
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, signer.key);
    X509_sign(certificate, signer.key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    int count = BIO_read(bio, signer.pem, sizeof signer.pem - 1);
    signer.pem[count] = '\0';
    BIO_free(bio);
    X509_free(certificate);
    return signer;
}

#define SNS_URL "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"

/* A message of type, signed; subscribe_url is of a confirmation. */
static const char *sns_message(struct arena *arena, const struct signer *signer, const char *type,
                               const char *topic, const char *version, const char *subscribe_url)
{
    unsigned char bytes[512], encoded[1024];
    size_t count = sizeof bytes;
    struct nsh_value value;
    struct textbuf text = {0};
    const char *base = arena_printf(arena,
                                    "{\"Type\":\"%s\",\"MessageId\":\"m1\",\"TopicArn\":\"%s\","
                                    "\"Message\":\"hello\",\"Timestamp\":"
                                    "\"2026-01-10T04:05:06.789Z\",\"Token\":\"t\",\"SubscribeURL\":"
                                    "\"%s\",\"SignatureVersion\":\"%s\","
                                    "\"SigningCertURL\":\"" SNS_URL "\"",
                                    type, topic, subscribe_url, version);
    const char *whole = arena_printf(arena, "%s}", base);
    assert_int_equal(json_parse(whole, strlen(whole), arena, &value, NULL), 0);
    assert_true(sns_signed_text(&value, &text));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL,
                                        strcmp(version, "2") == 0 ? EVP_sha256() : EVP_sha1(), NULL,
                                        signer->key),
                     1);
    assert_int_equal(
        EVP_DigestSign(context, bytes, &count, (const unsigned char *)text.at, text.count), 1);
    EVP_MD_CTX_free(context);
    textbuf_done(&text);
    EVP_EncodeBlock(encoded, bytes, (int)count);
    return arena_printf(arena, "%s,\"Signature\":\"%s\"}", base, (char *)encoded);
}

struct fetches {
    unsigned count, confirms;
    char url[256];
};

static int note_fetch(void *arg, struct sns *sns, const char *url, bool confirm)
{
    struct fetches *fetches = arg;
    (void)sns;
    fetches->count += !confirm;
    fetches->confirms += confirm;
    snprintf(fetches->url, sizeof fetches->url, "%s", url);
    return 0;
}

static void test_sns(void **state)
{
    struct arena arena = ARENA_INIT;
    struct signer signer = signer_new(), other = signer_new();
    struct fetches fetches = {0};
    static const char *const topics[] = {"arn:aws:sns:eu-west-1:1:*"};
    struct sns *sns = NULL;
    struct nsh_error err = {0};
    const struct sns_options options = {
        .topics = topics, .topics_count = 1, .confirm = true, .fetch = note_fetch, .arg = &fetches};
    static const char subscribe[] =
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription";
    assert_int_equal(sns_new(&options, &sns, &err), 0);
    const char *good =
        sns_message(&arena, &signer, "Notification", "arn:aws:sns:eu-west-1:1:t", "2", "");
    /* Its certificate is fetched once, and the sender comes again meanwhile. */
    assert_int_equal(sns_admit(sns, good, strlen(good), &err), -NSH_BUSY);
    assert_int_equal(sns_admit(sns, good, strlen(good), &err), -NSH_BUSY);
    assert_int_equal(fetches.count, 1);
    assert_string_equal(fetches.url, SNS_URL);
    sns_fetched(sns, SNS_URL, NULL, "timed out"); /* Then it is tried again. */
    assert_int_equal(sns_admit(sns, good, strlen(good), &err), -NSH_BUSY);
    assert_int_equal(fetches.count, 2);
    sns_fetched(sns, SNS_URL, signer.pem, NULL);
    assert_int_equal(sns_admit(sns, good, strlen(good), &err), 0);
    const char *old =
        sns_message(&arena, &signer, "Notification", "arn:aws:sns:eu-west-1:1:t", "1", "");
    assert_int_equal(sns_admit(sns, old, strlen(old), &err), 0);
    const char *forged =
        sns_message(&arena, &other, "Notification", "arn:aws:sns:eu-west-1:1:t", "2", "");
    assert_int_equal(sns_admit(sns, forged, strlen(forged), &err), -NSH_AUTH);
    char *changed = arena_copy(&arena, good, strlen(good));
    memcpy(strstr(changed, "hello"), "hallo", 5);
    assert_int_equal(sns_admit(sns, changed, strlen(changed), &err), -NSH_AUTH);
    const char *topic =
        sns_message(&arena, &signer, "Notification", "arn:aws:sns:eu-west-1:2:t", "2", "");
    assert_int_equal(sns_admit(sns, topic, strlen(topic), &err), -NSH_DENIED);
    const char *version =
        sns_message(&arena, &signer, "Notification", "arn:aws:sns:eu-west-1:1:t", "3", "");
    assert_int_equal(sns_admit(sns, version, strlen(version), &err), -NSH_AUTH);
    assert_int_equal(sns_admit(sns, "{}", 2, &err), -NSH_INVALID);
    assert_int_equal(sns_admit(sns, "no", 2, &err), -NSH_INVALID);
    assert_int_equal(fetches.confirms, 0);
    const char *confirm = sns_message(&arena, &signer, "SubscriptionConfirmation",
                                      "arn:aws:sns:eu-west-1:1:t", "2", subscribe);
    assert_int_equal(sns_admit(sns, confirm, strlen(confirm), &err), 0);
    assert_int_equal(fetches.confirms, 1);
    assert_string_equal(fetches.url, subscribe);
    /* Signed, but it would have us call somebody else. */
    const char *evil = sns_message(&arena, &signer, "SubscriptionConfirmation",
                                   "arn:aws:sns:eu-west-1:1:t", "2", "https://10.0.0.1/");
    assert_int_equal(sns_admit(sns, evil, strlen(evil), &err), -NSH_DENIED);
    assert_int_equal(fetches.confirms, 1);
    sns_unref(sns);
    EVP_PKEY_free(signer.key);
    EVP_PKEY_free(other.key);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),     cmocka_unit_test(test_places),
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_schemes),
        cmocka_unit_test(test_base64),     cmocka_unit_test(test_replays),
        cmocka_unit_test(test_mistakes),   cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_sns_urls),   cmocka_unit_test(test_sns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
