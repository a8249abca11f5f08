/* load.c - a load generator for benchmarks: exact counts, errors, quantiles,
 * and the CPU time of the processes under test over exactly the same time.
 *
 * usage: load [-c CONNECTIONS] [-d SECONDS] [-w SECONDS] [-r RATE]
 *             [-p PID,PID…] ADDR:PORT PATH
 * Closed loop: each connection asks again as soon as it was answered. With -r
 * that many requests a second are due at even distances, whatever is still
 * unanswered, and a latency counts from when its request was due (no
 * coordinated omission). One line of JSON on stdout. One thread.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "router/base/address.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/strbuf.h"
#include "tests/bench/latency.h"

#define HEAD_MAX     8192
#define EVENTS       256
#define PIDS_MAX     64
#define ERRORS_MAX   100000
#define BUFFER_BYTES (256 * 1024)

struct connection {
    int fd;
    bool is_busy;
    uint64_t since_us; /* when its request was due or sent */
    char head[HEAD_MAX];
    size_t head_len;
    bool in_body;
    uint64_t body_left;
    struct connection *next_idle;
};

static struct {
    struct address address;
    char request[1024];
    size_t request_len;
    unsigned connections;
    double seconds;
    double warm_up;
    double rate; /* 0: closed loop */
    int pids[PIDS_MAX];
    unsigned pid_count;
} options = {.connections = 64, .seconds = 5, .warm_up = 1};

static struct {
    struct latency latency;
    uint64_t requests;
    uint64_t bytes;
    uint64_t errors;
    char first_error[256];
} result;

static int epoll_fd;
static char buffer[BUFFER_BYTES];
static struct connection *idle;
static bool is_counting;

static NORETURN void die(const char *what)
{
    perror(what);
    exit(1);
}

static void open_connection(struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int one = 1;
    int fd =
        socket(options.address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, &options.address.any, options.address.len) != 0)
        die("load: connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connection->fd = fd;
    connection->head_len = 0;
    connection->in_body = false;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        die("load: epoll_ctl");
}

static void ask(struct connection *connection, uint64_t since_us)
{
    connection->is_busy = true;
    connection->since_us = since_us;
    if (write(connection->fd, options.request, options.request_len) !=
        (ssize_t)options.request_len)
        shutdown(connection->fd, SHUT_RDWR); /* on_readable() counts it */
}

static void become_idle(struct connection *connection)
{
    connection->is_busy = false;
    connection->next_idle = idle;
    idle = connection;
}

static void on_error(struct connection *connection, const char *what)
{
    if (is_counting)
        result.errors++;
    if (!result.first_error[0])
        snprintf(result.first_error, sizeof(result.first_error), "%s", what);
    if (result.errors > ERRORS_MAX) {
        fprintf(stderr, "load: too many errors: %s\n", result.first_error);
        exit(1);
    }
    close(connection->fd);
    open_connection(connection);
    if (options.rate > 0)
        become_idle(connection);
    else
        ask(connection, clock_now_us());
}

static void on_answered(struct connection *connection)
{
    uint64_t now_us = clock_now_us();

    if (is_counting) {
        result.requests++;
        latency_add(&result.latency, now_us - connection->since_us);
    }
    connection->head_len = 0;
    connection->in_body = false;
    if (options.rate > 0)
        become_idle(connection);
    else
        ask(connection, now_us);
}

/* Only what proxies make of upstream.c's answers is understood. */
static bool parse_head(struct connection *connection)
{
    static const char name[] = "\ncontent-length:";
    const char *at = connection->head;

    connection->head[connection->head_len] = '\0';
    if (strncmp(at, "HTTP/1.1 200", 12) != 0)
        return false;
    while ((at = strchr(at, '\n'))) {
        if (strncasecmp(at, name, sizeof(name) - 1) == 0) {
            connection->body_left = strtoul(at + sizeof(name) - 1, NULL, 10);
            connection->in_body = true;
            return true;
        }
        at++;
    }
    return false;
}

/* Returns the bytes of data that belong to the head; -1 when it is no good. */
static ssize_t take_head(struct connection *connection, const char *data,
                         size_t len)
{
    size_t before = connection->head_len;
    size_t room = HEAD_MAX - 1 - before;
    size_t take = len < room ? len : room;
    const char *end;

    memcpy(connection->head + before, data, take);
    end = memmem(connection->head, before + take, "\r\n\r\n", 4);
    if (!end) {
        connection->head_len = before + take;
        return take == len ? (ssize_t)len : -1;
    }
    connection->head_len = (size_t)(end + 4 - connection->head);
    return parse_head(connection) ? (ssize_t)(connection->head_len - before)
                                  : -1;
}

static void on_readable(struct connection *connection)
{
    ssize_t n = read(connection->fd, buffer, sizeof(buffer));
    size_t at = 0;

    if (n <= 0) {
        on_error(connection, n < 0 ? strerror(errno) : "closed");
        return;
    }
    if (is_counting)
        result.bytes += (size_t)n;
    if (!connection->in_body) {
        ssize_t head = take_head(connection, buffer, (size_t)n);

        if (head < 0) {
            on_error(connection, connection->head);
            return;
        }
        at = (size_t)head;
    }
    if (!connection->in_body)
        return;
    if ((size_t)n - at > connection->body_left) {
        on_error(connection, "more than was announced");
        return;
    }
    connection->body_left -= (size_t)n - at;
    if (connection->body_left == 0)
        on_answered(connection);
}

/* --- the processes under test --- */

struct cpu {
    uint64_t user_ticks;
    uint64_t system_ticks;
};

/* A process's own times hold all its threads, also those that ended. */
static struct cpu read_cpu(void)
{
    struct cpu cpu = {0, 0};

    for (unsigned i = 0; i < options.pid_count; i++) {
        char path[64];
        char text[1024];
        unsigned long user;
        unsigned long system;
        const char *after;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/stat", options.pids[i]);
        file = fopen(path, "re");
        if (!file)
            die(path);
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
        after = strrchr(text, ')');
        if (!after || sscanf(after + 1,
                             " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
                             " %lu %lu",
                             &user, &system) != 2)
            die(path);
        cpu.user_ticks += user;
        cpu.system_ticks += system;
    }
    return cpu;
}

/* --- the run --- */

static void wait_for_events(uint64_t until_us)
{
    struct epoll_event events[EVENTS];
    uint64_t now_us = clock_now_us();
    uint64_t left_us = until_us > now_us ? until_us - now_us : 0;
    struct timespec timeout = {(time_t)(left_us / 1000000),
                               (long)(left_us % 1000000) * 1000};
    int count = epoll_pwait2(epoll_fd, events, EVENTS, &timeout, NULL);

    for (int i = 0; i < count; i++)
        on_readable(events[i].data.ptr);
}

/* Asks what is due; returns when the next one is. */
static uint64_t ask_due(double *next_due_us, uint64_t until_us)
{
    uint64_t now_us = clock_now_us();

    while (idle && *next_due_us <= (double)now_us) {
        struct connection *connection = idle;

        idle = connection->next_idle;
        ask(connection, (uint64_t)*next_due_us);
        *next_due_us += 1e6 / options.rate;
    }
    if (!idle || *next_due_us > (double)until_us)
        return until_us;
    return (uint64_t)*next_due_us + 1;
}

static void run_for(double seconds)
{
    uint64_t until_us = clock_now_us() + (uint64_t)(seconds * 1e6);
    static double next_due_us;

    if (next_due_us == 0)
        next_due_us = (double)clock_now_us();
    while (clock_now_us() < until_us)
        wait_for_events(options.rate > 0 ? ask_due(&next_due_us, until_us)
                                         : until_us);
}

static void print_result(double seconds, const struct cpu *before,
                         const struct cpu *after)
{
    double tick_us = 1e6 / (double)sysconf(_SC_CLK_TCK);
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    strbuf_printf(
        &out,
        "{\"requests\":%llu,\"errors\":%llu,\"bytes\":%llu,"
        "\"seconds\":%.6f,\"p50_us\":%llu,\"p99_us\":%llu,"
        "\"max_us\":%llu,\"user_us\":%.0f,\"system_us\":%.0f,"
        "\"first_error\":",
        (unsigned long long)result.requests, (unsigned long long)result.errors,
        (unsigned long long)result.bytes, seconds,
        (unsigned long long)latency_quantile(&result.latency, 0.5),
        (unsigned long long)latency_quantile(&result.latency, 0.99),
        (unsigned long long)result.latency.max_us,
        tick_us * (double)(after->user_ticks - before->user_ticks),
        tick_us * (double)(after->system_ticks - before->system_ticks));
    strbuf_add_json(&out, sv_of(result.first_error));
    strbuf_add_char(&out, '}');
    puts(out.data);
}

static void parse_pids(char *list)
{
    for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
        if (options.pid_count == PIDS_MAX)
            die("load: too many pids");
        options.pids[options.pid_count++] = atoi(word);
    }
}

static void parse_options(int argc, char **argv)
{
    struct err err = {0};
    int c;

    while ((c = getopt(argc, argv, "c:d:w:r:p:")) != -1) {
        if (c == 'c')
            options.connections = (unsigned)atoi(optarg);
        else if (c == 'd')
            options.seconds = atof(optarg);
        else if (c == 'w')
            options.warm_up = atof(optarg);
        else if (c == 'r')
            options.rate = atof(optarg);
        else if (c == 'p')
            parse_pids(optarg);
        else
            exit(2);
    }
    if (argc - optind != 2 || options.connections == 0) {
        fprintf(stderr, "usage: load [-c CONNECTIONS] [-d SECONDS] "
                        "[-w SECONDS] [-r RATE] [-p PIDS] ADDR:PORT PATH\n");
        exit(2);
    }
    if (!address_parse(sv_of(argv[optind]), &options.address, &err)) {
        fprintf(stderr, "load: %s: %s\n", argv[optind], err.text);
        exit(2);
    }
    options.request_len = (size_t)snprintf(
        options.request, sizeof(options.request),
        "GET %s HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: load\r\n"
        "Accept: */*\r\n\r\n",
        argv[optind + 1]);
}

int main(int argc, char **argv)
{
    struct connection *all;
    struct cpu before;
    struct cpu after;
    uint64_t start_us;
    double seconds;

    parse_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    all = xcalloc(options.connections, sizeof(*all));
    for (unsigned i = 0; i < options.connections; i++) {
        open_connection(&all[i]);
        if (options.rate > 0)
            become_idle(&all[i]);
        else
            ask(&all[i], clock_now_us());
    }
    run_for(options.warm_up);
    before = read_cpu();
    start_us = clock_now_us();
    is_counting = true;
    run_for(options.seconds);
    seconds = (double)(clock_now_us() - start_us) / 1e6;
    after = read_cpu();
    print_result(seconds, &before, &after);
    free(all);
    return 0;
}
