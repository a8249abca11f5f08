/* log_stream.c - container logs as Podman sends them. */
#include "lifecycle/log_stream.h"

#include <string.h>

/* Stream 0 is standard input: Docker's attach has it, logs never. */
static bool header_is_valid(const unsigned char *header)
{
    return (header[0] == LOG_SOURCE_STDOUT || header[0] == LOG_SOURCE_STDERR) &&
           header[1] == 0 && header[2] == 0 && header[3] == 0;
}

static struct strview take_header(struct log_stream *stream,
                                  struct strview bytes)
{
    size_t n = sizeof stream->header - stream->header_len;

    if (n > bytes.len)
        n = bytes.len;
    memcpy(stream->header + stream->header_len, bytes.ptr, n);
    stream->header_len += (unsigned)n;
    return sv_skip(bytes, n);
}

bool log_stream_feed(struct log_stream *stream, struct strview bytes,
                     struct err *err)
{
    const unsigned char *h = stream->header;

    while (bytes.len > 0) {
        size_t n;

        if (stream->header_len < sizeof stream->header) {
            bytes = take_header(stream, bytes);
            if (stream->header_len < sizeof stream->header)
                break;
            if (!header_is_valid(h))
                return err_set(err, ERR_PROTOCOL,
                               "Podman's log stream is not made of frames");
            stream->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 |
                           (uint32_t)h[6] << 8 | h[7];
        }
        n = bytes.len < stream->left ? bytes.len : stream->left;
        if (n > 0)
            stream->on_bytes(stream->arg, (enum log_source)h[0],
                             sv_make(bytes.ptr, n));
        stream->left -= (uint32_t)n;
        bytes = sv_skip(bytes, n);
        if (stream->left == 0)
            stream->header_len = 0;
    }
    return true;
}

bool log_stream_is_whole(const struct log_stream *stream)
{
    return stream->header_len == 0;
}
