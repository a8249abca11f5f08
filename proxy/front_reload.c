/* front_reload.c - one configuration after another: prepared while the one
 * before serves, then used by all at once.
 *
 * The first is no other than a reload that has nothing before it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/front_apps.h"
#include "proxy/front_private.h"
#include "proxy/front_replicas.h"
#include "proxy/generation.h"
#include "proxy/log_writer.h"
#include "proxy/password_helper.h"
#include "proxy/settings.h"
#include "proxy/worker_generation.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/channel.h"

/* --- prepared --- */

/* The keeper has tried them; but this process may be held to another policy
 * (an OpenSSL configuration that only one of the two users can read). */
static bool certificates_are_good(const struct proxy_settings *settings,
                                  struct err *err)
{
    const struct tls_settings *admin = &settings->admin.tls;
    struct err warning;

    if (admin->pair_count > 0 && !tls_settings_check(admin, &warning, err))
        return false;
    for (uint32_t i = 0; i < settings->server_count; i++) {
        const struct tls_settings *tls = &settings->servers[i].tls;

        if (tls->pair_count > 0 && !tls_settings_check(tls, &warning, err))
            return false;
    }
    return true;
}

static bool can_be_had(const struct front *front,
                       const struct proxy_settings *settings, struct err *err)
{
    if (!settings)
        return err_set(err, ERR_INVALID, "a configuration that is not whole");
    if (front->workers && settings->worker_count != front->worker_count)
        return err_set(err, ERR_INVALID,
                       "worker_threads cannot change while berth runs");
    return certificates_are_good(settings, err);
}

static void close_sockets(struct front *front)
{
    for (uint32_t i = 0; i < front->socket_count; i++)
        close(front->sockets[i].fd);
    free(front->sockets);
    front->sockets = NULL;
    front->socket_count = 0;
}

void front_drop_next(struct front *front)
{
    struct generation *next = TAKE(front->next);

    close_sockets(front);
    if (front->next_error_log_fd >= 0)
        close(front->next_error_log_fd);
    front->next_error_log_fd = -1;
    for (unsigned i = 0; next && i < front->worker_count; i++) {
        worker_generation_free(&next->parts[i], front->metrics);
        generation_part_gone(&next, i);
    }
}

static void prepare(struct front *front, uint64_t number,
                    struct proxy_settings *settings)
{
    const struct shared_settings *shared = &settings->shared;
    struct generation_base base = {.apps = front->apps,
                                   .metrics = front->metrics,
                                   .before = front->current};

    if (!front->workers)
        front_begin(front, settings);
    if (shared->access_log_count > 0 && !front->log_writer)
        front->log_writer = log_writer_new(front->metrics);
    if (shared->basic_file_count > 0 && !front->password_helper)
        front->password_helper = password_helper_new();
    base.log_writer = front->log_writer;
    base.password_helper = front->password_helper;
    front->next = generation_new(&base, number, settings);
    list_add_tail(&front->generations, &front->next->node);
}

void front_on_config(struct front *front, const struct channel_config *message)
{
    struct proxy_settings *settings = proxy_settings_decode(message->settings);
    struct channel_prepared answer = {.generation = message->generation};
    struct err err = {0};

    answer.ok = can_be_had(front, settings, &err);
    if (!answer.ok && !front->workers) {
        proxy_settings_free(&settings);
        front_fail(front, err.text);
        return;
    }
    front_drop_next(front);
    if (answer.ok)
        prepare(front, message->generation, settings);
    else
        proxy_settings_free(&settings);
    answer.text = sv_of(err.text);
    channel_send_prepared(front->channel, &answer, NULL, 0);
}

static int take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

void front_on_listener(struct front *front, uint32_t index, int *fds,
                       unsigned fd_count)
{
    uint32_t count = front->socket_count + fd_count;

    if (!front->next || index >= front->next->settings->listener_count ||
        fd_count == 0) {
        front_fail(front, "a listener that is not configured");
        return;
    }
    front->sockets = xrealloc(front->sockets, count * sizeof *front->sockets);
    for (unsigned i = 0; i < fd_count; i++)
        front->sockets[front->socket_count++] =
            (struct worker_socket){index, take(&fds[i])};
}

/* --- log files --- */

/* Its number stays the same over a rotation: other threads write to it. */
static void move_error_log(struct front *front, int fd)
{
    if (front->error_log_fd >= 0)
        dup3(fd, front->error_log_fd, O_CLOEXEC);
    else
        front->error_log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (front->error_log_fd >= 0)
        log_set_fd(front->error_log_fd);
}

static void keep_error_log(struct front *front, int fd)
{
    if (front->next_error_log_fd >= 0)
        close(front->next_error_log_fd);
    front->next_error_log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* The one that is prepared, or in force. */
static struct generation *generation_of(const struct front *front,
                                        uint64_t number)
{
    if (front->next && front->next->number == number)
        return front->next;
    if (front->current && front->current->number == number)
        return front->current;
    return NULL;
}

void front_on_log_file(struct front *front,
                       const struct channel_log_file *message, int *fds,
                       unsigned fd_count)
{
    struct generation *of = generation_of(front, message->generation);
    const struct shared_settings *shared = of ? &of->settings->shared : NULL;

    if (!shared || message->index >= shared->log_file_count) {
        front_fail(front, "a log file that is not configured");
        return;
    }
    if (fd_count == 0) {
        log_error("front", "no descriptor was left for a log file", "%s", "");
        return;
    }
    if (shared->error_log == message->index + 1) {
        if (of == front->current)
            move_error_log(front, fds[0]);
        else
            keep_error_log(front, fds[0]);
    }
    if (of->log_writer)
        log_writer_set_file(of->log_writer, of->log_files[message->index],
                            take(&fds[0]));
}

/* The keeper decides where it goes before it serves: to stderr. */
static void use_error_log(struct front *front)
{
    const struct proxy_settings *settings = front->current->settings;

    log_set_style(settings->log_level, settings->log_json);
    if (settings->shared.error_log == 0)
        log_set_fd(STDERR_FILENO);
    else if (front->next_error_log_fd >= 0)
        move_error_log(front, front->next_error_log_fd);
    if (front->next_error_log_fd >= 0)
        close(front->next_error_log_fd);
    front->next_error_log_fd = -1;
}

/* --- used --- */

/* The same address, for the same purpose, keeps its sockets. */
static uint32_t find_listener(const struct proxy_settings *settings,
                              const struct listener_settings *like)
{
    for (uint32_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];

        if (listener->is_admin == like->is_admin &&
            address_equal(&listener->address, &like->address))
            return i;
    }
    return UINT32_MAX;
}

/* Where each listener of `before` stands now. */
static uint32_t *map_listeners(const struct proxy_settings *before,
                               const struct proxy_settings *now)
{
    uint32_t *kept = xcalloc(before->listener_count + 1U, sizeof *kept);

    for (uint32_t i = 0; i < before->listener_count; i++)
        kept[i] = find_listener(now, &before->listeners[i]);
    return kept;
}

/* One socket of a listener for each worker: its own, or the same for all. */
static int socket_for(struct front *front, uint32_t listener, unsigned worker)
{
    unsigned count = 0;
    int last = -1;

    for (uint32_t i = 0; i < front->socket_count; i++) {
        struct worker_socket *socket = &front->sockets[i];

        if (socket->listener != listener)
            continue;
        last = socket->fd;
        if (count++ == worker)
            break;
    }
    return last < 0 ? -1 : fcntl(last, F_DUPFD_CLOEXEC, 0);
}

static void add_sockets(struct front *front, struct worker_switch *order,
                        unsigned worker)
{
    const struct proxy_settings *now = front->current->settings;

    order->added = xcalloc(now->listener_count + 1U, sizeof *order->added);
    for (uint32_t i = 0; i < now->listener_count; i++) {
        int fd = now->listeners[i].is_admin ? -1 : socket_for(front, i, worker);

        if (fd >= 0)
            order->added[order->added_count++] = (struct worker_socket){i, fd};
    }
}

static void switch_workers(struct front *front, const uint32_t *kept,
                           uint32_t kept_count)
{
    for (unsigned i = 0; i < front->worker_count; i++) {
        struct worker_switch *order = xcalloc(1, sizeof *order);

        order->generation = front->current->parts[i];
        order->number = front->current->number;
        order->kept_count = kept_count;
        order->kept = xcalloc(kept_count + 1U, sizeof *order->kept);
        if (kept_count > 0)
            memcpy(order->kept, kept, kept_count * sizeof *kept);
        add_sockets(front, order, i);
        worker_switch(front->workers[i], order);
    }
}

static void switch_admin(struct front *front, const uint32_t *kept)
{
    const struct proxy_settings *now = front->current->settings;

    if (!front->admin_api)
        return;
    if (!front->admin)
        front->admin = front->admin_api->start(front);
    else
        front->admin_api->reload(front->admin, kept);
    for (uint32_t i = 0; i < front->socket_count; i++) {
        struct worker_socket *socket = &front->sockets[i];
        int fd = now->listeners[socket->listener].is_admin
                     ? fcntl(socket->fd, F_DUPFD_CLOEXEC, 0)
                     : -1;

        if (fd >= 0)
            front->admin_api->listen(front->admin, socket->listener, fd);
    }
}

static void begin_serving(struct front *front)
{
    front->is_serving = true;
    for (unsigned i = 0; i < front->worker_count; i++)
        worker_start(front->workers[i]);
    front_apps_start(front->apps);
}

void front_on_go(struct front *front, uint64_t number)
{
    const struct generation *before = front->current;
    uint32_t kept_count = before ? before->settings->listener_count : 0;
    uint32_t *kept;

    if (front->is_draining || !front->next || front->next->number != number)
        return;
    front->current = TAKE(front->next);
    front->switched_count = 0;
    kept = before ? map_listeners(before->settings, front->current->settings)
                  : NULL;
    use_error_log(front);
    front_apps_use(front->apps, front->current);
    front_replicas_on_settings(front->replicas);
    switch_workers(front, kept, kept_count);
    switch_admin(front, kept);
    free(kept);
    close_sockets(front);
    if (!front->is_serving)
        begin_serving(front);
}

void front_on_switched(void *arg, uint64_t number)
{
    struct front *front = arg;
    const struct channel_ready message = {.generation = number};

    if (number != front->current->number ||
        ++front->switched_count < front->worker_count)
        return;
    if (!front->has_served)
        log_notice("front", "serving", "workers=%u", front->worker_count);
    else
        log_info("front", "all workers serve by it", "generation=%llu",
                 (unsigned long long)number);
    front->has_served = true;
    channel_send_ready(front->channel, &message, NULL, 0);
}

void front_on_generation_ended(void *arg, struct worker_generation *part)
{
    struct front *front = arg;
    struct generation *generation = part->shared;
    uint64_t number = generation->number;
    unsigned worker = part->index;
    bool is_current = generation == front->current;

    worker_generation_free(&part, front->metrics);
    generation_part_gone(&generation, worker);
    if (generation)
        return;
    if (is_current)
        front->current = NULL;
    log_debug("front", "nobody uses it any more", "generation=%llu",
              (unsigned long long)number);
}
