/* listen_sockets.c - the listening sockets, opened and kept. */
#include "lifecycle/listen_sockets.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lifecycle/inherited_sockets.h"
#include "lifecycle/port_owner.h"
#include "router/base/alloc.h"

#define BACKLOG      4096 /* the kernel caps it with net.core.somaxconn */
#define TRIES        100
#define TRY_EVERY_MS 10

struct listener {
    const struct listen_request *request;
    unsigned fd_count;
    int *fds;
    bool made_file; /* a Unix socket whose file is ours to remove */
    ino_t inode;    /* of that file */
    bool is_new;
    struct listener *kept; /* of the set that runs; NULL: it is ours */
};

struct listen_sockets {
    unsigned count;
    struct listener *listeners;
};

static void wait_a_little(void)
{
    struct timespec pause = {.tv_nsec = TRY_EVERY_MS * 1000000L};

    nanosleep(&pause, NULL);
}

static int new_socket(const struct address *address)
{
    int fd = socket(address->any.sa_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0 || address->any.sa_family == AF_UNIX)
        return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (address->any.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* SO_REUSEPORT would let us share a port with any other process of this user
 * that set it too, each getting a part of the connections, without a word. So
 * a socket without it asks first whether the port is free. Returns errno. */
static int probe_port(const struct address *address)
{
    int result = 0;
    int fd = new_socket(address);

    if (fd < 0)
        return errno;
    /* Never listen(2) here: a client that came in this moment would be reset.
     */
    if (bind(fd, &address->any, address->len) != 0)
        result = errno;
    close(fd);
    return result;
}

static int bind_one(const struct address *address, int *ret_fd)
{
    int on = 1;
    int fd = new_socket(address);

    if (fd < 0)
        return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        /* Accepted sockets inherit it: a system call less each. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd, &address->any, address->len) != 0) {
        int result = errno;

        close(fd);
        return result;
    }
    *ret_fd = fd;
    return 0;
}

/* Whether we listen on that port ourselves, by another address of it: then it
 * is in use, and ours to use. */
static bool has_port(const struct listen_sockets *running,
                     const struct address *address)
{
    for (unsigned i = 0; running && i < running->count; i++) {
        const struct address *other = &running->listeners[i].request->address;

        if (other->any.sa_family != AF_UNIX &&
            address_port(other) == address_port(address))
            return true;
    }
    return false;
}

static int find_free(const struct listen_sockets *running,
                     const struct address *address)
{
    int tries = running ? 1 : TRIES;
    int result = 0;

    if (has_port(running, address))
        return 0;
    for (int i = 0; i < tries; i++) {
        result = probe_port(address);
        if (result != EADDRINUSE)
            break;
        if (i + 1 < tries)
            wait_a_little();
    }
    return result;
}

static int bind_all(const struct listen_sockets *running,
                    struct listener *listener)
{
    const struct listen_request *request = listener->request;
    int result = find_free(running, &request->address);

    while (result == 0 && listener->fd_count < request->socket_count) {
        result =
            bind_one(&request->address, &listener->fds[listener->fd_count]);
        if (result == 0)
            listener->fd_count++;
    }
    return result;
}

static void explain_tcp(const struct listen_request *request, int errno_value,
                        struct strbuf *errors)
{
    unsigned port = address_port(&request->address);
    char owner[64];

    strbuf_printf(errors, "cannot listen on %s: %s", request->text,
                  strerror(errno_value));
    if (errno_value == EADDRINUSE) {
        if (port_owner_find(port, owner, sizeof owner))
            strbuf_printf(errors, ": %s listens there", owner);
        strbuf_add_str(errors, "; stop it, or change the listen directive");
    } else if (errno_value == EADDRNOTAVAIL) {
        strbuf_add_str(errors, "; no interface of this host has that address");
    } else if (errno_value == EACCES && port < 1024) {
        strbuf_add_str(errors,
                       "; ports below net.ipv4.ip_unprivileged_port_start "
                       "(1024) need root or CAP_NET_BIND_SERVICE");
    }
    strbuf_add_char(errors, '\n');
}

/* false: it has that address, for another purpose. */
static bool keep(const struct listen_sockets *running,
                 struct listener *listener, struct strbuf *errors)
{
    const struct listen_request *request = listener->request;

    for (unsigned i = 0; running && i < running->count; i++) {
        struct listener *other = &running->listeners[i];

        if (!address_equal(&other->request->address, &request->address))
            continue;
        if (other->request->is_admin != request->is_admin) {
            strbuf_printf(errors,
                          "cannot listen on %s: a reload cannot change it "
                          "between admin and http; leave it out, reload, and "
                          "add it then\n",
                          request->text);
            return false;
        }
        listener->kept = other;
        break;
    }
    return true;
}

static bool open_one(const struct listen_sockets *running,
                     struct listener *listener, struct strbuf *errors)
{
    const struct listen_request *request = listener->request;
    int result;

    if (!keep(running, listener, errors))
        return false;
    listener->is_new = !listener->kept;
    if (listener->kept)
        return true;
    listener->fds = xcalloc(request->socket_count + 1U, sizeof(int));
    listener->fds[0] = inherited_sockets_take(&request->address);
    if (listener->fds[0] >= 0) {
        listener->fd_count = 1; /* all workers share it */
        return true;
    }
    if (request->address.any.sa_family == AF_UNIX)
        return true;
    result = bind_all(running, listener);
    if (result == 0)
        return true;
    explain_tcp(request, result, errors);
    return false;
}

struct listen_sockets *
listen_sockets_reopen(const struct listen_sockets *running,
                      const struct listen_request *requests, unsigned count,
                      struct strbuf *ret_errors)
{
    struct listen_sockets *sockets = xcalloc(1, sizeof *sockets);
    bool ok = true;

    sockets->listeners = xcalloc(count ? count : 1, sizeof(struct listener));
    sockets->count = count;
    for (unsigned i = 0; i < count; i++) {
        sockets->listeners[i].request = &requests[i];
        if (!open_one(running, &sockets->listeners[i], ret_errors))
            ok = false;
    }
    if (!ok)
        listen_sockets_free(&sockets);
    return sockets;
}

struct listen_sockets *
listen_sockets_open(const struct listen_request *requests, unsigned count,
                    struct strbuf *ret_errors)
{
    return listen_sockets_reopen(NULL, requests, count, ret_errors);
}

/* --- Unix sockets --- */

static bool somebody_listens(const struct address *address)
{
    AUTO(auto_close) int fd = new_socket(address);

    /* EAGAIN: it listens, and its backlog is full. */
    return fd >= 0 &&
           (connect(fd, &address->any, address->len) == 0 || errno == EAGAIN);
}

/* Make way for our socket. Only a socket is ever removed, and only one behind
 * which nobody listens. */
static bool remove_stale(const struct listen_request *request,
                         struct strbuf *errors)
{
    const char *path = request->address.un.sun_path;
    struct stat st;

    if (lstat(path, &st) != 0)
        return true; /* not there, or bind(2) will say what is wrong */
    if (!S_ISSOCK(st.st_mode)) {
        strbuf_printf(errors,
                      "cannot listen on %s: there is a file of that name "
                      "that is no socket; remove it\n",
                      request->text);
        return false;
    }
    for (int i = 0; somebody_listens(&request->address); i++) {
        if (i == TRIES) {
            strbuf_printf(errors,
                          "cannot listen on %s: another process listens "
                          "there; stop it, or change the path\n",
                          request->text);
            return false;
        }
        wait_a_little();
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        strbuf_printf(errors, "cannot replace the stale socket %s: %s\n", path,
                      strerror(errno));
        return false;
    }
    return true;
}

static bool bind_unix(struct listener *listener, struct strbuf *errors)
{
    const struct listen_request *request = listener->request;
    const char *path = request->address.un.sun_path;
    int fd;
    struct stat st;
    mode_t umask_before;
    int result;

    if (!remove_stale(request, errors))
        return false;
    fd = new_socket(&request->address);
    if (fd < 0) {
        strbuf_printf(errors, "cannot listen on %s: %s\n", request->text,
                      strerror(errno));
        return false;
    }
    listener->fds[0] = fd;
    listener->fd_count = 1;
    /* Nobody may connect before the mode is what the configuration says. */
    umask_before = umask(0777);
    result = bind(fd, &request->address.any, request->address.len);
    umask(umask_before);
    if (result != 0 || chmod(path, request->unix_mode) != 0 ||
        lstat(path, &st) != 0) {
        strbuf_printf(errors, "cannot listen on %s: %s%s\n", request->text,
                      strerror(errno),
                      errno == ENOENT ? "; make its directory first" : "");
        return false;
    }
    listener->made_file = true;
    listener->inode = st.st_ino;
    return true;
}

bool listen_sockets_listen(struct listen_sockets *sockets,
                           struct strbuf *ret_errors)
{
    bool ok = true;

    for (unsigned i = 0; i < sockets->count; i++) {
        struct listener *listener = &sockets->listeners[i];
        bool is_unix = listener->request->address.any.sa_family == AF_UNIX;

        if (is_unix && !listener->kept && listener->fd_count == 0 &&
            !bind_unix(listener, ret_errors)) {
            ok = false;
            continue;
        }
        for (unsigned j = 0; j < listener->fd_count; j++) {
            if (listen(listener->fds[j], BACKLOG) == 0)
                continue;
            explain_tcp(listener->request, errno, ret_errors);
            ok = false;
            break;
        }
    }
    return ok;
}

bool listen_sockets_is_new(const struct listen_sockets *sockets, unsigned index)
{
    return sockets->listeners[index].is_new;
}

static void take(struct listener *listener)
{
    struct listener *kept = TAKE(listener->kept);

    listener->fds = TAKE(kept->fds);
    listener->fd_count = kept->fd_count;
    listener->made_file = kept->made_file;
    listener->inode = kept->inode;
    kept->fd_count = 0;
    kept->made_file = false;
    if (listener->made_file)
        chmod(listener->request->address.un.sun_path,
              listener->request->unix_mode);
}

void listen_sockets_take_over(struct listen_sockets *next,
                              struct listen_sockets **running)
{
    for (unsigned i = 0; i < next->count; i++)
        if (next->listeners[i].kept)
            take(&next->listeners[i]);
    listen_sockets_free(running);
}

unsigned listen_sockets_count(const struct listen_sockets *sockets)
{
    return sockets->count;
}

const int *listen_sockets_fds(const struct listen_sockets *sockets,
                              unsigned index, unsigned *ret_count)
{
    *ret_count = sockets->listeners[index].fd_count;
    return sockets->listeners[index].fds;
}

/* Remove the file, unless another berth has put its own in its place. */
static void remove_file(const struct listener *listener)
{
    const char *path = listener->request->address.un.sun_path;
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        st.st_ino == listener->inode)
        unlink(path);
}

void listen_sockets_free(struct listen_sockets **sockets_ptr)
{
    struct listen_sockets *sockets = *sockets_ptr;

    if (!sockets)
        return;
    for (unsigned i = 0; i < sockets->count; i++) {
        struct listener *listener = &sockets->listeners[i];

        for (unsigned j = 0; j < listener->fd_count; j++)
            close(listener->fds[j]);
        if (listener->made_file)
            remove_file(listener);
        free(listener->fds);
    }
    free(sockets->listeners);
    free(sockets);
    *sockets_ptr = NULL;
}
