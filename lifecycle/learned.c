/* learned.c - what berth has learned about apps: a line for each.
 *
 * "NAME SERVICE ABSENT PULLED PRIMED HIBERNATED FROZEN [KEEP]": running means
 * of the service time and of the start time from each rung, in microseconds;
 * and until when it is to be kept, in seconds since 1970. Earlier versions of
 * berth wrote the first two rungs alone.
 */
#include "lifecycle/learned.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define FILE_NAME "learned"
/* Nobody's mean is longer. */
#define US_MAX         (UINT64_C(7) * 86400 * 1000000)
#define SIZE_MAX_BYTES (4 * 1024 * 1024)
#define NAME_SIZE      128
#define VALUES_MIN     3

/* --- reading --- */

static bool parse_line(struct strview line, char *ret_name,
                       struct learned_app *ret_app)
{
    uint64_t values[1 + LEARNED_RUNGS + 1] = {0};
    struct strview word;

    (void)!sv_split(&line, ' ', &word);
    if (word.len == 0 || word.len >= NAME_SIZE)
        return false;
    memcpy(ret_name, word.ptr, word.len);
    ret_name[word.len] = '\0';
    for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
        if (!line.ptr && i >= VALUES_MIN)
            break;
        if (!line.ptr) /* there was no separator after the last one */
            return false;
        (void)!sv_split(&line, ' ', &word);
        if (!sv_to_u64(word, US_MAX, &values[i]))
            return false;
    }
    if (line.ptr)
        return false;
    ret_app->service_us = values[0];
    memcpy(ret_app->start_us, &values[1], sizeof ret_app->start_us);
    ret_app->keep_until_unix_s = values[1 + LEARNED_RUNGS];
    return true;
}

/* All of it; a last line without its end was cut off. */
static bool parse(struct strview rest,
                  void (*fn)(void *arg, const char *name,
                             const struct learned_app *app),
                  void *arg, struct err *err)
{
    unsigned number = 0;
    unsigned bad = 0;

    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        char name[NAME_SIZE];
        struct learned_app app;
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;

        number++;
        if (end && parse_line(sv_make(rest.ptr, len), name, &app))
            fn(arg, name, &app);
        else if (bad == 0)
            bad = number;
        rest = sv_skip(rest, end ? len + 1 : len);
    }
    return bad == 0 ||
           err_set(err, ERR_INVALID, "line %u of the file makes no sense", bad);
}

static bool read_all(int fd, struct strbuf *text, struct err *err)
{
    for (;;) {
        char part[16384];
        ssize_t n = read(fd, part, sizeof part);

        if (n == 0)
            return true;
        if (n < 0)
            return err_set_errno(err, errno, "cannot read it");
        strbuf_add(text, part, (size_t)n);
        if (text->len > SIZE_MAX_BYTES)
            return err_set(err, ERR_LIMIT, "it is too large");
    }
}

bool learned_read(const char *state_dir,
                  void (*fn)(void *arg, const char *name,
                             const struct learned_app *app),
                  void *arg, struct err *err)
{
    AUTO(auto_free) char *path = xasprintf("%s/" FILE_NAME, state_dir);
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool ok;

    if (fd < 0 && errno == ENOENT)
        return true;
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    ok = read_all(fd, &text, err);
    close(fd);
    if (ok)
        ok = parse(strbuf_view(&text), fn, arg, err);
    return ok || err_prefix(err, "%s", path);
}

/* --- writing --- */

static bool is_known(const struct learned_app *app)
{
    uint64_t sum = app->service_us | app->keep_until_unix_s;

    for (unsigned i = 0; i < LEARNED_RUNGS; i++)
        sum |= app->start_us[i];
    return sum != 0;
}

void learned_add(struct strbuf *text, const char *name,
                 const struct learned_app *app)
{
    if (!is_known(app))
        return;
    strbuf_printf(text, "%s %" PRIu64, name, app->service_us);
    for (unsigned i = 0; i < LEARNED_RUNGS; i++)
        strbuf_printf(text, " %" PRIu64, app->start_us[i]);
    if (app->keep_until_unix_s > 0)
        strbuf_printf(text, " %" PRIu64, app->keep_until_unix_s);
    strbuf_add_char(text, '\n');
}

static bool write_all(int fd, struct strview rest)
{
    while (rest.len > 0) {
        ssize_t n = write(fd, rest.ptr, rest.len);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            rest = sv_skip(rest, (size_t)n);
    }
    return true;
}

bool learned_write(const char *state_dir, const struct strbuf *text,
                   struct err *err)
{
    AUTO(auto_free) char *path = xasprintf("%s/" FILE_NAME, state_dir);
    AUTO(auto_free) char *draft = xasprintf("%s.new", path);
    int fd;
    bool ok;

    if (unlink(draft) != 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove %s", draft);
    fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot make %s", draft);
    ok = write_all(fd, strbuf_view(text));
    ok = close(fd) == 0 && ok && rename(draft, path) == 0;
    if (!ok) {
        err_set_errno(err, errno, "cannot write %s", path);
        unlink(draft);
    }
    return ok;
}
