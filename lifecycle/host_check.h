/* host_check.h - whether this host can do what the configuration asks, for
 * `berth check --host`: nothing is changed, nothing is left behind.
 */
#ifndef LIFECYCLE_HOST_CHECK_H
#define LIFECYCLE_HOST_CHECK_H

#include "lifecycle/listen_sockets.h"
#include "lifecycle/settings.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

/* Look at everything. A line each into *ret_text: "ok: …", "note: …" or
 * "problem: …", the last with what to do about it. Returns how many problems
 * there are. Blocks for as long as Podman takes to answer (or to be started
 * for the check), at most 35 s. Thread: main, the only one. */
MUST_USE unsigned host_check(const struct lifecycle_settings *settings,
                             const struct listen_request *listeners,
                             unsigned listener_count, struct strbuf *ret_text);

#endif
