/* SPDX-License-Identifier: Apache-2.0 */
/* Files of policies, changed so that every moment can be the last one: apply.h says how. */

#include "apply.h"

#include "base/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096
#define MARK ".confirm"
#define BEFORE ".before"
#define STAGED ".apply"

struct path {
    char at[PATH_BYTES_MAX];
};

static int path_of(const char *folder, const char *part, const char *name, struct path *ret_path,
                   struct nsh_error *err)
{
    bool deep = part[0] != '\0';
    int count = snprintf(ret_path->at, sizeof ret_path->at, "%s/%s%s%s", folder, part,
                         deep && name[0] != '\0' ? "/" : "", name);
    if (count < 0 || (size_t)count >= sizeof ret_path->at) {
        return nsh_fail(err, NSH_LIMIT, "a path is longer than %d bytes", PATH_BYTES_MAX);
    }
    return 0;
}

static int io_fail(struct nsh_error *err, const char *what, const char *path)
{
    return nsh_fail(err, NSH_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool ends_with(const char *name, const char *end)
{
    size_t count = strlen(name), end_count = strlen(end);
    return count > end_count && strcmp(name + count - end_count, end) == 0;
}

static bool is_ours(const char *name)
{
    return name[0] != '.' && (ends_with(name, ".policy") || ends_with(name, ".test"));
}

/* ---- single files ---- */

static int folder_sync(const char *path, struct nsh_error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : io_fail(err, "keep", path);
}

static int write_all(int fd, struct text text)
{
    for (size_t written = 0; written < text.count;) {
        ssize_t count = write(fd, text.at + written, text.count - written);
        if (count <= 0 && errno != EINTR) {
            return -1;
        }
        written += count > 0 ? (size_t)count : 0;
    }
    return fsync(fd);
}

/* Whole or not at all: written beside it, then put in its place. */
static int file_put(const char *folder, const char *part, const char *name, struct text text,
                    struct nsh_error *err)
{
    struct path path, temporary;
    int result = path_of(folder, part, name, &path, err);
    result = result == 0 ? path_of(folder, part, ".new", &temporary, err) : result;
    if (result < 0) {
        return result;
    }
    CLEANUP(closep)
    int fd = open(temporary.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0 || write_all(fd, text) != 0 || rename(temporary.at, path.at) != 0) {
        return io_fail(err, "write", path.at);
    }
    return 0;
}

static int file_get(const char *path, struct textbuf *out, struct nsh_error *err)
{
    char block[8192];
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = -1;
    textbuf_clear(out);
    while (fd >= 0 && (count = read(fd, block, sizeof block)) > 0) {
        textbuf_add(out, (struct text){block, (uint32_t)count});
    }
    if (count < 0) {
        return io_fail(err, "read", path);
    }
    return out->failed ? nsh_fail(err, NSH_NOMEM, "out of memory") : 0;
}

/* ---- all files of a folder ---- */

/* Each NAME.policy and NAME.test of folder/part. */
static int each_file(const char *folder, const char *part,
                     int (*take)(void *arg, const char *name, struct nsh_error *err), void *arg,
                     struct nsh_error *err)
{
    struct path path;
    int result = path_of(folder, part, "", &path, err);
    DIR *entries = result == 0 ? opendir(path.at) : NULL;
    if (result == 0 && entries == NULL) {
        result = io_fail(err, "read", path.at);
    }
    for (struct dirent *entry = NULL; result == 0 && (entry = readdir(entries)) != NULL;) {
        result = is_ours(entry->d_name) ? take(arg, entry->d_name, err) : 0;
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return result;
}

struct copying {
    const char *folder, *from, *to;
    struct textbuf text;
};

static int copy_one(void *arg, const char *name, struct nsh_error *err)
{
    struct copying *copying = arg;
    struct path path;
    int result = path_of(copying->folder, copying->from, name, &path, err);
    result = result == 0 ? file_get(path.at, &copying->text, err) : result;
    struct text text = {copying->text.at, (uint32_t)copying->text.count};
    return result == 0 ? file_put(copying->folder, copying->to, name, text, err) : result;
}

static int copy_all(const char *folder, const char *from, const char *to, struct nsh_error *err)
{
    struct path path;
    struct copying copying = {folder, from, to, {.at = NULL}};
    int result = each_file(folder, from, copy_one, &copying, err);
    textbuf_done(&copying.text);
    result = result == 0 ? path_of(folder, to, "", &path, err) : result;
    return result == 0 ? folder_sync(path.at, err) : result;
}

/* Removes what is in to and not in from. */
static int drop_one(void *arg, const char *name, struct nsh_error *err)
{
    const struct copying *copying = arg;
    struct path wanted, path;
    int result = path_of(copying->folder, copying->from, name, &wanted, err);
    result = result == 0 ? path_of(copying->folder, copying->to, name, &path, err) : result;
    if (result < 0 || access(wanted.at, F_OK) == 0) {
        return result;
    }
    return unlink(path.at) == 0 ? 0 : io_fail(err, "remove", path.at);
}

static int remove_one(void *arg, const char *name, struct nsh_error *err)
{
    const struct copying *copying = arg;
    struct path path;
    int result = path_of(copying->folder, copying->to, name, &path, err);
    return result < 0 || unlink(path.at) == 0 ? result : io_fail(err, "remove", path.at);
}

/* An empty folder/part, whatever was there. */
static int part_new(const char *folder, const char *part, struct nsh_error *err)
{
    struct path path;
    struct copying copying = {folder, "", part, {.at = NULL}};
    int result = path_of(folder, part, "", &path, err);
    if (result == 0 && mkdir(path.at, 0750) != 0 && errno != EEXIST) {
        result = io_fail(err, "make", path.at);
    }
    return result == 0 ? each_file(folder, part, remove_one, &copying, err) : result;
}

/* The folder gets exactly what is in part. */
static int install(const char *folder, const char *part, struct nsh_error *err)
{
    struct copying copying = {folder, part, "", {.at = NULL}};
    int result = copy_all(folder, part, "", err);
    result = result == 0 ? each_file(folder, "", drop_one, &copying, err) : result;
    return result == 0 ? folder_sync(folder, err) : result;
}

/* ---- the mark ---- */

static int mark_put(const char *folder, const char *state, const struct apply_note *note,
                    struct nsh_error *err)
{
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    textbuf_addf(&text, "{\"state\":\"%s\",\"until_ms\":%lld,\"actor\":", state,
                 (long long)note->until_ms);
    textbuf_add_json(&text, text_of(note->actor));
    textbuf_add_chars(&text, ",\"reason\":");
    textbuf_add_json(&text, text_of(note->reason));
    textbuf_add_chars(&text, "}\n");
    int result =
        text.failed ? nsh_fail(err, NSH_NOMEM, "out of memory")
                    : file_put(folder, "", MARK, (struct text){text.at, (uint32_t)text.count}, err);
    return result == 0 ? folder_sync(folder, err) : result;
}

static int mark_remove(const char *folder, struct nsh_error *err)
{
    struct path path;
    int result = path_of(folder, "", MARK, &path, err);
    if (result == 0 && unlink(path.at) != 0 && errno != ENOENT) {
        return io_fail(err, "remove", path.at);
    }
    return result == 0 ? folder_sync(folder, err) : result;
}

/* False: there is none. A mark that cannot be read is one whose work was interrupted. */
static bool mark_get(const char *folder, struct apply_note *note, char state[16])
{
    CLEANUP(arena_donep) struct arena arena = ARENA_INIT;
    CLEANUP(textbuf_donep) struct textbuf text = {0};
    struct nsh_error err = {0};
    struct nsh_value value;
    struct path path;
    if (path_of(folder, "", MARK, &path, &err) < 0 || access(path.at, F_OK) != 0) {
        return false;
    }
    *note = (struct apply_note){.until_ms = 0};
    snprintf(state, 16, "changing");
    if (file_get(path.at, &text, &err) == 0 &&
        json_parse(text.at, text.count, &arena, &value, &err) == 0) {
        note->until_ms = nsh_get_int(&value, "until_ms", 0);
        snprintf(note->actor, sizeof note->actor, "%s", nsh_get_text(&value, "actor", ""));
        snprintf(note->reason, sizeof note->reason, "%s", nsh_get_text(&value, "reason", ""));
        snprintf(state, 16, "%s", nsh_get_text(&value, "state", "changing"));
    }
    return true;
}

/* ---- the doors ---- */

struct listing {
    const char *folder;
    struct textbuf *out, text;
    bool more;
};

static int list_one(void *arg, const char *name, struct nsh_error *err)
{
    struct listing *listing = arg;
    struct path path;
    int result = path_of(listing->folder, "", name, &path, err);
    result = result == 0 ? file_get(path.at, &listing->text, err) : result;
    if (result < 0) {
        return result;
    }
    textbuf_add_chars(listing->out, listing->more ? ",{\"name\":" : "{\"name\":");
    textbuf_add_json(listing->out, text_of(name));
    textbuf_add_chars(listing->out, ",\"text\":");
    textbuf_add_json(listing->out, (struct text){listing->text.at, (uint32_t)listing->text.count});
    textbuf_add_char(listing->out, '}');
    listing->more = true;
    return 0;
}

int apply_list(const char *folder, struct textbuf *out, struct nsh_error *err)
{
    struct listing listing = {.folder = folder, .out = out};
    int result = each_file(folder, "", list_one, &listing, err);
    textbuf_done(&listing.text);
    return result;
}

static int stage_one(const char *folder, const struct nsh_value *file, struct nsh_error *err)
{
    const char *name = nsh_get_text(file, "name", "");
    const struct nsh_value *text = nsh_get(file, "text");
    if (!is_ours(name) || strchr(name, '/') != NULL || strlen(name) > 200) {
        return nsh_fail(err, NSH_INVALID,
                        "files are called NAME.policy or NAME.test, without a folder; got '%.80s'",
                        name);
    }
    if (text == NULL || text->type != NSH_STRING || text->count > APPLY_FILE_BYTES_MAX) {
        return nsh_fail(err, NSH_INVALID, "%s: a text of at most %u bytes is wanted", name,
                        APPLY_FILE_BYTES_MAX);
    }
    return file_put(folder, STAGED, name, (struct text){text->text, text->count}, err);
}

int apply_stage(const char *folder, const struct nsh_value *files, bool whole,
                struct nsh_error *err)
{
    if (files->type != NSH_LIST || files->count == 0 || files->count > APPLY_FILES_MAX) {
        return nsh_fail(err, NSH_INVALID, "files: a list of 1 to %d {name, text} is wanted",
                        APPLY_FILES_MAX);
    }
    int result = part_new(folder, STAGED, err);
    if (result == 0 && !whole) {
        result = copy_all(folder, "", STAGED, err);
    }
    for (uint32_t i = 0; result == 0 && i < files->count; i++) {
        result = stage_one(folder, &files->items[i], err);
    }
    return result;
}

const char *apply_staged(const char *folder, struct arena *arena)
{
    return arena_printf(arena, "%s/" STAGED, folder);
}

int apply_begin(const char *folder, const struct apply_note *note, struct nsh_error *err)
{
    struct apply_note other;
    if (apply_waits(folder, &other)) {
        return nsh_fail(err, NSH_BUSY,
                        "what %s applied waits to be confirmed: confirm it, or undo it, first",
                        other.actor);
    }
    int result = part_new(folder, BEFORE, err);
    result = result == 0 ? copy_all(folder, "", BEFORE, err) : result;
    result = result == 0 ? mark_put(folder, "changing", note, err) : result;
    if (result < 0) {
        return result; /* Nothing was touched. */
    }
    result = install(folder, STAGED, err);
    result = result == 0 ? mark_put(folder, "waiting", note, err) : result;
    if (result < 0) {
        struct nsh_error second = {0};
        (void)apply_undo(folder, &second); /* Else at the next start. */
    }
    return result;
}

int apply_keep(const char *folder, struct nsh_error *err)
{
    return mark_remove(folder, err);
}

int apply_undo(const char *folder, struct nsh_error *err)
{
    struct apply_note note;
    char state[16];
    if (!mark_get(folder, &note, state)) {
        return 0;
    }
    int result = mark_put(folder, "undoing", &note, err);
    result = result == 0 ? install(folder, BEFORE, err) : result;
    return result == 0 ? mark_remove(folder, err) : result;
}

bool apply_waits(const char *folder, struct apply_note *ret_note)
{
    char state[16];
    return mark_get(folder, ret_note, state);
}

int apply_recover(const char *folder, int64_t now_ms, bool *ret_undone, struct nsh_error *err)
{
    struct apply_note note;
    char state[16];
    *ret_undone = false;
    if (!mark_get(folder, &note, state) ||
        (strcmp(state, "waiting") == 0 && now_ms < note.until_ms)) {
        return 0;
    }
    int result = apply_undo(folder, err);
    *ret_undone = result == 0;
    return result;
}
