/* admin_gate.c - no more than so many connections to the admin API. */
#include "proxy/admin/admin_gate.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "tls/tls_context.h"

#define LOOK_AGAIN_MS 100

struct gate_entry {
    struct bufferevent *fresh; /* of this turn: its socket is not known yet */
    int fd;
    dev_t device;
    ino_t inode;
    uint64_t since; /* what it is at; of gate->turn */
    bool is_held;   /* a request of it is being answered */
};

struct gate_listener {
    struct gate_listener *next;
    struct admin_gate *gate;
    struct evconnlistener *listener;
    struct tls_context *const *tls; /* NULL: plain */
};

struct admin_gate {
    struct admin_gate *next;
    struct loop *loop;
    unsigned max;
    unsigned count;
    uint64_t turn;
    struct gate_entry *entries; /* has room for max */
    struct gate_listener *listeners;
    bool is_closed;
    struct event *look_again;
    struct loop_task learn;
};

/* evconnlistener hands its error call back evhttp's argument, so ours have to
 * be found another way. */
static struct admin_gate *gates;

static bool entry_is_open(const struct gate_entry *entry)
{
    struct stat now;

    return fstat(entry->fd, &now) == 0 && now.st_dev == entry->device &&
           now.st_ino == entry->inode;
}

/* Forget what has ended; the order does not matter. */
static void sweep(struct admin_gate *gate)
{
    unsigned i = 0;

    while (i < gate->count) {
        struct gate_entry *entry = &gate->entries[i];

        if (entry->fresh || entry_is_open(entry))
            i++;
        else
            *entry = gate->entries[--gate->count];
    }
}

static void set_closed(struct admin_gate *gate, bool is_closed)
{
    if (gate->is_closed == is_closed)
        return;
    gate->is_closed = is_closed;
    for (struct gate_listener *l = gate->listeners; l; l = l->next) {
        if (is_closed)
            evconnlistener_disable(l->listener);
        else
            evconnlistener_enable(l->listener);
    }
    log_debug("admin", is_closed ? "too many connections" : "accepting again",
              "count=%u", gate->count);
}

/* That which has asked for nothing for longest; NULL: none. */
static struct gate_entry *find_oldest(struct admin_gate *gate)
{
    struct gate_entry *oldest = NULL;

    for (unsigned i = 0; i < gate->count; i++) {
        struct gate_entry *entry = &gate->entries[i];

        if (!entry->fresh && !entry->is_held &&
            (!oldest || entry->since < oldest->since))
            oldest = entry;
    }
    return oldest;
}

/* evhttp sees the end of it, and frees it. */
static void close_oldest(struct admin_gate *gate)
{
    struct gate_entry *oldest = find_oldest(gate);

    if (!oldest)
        return;
    shutdown(oldest->fd, SHUT_RDWR);
    *oldest = gate->entries[--gate->count];
}

/* Cost: a system call for each connection when all places are taken. */
static void close_or_open(struct admin_gate *gate)
{
    const struct timeval later = {0, LOOK_AGAIN_MS * 1000};

    if (gate->count >= gate->max)
        sweep(gate);
    set_closed(gate, gate->count >= gate->max && !find_oldest(gate));
    if (gate->is_closed)
        event_add(gate->look_again, &later);
}

static void on_look_again(evutil_socket_t fd UNUSED, short what UNUSED,
                          void *arg)
{
    close_or_open(arg);
}

/* No descriptors left, most likely: trying again at once would only spin. */
static void on_accept_error(struct evconnlistener *listener UNUSED,
                            void *arg UNUSED)
{
    static struct log_rate rate;
    const int error = errno;
    const struct timeval later = {0, LOOK_AGAIN_MS * 1000};
    uint64_t skipped;

    for (struct admin_gate *gate = gates; gate; gate = gate->next) {
        set_closed(gate, true);
        event_add(gate->look_again, &later);
    }
    if (log_rate_allows(&rate, &skipped))
        log_warn("admin", "accept failed", "error=\"%s\"", strerror(error));
}

/* At the end of the turn of the accept: the bufferevent has its socket now,
 * and cannot have been freed yet, for nothing was read in this turn. */
static void on_learn(struct loop_task *task)
{
    struct admin_gate *gate = container_of(task, struct admin_gate, learn);

    for (unsigned i = 0; i < gate->count; i++) {
        struct gate_entry *entry = &gate->entries[i];
        struct stat now;

        if (!entry->fresh)
            continue;
        entry->fd = bufferevent_getfd(entry->fresh);
        entry->fresh = NULL;
        if (fstat(entry->fd, &now) == 0) {
            entry->device = now.st_dev;
            entry->inode = now.st_ino;
        }
    }
    close_or_open(gate);
}

static struct gate_entry *entry_of(struct admin_gate *gate,
                                   struct evhttp_request *request)
{
    struct evhttp_connection *connection =
        evhttp_request_get_connection(request);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));

    for (unsigned i = 0; i < gate->count; i++) {
        if (!gate->entries[i].fresh && gate->entries[i].fd == fd &&
            entry_is_open(&gate->entries[i]))
            return &gate->entries[i];
    }
    return NULL;
}

static void on_answered(struct evhttp_request *request, void *arg)
{
    struct admin_gate *gate = arg;
    struct gate_entry *entry = entry_of(gate, request);

    if (!entry)
        return;
    entry->is_held = false;
    entry->since = ++gate->turn;
}

void admin_gate_hold(struct admin_gate *gate, struct evhttp_request *request)
{
    struct gate_entry *entry = entry_of(gate, request);

    if (!entry)
        return;
    entry->is_held = true;
    evhttp_request_set_on_complete_cb(request, on_answered, gate);
}

/* evhttp asks for the bufferevent of a connection that it just accepted. */
static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
    struct gate_listener *listener = arg;
    struct admin_gate *gate = listener->gate;
    struct bufferevent *bev =
        listener->tls ? bufferevent_openssl_socket_new(
                            base, -1, tls_context_accept(*listener->tls),
                            BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
                      : bufferevent_socket_new(base, -1, 0);

    if (!bev)
        abort(); /* out of memory, as everywhere */
    if (gate->count >= gate->max)
        sweep(gate);
    if (gate->count >= gate->max)
        close_oldest(gate);
    if (gate->count < gate->max)
        gate->entries[gate->count++] =
            (struct gate_entry){.fresh = bev, .since = ++gate->turn};
    if (!loop_task_is_pending(&gate->learn))
        loop_defer(gate->loop, &gate->learn);
    close_or_open(gate);
    return bev;
}

struct admin_gate *admin_gate_new(struct loop *loop, unsigned max)
{
    struct admin_gate *gate = xcalloc(1, sizeof(*gate));

    gate->loop = loop;
    gate->max = max;
    gate->entries = xcalloc(max, sizeof(*gate->entries));
    gate->learn.run = on_learn;
    gate->look_again = evtimer_new(loop_base(loop), on_look_again, gate);
    gate->next = gates;
    gates = gate;
    return gate;
}

void admin_gate_watch(struct admin_gate *gate, struct evhttp *http,
                      struct evconnlistener *listener,
                      struct tls_context *const *tls)
{
    struct gate_listener *l = xcalloc(1, sizeof(*l));

    *l = (struct gate_listener){gate->listeners, gate, listener, tls};
    gate->listeners = l;
    evhttp_set_bevcb(http, on_connection, l);
    evconnlistener_set_error_cb(listener, on_accept_error);
}

void admin_gate_unwatch(struct admin_gate *gate,
                        struct evconnlistener *listener)
{
    struct gate_listener **at = &gate->listeners;

    while (*at && (*at)->listener != listener)
        at = &(*at)->next;
    if (*at) {
        struct gate_listener *gone = *at;

        *at = gone->next;
        free(gone);
    }
}

unsigned admin_gate_count(struct admin_gate *gate)
{
    sweep(gate);
    return gate->count;
}

static void free_gate(void *ptr)
{
    struct admin_gate *gate = ptr;

    while (gate->listeners) {
        struct gate_listener *l = gate->listeners;

        gate->listeners = l->next;
        free(l);
    }
    free(gate->entries);
    free(gate);
}

void admin_gate_free(struct admin_gate **gate)
{
    struct admin_gate *gone = *gate;

    if (!gone)
        return;
    event_free(gone->look_again);
    *gate = NULL;
    for (struct admin_gate **at = &gates; *at; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            break;
        }
    }
    /* on_learn may still be due in this turn. */
    gone->count = 0;
    loop_free_later(gone->loop, gone, free_gate);
}
