/* fake_front.c - the other end of the keeper's channel. */
#include "tests/support/fake_front.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "router/app.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"

static void on_add(struct fake_front *front, struct strview payload,
                   unsigned fd_count)
{
    struct channel_replica_add m;

    if (!channel_decode_replica_add(payload, &m))
        abort();
    front->last_replica = m.replica;
    strbuf_printf(&front->log,
                  "add app=%u replica=%lu name=%.*s connect=%u address=%.*s "
                  "port=%u probe=%u fds=%u",
                  m.app, (unsigned long)m.replica, SV_ARG(m.name), m.connect,
                  SV_ARG(m.address), m.port, m.probe, fd_count);
    if (m.sleep)
        strbuf_printf(&front->log, " sleep=%u family=%u", m.sleep, m.family);
    if (m.trial)
        strbuf_add_str(&front->log, " trial");
    strbuf_printf(&front->log, " serial=%lu\n", (unsigned long)m.serial);
}

static void on_state(struct fake_front *front, struct strview payload)
{
    static const char *const names[] = {"asleep", "starting", "ready",
                                        "failed"};
    struct channel_app_state m;

    if (!channel_decode_app_state(payload, &m) || m.state > APP_FAILED)
        abort();
    strbuf_printf(&front->log,
                  "state app=%u %s code=%.*s retry=%lu reason=%.*s\n", m.app,
                  names[m.state], SV_ARG(m.code),
                  (unsigned long)m.retry_after_ms, SV_ARG(m.reason));
}

static void on_starts(struct fake_front *front, struct strview payload)
{
    struct channel_app_starts m;
    uint64_t now_us = clock_now_us();

    if (!channel_decode_app_starts(payload, &m))
        abort();
    if (m.until_us == 0)
        strbuf_printf(&front->log, "starts app=%u none\n", m.app);
    else
        strbuf_printf(&front->log, "starts app=%u seconds=%.1f\n", m.app,
                      m.until_us > now_us ? (double)(m.until_us - now_us) / 1e6
                                          : 0);
}

static void on_replica(struct fake_front *front, enum channel_type type,
                       struct strview payload)
{
    struct channel_replica_drain drain;
    struct channel_replica_remove removal;
    struct channel_replica_resume resume;
    struct channel_app_shrink shrink;
    struct channel_app_proven proven;
    struct channel_replica_evict evict;

    if (type == CHANNEL_REPLICA_DRAIN &&
        channel_decode_replica_drain(payload, &drain))
        strbuf_printf(&front->log, "drain replica=%lu reason=%.*s\n",
                      (unsigned long)drain.replica, SV_ARG(drain.reason));
    else if (type == CHANNEL_REPLICA_REMOVE &&
             channel_decode_replica_remove(payload, &removal))
        strbuf_printf(&front->log, "remove replica=%lu reason=%.*s\n",
                      (unsigned long)removal.replica, SV_ARG(removal.reason));
    else if (type == CHANNEL_REPLICA_RESUME &&
             channel_decode_replica_resume(payload, &resume))
        strbuf_printf(&front->log, "resume replica=%lu\n",
                      (unsigned long)resume.replica);
    else if (type == CHANNEL_APP_SHRINK &&
             channel_decode_app_shrink(payload, &shrink))
        strbuf_printf(&front->log, "shrink app=%u keep=%u\n", shrink.app,
                      shrink.keep);
    else if (type == CHANNEL_APP_PROVEN &&
             channel_decode_app_proven(payload, &proven))
        strbuf_printf(&front->log, "proven app=%u\n", proven.app);
    else if (type == CHANNEL_REPLICA_EVICT &&
             channel_decode_replica_evict(payload, &evict))
        strbuf_printf(&front->log, "evict replica=%lu\n",
                      (unsigned long)evict.replica);
    else
        abort();
}

static void on_sleep(struct fake_front *front, enum channel_type type,
                     struct strview payload)
{
    struct channel_app_sleep app;
    struct channel_replica_sleep sleep;
    struct channel_replica_awake awake;

    if (type == CHANNEL_APP_SLEEP && channel_decode_app_sleep(payload, &app))
        strbuf_printf(&front->log, "sleep app=%u awake=%u\n", app.app,
                      app.awake);
    else if (type == CHANNEL_REPLICA_SLEEP &&
             channel_decode_replica_sleep(payload, &sleep))
        strbuf_printf(&front->log, "sleep replica=%lu published=%u\n",
                      (unsigned long)sleep.replica, sleep.published);
    else if (type == CHANNEL_REPLICA_AWAKE &&
             channel_decode_replica_awake(payload, &awake))
        strbuf_printf(&front->log, "awake replica=%lu answer=%u\n",
                      (unsigned long)awake.replica, awake.answer);
    else
        abort();
}

static void on_sockets(struct fake_front *front, struct strview payload,
                       unsigned fd_count)
{
    struct channel_sockets m;

    if (!channel_decode_sockets(payload, &m))
        abort();
    strbuf_printf(&front->log, "sockets replica=%lu fds=%u error=%.*s\n",
                  (unsigned long)m.replica, fd_count, SV_ARG(m.error));
}

static void on_front_message(void *arg, enum channel_type type,
                             struct strview payload, int *fds,
                             unsigned fd_count)
{
    struct fake_front *front = arg;

    (void)fds; /* closed by the channel */
    front->fd_count += fd_count;
    switch (type) {
    case CHANNEL_REPLICA_ADD:
        on_add(front, payload, fd_count);
        break;
    case CHANNEL_APP_STATE:
        on_state(front, payload);
        break;
    case CHANNEL_APP_STARTS:
        on_starts(front, payload);
        break;
    case CHANNEL_SOCKETS:
        on_sockets(front, payload, fd_count);
        break;
    case CHANNEL_REPLICA_DRAIN:
    case CHANNEL_REPLICA_REMOVE:
    case CHANNEL_REPLICA_RESUME:
    case CHANNEL_APP_SHRINK:
    case CHANNEL_APP_PROVEN:
    case CHANNEL_REPLICA_EVICT:
        on_replica(front, type, payload);
        break;
    case CHANNEL_APP_SLEEP:
    case CHANNEL_REPLICA_SLEEP:
    case CHANNEL_REPLICA_AWAKE:
        on_sleep(front, type, payload);
        break;
    default:
        strbuf_printf(&front->log, "%s\n", channel_type_name(type));
        break;
    }
}

static void on_keeper_message(void *arg, enum channel_type type,
                              struct strview payload, int *fds,
                              unsigned fd_count)
{
    struct fake_front *front = arg;

    (void)fds;
    (void)fd_count;
    if (!front->on_message(front->arg, type, payload))
        abort();
}

static void on_close(void *arg, const char *why)
{
    (void)arg;
    (void)why;
    abort(); /* both ends are ours */
}

struct fake_front *fake_front_new(struct loop *loop,
                                  bool (*on_message)(void *arg,
                                                     enum channel_type type,
                                                     struct strview payload),
                                  void *arg)
{
    struct fake_front *front = xcalloc(1, sizeof *front);
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        abort();
    front->on_message = on_message;
    front->arg = arg;
    front->channel =
        channel_new(loop, pair[0], on_front_message, on_close, front);
    front->keeper =
        channel_new(loop, pair[1], on_keeper_message, on_close, front);
    strbuf_add_str(&front->log, "");
    return front;
}

void fake_front_free(struct fake_front **front_ptr)
{
    struct fake_front *front = *front_ptr;

    if (!front)
        return;
    channel_free(&front->channel);
    channel_free(&front->keeper);
    strbuf_done(&front->log);
    free(front);
    *front_ptr = NULL;
}

void fake_front_demand(struct fake_front *front, uint32_t app, uint32_t queued,
                       uint32_t in_flight, uint64_t unserved)
{
    struct channel_demand demand = {.app = app,
                                    .queued = queued,
                                    .in_flight = in_flight,
                                    .arrivals = queued + in_flight + unserved,
                                    .unserved = unserved,
                                    .at_us = clock_now_us()};

    front->queued = queued;
    channel_send_demand(front->channel, &demand, NULL, 0);
}

unsigned fake_front_count(const struct fake_front *front, const char *text)
{
    unsigned count = 0;

    for (const char *at = front->log.data; at && (at = strstr(at, text));
         at += strlen(text))
        count++;
    return count;
}

void fake_front_asleep(struct fake_front *front, uint64_t replica, bool ok,
                       bool is_withheld)
{
    const struct channel_replica_asleep message = {.replica = replica,
                                                   .ok = ok,
                                                   .withheld = is_withheld,
                                                   .queued = front->queued,
                                                   .reason = SV("it is busy")};

    channel_send_replica_asleep(front->channel, &message, NULL, 0);
}

void fake_front_wake(struct fake_front *front, uint64_t replica)
{
    const struct channel_replica_wake message = {replica, clock_now_us()};

    channel_send_replica_wake(front->channel, &message, NULL, 0);
}

void fake_front_first_byte(struct fake_front *front, uint64_t replica,
                           uint64_t after_us)
{
    const struct channel_replica_first_byte message = {replica, clock_now_us() +
                                                                    after_us};

    channel_send_replica_first_byte(front->channel, &message, NULL, 0);
}
