/* setup_context.c - the files of a `setup { }`. */
#include "lifecycle/setup_context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/json_put.h"
#include "lifecycle/tar_writer.h"
#include "router/base/alloc.h"
#include "router/base/strbuf.h"
#include "router/base/wire.h"

#define DEPTH_MAX  64U
#define READ_BYTES ((size_t)128 << 10)

struct packer {
    const struct setup_context *context;
    struct digest *digest;
    struct tar_writer *tar; /* NULL: none */
    char *block;            /* READ_BYTES */
    uint64_t bytes;
    uint32_t files;
};

static void digest_text(struct digest *digest, const char *text)
{
    AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;

    wire_put_str(&buf, text);
    digest_add(digest, buf.data, buf.len);
}

static void digest_number(struct digest *digest, uint64_t value)
{
    digest_add(digest, &value, sizeof value);
}

static bool may_go_on(struct packer *packer, struct err *err)
{
    if (__atomic_load_n(packer->context->is_cancelled, __ATOMIC_RELAXED))
        return err_set(err, ERR_CANCELLED, "called off");
    if (packer->files > SETUP_FILES_MAX)
        return err_set(err, ERR_LIMIT, "more than %u files are to be copied",
                       SETUP_FILES_MAX);
    if (packer->bytes > SETUP_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "more than %llu GB are to be copied",
                       SETUP_BYTES_MAX >> 30);
    return true;
}

/* What it is, by its name in the archive. */
static bool begin(struct packer *packer, const char *name,
                  const struct stat *st, const char *link, struct err *err)
{
    packer->files++;
    if (!may_go_on(packer, err))
        return false;
    digest_text(packer->digest, name);
    digest_number(packer->digest, st->st_mode);
    digest_number(packer->digest,
                  S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0);
    digest_text(packer->digest, link);
    return !packer->tar || tar_writer_begin(packer->tar, name, st, link, err);
}

static bool add_bytes(struct packer *packer, int fd, const char *name,
                      uint64_t size, struct err *err)
{
    while (size > 0) {
        size_t part = size < READ_BYTES ? (size_t)size : READ_BYTES;
        ssize_t n = read(fd, packer->block, part);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "%.400s", name);
        if (n == 0)
            return err_set(err, ERR_IO,
                           "%.400s became shorter while it was read", name);
        digest_add(packer->digest, packer->block, (size_t)n);
        packer->bytes += (uint64_t)n;
        size -= (uint64_t)n;
        if (!may_go_on(packer, err) ||
            (packer->tar &&
             !tar_writer_add(packer->tar, packer->block, (size_t)n, err)))
            return false;
    }
    return true;
}

static bool add_link(struct packer *packer, int dir, const char *name,
                     const char *path, const struct stat *st, struct err *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof target - 1);

    if (n < 0)
        return err_set_errno(err, errno, "%.400s", path);
    target[n] = '\0';
    return begin(packer, path, st, target, err);
}

static bool add_folder(struct packer *packer, int fd, const char *path,
                       unsigned depth, struct err *err);

/* An open file or folder. */
static bool add_open(struct packer *packer, int fd, const char *path,
                     unsigned depth, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_set_errno(err, errno, "%.400s", path);
    if (S_ISREG(st.st_mode))
        return begin(packer, path, &st, NULL, err) &&
               add_bytes(packer, fd, path, (uint64_t)st.st_size, err);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_INVALID,
                       "%.400s is neither a file, a folder nor a link", path);
    return begin(packer, path, &st, NULL, err) &&
           add_folder(packer, fd, path, depth + 1, err);
}

/* Looked at before it is opened: to open a FIFO or a device does something. */
static bool add_child(struct packer *packer, int dir, const char *name,
                      const char *parent, unsigned depth, struct err *err)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", parent, name);
    AUTO(auto_close) int fd = -1;
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_set_errno(err, errno, "%.400s", path);
    if (S_ISLNK(st.st_mode))
        return add_link(packer, dir, name, path, &st, err);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return err_set(err, ERR_INVALID,
                       "%.400s is neither a file, a folder nor a link", path);
    fd = openat(dir, name,
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "%.400s", path);
    return add_open(packer, fd, path, depth, err);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* Sorted, so that the digest does not depend on the file system. */
static bool read_names(int fd, const char *path, char ***ret_names,
                       size_t *ret_count, struct err *err)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;
    char **names = NULL;
    size_t count = 0;

    if (!dir) {
        err_set_errno(err, errno, "%.400s", path);
        if (copy >= 0)
            close(copy);
        return false;
    }
    while ((entry = readdir(dir)) && count <= SETUP_FILES_MAX) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        names = xrealloc(names, (count + 1) * sizeof *names);
        names[count++] = xstrdup(entry->d_name);
    }
    closedir(dir);
    if (count > 0)
        qsort(names, count, sizeof *names, compare);
    *ret_names = names;
    *ret_count = count;
    return true;
}

static bool add_folder(struct packer *packer, int fd, const char *path,
                       unsigned depth, struct err *err)
{
    char **names;
    size_t count;
    bool is_good = true;

    if (depth > DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "%.400s: folders are more than %u deep",
                       path, DEPTH_MAX);
    if (!read_names(fd, path, &names, &count, err))
        return false;
    for (size_t i = 0; i < count && is_good; i++)
        is_good = add_child(packer, fd, names[i], path, depth, err);
    free_names(names, count);
    return is_good;
}

/* The source itself may be a link: its name stands in the configuration. */
static bool add_copy(struct packer *packer, uint32_t index,
                     const struct setup_step *step, struct err *err)
{
    AUTO(auto_close)
    int fd = open(step->source, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    char name[16];

    snprintf(name, sizeof name, "%u", index);
    if (fd < 0) {
        err_set_errno(err, errno, "%.400s", step->source);
    } else if (add_open(packer, fd, name, 0, err)) {
        return true;
    }
    err_prefix(err, "copy %.200s", step->source);
    return false;
}

/* --- the Containerfile --- */

/* "/srv/NAME" of "/srv/" and a file NAME; a folder's contents go into what the
 * destination names. */
static char *destination_of(const struct setup_step *step)
{
    size_t len = strlen(step->destination);
    const char *slash = strrchr(step->source, '/');
    struct stat st;

    if (step->destination[len - 1] != '/' || stat(step->source, &st) != 0 ||
        S_ISDIR(st.st_mode))
        return xstrdup(step->destination);
    return xasprintf("%s%s", step->destination,
                     slash ? slash + 1 : step->source);
}

static void add_json_line(struct strbuf *text, const char *word, cJSON *list)
{
    AUTO(auto_free) char *json = json_text(list);

    strbuf_printf(text, "%s %s\n", word, json);
    cJSON_Delete(list);
}

/* Each a JSON list, so that no character of a word means something to the
 * Containerfile's own language. */
static void write_containerfile(const struct setup_context *context,
                                struct strbuf *text)
{
    strbuf_printf(text, "FROM %s\n", context->base);
    for (uint32_t i = 0; i < context->step_count; i++) {
        const struct setup_step *step = &context->steps[i];
        cJSON *list = cJSON_CreateArray();
        char name[16];

        if (!list)
            abort();
        if (step->kind == SETUP_COPY) {
            AUTO(auto_free) char *destination = destination_of(step);

            snprintf(name, sizeof name, "%u", i);
            json_append_text(list, name);
            json_append_text(list, destination);
            add_json_line(text, "COPY", list);
            continue;
        }
        if (step->command.count == 1) {
            json_append_text(list, "/bin/sh");
            json_append_text(list, "-c");
        }
        for (uint32_t j = 0; j < step->command.count; j++)
            json_append_text(list, step->command.items[j]);
        add_json_line(text, "RUN", list);
    }
}

/* --- all of it --- */

static bool add_steps(struct packer *packer, struct err *err)
{
    const struct setup_context *context = packer->context;

    for (uint32_t i = 0; i < context->step_count; i++) {
        const struct setup_step *step = &context->steps[i];

        digest_number(packer->digest, step->kind);
        if (step->kind == SETUP_COPY) {
            AUTO(auto_free) char *destination = destination_of(step);

            digest_text(packer->digest, destination);
            if (!add_copy(packer, i, step, err))
                return false;
            continue;
        }
        digest_number(packer->digest, step->command.count);
        for (uint32_t j = 0; j < step->command.count; j++)
            digest_text(packer->digest, step->command.items[j]);
    }
    return true;
}

static bool write_archive_end(struct packer *packer, struct err *err)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    write_containerfile(packer->context, &text);
    return tar_writer_file(packer->tar, "Containerfile", strbuf_view(&text),
                           err) &&
           tar_writer_finish(packer->tar, err);
}

bool setup_context_pack(const struct setup_context *context, int fd,
                        char *ret_digest, struct err *err)
{
    struct tar_writer tar;
    struct packer packer = {
        .context = context,
        .digest = digest_new(),
        .block = xcalloc(1, READ_BYTES),
        .tar = fd < 0 ? NULL : &tar,
    };
    char digest[DIGEST_HEX_SIZE];
    bool is_good;

    tar_writer_init(&tar, fd);
    is_good = add_steps(&packer, err) &&
              (!packer.tar || write_archive_end(&packer, err));
    digest_finish_hex(packer.digest, digest);
    digest_free(&packer.digest);
    tar_writer_done(&tar);
    free(packer.block);
    if (is_good)
        memcpy(ret_digest, digest, sizeof digest);
    return is_good;
}
