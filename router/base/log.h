/* log.h - berth's own log: one line an event, a level, a component, fields.
 *
 * error: an operator must act; warn: degraded; notice: rare and normal;
 * info: a state changed; debug: per request. Fields are `key=value` pairs in
 * the format; a value that may hold spaces is written as key="%s". What a
 * value holds is escaped (log_fields.h), control characters too, so no peer
 * can forge a field or a line.
 * Thread: any. Never blocks: a line that stderr does not take is dropped and
 * counted.
 */
#ifndef ROUTER_BASE_LOG_H
#define ROUTER_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARN, LOG_ERROR };

/* Set up once, before other threads run; may be called again by main.
 * fd: where lines go (borrowed). json: one JSON object a line.
 * process: "keeper" or "front", shown on every line; a literal. */
void log_setup(int fd, enum log_level level, bool json, const char *process);

/* Lines go to fd (borrowed) from now on: one that another thread writes at this
 * moment may still go where it was. To a datagram socket each is sent as a
 * message that syslog takes. Thread: main. */
void log_set_fd(int fd);
/* Thread: main. */
void log_set_style(enum log_level level, bool json);

bool log_is_on(enum log_level level);

/* "debug" … "error"; false when the name is none of them. */
MUST_USE bool log_level_parse(const char *name, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

/* Lines that were dropped so far because the descriptor took none. */
uint64_t log_dropped_count(void);

/* component: which part speaks ("fleet"); message: a fixed text;
 * format: the fields, "" for none; what log_fields_format() knows. */
void log_write(enum log_level level, const char *component, const char *message,
               const char *format, ...) PRINTF_LIKE(4, 5);

#define LOG_AT(level, ...)                                                     \
    do {                                                                       \
        if (log_is_on(level))                                                  \
            log_write(level, __VA_ARGS__);                                     \
    } while (0)
#define log_error(...)  LOG_AT(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)   LOG_AT(LOG_WARN, __VA_ARGS__)
#define log_notice(...) LOG_AT(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)   LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_debug(...)  LOG_AT(LOG_DEBUG, __VA_ARGS__)

/* At most one line a second from each place that peers can trigger: declare
 * `static struct log_rate rate;` there and ask first. ret_skipped: how many
 * were held back since the last one. Thread: any. */
struct log_rate {
    uint64_t next_us;
    uint64_t skipped;
};
bool log_rate_allows(struct log_rate *rate, uint64_t *ret_skipped);

#endif
