/* fake_podman.c - an HTTP server on a Unix socket that answers by a table. */
#include "tests/support/fake_podman.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/strbuf.h"

#define CONNECTIONS_MAX 256
#define REQUESTS_MAX    1024

struct fake_podman {
    char *path;
    int listen_fd;
    int stop_fds[2]; /* readable once all shall end */
    pthread_t thread;
    pthread_mutex_t mutex;
    const struct fake_route *routes;
    char *requests[REQUESTS_MAX];
    unsigned request_count;
    pthread_t connections[CONNECTIONS_MAX];
    unsigned connection_count;
};

struct connection {
    struct fake_podman *fake;
    int fd;
};

/* False when the server shall end, or the peer has closed. */
static bool wait_readable(struct fake_podman *fake, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
                            {.fd = fake->stop_fds[0], .events = POLLIN}};

    return poll(fds, 2, -1) > 0 && fds[1].revents == 0;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void send_chunk(int fd, const char *data, size_t len)
{
    char head[32];

    snprintf(head, sizeof head, "%zx\r\n", len);
    send_all(fd, head, strlen(head));
    send_all(fd, data, len);
    send_all(fd, "\r\n", 2);
}

static size_t content_length(const char *head)
{
    const char *field = strcasestr(head, "\r\ncontent-length:");

    return field ? strtoul(field + 17, NULL, 10) : 0;
}

/* One whole request into *request; false at the end. */
static bool read_request(struct connection *connection, struct strbuf *request)
{
    const char *end;
    char bytes[4096];

    strbuf_clear(request);
    for (;;) {
        ssize_t n;

        end = request->data ? strstr(request->data, "\r\n\r\n") : NULL;
        if (end && request->len >= (size_t)(end - request->data) + 4 +
                                       content_length(request->data))
            return true;
        if (!wait_readable(connection->fake, connection->fd))
            return false;
        n = recv(connection->fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return false;
        strbuf_add(request, bytes, (size_t)n);
    }
}

/* Note the request, and find its route. */
static struct fake_route take(struct fake_podman *fake, const char *text)
{
    static const struct fake_route none = {"", FAKE_ANSWER, 404,
                                           "{\"message\":\"no such route\"}"};
    const struct fake_route *route;

    pthread_mutex_lock(&fake->mutex);
    if (fake->request_count < REQUESTS_MAX)
        fake->requests[fake->request_count++] = xstrdup(text);
    for (route = fake->routes; route->start; route++) {
        if (strncmp(text, route->start, strlen(route->start)) == 0)
            break;
    }
    pthread_mutex_unlock(&fake->mutex);
    return route->start ? *route : none;
}

/* False: close the connection. */
static bool answer(struct connection *connection,
                   const struct fake_route *route)
{
    size_t len = strlen(route->body);
    int fd = connection->fd;
    char head[256];
    char byte;

    switch (route->action) {
    case FAKE_ANSWER:
        snprintf(head, sizeof head,
                 "HTTP/1.1 %u X\r\nContent-Length: %zu\r\n\r\n", route->status,
                 len);
        send_all(fd, head, strlen(head));
        send_all(fd, route->body, len);
        return true;
    case FAKE_RAW:
        send_all(fd, route->body, len);
        return false;
    case FAKE_HANG:
        break;
    case FAKE_STREAM:
    case FAKE_DRIP:
        snprintf(head, sizeof head,
                 "HTTP/1.1 %u X\r\nTransfer-Encoding: chunked\r\n\r\n",
                 route->status);
        send_all(fd, head, strlen(head));
        if (route->action == FAKE_STREAM && len > 0)
            send_chunk(fd, route->body, len);
        for (size_t i = 0; route->action == FAKE_DRIP && i < len; i++)
            send_chunk(fd, route->body + i, 1);
        if (route->action == FAKE_DRIP) {
            send_all(fd, "0\r\n\r\n", 5);
            return true;
        }
        break;
    }
    /* Until the peer closes, or all ends. */
    while (wait_readable(connection->fake, fd) && recv(fd, &byte, 1, 0) > 0)
        ;
    return false;
}

static void *serve_connection(void *arg)
{
    struct connection *connection = arg;
    struct strbuf request = STRBUF_INIT;
    struct fake_route route;

    do {
        if (!read_request(connection, &request))
            break;
        route = take(connection->fake, request.data);
    } while (answer(connection, &route));
    strbuf_done(&request);
    close(connection->fd);
    free(connection);
    return NULL;
}

static void *serve(void *arg)
{
    struct fake_podman *fake = arg;

    while (wait_readable(fake, fake->listen_fd)) {
        struct connection *connection = xcalloc(1, sizeof *connection);

        connection->fake = fake;
        connection->fd = accept4(fake->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (connection->fd < 0 || fake->connection_count == CONNECTIONS_MAX)
            abort();
        pthread_mutex_lock(&fake->mutex);
        if (pthread_create(&fake->connections[fake->connection_count++], NULL,
                           serve_connection, connection) != 0)
            abort();
        pthread_mutex_unlock(&fake->mutex);
    }
    return NULL;
}

struct fake_podman *fake_podman_new(const char *socket_path,
                                    const struct fake_route *routes)
{
    struct fake_podman *fake = xcalloc(1, sizeof *fake);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fake->path = xstrdup(socket_path);
    fake->routes = routes;
    pthread_mutex_init(&fake->mutex, NULL);
    fake->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    unlink(socket_path);
    if (fake->listen_fd < 0 || pipe2(fake->stop_fds, O_CLOEXEC) != 0 ||
        bind(fake->listen_fd, (struct sockaddr *)&address, sizeof address) !=
            0 ||
        listen(fake->listen_fd, 64) != 0 ||
        pthread_create(&fake->thread, NULL, serve, fake) != 0)
        abort();
    return fake;
}

void fake_podman_set_routes(struct fake_podman *fake,
                            const struct fake_route *routes)
{
    pthread_mutex_lock(&fake->mutex);
    fake->routes = routes;
    pthread_mutex_unlock(&fake->mutex);
}

void fake_podman_free(struct fake_podman **fake_ptr)
{
    struct fake_podman *fake = *fake_ptr;

    if (!fake)
        return;
    close(fake->stop_fds[1]); /* readable: end of file */
    pthread_join(fake->thread, NULL);
    for (unsigned i = 0; i < fake->connection_count; i++)
        pthread_join(fake->connections[i], NULL);
    close(fake->stop_fds[0]);
    close(fake->listen_fd);
    unlink(fake->path);
    for (unsigned i = 0; i < fake->request_count; i++)
        free(fake->requests[i]);
    pthread_mutex_destroy(&fake->mutex);
    free(fake->path);
    free(fake);
    *fake_ptr = NULL;
}

unsigned fake_podman_count(struct fake_podman *fake, const char *start)
{
    unsigned count = 0;

    pthread_mutex_lock(&fake->mutex);
    for (unsigned i = 0; i < fake->request_count; i++)
        count += strncmp(fake->requests[i], start, strlen(start)) == 0;
    pthread_mutex_unlock(&fake->mutex);
    return count;
}

unsigned fake_podman_connections(struct fake_podman *fake)
{
    unsigned count;

    pthread_mutex_lock(&fake->mutex);
    count = fake->connection_count;
    pthread_mutex_unlock(&fake->mutex);
    return count;
}

char *fake_podman_last(struct fake_podman *fake, const char *start)
{
    char *found = NULL;

    pthread_mutex_lock(&fake->mutex);
    for (unsigned i = fake->request_count; i-- > 0 && !found;) {
        if (strncmp(fake->requests[i], start, strlen(start)) == 0)
            found = xstrdup(fake->requests[i]);
    }
    pthread_mutex_unlock(&fake->mutex);
    return found ? found : xstrdup("");
}
