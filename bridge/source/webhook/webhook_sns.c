/* SPDX-License-Identifier: Apache-2.0 */
/* Amazon SNS: what it signs, who it is signed by, and subscriptions. */

#include "webhook_private.h"

#include "base/json.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CERTIFICATES_MAX 8 /* Amazon changes them once in a while. */
#define URL_BYTES_MAX 512
#define SIGNATURE_BYTES_MAX 1024

struct certificate {
    char url[URL_BYTES_MAX];
    EVP_PKEY *key; /* NULL: on its way, or not to be had. */
    bool fetching;
    char failed[160];
};

struct sns {
    struct sns_options options; /* Texts are the caller's. */
    pthread_mutex_t lock;
    struct certificate certificates[CERTIFICATES_MAX];
    size_t next;
    EVP_PKEY *pinned;
    uint64_t confirmed;
    char unconfirmed[160]; /* Why the last subscription was not confirmed. */
    atomic_uint refs;      /* The source, and each fetch under way. */
};

/* ---- addresses ----------------------------------------------------------------------------- */

/* "sns.eu-west-1.amazonaws.com", and China's. */
static bool host_fits(struct text host)
{
    static const char *const tails[] = {".amazonaws.com", ".amazonaws.com.cn"};
    if (!text_starts(host, "sns.")) {
        return false;
    }
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        uint32_t tail = (uint32_t)strlen(tails[i]);
        if (host.count <= 4 + tail || memcmp(host.at + host.count - tail, tails[i], tail) != 0) {
            continue;
        }
        struct text region = {host.at + 4, host.count - 4 - tail};
        bool fits = true;
        for (uint32_t c = 0; c < region.count; c++) {
            char at = region.at[c];
            fits = fits && ((at >= 'a' && at <= 'z') || (at >= '0' && at <= '9') || at == '-');
        }
        if (fits) {
            return true;
        }
    }
    return false;
}

bool sns_url_fits(const char *url, bool certificate)
{
    static const char scheme[] = "https://";
    size_t count = strlen(url);
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || count >= URL_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (url[i] <= ' ' || url[i] >= 0x7f || strchr("@\\\"'<>", url[i]) != NULL) {
            return false;
        }
    }
    const char *host = url + sizeof scheme - 1;
    size_t host_bytes = strcspn(host, "/?#:");
    if (host[host_bytes] != '/' || !host_fits((struct text){host, (uint32_t)host_bytes})) {
        return false;
    }
    const char *path = host + host_bytes;
    bool plain = strpbrk(path, "?#%") == NULL && strstr(path, "..") == NULL;
    return !certificate || (plain && strncmp(path, "/SimpleNotificationService-", 27) == 0 &&
                            count > 4 && strcmp(url + count - 4, ".pem") == 0);
}

/* ---- the signature ------------------------------------------------------------------------- */

bool sns_signed_text(const struct nsh_value *message, struct textbuf *out)
{
    static const char *const notification[] = {"Message",   "MessageId", "Subject",
                                               "Timestamp", "TopicArn",  "Type"};
    static const char *const subscription[] = {"Message", "MessageId", "SubscribeURL", "Timestamp",
                                               "Token",   "TopicArn",  "Type"};
    bool notifies = strcmp(nsh_get_text(message, "Type", ""), "Notification") == 0;
    const char *const *names = notifies ? notification : subscription;
    size_t count = notifies ? sizeof notification / sizeof notification[0]
                            : sizeof subscription / sizeof subscription[0];
    for (size_t i = 0; i < count; i++) {
        const char *value = nsh_get_text(message, names[i], NULL);
        if (value == NULL && strcmp(names[i], "Subject") == 0) {
            continue; /* Only when there is one. */
        }
        if (value == NULL) {
            return false;
        }
        textbuf_addf(out, "%s\n%s\n", names[i], value);
    }
    return !out->failed;
}

static bool signature_fits(EVP_PKEY *key, const char *version, const char *signature,
                           const struct textbuf *text)
{
    unsigned char bytes[SIGNATURE_BYTES_MAX];
    size_t count = strlen(signature);
    const EVP_MD *algorithm = strcmp(version, "2") == 0 ? EVP_sha256() : EVP_sha1();
    if (count < 4 || count % 4 != 0 || count / 4 * 3 > sizeof bytes) {
        return false;
    }
    int made = EVP_DecodeBlock(bytes, (const unsigned char *)signature, (int)count);
    made -= signature[count - 1] == '=';
    made -= signature[count - 2] == '=';
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool fits = made > 0 && context != NULL &&
                EVP_DigestVerifyInit(context, NULL, algorithm, NULL, key) == 1 &&
                EVP_DigestVerify(context, bytes, (size_t)made, (const unsigned char *)text->at,
                                 text->count) == 1;
    EVP_MD_CTX_free(context);
    return fits;
}

/* ---- certificates -------------------------------------------------------------------------- */

static EVP_PKEY *key_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key = NULL;
    if (certificate != NULL && X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0 &&
        X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0) {
        key = X509_get_pubkey(certificate);
    }
    X509_free(certificate);
    BIO_free(bio);
    return key;
}

int sns_new(const struct sns_options *options, struct sns **ret_sns, struct nsh_error *err)
{
    struct sns *sns = calloc(1, sizeof *sns);
    if (sns == NULL) {
        return nsh_fail(err, NSH_NOMEM, "out of memory");
    }
    sns->options = *options;
    atomic_init(&sns->refs, 1);
    pthread_mutex_init(&sns->lock, NULL);
    if (options->certificate != NULL) {
        sns->pinned = key_of(options->certificate);
        if (sns->pinned == NULL) {
            sns_unref(sns);
            return nsh_fail(err, NSH_INVALID,
                            "the certificate is no PEM certificate that is valid");
        }
    }
    *ret_sns = sns;
    return 0;
}

struct sns *sns_ref(struct sns *sns)
{
    atomic_fetch_add(&sns->refs, 1);
    return sns;
}

void sns_unref(struct sns *sns)
{
    if (sns == NULL || atomic_fetch_sub(&sns->refs, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < CERTIFICATES_MAX; i++) {
        EVP_PKEY_free(sns->certificates[i].key);
    }
    EVP_PKEY_free(sns->pinned);
    pthread_mutex_destroy(&sns->lock);
    free(sns);
}

static struct certificate *certificate_find(struct sns *sns, const char *url)
{
    for (size_t i = 0; i < CERTIFICATES_MAX; i++) {
        if (strcmp(sns->certificates[i].url, url) == 0) {
            return &sns->certificates[i];
        }
    }
    return NULL;
}

/* Under the lock: a place for url, that of the oldest which is not on its way. */
static struct certificate *certificate_place(struct sns *sns, const char *url)
{
    for (size_t i = 0; i < CERTIFICATES_MAX; i++) {
        struct certificate *place = &sns->certificates[(sns->next + i) % CERTIFICATES_MAX];
        if (!place->fetching) {
            sns->next = (sns->next + i + 1) % CERTIFICATES_MAX;
            EVP_PKEY_free(place->key);
            memset(place, 0, sizeof *place);
            memcpy(place->url, url, strlen(url) + 1);
            return place;
        }
    }
    return NULL;
}

/* The key that signs, with a reference of its own. NSH_BUSY: it is being fetched. */
static int key_take(struct sns *sns, const char *url, EVP_PKEY **ret_key, struct nsh_error *err)
{
    int result = 0;
    bool fetch = false;
    if (sns->pinned != NULL) {
        EVP_PKEY_up_ref(sns->pinned);
        *ret_key = sns->pinned;
        return 0;
    }
    pthread_mutex_lock(&sns->lock);
    struct certificate *found = certificate_find(sns, url);
    if (found != NULL && found->key != NULL) {
        EVP_PKEY_up_ref(found->key);
        *ret_key = found->key;
    } else {
        found = found == NULL ? certificate_place(sns, url) : found;
        fetch = found != NULL && !found->fetching;
        if (found != NULL) {
            found->fetching = true;
        }
        result = nsh_fail(err, NSH_BUSY, "the certificate that signs is being fetched");
    }
    pthread_mutex_unlock(&sns->lock);
    if (fetch && sns->options.fetch(sns->options.arg, sns, url, false) < 0) {
        sns_fetched(sns, url, NULL, "no thread to fetch it");
    }
    return result;
}

void sns_fetched(struct sns *sns, const char *url, const char *pem, const char *failed)
{
    EVP_PKEY *key = pem == NULL ? NULL : key_of(pem);
    pthread_mutex_lock(&sns->lock);
    struct certificate *found = certificate_find(sns, url);
    if (found != NULL) {
        EVP_PKEY_free(found->key);
        found->key = key;
        found->fetching = false;
        key = NULL;
        const char *why = failed != NULL ? failed : "it is no PEM certificate that is valid";
        snprintf(found->failed, sizeof found->failed, "%s", found->key == NULL ? why : "");
    }
    pthread_mutex_unlock(&sns->lock);
    EVP_PKEY_free(key);
}

void sns_confirmed(struct sns *sns, const char *failed)
{
    pthread_mutex_lock(&sns->lock);
    sns->confirmed += failed == NULL;
    snprintf(sns->unconfirmed, sizeof sns->unconfirmed, "%s", failed == NULL ? "" : failed);
    pthread_mutex_unlock(&sns->lock);
}

/* ---- a message ----------------------------------------------------------------------------- */

static bool topic_fits(const struct sns *sns, const char *topic)
{
    for (size_t i = 0; i < sns->options.topics_count; i++) {
        if (text_glob(text_of(sns->options.topics[i]), text_of(topic))) {
            return true;
        }
    }
    return false;
}

static int subscription_confirm(struct sns *sns, const struct nsh_value *message,
                                struct nsh_error *err)
{
    const char *url = nsh_get_text(message, "SubscribeURL", "");
    if (!sns->options.confirm) {
        return 0; /* An event tells a person; see the format. */
    }
    if (!sns_url_fits(url, false)) {
        return nsh_fail(err, NSH_DENIED, "SubscribeURL is no address of SNS: %.120s", url);
    }
    if (sns->options.fetch(sns->options.arg, sns, url, true) < 0) {
        return nsh_fail(err, NSH_BUSY, "no thread to confirm the subscription");
    }
    return 0;
}

static int message_check(struct sns *sns, const struct nsh_value *message, struct nsh_error *err)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    const char *url = nsh_get_text(message, "SigningCertURL", "");
    const char *topic = nsh_get_text(message, "TopicArn", "");
    const char *version = nsh_get_text(message, "SignatureVersion", "");
    EVP_PKEY *key = NULL;
    if (!sns_signed_text(message, &text)) {
        return nsh_fail(err, NSH_INVALID, "this is no message of SNS: a member is missing");
    }
    if (!topic_fits(sns, topic)) {
        return nsh_fail(err, NSH_DENIED, "topic %.120s is not configured", topic);
    }
    if (!sns_url_fits(url, true)) {
        return nsh_fail(err, NSH_AUTH, "SigningCertURL is no address of SNS: %.120s", url);
    }
    if (strcmp(version, "1") != 0 && strcmp(version, "2") != 0) {
        return nsh_fail(err, NSH_AUTH, "SignatureVersion %.10s is not known", version);
    }
    int result = key_take(sns, url, &key, err);
    if (result < 0) {
        return result;
    }
    bool fits = signature_fits(key, version, nsh_get_text(message, "Signature", ""), &text);
    EVP_PKEY_free(key);
    return fits ? 0 : nsh_fail(err, NSH_AUTH, "the message is not signed by SNS");
}

int sns_admit(struct sns *sns, const char *body, size_t body_bytes, struct nsh_error *err)
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    struct nsh_value message;
    int result = json_parse(body, body_bytes, &arena, &message, err);
    if (result < 0) {
        return result;
    }
    result = message_check(sns, &message, err);
    bool subscribes = strcmp(nsh_get_text(&message, "Type", ""), "SubscriptionConfirmation") == 0;
    return result == 0 && subscribes ? subscription_confirm(sns, &message, err) : result;
}

void sns_doctor(struct sns *sns, struct nsh_checks *checks)
{
    pthread_mutex_lock(&sns->lock);
    for (size_t i = 0; i < CERTIFICATES_MAX; i++) {
        const struct certificate *certificate = &sns->certificates[i];
        if (certificate->failed[0] != '\0') {
            nsh_check_add(checks, "certificate", NSH_CHECK_FAILED,
                          "the daemon must reach sns.REGION.amazonaws.com, or set sns_certificate",
                          "%.100s: %.90s", certificate->url, certificate->failed);
        }
    }
    if (sns->pinned != NULL) {
        nsh_check_add(checks, "certificate", NSH_CHECK_OK, NULL, "the one in sns_certificate");
    }
    bool confirmed = sns->unconfirmed[0] == '\0';
    nsh_check_add(checks, "subscriptions", confirmed ? NSH_CHECK_OK : NSH_CHECK_FAILED,
                  confirmed ? NULL : "confirm it again from the topic's page", "%llu confirmed%s%s",
                  (unsigned long long)sns->confirmed,
                  confirmed ? "" : "; the last one not: ", sns->unconfirmed);
    pthread_mutex_unlock(&sns->lock);
}
