/* podman_fixture.h - a private Podman for one test, with the test app's
 * images, that is gone afterwards, also when the test crashes.
 */
#ifndef TESTS_SUPPORT_PODMAN_FIXTURE_H
#define TESTS_SUPPORT_PODMAN_FIXTURE_H

#include <stdbool.h>

struct podman_fixture {
    char dir[64];    /* storage, configuration; see podman_env.sh */
    char socket[96]; /* of its API service */
    char state[80];  /* an empty directory for berth's state_dir */
    int keep_alive;  /* closed: everything is taken down */
    int helper;      /* the process that does it */
};

/* False: there is no Podman here, or no root; *ret_why says which. Also sets
 * PATH and CONTAINERS_CONF of this process, so that a podman command that is
 * started from it is the fixture's. serve: start the API service on `socket`.
 * Runs from the repository root. */
bool podman_fixture_start(struct podman_fixture *fixture, bool serve,
                          const char **ret_why);
void podman_fixture_end(struct podman_fixture *fixture);

/* Run `podman ARGUMENTS` in it; true when it succeeded. ret: its output,
 * first 4095 bytes. */
bool podman_fixture_run(const struct podman_fixture *fixture,
                        const char *arguments, char ret[4096]);

#endif
