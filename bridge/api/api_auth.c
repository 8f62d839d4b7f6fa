/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: peer credentials on the unix socket, bearer tokens on TCP. */

#include "api_private.h"

#include <errno.h>
#include <grp.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define AUTH_GROUPS_MAX 1024
#define AUTH_NAME_BYTES 4096
#define AUTH_TOKEN_BYTES_MIN 16 /* Shorter ones are guessed. */

const char *api_role_word(enum api_role role)
{
    static const char *const words[] = {"nobody", "sender", "viewer", "operator"};
    return words[role];
}

int auth_group(const char *name, gid_t *ret_gid, struct nsh_error *err)
{
    char bytes[AUTH_NAME_BYTES];
    struct group group, *found = NULL;
    if (getgrnam_r(name, &group, bytes, sizeof bytes, &found) != 0 || found == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "no group %s on this machine", name);
    }
    *ret_gid = group.gr_gid;
    return 0;
}

static bool digest_of(const char *text, size_t bytes_count, uint8_t *digest)
{
    return EVP_Digest(text, bytes_count, digest, NULL, EVP_sha256(), NULL) == 1;
}

int auth_secrets(struct api *api, const struct api_options *options, struct nsh_error *err)
{
    api->secrets = calloc(options->tokens_count + 1, sizeof *api->secrets);
    if (api->secrets == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for tokens");
    }
    for (size_t i = 0; i < options->tokens_count; i++) {
        const struct api_token *token = &options->tokens[i];
        struct api_secret *secret = &api->secrets[i];
        if (token->secret == NULL || strlen(token->secret) < AUTH_TOKEN_BYTES_MIN) {
            return nsh_fail(err, NSH_INVALID, "token %s is shorter than %d characters", token->name,
                            AUTH_TOKEN_BYTES_MIN);
        }
        if (!digest_of(token->secret, strlen(token->secret), secret->digest)) {
            return nsh_fail(err, NSH_UNSUPPORTED, "SHA-256 is not available");
        }
        snprintf(secret->name, sizeof secret->name, "token:%s", token->name);
        secret->role = token->role;
        api->secrets_count++;
    }
    return 0;
}

static bool peer_in_group(int fd, gid_t primary, gid_t wanted)
{
    gid_t groups[AUTH_GROUPS_MAX];
    socklen_t bytes = sizeof groups;
    if (wanted == (gid_t)-1) {
        return false;
    }
    if (primary == wanted) {
        return true;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0) {
        return false;
    }
    for (size_t i = 0; i < bytes / sizeof *groups; i++) {
        if (groups[i] == wanted) {
            return true;
        }
    }
    return false;
}

void auth_peer(const struct api *api, int fd, enum api_role *ret_role, char *actor)
{
    struct ucred peer = {0};
    socklen_t bytes = sizeof peer;
    *ret_role = API_NOBODY;
    snprintf(actor, API_ACTOR_BYTES_MAX, "unknown");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0) {
        return;
    }
    if (peer.uid == 0 || peer.uid == api->own_uid || peer_in_group(fd, peer.gid, api->unix_gid)) {
        *ret_role = API_OPERATOR;
    }
    char names[AUTH_NAME_BYTES];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(peer.uid, &entry, names, sizeof names, &found) == 0 && found != NULL) {
        snprintf(actor, API_ACTOR_BYTES_MAX, "uid:%u(%s)", peer.uid, entry.pw_name);
    } else {
        snprintf(actor, API_ACTOR_BYTES_MAX, "uid:%u", peer.uid);
    }
}

const struct api_secret *auth_bearer(const struct api *api, const char *header)
{
    uint8_t digest[API_DIGEST_BYTES];
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0) {
        return NULL;
    }
    const char *token = header + 7;
    token += strspn(token, " ");
    if (!digest_of(token, strlen(token), digest)) {
        return NULL;
    }
    const struct api_secret *found = NULL;
    for (size_t i = 0; i < api->secrets_count; i++) { /* All of them, whichever fits. */
        if (CRYPTO_memcmp(digest, api->secrets[i].digest, sizeof digest) == 0) {
            found = &api->secrets[i];
        }
    }
    return found;
}
