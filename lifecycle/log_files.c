/* log_files.c - the log files that the configuration names. */
#include "lifecycle/log_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lifecycle/settings.h"
#include "router/base/alloc.h"

struct log_files {
    const struct string_list *paths;
    int *fds;
};

static int connect_syslog(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX,
                                        .sun_path = "/dev/log"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The file alone may be no link: who can write to its directory could have us
 * append to any file of the system. (/var/log itself may be one.) O_NONBLOCK:
 * a FIFO that nobody reads must not hang the keeper. */
static int open_path(const char *path)
{
    if (strcmp(path, "/dev/stdout") == 0)
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (strcmp(path, "/dev/stderr") == 0)
        return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (strcmp(path, LOG_PATH_SYSLOG) == 0)
        return connect_syslog();
    return open(path,
                O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
                    O_NOCTTY | O_NONBLOCK,
                0640);
}

static void add_error(struct strbuf *errors, const char *path, int error)
{
    if (strcmp(path, LOG_PATH_SYSLOG) == 0) {
        strbuf_printf(errors, "syslog at /dev/log: %s (it must run)\n",
                      strerror(error));
        return;
    }
    strbuf_printf(errors, "log file %.400s: %s%s\n", path, strerror(error),
                  error == ELOOP    ? " (a log file may be no symbolic link)"
                  : error == ENOENT ? " (its directory must be there)"
                  : error == ENXIO  ? " (nobody reads that FIFO)"
                                    : "");
}

struct log_files *log_files_open(const struct string_list *paths,
                                 struct strbuf *errors)
{
    struct log_files *files = xcalloc(1, sizeof *files);
    bool ok = true;

    files->paths = paths;
    files->fds = xcalloc(paths->count + 1U, sizeof *files->fds);
    for (uint32_t i = 0; i < paths->count; i++) {
        files->fds[i] = open_path(paths->items[i]);
        if (files->fds[i] < 0) {
            add_error(errors, paths->items[i], errno);
            ok = false;
        }
    }
    if (!ok)
        log_files_free(&files);
    return files;
}

void log_files_free(struct log_files **files_ptr)
{
    struct log_files *files = *files_ptr;

    if (!files)
        return;
    for (uint32_t i = 0; i < files->paths->count; i++)
        if (files->fds[i] >= 0)
            close(files->fds[i]);
    free(files->fds);
    free(files);
    *files_ptr = NULL;
}

unsigned log_files_count(const struct log_files *files)
{
    return files->paths->count;
}

int log_files_fd(const struct log_files *files, unsigned index)
{
    return files->fds[index];
}

void log_files_reopen(struct log_files *files, struct strbuf *errors)
{
    for (uint32_t i = 0; i < files->paths->count; i++) {
        int fd = open_path(files->paths->items[i]);

        /* The number stays: berth's own log may be written to it. */
        if (fd < 0 || dup3(fd, files->fds[i], O_CLOEXEC) < 0)
            add_error(errors, files->paths->items[i], errno);
        if (fd >= 0)
            close(fd);
    }
}
