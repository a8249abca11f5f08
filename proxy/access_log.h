/* access_log.h - the lines of access logs: what a request was, in the format
 * that its route has.
 *
 * Formats are compiled once; a line is made without a look-up or an
 * allocation. Thread: any, where a function does not say otherwise.
 */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/arena.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"
#include "router/log_format.h"

struct http_head;
struct shared_settings;

/* One access_log of the configuration. */
struct access_log {
    uint32_t file; /* index of the log file; then its number */
    struct log_format format;
    uint64_t uses; /* 1 << variable: those that stand in it */
};

struct access_logs {
    uint32_t count;
    struct access_log *all; /* by number - 1 */
};

MUST_USE struct access_logs *access_logs_new(const struct shared_settings *s);
void access_logs_free(struct access_logs **logs);
/* Each file gets the number that stands at its index. Before they are used. */
void access_logs_renumber(struct access_logs *logs, const unsigned *numbers);

static inline bool access_log_uses(const struct access_log *log,
                                   enum log_variable variable)
{
    return (log->uses >> variable) & 1;
}

/* One request and its answer; all borrowed. What is not known is empty. */
struct access_entry {
    struct strview remote; /* the client, as trusted proxies say */
    struct strview peer;   /* who connected */
    struct strview user;
    struct strview server_name;
    struct strview request_id;
    struct strview app;
    struct strview route; /* its prefix */
    struct strview revision;
    struct strview replica;
    struct strview upstream;
    struct strview warmth;
    struct strview error;
    const struct strview *head_values; /* access_log_keep(); or NULL */
    struct strview sent_head;          /* the answer's head, as it was sent */
    uint64_t unix_ms;
    uint64_t body_bytes; /* sent */
    uint64_t bytes;      /* sent, with the head */
    uint64_t request_bytes;
    uint64_t request_us;
    uint64_t queue_us;
    uint64_t upstream_us;
    uint64_t connection;
    uint32_t connection_requests;
    uint16_t status;
    uint16_t remote_port;
    uint16_t server_port;
    bool cold_start;
    bool is_tls;
};

/* Keep in the arena what the format wants of a request's head: one value an
 * op. path: as it was normalised; may be empty. */
MUST_USE struct strview *access_log_keep(const struct access_log *log,
                                         const struct http_head *head,
                                         struct strview path,
                                         struct arena *arena);
/* The same of a head that could not be understood: its first line. */
MUST_USE struct strview *access_log_keep_raw(const struct access_log *log,
                                             struct strview bytes,
                                             struct arena *arena);

/* Append the line, line feed included. */
void access_log_write(const struct access_log *log,
                      const struct access_entry *entry, struct strbuf *line);

#endif
