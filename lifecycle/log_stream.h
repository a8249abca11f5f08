/* log_stream.h - container logs as Podman sends them: frames of a header of 8
 * bytes (stream, three zeros, length, big-endian) and that many bytes.
 *
 * Takes the bytes as they come, however they are cut. Pure. Thread: any.
 */
#ifndef LIFECYCLE_LOG_STREAM_H
#define LIFECYCLE_LOG_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strview.h"

enum log_source { LOG_SOURCE_STDOUT = 1, LOG_SOURCE_STDERR = 2 };

/* bytes: of one frame, never of two; an empty frame has no call. */
typedef void (*log_stream_fn)(void *arg, enum log_source source,
                              struct strview bytes);

/* Zeroed, then on_bytes and arg set. Nothing to free. */
struct log_stream {
    log_stream_fn on_bytes;
    void *arg;
    unsigned char header[8];
    unsigned header_len;
    uint32_t left; /* bytes of the frame that have not come yet */
};

/* Fails with ERR_PROTOCOL on a header that is none; the stream cannot be read
 * on after that. */
MUST_USE bool log_stream_feed(struct log_stream *stream, struct strview bytes,
                              struct err *err);

/* Not within a frame: what came so far is whole. */
bool log_stream_is_whole(const struct log_stream *stream);

#endif
