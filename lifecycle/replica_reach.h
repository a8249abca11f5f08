/* replica_reach.h - by which way the front reaches a replica: the one that is
 * configured, else the quickest that this host allows. Thread: keeper main.
 */
#ifndef LIFECYCLE_REPLICA_REACH_H
#define LIFECYCLE_REPLICA_REACH_H

#include <stdbool.h>

#include "lifecycle/replica.h"
#include "router/base/attr.h"
#include "router/base/err.h"

/* For a container that is about to be made: fill in what spec says about it
 * (name and port are there already), and as much of *ret_reach as is known.
 * ret_socket_dir: what spec->socket_dir points to, or NULL; malloc'ed. Fails
 * with ERR_DENIED or ERR_INVALID where this host cannot, and says what to do.
 */
MUST_USE bool replica_reach_choose(const struct replica_host *host,
                                   const struct container_settings *container,
                                   struct engine_spec *spec,
                                   char **ret_socket_dir,
                                   struct replica_reach *ret_reach,
                                   struct err *err);

/* The rest, once it runs: the port that the engine has published it on. */
void replica_reach_complete(const struct engine_container *running,
                            struct replica_reach *reach);

/* For a container that is found running: as its labels say. */
MUST_USE bool replica_reach_find(const struct replica_host *host,
                                 const struct container_settings *container,
                                 const struct engine_container *running,
                                 struct replica_reach *ret_reach,
                                 struct err *err);

#endif
