/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Secrets stay out of configuration files: they are referred to. Nothing here ever shows what it
 * read, nor the reference's text when it may be the secret itself.
 */

#include "fleet/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES_MAX (64 * 1024)

static int secret_keep(const char *from, const char *bytes, size_t count, struct arena *arena,
                       const char **ret_secret, struct nsh_error *err)
{
    if (count > 0 && bytes[count - 1] == '\n') {
        count--;
    }
    if (count > 0 && bytes[count - 1] == '\r') {
        count--;
    }
    if (count == 0) {
        return nsh_fail(err, NSH_INVALID, "the secret in %s is empty", from);
    }
    if (memchr(bytes, '\0', count) != NULL) {
        return nsh_fail(err, NSH_INVALID, "the secret in %s is no text: it contains a NUL byte",
                        from);
    }
    const char *copy = arena_copy(arena, bytes, count);
    if (copy == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a secret");
    }
    *ret_secret = copy;
    return 0;
}

static int secret_check(int fd, const char *path, struct nsh_error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return nsh_fail(err, NSH_IO, "cannot read the secret %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return nsh_fail(err, NSH_INVALID, "the secret %s is no regular file", path);
    }
    if ((status.st_mode & S_IRWXO) != 0) {
        return nsh_fail(err, NSH_DENIED,
                        "the secret %s is open to every user (mode %03o): chmod o-rwx it", path,
                        (unsigned)status.st_mode & 0777u);
    }
    if (status.st_size > SECRET_BYTES_MAX) {
        return nsh_fail(err, NSH_LIMIT, "the secret %s is larger than %d bytes", path,
                        SECRET_BYTES_MAX);
    }
    return 0;
}

static int secret_read(int fd, const char *path, struct arena *arena, const char **ret_secret,
                       struct nsh_error *err)
{
    char *bytes = malloc(SECRET_BYTES_MAX);
    if (bytes == NULL) {
        return nsh_fail(err, NSH_NOMEM, "no memory for a secret");
    }
    size_t count = 0;
    ssize_t got = 1;
    while (got > 0 && count < SECRET_BYTES_MAX) {
        got = read(fd, bytes + count, SECRET_BYTES_MAX - count);
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        count += got > 0 ? (size_t)got : 0;
    }
    int r = got < 0 ? nsh_fail(err, NSH_IO, "cannot read the secret %s: %s", path, strerror(errno))
                    : secret_keep(path, bytes, count, arena, ret_secret, err);
    explicit_bzero(bytes, SECRET_BYTES_MAX);
    free(bytes);
    return r;
}

static int secret_from_file(const char *folder, const char *name, struct arena *arena,
                            const char **ret_secret, struct nsh_error *err)
{
    char path[1024];
    bool absolute = name[0] == '/' || folder == NULL || folder[0] == '\0';
    int count =
        snprintf(path, sizeof path, "%s%s%s", absolute ? "" : folder, absolute ? "" : "/", name);
    if (name[0] == '\0' || count < 0 || (size_t)count >= sizeof path) {
        return nsh_fail(err, NSH_INVALID, "a secret's file needs a name of at most %zu bytes",
                        sizeof path - 1);
    }
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return nsh_fail(err, errno == ENOENT ? NSH_NOT_FOUND : NSH_IO,
                        "cannot open the secret %s: %s", path, strerror(errno));
    }
    int r = secret_check(fd, path, err);
    return r < 0 ? r : secret_read(fd, path, arena, ret_secret, err);
}

static int secret_from_environment(const char *name, struct arena *arena, const char **ret_secret,
                                   struct nsh_error *err)
{
    const char *value = name[0] == '\0' ? NULL : getenv(name);
    if (value == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND, "the environment has no variable %.128s", name);
    }
    return secret_keep("the environment", value, strlen(value), arena, ret_secret, err);
}

static int secret_from_systemd(const char *name, struct arena *arena, const char **ret_secret,
                               struct nsh_error *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (folder == NULL) {
        return nsh_fail(err, NSH_NOT_FOUND,
                        "credential %.128s: systemd gave none (CREDENTIALS_DIRECTORY is not set): "
                        "add LoadCredential= to the unit",
                        name);
    }
    if (name[0] == '\0' || strchr(name, '/') != NULL) {
        return nsh_fail(err, NSH_INVALID, "a credential has a plain name, without '/'");
    }
    return secret_from_file(folder, name, arena, ret_secret, err);
}

int fleet_secret(const char *reference, const char *base_folder, bool allow_plain,
                 struct arena *arena, const char **ret_secret, struct nsh_error *err)
{
    if (strncmp(reference, "file:", 5) == 0) {
        return secret_from_file(base_folder, reference + 5, arena, ret_secret, err);
    }
    if (strncmp(reference, "env:", 4) == 0) {
        return secret_from_environment(reference + 4, arena, ret_secret, err);
    }
    if (strncmp(reference, "credential:", 11) == 0) {
        return secret_from_systemd(reference + 11, arena, ret_secret, err);
    }
    if (strncmp(reference, "plain:", 6) == 0 && allow_plain) {
        return secret_keep("plain text", reference + 6, strlen(reference + 6), arena, ret_secret,
                           err);
    }
    return nsh_fail(err, NSH_INVALID,
                    "a secret is a reference: file:PATH, env:NAME or credential:NAME%s (what was "
                    "written is not shown)",
                    allow_plain ? " or plain:TEXT" : "");
}
