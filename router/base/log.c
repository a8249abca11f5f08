/* log.c - berth's own log. */
#include "router/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/clock.h"
#include "router/base/log_fields.h"
#include "router/base/strbuf.h"

#define FIELDS_BYTES 3072

static struct {
    int fd;
    enum log_level level;
    bool json;
    bool is_syslog; /* fd is a datagram socket */
    const char *process;
} settings = {STDERR_FILENO, LOG_INFO, false, false, "berth"};

static uint64_t dropped;

static const char *const level_names[] = {"debug", "info", "notice", "warn",
                                          "error"};

/* Of syslog's facility daemon; <syslog.h> has our levels' names. */
static const int priorities[] = {24 + 7, 24 + 6, 24 + 5, 24 + 4, 24 + 3};

void log_setup(int fd, enum log_level level, bool json, const char *process)
{
    log_set_fd(fd);
    __atomic_store_n(&settings.json, json, __ATOMIC_RELAXED);
    settings.process = process;
    __atomic_store_n(&settings.level, level, __ATOMIC_RELAXED);
}

void log_set_fd(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    bool is_syslog = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
                     type == SOCK_DGRAM;

    __atomic_store_n(&settings.is_syslog, is_syslog, __ATOMIC_RELAXED);
    __atomic_store_n(&settings.fd, fd, __ATOMIC_RELAXED);
}

void log_set_style(enum log_level level, bool json)
{
    __atomic_store_n(&settings.json, json, __ATOMIC_RELAXED);
    __atomic_store_n(&settings.level, level, __ATOMIC_RELAXED);
}

static int log_fd(void)
{
    return __atomic_load_n(&settings.fd, __ATOMIC_RELAXED);
}

bool log_is_on(enum log_level level)
{
    return level >= __atomic_load_n(&settings.level, __ATOMIC_RELAXED);
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

uint64_t log_dropped_count(void)
{
    return __atomic_load_n(&dropped, __ATOMIC_RELAXED);
}

static void add_escaped(struct strbuf *line, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '\n')
            strbuf_add_str(line, "\\n");
        else if (c < 0x20 || c == 0x7F)
            strbuf_printf(line, "\\x%02x", c);
        else
            strbuf_add_char(line, *p);
    }
}

static void add_json_line(struct strbuf *line, const char *time,
                          enum log_level level, const char *component,
                          const char *message, const char *fields)
{
    AUTO(strbuf_done) struct strbuf value = STRBUF_INIT;
    struct strview key;

    strbuf_printf(line,
                  "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\","
                  "\"component\":\"%s\",\"message\":",
                  time, level_names[level], settings.process, component);
    strbuf_add_json(line, sv_of(message));
    while (*fields) {
        fields = log_fields_next(fields, &key, &value);
        strbuf_add_char(line, ',');
        strbuf_add_json(line, key);
        strbuf_add_char(line, ':');
        strbuf_add_json(line, strbuf_view(&value));
    }
    strbuf_add_str(line, "}\n");
}

static void write_line(const struct strbuf *line)
{
    size_t done = 0;

    while (done < line->len) {
        ssize_t n = write(log_fd(), line->data + done, line->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            __atomic_add_fetch(&dropped, 1, __ATOMIC_RELAXED);
            return;
        }
        done += (size_t)n;
    }
}

/* A full pipe must not stop a worker, and the descriptor is shared with
 * others, so it cannot be made non-blocking: ask first. Lines are shorter
 * than PIPE_BUF, which a pipe that polls writable takes whole. */
static bool takes_a_line(void)
{
    struct pollfd pfd = {.fd = log_fd(), .events = POLLOUT};

    return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLOUT);
}

void log_write(enum log_level level, const char *component, const char *message,
               const char *format, ...)
{
    AUTO(strbuf_done) struct strbuf fields = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf line = STRBUF_INIT;
    char time[CLOCK_ISO_SIZE];
    int saved = errno;
    va_list args;

    va_start(args, format);
    log_fields_format(&fields, format, args);
    va_end(args);
    strbuf_add_char(&fields, '\0'); /* there, even when there are none */
    if (fields.len > FIELDS_BYTES)
        fields.data[FIELDS_BYTES] = '\0';
    clock_format_iso(clock_unix_ms(), time);
    if (__atomic_load_n(&settings.is_syslog, __ATOMIC_RELAXED))
        strbuf_printf(&line, "<%d>berth[%d]: ", priorities[level],
                      (int)getpid());
    if (__atomic_load_n(&settings.json, __ATOMIC_RELAXED)) {
        add_json_line(&line, time, level, component, message, fields.data);
    } else {
        strbuf_printf(&line, "%s %s %s/%s: ", time, level_names[level],
                      settings.process, component);
        add_escaped(&line, message);
        if (fields.data[0]) {
            strbuf_add_char(&line, ' ');
            add_escaped(&line, fields.data);
        }
        strbuf_add_char(&line, '\n');
    }
    if (takes_a_line())
        write_line(&line);
    else
        __atomic_add_fetch(&dropped, 1, __ATOMIC_RELAXED);
    errno = saved;
}

bool log_rate_allows(struct log_rate *rate, uint64_t *ret_skipped)
{
    uint64_t now = clock_now_us();
    uint64_t next = __atomic_load_n(&rate->next_us, __ATOMIC_RELAXED);

    if (now < next || !__atomic_compare_exchange_n(
                          &rate->next_us, &next, now + 1000000, false,
                          __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_add_fetch(&rate->skipped, 1, __ATOMIC_RELAXED);
        return false;
    }
    *ret_skipped = __atomic_exchange_n(&rate->skipped, 0, __ATOMIC_RELAXED);
    return true;
}
