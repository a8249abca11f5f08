/* port_owner.h - which process listens on a TCP port, as far as /proc tells.
 * For messages only. Thread: any.
 */
#ifndef LIFECYCLE_PORT_OWNER_H
#define LIFECYCLE_PORT_OWNER_H

#include <stdbool.h>
#include <stddef.h>

#include "router/base/attr.h"

/* "nginx (pid 812)" into ret_text[size]. false: nobody, or it may not be
 * known to this user. Cost: O(processes and their descriptors). */
MUST_USE bool port_owner_find(unsigned port, char *ret_text, size_t size);

#endif
