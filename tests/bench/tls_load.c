/* tls_load.c - load.c over TLS, and handshakes alone.
 *
 * usage: tls_load [-c CONNECTIONS] [-d SECONDS] [-w SECONDS] [-p PID,PID…]
 *                 [-m requests|full|resumed|hold] [-s SUITES] ADDR:PORT [PATH]
 * requests: closed loop of GETs on kept connections. full, resumed: connections
 * that shake hands, wait for a session ticket and close; resumed ones begin
 * with the ticket of the one before. hold: CONNECTIONS that have had one answer
 * each, until stdin ends; a line "held" says that they are there. Otherwise one
 * line of JSON on stdout. TLS 1.3 only. One thread.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "router/base/address.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"

#define HEAD_MAX     8192
#define EVENTS       256
#define PIDS_MAX     64
#define ERRORS_MAX   1000
#define BUFFER_BYTES (64 * 1024)

enum mode { MODE_REQUESTS, MODE_FULL, MODE_RESUMED, MODE_HOLD };

struct connection {
    int fd;
    SSL *ssl;
    SSL_SESSION *session; /* the last ticket */
    bool is_open;         /* shook hands */
    bool has_ticket;      /* on this connection */
    bool is_held;         /* MODE_HOLD: has had its answer */
    char head[HEAD_MAX];
    size_t head_len;
    bool in_body;
    uint64_t body_left;
};

static struct {
    struct address address;
    char request[1024];
    int request_len;
    unsigned connections;
    double seconds;
    double warm_up;
    enum mode mode;
    const char *suites; /* NULL: OpenSSL's own list */
    int pids[PIDS_MAX];
    unsigned pid_count;
} options = {.connections = 64, .seconds = 5, .warm_up = 1};

static struct {
    uint64_t done; /* requests or handshakes */
    uint64_t resumed;
    uint64_t errors;
    char first_error[256];
} result;

static SSL_CTX *ctx;
static int epoll_fd;
static char buffer[BUFFER_BYTES];
static bool is_counting;
static unsigned held_count;

static NORETURN void die(const char *what)
{
    perror(what);
    exit(1);
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct connection *connection = SSL_get_app_data(ssl);

    SSL_SESSION_free(connection->session);
    connection->session = session;
    connection->has_ticket = true;
    return 1; /* taken */
}

static void open_connection(struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP,
                                .data.ptr = connection};
    int one = 1;
    int fd =
        socket(options.address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, &options.address.any, options.address.len) != 0)
        die("tls_load: connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    connection->fd = fd;
    connection->is_open = false;
    connection->has_ticket = false;
    connection->head_len = 0;
    connection->in_body = false;
    connection->ssl = SSL_new(ctx);
    SSL_set_fd(connection->ssl, fd);
    SSL_set_app_data(connection->ssl, connection);
    SSL_set_tlsext_host_name(connection->ssl, "bench.example");
    if (options.mode == MODE_RESUMED && connection->session)
        SSL_set_session(connection->ssl, connection->session);
    SSL_set_connect_state(connection->ssl);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        die("tls_load: epoll_ctl");
    SSL_do_handshake(connection->ssl);
    ERR_clear_error();
}

static void close_connection(struct connection *connection)
{
    SSL_shutdown(connection->ssl);
    SSL_free(connection->ssl);
    ERR_clear_error();
    close(connection->fd);
}

static void on_error(struct connection *connection, const char *what)
{
    result.errors++;
    if (!result.first_error[0])
        snprintf(result.first_error, sizeof result.first_error, "%s", what);
    if (result.errors > ERRORS_MAX) {
        fprintf(stderr, "tls_load: too many errors: %s\n", result.first_error);
        exit(1);
    }
    close_connection(connection);
    open_connection(connection);
}

static void ask(struct connection *connection)
{
    connection->head_len = 0;
    connection->in_body = false;
    if (SSL_write(connection->ssl, options.request, options.request_len) !=
        options.request_len)
        shutdown(connection->fd, SHUT_RDWR); /* on_readable() counts it */
}

static void on_answered(struct connection *connection)
{
    if (is_counting)
        result.done++;
    if (options.mode != MODE_HOLD) {
        ask(connection);
    } else if (!connection->is_held) {
        connection->is_held = true;
        held_count++;
    }
}

/* Only what proxies make of upstream.c's answers is understood. */
static bool parse_head(struct connection *connection)
{
    const char *field;

    connection->head[connection->head_len] = '\0';
    field = strcasestr(connection->head, "\ncontent-length:");
    if (strncmp(connection->head, "HTTP/1.1 200", 12) != 0 || !field)
        return false;
    connection->body_left = strtoul(field + 16, NULL, 10);
    connection->in_body = true;
    return true;
}

/* false: no good. */
static bool take(struct connection *connection, const char *data, size_t len)
{
    if (!connection->in_body) {
        size_t before = connection->head_len;
        size_t room = HEAD_MAX - 1 - before;
        size_t count = len < room ? len : room;
        const char *end;

        memcpy(connection->head + before, data, count);
        connection->head_len += count;
        end = memmem(connection->head, connection->head_len, "\r\n\r\n", 4);
        if (!end)
            return count == len;
        connection->head_len = (size_t)(end + 4 - connection->head);
        if (!parse_head(connection))
            return false;
        data += connection->head_len - before;
        len -= connection->head_len - before;
    }
    if (len > connection->body_left)
        return false;
    connection->body_left -= len;
    if (connection->body_left == 0)
        on_answered(connection);
    return true;
}

static void next_handshake(struct connection *connection)
{
    if (is_counting) {
        result.done++;
        result.resumed += SSL_session_reused(connection->ssl) == 1;
    }
    close_connection(connection);
    open_connection(connection);
}

static bool shake(struct connection *connection)
{
    int n = SSL_do_handshake(connection->ssl);

    if (n != 1) {
        if (SSL_get_error(connection->ssl, n) != SSL_ERROR_WANT_READ)
            on_error(connection, "handshake failed");
        return false;
    }
    connection->is_open = true;
    if (options.mode == MODE_REQUESTS || options.mode == MODE_HOLD)
        ask(connection);
    return true;
}

static void on_readable(struct connection *connection)
{
    if (!connection->is_open && !shake(connection))
        return;
    for (;;) {
        int n = SSL_read(connection->ssl, buffer, sizeof buffer);

        if (connection->has_ticket &&
            (options.mode == MODE_FULL || options.mode == MODE_RESUMED)) {
            next_handshake(connection);
            return;
        }
        if (n <= 0) {
            if (SSL_get_error(connection->ssl, n) != SSL_ERROR_WANT_READ)
                on_error(connection, "closed");
            ERR_clear_error();
            return;
        }
        if (!take(connection, buffer, (size_t)n)) {
            on_error(connection, connection->head);
            return;
        }
    }
}

/* User and system time of the processes under test, in ticks. */
static void read_cpu(uint64_t ret[2])
{
    ret[0] = ret[1] = 0;
    for (unsigned i = 0; i < options.pid_count; i++) {
        char path[64];
        char text[1024];
        unsigned long user;
        unsigned long system;
        const char *after;
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/stat", options.pids[i]);
        file = fopen(path, "re");
        if (!file)
            die(path);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        after = strrchr(text, ')');
        if (!after || sscanf(after + 1,
                             " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
                             " %lu %lu",
                             &user, &system) != 2)
            die(path);
        ret[0] += user;
        ret[1] += system;
    }
}

static void run_once(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);

    for (int i = 0; i < count; i++)
        on_readable(events[i].data.ptr);
}

static double run_for(double seconds)
{
    uint64_t start_us = clock_now_us();
    uint64_t until_us = start_us + (uint64_t)(seconds * 1e6);

    while (clock_now_us() < until_us)
        run_once(50);
    return (double)(clock_now_us() - start_us) / 1e6;
}

static void measure(void)
{
    double tick_us = 1e6 / (double)sysconf(_SC_CLK_TCK);
    uint64_t before[2];
    uint64_t after[2];
    double seconds;

    run_for(options.warm_up);
    result.errors = 0;
    read_cpu(before);
    is_counting = true;
    seconds = run_for(options.seconds);
    read_cpu(after);
    printf("{\"done\":%llu,\"resumed\":%llu,\"errors\":%llu,\"seconds\":%.6f,"
           "\"user_us\":%.0f,\"system_us\":%.0f}\n",
           (unsigned long long)result.done, (unsigned long long)result.resumed,
           (unsigned long long)result.errors, seconds,
           tick_us * (double)(after[0] - before[0]),
           tick_us * (double)(after[1] - before[1]));
}

/* A few at a time, as clients come: what is measured is what they hold, not
 * what all their handshakes at once would need. */
static void hold(struct connection *all)
{
    unsigned opened = 0;
    char byte;

    while (held_count < options.connections) {
        while (opened < options.connections && opened - held_count < 32)
            open_connection(&all[opened++]);
        run_once(50);
    }
    puts("held");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static void parse_options(int argc, char **argv)
{
    static const char *const modes[] = {"requests", "full", "resumed", "hold"};
    struct err err;
    int c;

    while ((c = getopt(argc, argv, "c:d:w:p:m:s:")) != -1) {
        if (c == 'c')
            options.connections = (unsigned)atoi(optarg);
        else if (c == 'd')
            options.seconds = atof(optarg);
        else if (c == 'w')
            options.warm_up = atof(optarg);
        else if (c == 'm')
            for (unsigned i = 0; i < ARRAY_LEN(modes); i++)
                options.mode = strcmp(optarg, modes[i]) == 0 ? i : options.mode;
        else if (c == 's')
            options.suites = optarg;
        else if (c == 'p')
            for (char *word = strtok(optarg, ",");
                 word && options.pid_count < PIDS_MAX; word = strtok(NULL, ","))
                options.pids[options.pid_count++] = atoi(word);
        else
            exit(2);
    }
    if (argc - optind < 1 || options.connections == 0 ||
        !address_parse(sv_of(argv[optind]), &options.address, &err)) {
        fprintf(stderr, "usage: tls_load [-c CONNECTIONS] [-d SECONDS] "
                        "[-w SECONDS] [-p PIDS] "
                        "[-m requests|full|resumed|hold] [-s SUITES] ADDR:PORT "
                        "[PATH]\n");
        exit(2);
    }
    options.request_len = snprintf(
        options.request, sizeof options.request,
        "GET %s HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: load\r\n"
        "Accept: */*\r\n\r\n",
        argc - optind > 1 ? argv[optind + 1] : "/100");
}

int main(int argc, char **argv)
{
    struct connection *all;

    parse_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    if (options.suites && SSL_CTX_set_ciphersuites(ctx, options.suites) != 1) {
        fprintf(stderr, "tls_load: OpenSSL does not know these suites\n");
        exit(2);
    }
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                            SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    all = xcalloc(options.connections, sizeof *all);
    if (options.mode == MODE_HOLD) {
        hold(all);
        return 0;
    }
    for (unsigned i = 0; i < options.connections; i++)
        open_connection(&all[i]);
    measure();
    return 0; /* what is still open ends with the process */
}
