/* podman_json.h - what Podman answers, read with suspicion: a member that is
 * missing or of another type is ERR_PROTOCOL with its name, never a guess.
 * Pure. Thread: any.
 */
#ifndef LIFECYCLE_PODMAN_JSON_H
#define LIFECYCLE_PODMAN_JSON_H

#include <stdbool.h>

#include "lifecycle/engine.h"

#define PODMAN_OLDEST_MAJOR 4
#define PODMAN_OLDEST_MINOR 3

/* `GET /libpod/version`: name, version. Fails with ERR_FAILED, and says what
 * to do, when Podman is older than 4.3. */
MUST_USE bool podman_json_version(struct strview body,
                                  struct engine_capabilities *ret_capabilities,
                                  struct err *err);
/* `GET /libpod/info`: rootless. */
MUST_USE bool podman_json_info(struct strview body,
                               struct engine_capabilities *ret_capabilities,
                               struct err *err);
/* `GET /libpod/images/{name}/json`. */
MUST_USE bool podman_json_image(struct strview body,
                                struct engine_image *ret_image,
                                struct err *err);
/* `POST /libpod/containers/create`: {"Id": …}. Into ret_id[80]. */
MUST_USE bool podman_json_id(struct strview body, char *ret_id,
                             struct err *err);
/* `GET /libpod/containers/{id}/json`. is_frozen: as far as Podman knows. */
MUST_USE bool podman_json_container(struct strview body,
                                    struct engine_container *ret_container,
                                    struct err *err);
/* `GET /libpod/containers/json`. *ret_containers: the caller's to free. */
MUST_USE bool podman_json_list(struct strview body,
                               struct engine_container **ret_containers,
                               unsigned *ret_count, struct err *err);
/* `DELETE /libpod/containers/{id}`: [{"Id": …, "Err": null or text}]. */
MUST_USE bool podman_json_removed(struct strview body, struct err *err);

/* `GET /libpod/secrets/{name}/json`: {"ID": …}. Into ret_id[80]. */
MUST_USE bool podman_json_secret(struct strview body, char *ret_id,
                                 struct err *err);

/* `GET /libpod/networks/json` and `…/networks/{name}/json`: berth's own. */
struct podman_network {
    char name[256];
    char app[128]; /* labels; "": none */
    char namespace_name[128];
};
MUST_USE bool podman_json_network(struct strview body,
                                  struct podman_network *ret_network,
                                  struct err *err);
MUST_USE bool podman_json_networks(struct strview body,
                                   struct podman_network **ret_networks,
                                   unsigned *ret_count, struct err *err);

#define PODMAN_LAYER_PREFIX "localhost/berth-setup/"

/* `GET /libpod/images/json`: those with a tag that begins so. */
struct podman_layer {
    char tag[256]; /* its one tag */
    char namespace_name[128];
};
MUST_USE bool podman_json_layers(struct strview body,
                                 struct podman_layer **ret_layers,
                                 unsigned *ret_count, struct err *err);

/* One line of `GET /libpod/events`. */
struct podman_event {
    char id[80];
    char action[32];
    int exit_code; /* -1: not told */
    uint64_t time_s;
};
MUST_USE bool podman_json_event(struct strview line,
                                struct podman_event *ret_event,
                                struct err *err);

/* podman_failure_set() of the message of an answer of status 400 and more.
 * Returns false. */
bool podman_json_failure(unsigned status, struct strview body, struct err *err);

#endif
