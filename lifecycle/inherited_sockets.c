/* inherited_sockets.c - listening sockets that were passed at the start. */
#include "lifecycle/inherited_sockets.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Far more than a configuration has; a larger number is no number of ours. */
#define MAX_FDS 1024

static struct {
    int first_fd;
    int count;
    bool is_taken[MAX_FDS]; /* of descriptor first_fd + i */
} inherited;

/* 0 when it is not there, or no number of 1 to max. */
static long read_number(const char *name, long max)
{
    const char *text = getenv(name);
    char *end;
    long number;

    if (!text || *text < '0' || *text > '9')
        return 0;
    number = strtol(text, &end, 10);
    return *end == '\0' && number <= max ? number : 0;
}

void inherited_sockets_read(int first_fd)
{
    inherited.first_fd = first_fd;
    if (read_number("LISTEN_PID", INT32_MAX) == getpid())
        inherited.count = (int)read_number("LISTEN_FDS", MAX_FDS);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (int i = 0; i < inherited.count; i++) {
        int fd = first_fd + i;

        /* Not open, or none of ours: as good as taken. */
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            inherited.is_taken[i] = true;
    }
}

static int option_of(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;

    return getsockopt(fd, level, option, &value, &len) == 0 ? value : -1;
}

static bool address_of(int fd, struct address *ret_address)
{
    struct address address = {.len = sizeof address.un};

    if (getsockname(fd, &address.any, &address.len) != 0)
        return false;
    *ret_address = address;
    return true;
}

static bool is_of(int fd, const struct address *wanted)
{
    struct address address;

    if (option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
        option_of(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
        !address_of(fd, &address))
        return false;
    if (address_equal(&address, wanted))
        return true;
    return wanted->any.sa_family == AF_INET &&
           address.any.sa_family == AF_INET6 && address_is_any(wanted) &&
           address_is_any(&address) &&
           address_port(wanted) == address_port(&address) &&
           option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
}

int inherited_sockets_take(const struct address *address)
{
    for (int i = 0; i < inherited.count; i++) {
        int fd = inherited.first_fd + i;
        int flags;

        if (inherited.is_taken[i] || !is_of(fd, address))
            continue;
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
            continue;
        inherited.is_taken[i] = true;
        return fd;
    }
    return -1;
}

void inherited_sockets_close_rest(struct strbuf *ret_lines)
{
    for (int i = 0; i < inherited.count; i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct address address;
        int fd = inherited.first_fd + i;

        if (inherited.is_taken[i])
            continue;
        inherited.is_taken[i] = true;
        if (option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1 &&
            address_of(fd, &address)) {
            address_format(&address, text);
            strbuf_printf(ret_lines,
                          "descriptor %d listens on %s, and no listen "
                          "directive says so\n",
                          fd, text);
        } else {
            strbuf_printf(ret_lines, "descriptor %d is no listening socket\n",
                          fd);
        }
        close(fd);
    }
}
