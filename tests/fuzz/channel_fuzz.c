/* Any bytes, in any pieces and with any descriptors, as what the peer sends:
 * what is delivered are whole messages, what is decoded lies inside them, no
 * descriptor stays open, and the channel ends. The first byte says how long the
 * pieces are (0: one piece), the second which of them carry a descriptor. */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/loop.h"
#include "router/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_IN 65536 /* goes into the socket at once */

static struct loop *loop;

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_inside(struct strview part, struct strview whole)
{
    if (!part.ptr) {
        check(part.len == 0);
        return;
    }
    check(part.ptr >= whole.ptr && part.len <= whole.len &&
          part.ptr + part.len <= whole.ptr + whole.len);
}

/* Decode it as its type, and as every other one. */
static void check_decoders(struct strview payload)
{
#define U32(field)
#define U64(field)
#define BYTES(field) check_inside(message.field, payload);
#define CHANNEL_MESSAGE(NAME, name, fields)                                    \
    {                                                                          \
        struct channel_##name message;                                         \
                                                                               \
        if (channel_decode_##name(payload, &message)) {                        \
            fields                                                             \
        }                                                                      \
    }
#include "router/channel.def"
#undef CHANNEL_MESSAGE
#undef U32
#undef U64
#undef BYTES
}

static void on_message(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    size_t *left = arg;

    check(type > CHANNEL_NONE && type < CHANNEL_TYPE_COUNT);
    check(fd_count <= CHANNEL_DESCRIPTORS_MAX);
    check(payload.len <= *left);
    *left -= payload.len;
    for (unsigned i = 0; i < fd_count; i++)
        check(fds[i] >= 0);
    check_decoders(payload);
}

static void on_close(void *arg, const char *why)
{
    (void)arg;
    check(why[0] != '\0');
    loop_stop(loop);
}

static void send_piece(int fd, const uint8_t *data, size_t size, int passed)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (passed >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        *(int *)(void *)CMSG_DATA(&control.align) = passed;
    }
    check(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size);
}

/* As many pieces as the socket takes (each has its cost there). */
static void send_pieces(int fd, const uint8_t *data, size_t size, int passed)
{
    size_t step = data[0] ? data[0] : size;
    uint8_t mask = data[1];

    data += 2;
    size -= 2;
    for (unsigned piece = 0; size > 0 && piece < 100; piece++) {
        size_t n = size < step ? size : step;

        send_piece(fd, data, n, mask & (1U << piece % 8) ? passed : -1);
        data += n;
        size -= n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t left = size;
    struct channel *channel;
    struct pollfd hang_up = {.events = POLLIN};
    int ends[2];
    int pipes[2];

    check_decoders((struct strview){(const char *)data, size});
    if (size < 3 || size > SIZE_MAX_IN)
        return 0;
    loop = loop_new("fuzz");
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && pipe(pipes) == 0);
    channel = channel_new(loop, ends[0], on_message, on_close, &left);
    send_pieces(ends[1], data, size, pipes[1]);
    close(pipes[1]);
    close(ends[1]);
    loop_run(loop);
    channel_free(&channel);
    loop_free(&loop);
    /* All copies of the pipe's other end are closed. */
    hang_up.fd = pipes[0];
    check(poll(&hang_up, 1, 0) == 1 && (hang_up.revents & POLLHUP));
    close(pipes[0]);
    return 0;
}
