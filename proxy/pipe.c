/* pipe.c - a kernel pipe that long plain bodies pass through. */
#include "proxy/pipe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/buffer_pool.h"
#include "router/base/alloc.h"

/* Pipes kept open for the next use. Each is taken only while it holds bytes,
 * so a few serve many connections. */
#define FREE_MAX 16
/* So many are not asked for after the system refused one: the user's pages or
 * the descriptors are used up, and asking costs four system calls. */
#define REFUSED_PAUSE 256

static void pipe_close(struct pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
}

static struct pipe *pipe_open(void)
{
    struct pipe *pipe;
    int fds[2];

    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return NULL;
    /* Beyond the limit of a user without privileges it stays tiny. */
    if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES) < PIPE_BYTES) {
        close(fds[0]);
        close(fds[1]);
        return NULL;
    }
    pipe = xcalloc(1, sizeof *pipe);
    pipe->read_fd = fds[0];
    pipe->write_fd = fds[1];
    return pipe;
}

struct pipe *pipe_take(struct buffer_pool *pool)
{
    struct pipe *pipe = pool->free_pipes;

    if (pool->extra_bytes + PIPE_BYTES > pool->extra_limit)
        return NULL;
    if (pipe) {
        pool->free_pipes = pipe->next;
        pool->free_pipe_count--;
        pipe->next = NULL;
    } else if (pool->pipe_pause > 0) {
        pool->pipe_pause--;
        return NULL;
    } else if (!(pipe = pipe_open())) {
        pool->pipe_pause = REFUSED_PAUSE;
        return NULL;
    }
    pool->extra_bytes += PIPE_BYTES;
    return pipe;
}

void pipe_give(struct buffer_pool *pool, struct pipe **pipe_ptr)
{
    struct pipe *pipe = TAKE(*pipe_ptr);

    if (!pipe)
        return;
    pool->extra_bytes -= PIPE_BYTES;
    if (pipe->count > 0 || pool->free_pipe_count >= FREE_MAX) {
        pipe_close(pipe);
        return;
    }
    pipe->next = pool->free_pipes;
    pool->free_pipes = pipe;
    pool->free_pipe_count++;
}

void pipe_free_unused(struct buffer_pool *pool)
{
    while (pool->free_pipes) {
        struct pipe *pipe = pool->free_pipes;

        pool->free_pipes = pipe->next;
        pipe_close(pipe);
    }
    pool->free_pipe_count = 0;
}

static enum io_result move(int from, int to, size_t max, size_t *ret_count)
{
    /* The sockets are non-blocking by themselves. */
    ssize_t n =
        splice(from, NULL, to, NULL, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    if (n > 0) {
        *ret_count = (size_t)n;
        return IO_DONE;
    }
    if (n == 0)
        return IO_EOF;
    return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_FAILED;
}

enum io_result pipe_fill(struct pipe *pipe, int fd, size_t max,
                         size_t *ret_count)
{
    enum io_result result;
    size_t count;

    assert(max > 0);
    result = move(fd, pipe->write_fd, max, &count);
    if (result != IO_DONE)
        return result;
    pipe->count += (uint32_t)count;
    *ret_count = count;
    return IO_DONE;
}

enum io_result pipe_drain(struct pipe *pipe, int fd, size_t *ret_count)
{
    enum io_result result;
    size_t count;

    assert(pipe->count > 0);
    result = move(pipe->read_fd, fd, pipe->count, &count);
    if (result != IO_DONE)
        return result;
    pipe->count -= (uint32_t)count;
    *ret_count = count;
    return IO_DONE;
}
