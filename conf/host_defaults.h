/* host_defaults.h - defaults that depend on where berth runs. Thread: any. */
#ifndef CONF_HOST_DEFAULTS_H
#define CONF_HOST_DEFAULTS_H

#include <stdint.h>

#include "router/base/attr.h"

/* CPUs that this process may use: 1 to PROXY_WORKERS_MAX. */
uint32_t host_default_workers(void);

/* As many as the hard RLIMIT_NOFILE (to which the front raises its soft one)
 * allows, with two descriptors each. */
uint32_t host_default_connections(void);

/* /run/berth for root of the initial user namespace, else a folder of this
 * user's own. malloc'ed. */
MUST_USE char *host_default_state_dir(void);

#endif
