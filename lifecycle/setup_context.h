/* setup_context.h - the files of a `setup { }`: their digest, and the archive
 * from which Podman builds the layer.
 *
 * Nothing is followed that lies below a copied folder: a symbolic link is
 * copied as one, and means what it means in the image. Blocking, for a helper
 * thread. Thread: any.
 */
#ifndef LIFECYCLE_SETUP_CONTEXT_H
#define LIFECYCLE_SETUP_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/container_settings.h"
#include "router/base/attr.h"
#include "router/base/digest.h"
#include "router/base/err.h"

#define SETUP_FILES_MAX 100000U
#define SETUP_BYTES_MAX (16ULL << 30)

struct setup_context {
    const struct setup_step *steps;
    uint32_t step_count;
    const char *base; /* id of the image it is put upon; in the archive only */
    const bool *is_cancelled; /* read atomically, now and then */
};

/* The digest of all that the steps say and copy: lower-case hex into
 * ret_digest[DIGEST_HEX_SIZE]. Times and owners of files are no part of it.
 * fd: the archive is written there, with a Containerfile; -1: nowhere.
 * Fails with ERR_NOT_FOUND, ERR_DENIED, ERR_LIMIT, ERR_INVALID (neither file,
 * folder nor link), ERR_CANCELLED, ERR_IO. */
MUST_USE bool setup_context_pack(const struct setup_context *context, int fd,
                                 char *ret_digest, struct err *err);

#endif
