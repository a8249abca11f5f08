/* pipe.h - a kernel pipe that long plain bodies pass through, by splice(),
 * without being copied into this process.
 *
 * Taken for as long as bytes are in it, and counted against the worker's share
 * of `buffer_memory` like any other buffer beyond the first. Thread: owner
 * loop.
 */
#ifndef PROXY_PIPE_H
#define PROXY_PIPE_H

#include <stddef.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/io.h"

struct buffer_pool;

#define PIPE_BYTES (256 * 1024)

struct pipe {
    struct pipe *next;
    int read_fd;
    int write_fd;
    uint32_t count; /* bytes in it */
};

/* Empty, with room for PIPE_BYTES. NULL: the share is used up, or the system
 * gives none now (then it is not asked again for a while): copy. */
MUST_USE struct pipe *pipe_take(struct buffer_pool *pool);
/* What is still in it is lost. NULL is skipped; sets NULL. */
void pipe_give(struct buffer_pool *pool, struct pipe **pipe);
/* Close those that are kept for the next use. */
void pipe_free_unused(struct buffer_pool *pool);

/* Move at most `max` bytes from the socket into the pipe. IO_AGAIN: the socket
 * has none, or the pipe is full. */
MUST_USE enum io_result pipe_fill(struct pipe *pipe, int fd, size_t max,
                                  size_t *ret_count);
/* Move what is in the pipe, which is not empty, into the socket. errno says
 * why it failed. */
MUST_USE enum io_result pipe_drain(struct pipe *pipe, int fd,
                                   size_t *ret_count);

#endif
