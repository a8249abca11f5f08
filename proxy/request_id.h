/* request_id.h - the identity of a request: a UUID version 7 (RFC 9562).
 *
 * Ordered by time within a thread, unique by 62 random bits between threads
 * and machines. Thread: any; each has a generator of its own. */
#ifndef PROXY_REQUEST_ID_H
#define PROXY_REQUEST_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

#define REQUEST_ID_SIZE      37  /* of a made one, NUL included */
#define REQUEST_ID_MAX_BYTES 128 /* of one that is taken over */

/* Write a new id into ret_text[REQUEST_ID_SIZE]. unix_ms: now. No system call
 * but in a thread's first one. */
void request_id_make(uint64_t unix_ms, char *ret_text);

/* Whether an id from a trusted proxy may be taken over: 1 to
 * REQUEST_ID_MAX_BYTES of letters, digits and "-_.:+/=@". */
MUST_USE bool request_id_is_acceptable(struct strview id);

#endif
