/* registry_auth.h - a registry's credentials, from a file as `podman login`
 * and `docker login` write it, for Podman's X-Registry-Auth field.
 *
 * Keys are a registry, or a path in it (the longest that fits wins). What is
 * read is never logged, and no part of any error. Thread: any.
 */
#ifndef LIFECYCLE_REGISTRY_AUTH_H
#define LIFECYCLE_REGISTRY_AUTH_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

/* Append the field's value; nothing where the file has no credentials for the
 * image. Fails with ERR_DENIED: the file cannot be read, or understood. */
MUST_USE bool registry_auth_read(const char *path, const char *image,
                                 struct strbuf *ret_value, struct err *err);

/* Likewise, of the file's text. */
MUST_USE bool registry_auth_of_text(struct strview text, const char *image,
                                    struct strbuf *ret_value, struct err *err);

#endif
