/* revision.h - the name of one immutable version of an app's container.
 *
 * SHA-256 over what the configuration sets for the container, and what it is
 * made of: a container whose label carries another revision was made from
 * something else, and is replaced. Thread: any.
 */
#ifndef LIFECYCLE_REVISION_H
#define LIFECYCLE_REVISION_H

#include "lifecycle/settings.h"
#include "router/base/digest.h"

/* content_id: of an image_answer; the image's id, and what is put upon it.
 * Lower-case hex into ret_hex[DIGEST_HEX_SIZE]. */
void revision_compute(const struct container_settings *container,
                      const char *content_id, char *ret_hex);

#endif
