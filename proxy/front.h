/* front.h - the front's main thread: the channel to the keeper, the workers,
 * the probes, and what the admin API needs of them.
 *
 * Thread: main, all of it, but where it says otherwise.
 */
#ifndef PROXY_FRONT_H
#define PROXY_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

struct app;
struct front; /* opaque; defined in front.c */
struct loop;
struct metrics_registry;
struct proxy_settings;
struct questions; /* questions.h */
struct tls_settings;

/* How the front starts the admin API, which sits above it (proxy/admin may
 * include proxy, not the other way round; main.c knows both). */
struct front_admin {
    /* Once, when the first configuration is used; the result is given to the
     * others. */
    void *(*start)(struct front *front);
    /* Takes fd, a listening socket of settings.listeners[listener], which
     * is_admin. May be called several times a listener. */
    void (*listen)(void *admin, uint32_t listener, int fd);
    /* Another configuration: front_settings() is the new one. kept: where each
     * of its listeners until now stands in it; UINT32_MAX: it is gone. New ones
     * follow by listen. */
    void (*reload)(void *admin, const uint32_t *kept);
    /* New certificates of its listeners; borrowed for the call. */
    void (*update_tls)(void *admin, const struct tls_settings *settings);
    /* No question of front_questions() is answered afterwards. */
    void (*stop)(void *admin);
};

/* The front's whole life: speak with the keeper over channel_fd (taken), serve,
 * drain, end. admin NULL: without. Returns the exit code: 0 after a drain or
 * when the keeper is gone, 1 when the keeper's messages make no sense. */
int front_main(int channel_fd, const struct front_admin *admin);

struct loop *front_loop(const struct front *front);
/* Those that are used now; borrowed until the loop's next turn. */
const struct proxy_settings *front_settings(const struct front *front);
/* Thread: any. */
struct metrics_registry *front_metrics(const struct front *front);
/* index: into front_settings()->apps. */
struct app *front_app(const struct front *front, uint32_t index);
/* GO was received, and it is not draining. */
bool front_is_serving(const struct front *front);

/* What the admin API asks of the keeper. */
struct questions *front_questions(struct front *front);

#endif
