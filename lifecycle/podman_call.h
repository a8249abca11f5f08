/* podman_call.h - one call of engine.h under way at Podman: of one HTTP
 * request or of several, one after the other.
 *
 * Shared by podman.c and podman_*.c alone; everybody else knows engine.h. A
 * little long: all kinds of call are one struct, which only grows by a member.
 */
#ifndef LIFECYCLE_PODMAN_CALL_H
#define LIFECYCLE_PODMAN_CALL_H

#include "lifecycle/log_stream.h"
#include "lifecycle/podman_http.h"
#include "lifecycle/podman_private.h"
#include "router/base/list.h"
#include "router/base/strbuf.h"
#include "router/base/timers.h"

struct build_log;
struct event;
struct podman_handle;
struct podman_pod;
struct podman_pull;
struct pull_bytes;
struct reclaim;
struct sidecar_line;
struct sidecar_probe;

/* Which of engine.h's callbacks a call ends with. */
enum podman_done_kind {
    PODMAN_DONE,
    PODMAN_DONE_ID,
    PODMAN_DONE_IMAGE,
    PODMAN_DONE_CONTAINER,
    PODMAN_DONE_LIST,
    PODMAN_DONE_TEXT,
};

union podman_done {
    engine_done_fn plain;
    engine_id_fn id;
    engine_image_fn image;
    engine_container_fn container;
    engine_list_fn list;
    engine_text_fn text;
};

struct podman_call {
    struct engine_call base; /* first */
    struct podman *podman;
    struct list node;
    struct podman_request *request;
    void (*on_answer)(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *err);
    struct timer timer;  /* the next step, where one has to wait */
    struct event *alarm; /* likewise, to the millisecond; NULL: none yet */
    void (*on_timer)(struct podman_call *call);
    void (*on_cancel)(struct podman_call *call); /* NULL: nothing to undo */
    enum podman_done_kind kind;
    union podman_done done;
    void *arg;
    struct podman_handle *handle; /* NULL: the call is of none */
    struct podman_call **slot; /* NULL, or where its pointer is to be cleared */

    /* What each kind of call needs; NULL, 0 where it does not. */
    char *name;           /* id of a container, name of an image, a namespace */
    char *body;           /* create: the request, sent again at most once */
    char *network_name;   /* create: private network, made on demand */
    char *network_body;   /* NULL: it was asked for already */
    uint64_t deadline_us; /* wait */
    unsigned delay_ms;    /* wait */
    struct reclaim *reclaim;     /* hibernate */
    unsigned part;               /* of a pod: which of its containers is next */
    struct engine_call *sub;     /* of pods: the step under way */
    struct podman_pod *pod;      /* create: being made */
    struct sidecar_probe *probe; /* start */
    struct sidecar_line *line;   /* likewise */
    uint64_t stop_s;             /* stop: the grace */
    bool was_unpaused;           /* stop */
    bool is_again;               /* remove: asked for the second time */
    struct build_log *build;
    struct podman_pull *pull;
    struct pull_bytes *bytes; /* pull */
    uint64_t bytes_told;      /* pull */
    engine_progress_fn progress;
    struct log_stream logs;
    struct engine_log_reader reader; /* follow_logs */
    bool is_held;                    /* likewise */
    struct strbuf text;              /* logs */
    size_t text_max;
    struct err stream_err; /* code ERR_NONE: none */
    char **keep;           /* prune: apps, or layers, that stay */
    unsigned keep_count;
    uint64_t sent_us; /* the request under way; 0: not to be counted */
    unsigned metric;  /* enum metric_histogram_id, likewise */
    char **names;     /* prune: networks still to be removed; secrets */
    unsigned name_count;
    unsigned name_next; /* secrets: the next of names to ask for */
};

/* A call that ends with `kind`; its done function is set by the caller. */
MUST_USE struct podman_call *
podman_call_new(struct engine *engine, enum podman_done_kind kind, void *arg);

#define PODMAN_CONTAINERS "/v4.0.0/libpod/containers/"
/* "…/containers/ID" and what follows; the caller frees it. */
MUST_USE struct strbuf podman_call_path(const char *id, const char *rest);

/* The next request of a call. json: NULL for none. Its answer goes to
 * on_answer (set before). Where no Podman was found yet, that gets
 * ERR_UNAVAILABLE, not within this call. */
struct podman_step {
    const char *method;
    const char *path;
    const char *json;
    int body_fd;         /* with body_bytes: the body, in place of json */
    uint64_t body_bytes; /* 0: none */
    const char *field;   /* one more of the head, "NAME: VALUE"; NULL: none */
    uint64_t timeout_ms;
    size_t max_body;
    void (*on_bytes)(void *arg, struct strview bytes);
    void (*on_line)(void *arg, struct strview line);
};
void podman_call_send(struct podman_call *call, const struct podman_step *step);
/* on_timer runs after delay_ms (at least 1), or some 10 ms later. */
void podman_call_sleep(struct podman_call *call, unsigned delay_ms);
/* The same to the millisecond; 0: in the next turn of the loop. */
void podman_call_nap(struct podman_call *call, unsigned delay_ms);

/* Add `{"label":["berth.namespace=NAME"]}`, encoded, as the value of a
 * `filters=`; more: further members of it, in front, as JSON with a comma. */
void podman_call_add_filter(struct strbuf *path, struct strview namespace_name,
                            const char *more);

/* prune: it is one of those that stay. */
bool podman_call_keeps(const struct podman_call *call, const char *what);

/* False, with the reason, when there was no answer or one of 400 and more. */
MUST_USE bool podman_answer_is_good(const struct podman_answer *answer,
                                    const struct err *failure, struct err *err);

/* End the call: free it, then run its callback. Each fits one kind, but
 * podman_call_fail(), which fits all. */
void podman_call_fail(struct podman_call *call, const struct err *err);
void podman_call_finish(struct podman_call *call);
void podman_call_finish_id(struct podman_call *call, const char *id);
void podman_call_finish_image(struct podman_call *call,
                              const struct engine_image *image);
/* err: may be there beside the container. */
void podman_call_finish_container(struct podman_call *call,
                                  const struct engine_container *container,
                                  const struct err *err);
void podman_call_finish_list(struct podman_call *call,
                             const struct engine_container *containers,
                             unsigned count);
void podman_call_finish_text(struct podman_call *call, struct strview text);

/* engine_cancel(). */
void podman_call_cancel(struct engine_call *base);

#endif
