/* testapp.c - an app for tests: starts, serves, misbehaves and ends as told.
 *
 * Static, no library, a thread a connection. Run `testapp --help` for its
 * switches, and see testapp_routes.c for what it answers.
 */
#include "tests/apps/testapp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/apps/testapp_http.h"

struct testapp app = {.port = 8000,
                      .exit_code = -1,
                      .crash_after_ms = -1,
                      .crash_on_request = -1,
                      .crash_code = 1,
                      .log_lines = 0};

struct option_row {
    const char *name;
    enum { OPTION_NUMBER, OPTION_FLAG, OPTION_TEXT } type;
    void *value;
    const char *help;
};

static const struct option_row option_rows[] = {
    {"start-delay", OPTION_NUMBER, &app.start_delay_ms,
     "milliseconds before it listens"},
    {"ready-delay", OPTION_NUMBER, &app.ready_delay_ms,
     "milliseconds from its start during which /health answers 503"},
    {"ready-line", OPTION_NUMBER, &app.ready_line_ms,
     "milliseconds after which it prints \"testapp: ready for use\""},
    {"log-lines", OPTION_NUMBER, &app.log_lines,
     "lines to print on stdout before anything else"},
    {"memory", OPTION_NUMBER, &app.memory_mb, "megabytes to fill and keep"},
    {"never-listen", OPTION_FLAG, &app.never_listen, "only wait"},
    {"port", OPTION_NUMBER, &app.port, "TCP port, unless $PORT says one"},
    {"loopback", OPTION_FLAG, &app.loopback, "listen on 127.0.0.1 only"},
    {"v6", OPTION_FLAG, &app.v6, "listen on [::1] only"},
    {"unix", OPTION_FLAG, &app.unix_socket,
     "listen on the Unix socket $BERTH_SOCKET"},
    {"symlink-socket", OPTION_TEXT, &app.symlink_socket,
     "make $BERTH_SOCKET a symbolic link to this"},
    {"regular-socket", OPTION_FLAG, &app.regular_socket,
     "make $BERTH_SOCKET a regular file"},
    {"service-time", OPTION_NUMBER, &app.service_time_ms,
     "milliseconds before each answer but /health's"},
    {"fail-percent", OPTION_NUMBER, &app.fail_percent,
     "so many of 100 requests, but /health's, are answered 500"},
    {"single", OPTION_FLAG, &app.single, "serve one connection at a time"},
    {"exit", OPTION_NUMBER, &app.exit_code,
     "print two lines and exit at once with this code"},
    {"crash-after", OPTION_NUMBER, &app.crash_after_ms,
     "crash this many milliseconds after the start"},
    {"crash-on-request", OPTION_NUMBER, &app.crash_on_request,
     "crash instead of answering the Nth request"},
    {"crash-code", OPTION_NUMBER, &app.crash_code, "exit code of a crash (1)"},
    {"stop-delay", OPTION_NUMBER, &app.stop_delay_ms,
     "milliseconds from SIGTERM to the exit"},
    {"ignore-term", OPTION_FLAG, &app.ignore_term, "do nothing on SIGTERM"},
};

enum { OPTION_COUNT = sizeof option_rows / sizeof option_rows[0] };

const char *testapp_id(void)
{
    return app.id;
}

long long testapp_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void testapp_sleep_ms(long long ms)
{
    struct timespec left = {.tv_sec = ms / 1000,
                            .tv_nsec = ms % 1000 * 1000000};

    while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

void testapp_log(const char *format, ...)
{
    char line[1024];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (n > (int)sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) != n)
        return;
}

void testapp_crash(int code)
{
    testapp_log("testapp: crash, code %d", code);
    _exit(code);
}

static void option_set(const struct option_row *row, const char *value)
{
    switch (row->type) {
    case OPTION_NUMBER:
        *(long *)row->value = atol(value);
        break;
    case OPTION_FLAG:
        *(bool *)row->value = strcmp(value, "0") != 0;
        break;
    case OPTION_TEXT:
        *(const char **)row->value = value;
        break;
    }
}

static void options_from_environment(void)
{
    char name[64];

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        snprintf(name, sizeof name, "TESTAPP_%s", option_rows[i].name);
        for (char *p = name; *p != '\0'; p++)
            *p = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? *p - 32 : *p;
        if (getenv(name) != NULL)
            option_set(&option_rows[i], getenv(name));
    }
}

static _Noreturn void usage(FILE *out, int code)
{
    fprintf(out, "usage: testapp [--SWITCH[=VALUE]…]   or TESTAPP_SWITCH=VALUE"
                 " in the environment\n");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        fprintf(out, "  --%-18s%s\n", option_rows[i].name, option_rows[i].help);
    exit(code);
}

static void option_parse(const char *arg)
{
    size_t len = strcspn(arg, "=");

    if (strcmp(arg, "--help") == 0)
        usage(stdout, 0);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *name = option_rows[i].name;

        if (strncmp(arg, "--", 2) == 0 && strlen(name) == len - 2 &&
            strncmp(arg + 2, name, len - 2) == 0) {
            option_set(&option_rows[i], arg[len] == '=' ? arg + len + 1 : "1");
            return;
        }
    }
    fprintf(stderr, "testapp: what is %s?\n", arg);
    usage(stderr, 2);
}

/* PID 1 of a container gets no signal that it does not handle; here one
 * thread waits for all of them. */
static void *signal_thread(void *arg)
{
    const sigset_t *set = arg;
    int signal_number;

    for (;;) {
        if (sigwait(set, &signal_number) != 0)
            continue;
        testapp_log("testapp: got SIG%s%s", sigabbrev_np(signal_number),
                    app.ignore_term ? ", ignored" : "");
        if (app.ignore_term)
            continue;
        testapp_sleep_ms(app.stop_delay_ms);
        _exit(0);
    }
    return NULL;
}

static void *ready_line_thread(void *arg)
{
    (void)arg;
    testapp_sleep_ms(app.ready_line_ms);
    testapp_log("testapp: ready for use");
    return NULL;
}

static void *crash_thread(void *arg)
{
    (void)arg;
    testapp_sleep_ms(app.crash_after_ms);
    testapp_crash((int)app.crash_code);
}

static void thread_start(void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 * 1024);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, run, arg) != 0) {
        testapp_log("testapp: no thread: %s", strerror(errno));
        _exit(70);
    }
    pthread_attr_destroy(&attr);
}

static void count_up(atomic_long *now, atomic_long *most, atomic_long *total)
{
    long n = atomic_fetch_add(now, 1) + 1, seen = atomic_load(most);

    while (n > seen && !atomic_compare_exchange_weak(most, &seen, n))
        continue;
    atomic_fetch_add(total, 1);
}

static bool is_own_question(const struct conn *conn)
{
    return strcmp(conn->path, "/inflight") == 0 ||
           strcmp(conn->path, "/health") == 0;
}

static void serve_request(struct conn *conn)
{
    bool counted = !is_own_question(conn);
    char rest[4096];

    if (counted) {
        count_up(&app.requests, &app.requests_max, &app.requests_total);
        if (app.requests_total == app.crash_on_request)
            testapp_crash((int)app.crash_code);
        testapp_sleep_ms(app.service_time_ms);
    }
    testapp_route(conn);
    /* The next request begins where this body ends. */
    while (!conn->broken && !conn->expects_continue &&
           body_read(conn, rest, sizeof rest) > 0)
        continue;
    if (conn->expects_continue && !conn->body_done)
        conn->keep_alive = false;
    if (counted)
        atomic_fetch_sub(&app.requests, 1);
}

static void *serve_connection(void *arg)
{
    struct conn conn;

    conn_init(&conn, (int)(long)arg);
    count_up(&app.connections, &app.connections_max, &app.connections_total);
    while (conn_next(&conn)) {
        serve_request(&conn);
        if (conn.broken || !conn.keep_alive)
            break;
    }
    atomic_fetch_sub(&app.connections, 1);
    conn_done(&conn);
    return NULL;
}

static _Noreturn void fail(const char *what)
{
    testapp_log("testapp: %s: %s", what, strerror(errno));
    exit(71);
}

static int listen_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("BERTH_SOCKET");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (path == NULL || strlen(path) >= sizeof address.sun_path) {
        errno = EINVAL;
        fail("$BERTH_SOCKET");
    }
    strcpy(address.sun_path, path);
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail(path);
    return fd;
}

static int listen_tcp(void)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = app.v6 ? AF_INET6 : AF_INET};
    int on = 1, fd;
    const char *port = getenv("PORT");
    in_port_t port_be = htons((uint16_t)(port ? atol(port) : app.port));

    if (app.v6) {
        address.v6.sin6_port = port_be;
        address.v6.sin6_addr = in6addr_loopback;
    } else {
        address.v4.sin_port = port_be;
        address.v4.sin_addr.s_addr =
            htonl(app.loopback ? INADDR_LOOPBACK : INADDR_ANY);
    }
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd, &address.any, sizeof address) != 0)
        fail("bind");
    return fd;
}

/* What a hostile or broken app puts where its socket should be. */
static bool make_false_socket(void)
{
    const char *path = getenv("BERTH_SOCKET");
    FILE *file;

    if (app.symlink_socket == NULL && !app.regular_socket)
        return false;
    if (path == NULL)
        fail("$BERTH_SOCKET is not set");
    unlink(path);
    if (app.symlink_socket != NULL) {
        if (symlink(app.symlink_socket, path) != 0)
            fail(path);
    } else {
        file = fopen(path, "w");
        if (file == NULL || fclose(file) != 0)
            fail(path);
    }
    testapp_log("testapp: made a false socket at %s", path);
    return true;
}

static void serve_forever(void)
{
    int fd = app.unix_socket ? listen_unix() : listen_tcp(), client;

    if (listen(fd, 4096) != 0)
        fail("listen");
    testapp_log("testapp: %s listens", app.id);
    for (;;) {
        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            continue;
        if (app.single)
            serve_connection((void *)(long)client);
        else
            thread_start(serve_connection, (void *)(long)client);
    }
}

static void make_id(void)
{
    char host[33] = "";
    unsigned number = 0;

    if (gethostname(host, sizeof host - 1) != 0 ||
        getrandom(&number, sizeof number, 0) != sizeof number)
        fail("id");
    snprintf(app.id, sizeof app.id, "%.32s-%08x", host, number);
}

/* SplitMix64. */
uint64_t testapp_noise(uint64_t index)
{
    uint64_t x = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void fill_memory(void)
{
    size_t size = (size_t)app.memory_mb << 20;
    char *memory = malloc(size + 1);

    if (memory == NULL)
        fail("memory");
    /* Nothing that could be merged or compressed away. */
    for (size_t i = 0; i < size / sizeof(uint64_t); i++)
        ((uint64_t *)(void *)memory)[i] = testapp_noise(i);
    app.memory = memory;
    testapp_log("testapp: filled %ld MB at %p", app.memory_mb, (void *)memory);
}

int main(int argc, char **argv)
{
    static sigset_t signals;

    app.argv = argv;
    app.started_ms = testapp_now_ms();
    options_from_environment();
    for (int i = 1; i < argc; i++)
        option_parse(argv[i]);
    make_id();

    for (long i = 0; i < app.log_lines; i++)
        printf("testapp: line %ld\n", i + 1);
    fflush(stdout);
    if (app.exit_code >= 0) {
        testapp_log("testapp: about to give up");
        testapp_log("testapp: exit code %ld", app.exit_code);
        return (int)app.exit_code;
    }

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGQUIT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    thread_start(signal_thread, &signals);
    if (app.crash_after_ms >= 0)
        thread_start(crash_thread, NULL);
    if (app.ready_line_ms > 0)
        thread_start(ready_line_thread, NULL);
    if (app.memory_mb > 0)
        fill_memory();

    testapp_sleep_ms(app.start_delay_ms);
    if (app.never_listen) {
        testapp_log("testapp: %s never listens", app.id);
        for (;;)
            pause();
    }
    if (make_false_socket()) {
        for (;;)
            pause();
    }
    serve_forever();
}
