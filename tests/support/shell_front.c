/* shell_front.c - /bin/sh in the place of a front. */
#include "tests/support/shell_front.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/loop.h"
#include "router/channel.h"

static void on_message(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    (void)arg;
    (void)type;
    (void)payload;
    (void)fds;
    (void)fd_count;
}

/* The frame of READY as this build writes it, as octal escapes of printf(1);
 * read from the channel's own other end. */
static void ready_frame(struct loop *loop, char *ret_escaped, size_t size)
{
    struct channel_ready ready = {1};
    unsigned char bytes[256];
    struct channel *channel;
    size_t len = 0;
    int pair[2];
    ssize_t n;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
    channel = channel_new(loop, pair[0], on_message, NULL, NULL);
    channel_send_ready(channel, &ready, NULL, 0);
    channel_flush(channel, 1000);
    n = read(pair[1], bytes, sizeof bytes);
    if (n <= 0)
        abort();
    for (ssize_t i = 0; i < n; i++)
        len +=
            (size_t)snprintf(ret_escaped + len, size - len, "\\%03o", bytes[i]);
    channel_free(&channel);
    close(pair[1]);
}

void shell_front_set(struct front_supervisor_options *options,
                     const char *script)
{
    static char shell[] = "sh";
    static char dash_c[] = "-c";
    static char command[2048];
    static char *argv[] = {shell, dash_c, command, NULL};
    char frame[512];

    ready_frame(options->loop, frame, sizeof frame);
    snprintf(command, sizeof command, "READY() { printf '%s' >&3; }; %s", frame,
             script);
    options->exe = "/bin/sh";
    options->argv = argv;
    if (!front_identity_find(NULL, &options->identity, NULL))
        abort();
}
