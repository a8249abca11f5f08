/* request_path.h - the one normalised form of a path: used to match and to
 * forward (RFC 3986, 6.2.2; ../shared/design/http.md, "The path"). */
#ifndef ROUTER_REQUEST_PATH_H
#define ROUTER_REQUEST_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

/* Normalise a path (no query, begins with '/') into ret_path, which has room
 * for raw.len bytes (the result is never longer). Unreserved percent-encodings
 * are decoded, the others written in upper-case hex, dot segments removed,
 * also encoded ones; %2F and %5C stay encoded; decoded once; empty segments
 * stay. Fails (false; ret_path is undefined then) on climbing above the root,
 * an invalid or a NUL encoding, a byte that may not stand in a path, and where
 * apps would resolve it differently: a dot segment with ;parameters or beside
 * an encoded slash, an encoded slash in parameters. Thread: any. */
MUST_USE bool request_path_normalise(struct strview raw, char *ret_path,
                                     size_t *ret_len);

/* What a lenient app may make of a normalised path: %2F and %5C decoded (to
 * '/'), ;parameters dropped (%3B begins them too), slashes merged. Dot
 * segments cannot come of that. Returns false when that is the path itself
 * (the usual case, one pass, no write); true when it differs: ret_path (room
 * for path.len) has it. A path whose lenient form leads to another route than
 * itself is refused. Thread: any. */
bool request_path_lenient(struct strview path, char *ret_path, size_t *ret_len);

#endif
