/* hello.c - the smallest app worth berthing: static, and up in a millisecond.
 *
 * GET /         a greeting
 * GET /health   ready, as soon as it listens
 * POST /crash   exit code 1, in the middle of the request
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static atomic_long requests;
static struct timespec started;

static double up_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - started.tv_sec) * 1e3 +
           (double)(now.tv_nsec - started.tv_nsec) / 1e6;
}

static void on_term(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static bool path_is(const char *head, const char *path)
{
    const char *target = strchr(head, ' ');
    size_t len = strlen(path);

    return target != NULL && strncmp(target + 1, path, len) == 0 &&
           strchr(" ?", target[1 + len]) != NULL;
}

/* Answer one request; false to close the connection after it. */
static bool answer(int fd, const char *head)
{
    /* Bodies are not read: the next request would not begin where we look. */
    bool keep = strcasestr(head, "\r\nContent-Length:") == NULL &&
                strcasestr(head, "\r\nTransfer-Encoding:") == NULL &&
                strcasestr(head, "\r\nConnection: close") == NULL &&
                strstr(head, " HTTP/1.0\r\n") == NULL;
    char body[128], reply[512];
    int n;

    if (path_is(head, "/crash")) {
        fprintf(stderr, "hello: asked to crash\n");
        _exit(1);
    }
    if (path_is(head, "/health"))
        n = snprintf(body, sizeof body, "{\"app\":\"hello\",\"ready\":true}\n");
    else
        n = snprintf(body, sizeof body,
                     "{\"app\":\"hello\",\"says\":\"ahoy\",\"requests\":%ld,"
                     "\"up_ms\":%.1f}\n",
                     ++requests, up_ms());
    n = snprintf(reply, sizeof reply,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 "Content-Length: %d\r\n%s\r\n%s",
                 n, keep ? "" : "Connection: close\r\n", body);
    if (strncmp(head, "HEAD ", 5) == 0)
        n = (int)(strstr(reply, "\r\n\r\n") + 4 - reply);
    return send(fd, reply, (size_t)n, MSG_NOSIGNAL) == n && keep;
}

static void *serve(void *arg)
{
    int fd = (int)(long)arg;
    char buf[16384], *end;
    size_t len = 0;
    ssize_t n;

    while ((n = recv(fd, buf + len, sizeof buf - 1 - len, 0)) > 0) {
        len += (size_t)n;
        buf[len] = '\0';
        while ((end = strstr(buf, "\r\n\r\n")) != NULL) {
            end[2] = '\0';
            if (!answer(fd, buf))
                goto out;
            len -= (size_t)(end + 4 - buf);
            memmove(buf, end + 4, len + 1);
        }
        if (len == sizeof buf - 1)
            break;
    }
out:
    close(fd);
    return NULL;
}

int main(void)
{
    const char *port = getenv("PORT");
    struct sockaddr_in address = {.sin_family = AF_INET};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client;
    pthread_t thread;

    clock_gettime(CLOCK_MONOTONIC, &started);
    signal(SIGTERM, on_term); /* PID 1 gets no signal that it does not handle */
    address.sin_port = htons((in_port_t)atoi(port ? port : "8000"));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 128) != 0) {
        perror("hello: listen");
        return 1;
    }
    fprintf(stderr, "hello: listening on port %d\n", ntohs(address.sin_port));
    for (;;) {
        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            continue;
        if (pthread_create(&thread, NULL, serve, (void *)(long)client) == 0)
            pthread_detach(thread);
        else
            close(client);
    }
}
