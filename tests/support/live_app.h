/* live_app.h - one test app in a real, private Podman, and an engine for it:
 * what tests of the engine share. Asserts by itself.
 */
#ifndef TESTS_SUPPORT_LIVE_APP_H
#define TESTS_SUPPORT_LIVE_APP_H

#include "tests/support/engine_world.h"
#include "tests/support/podman_fixture.h"

extern struct podman_fixture live_fixture;
extern struct engine_world live_world;
extern bool live_is_started; /* so that live_end() has something to do */

/* Skips the test where there is no Podman, or no root. serve false: the engine
 * starts a service of its own. live_end() belongs into the suite's .fini; a
 * second one does nothing. */
void live_start(bool serve);
void live_end(void);

struct container_settings live_settings(const char *image);
/* Its name is that of the last call. */
struct engine_spec live_spec(const struct container_settings *container,
                             const char *app, const char *replica);
/* Create and start; live_world.container is it then. */
void live_run(const struct engine_spec *spec);
/* Hold live_world.container. */
struct engine_handle *live_attach(void);

/* What a GET of path brings over a connected socket; "": nothing. Borrowed
 * until the next one. */
const char *live_get(int fd, const char *path);
bool live_connect_to(int fd, const char *host, uint32_t port);
/* GET path through sockets made inside, until the app listens. */
const char *live_get_inside(struct engine_handle *handle, uint32_t port,
                            const char *path);

#endif
