/* testapp_routes.c - what the test app answers. The table at the end is the
 * list of its routes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/apps/sha256.h"
#include "tests/apps/testapp.h"
#include "tests/apps/testapp_http.h"

enum { BLOCK_BYTES = 64 * 1024 };

static void route_root(struct conn *conn)
{
    reply_printf(conn, 200, "hello from %s\n", app.id);
}

static void route_health(struct conn *conn)
{
    bool ready = testapp_now_ms() - app.started_ms >= app.ready_delay_ms &&
                 !atomic_load(&app.unready);

    reply_printf(conn, ready ? 200 : 503, "%s\n", ready ? "ready" : "not yet");
}

/* /unready?set=1: from now on /health answers 503 (0: no longer). */
static void route_unready(struct conn *conn)
{
    atomic_store(&app.unready, param_number(conn, "set", 1) != 0);
    reply_printf(conn, 200, "done\n");
}

/* The head as it came, to the byte. */
static void route_headers(struct conn *conn)
{
    reply_text(conn, 200, "text/plain", conn->head, conn->head_len);
}

/* The body back, framed as the request's was, while it still comes.
 * buffer=1: only after the whole of it came. */
static void route_echo(struct conn *conn)
{
    char block[BLOCK_BYTES / 2], *whole;
    size_t len;
    ssize_t n;

    if (param_number(conn, "buffer", 0) != 0) {
        whole = body_read_all(conn, &len);
        if (whole == NULL)
            return;
        reply_text(conn, 200, "application/octet-stream", whole, len);
        free(whole);
        return;
    }
    body_accept(conn);
    reply_begin(conn, 200, "Content-Type: application/octet-stream\r\n",
                conn->body_chunked ? REPLY_CHUNKED
                                   : (long long)conn->body_left);
    while (!conn->broken && (n = body_read(conn, block, sizeof block)) > 0)
        reply_write(conn, block, (size_t)n);
    reply_end(conn, "");
}

/* Length and digest of the body. delay=MS: read it only after a while. */
static void route_hash(struct conn *conn)
{
    char block[BLOCK_BYTES / 2], hex[65];
    struct sha256 hash;
    ssize_t n;

    testapp_sleep_ms(param_number(conn, "delay", 0));
    sha256_init(&hash);
    while ((n = body_read(conn, block, sizeof block)) > 0)
        sha256_add(&hash, block, (size_t)n);
    if (n < 0)
        return;
    n = (ssize_t)hash.size_bytes;
    sha256_hex(&hash, hex);
    reply_printf(conn, 200, "{\"bytes\":%zd,\"sha256\":\"%s\"}\n", n, hex);
}

/* /big?bytes=N[&chunked=1]: lines of 15 digits, each its own offset. */
static void route_big(struct conn *conn)
{
    long long left = param_number(conn, "bytes", 1000), offset = 0;
    bool chunked = param_number(conn, "chunked", 0) != 0;
    char block[BLOCK_BYTES / 2 + 1];

    reply_begin(conn, 200, "Content-Type: text/plain\r\n",
                chunked ? REPLY_CHUNKED : left);
    while (left > 0 && !conn->broken && !conn->reply_no_body) {
        size_t n = BLOCK_BYTES / 2;

        for (size_t i = 0; i < n; i += 16)
            sprintf(block + i, "%015lld\n", offset + (long long)i);
        if ((long long)n > left)
            n = (size_t)left;
        reply_write(conn, block, n);
        offset += (long long)n;
        left -= (long long)n;
    }
    reply_end(conn, "");
}

/* /stream?chunks=N&interval=MS&size=BYTES[&trailer=1] */
static void route_stream(struct conn *conn)
{
    long long chunks = param_number(conn, "chunks", 5);
    long long interval = param_number(conn, "interval", 100);
    long long size = param_number(conn, "size", 16);
    bool trailer = param_number(conn, "trailer", 0) != 0;
    char *chunk;

    if (size < 1 || size > 1 << 20)
        size = 16;
    chunk = malloc((size_t)size);
    if (chunk == NULL)
        abort();
    reply_begin(conn, 200,
                trailer ? "Content-Type: text/plain\r\nTrailer: X-Chunks\r\n"
                        : "Content-Type: text/plain\r\n",
                REPLY_CHUNKED);
    for (long long i = 0; i < chunks && !conn->broken; i++) {
        if (i > 0)
            testapp_sleep_ms(interval);
        memset(chunk, (int)('a' + i % 26), (size_t)size);
        chunk[size - 1] = '\n';
        reply_write(conn, chunk, (size_t)size);
    }
    reply_end(conn, trailer ? "X-Chunks: all\r\n" : "");
    free(chunk);
}

/* /sse?events=N&interval=MS: server-sent events; events=0: without end. */
static void route_sse(struct conn *conn)
{
    long long events = param_number(conn, "events", 5);
    long long interval = param_number(conn, "interval", 100);
    char event[64];
    int n;

    reply_begin(conn, 200,
                "Content-Type: text/event-stream\r\n"
                "Cache-Control: no-store\r\n",
                REPLY_CHUNKED);
    for (long long i = 1; (events == 0 || i <= events) && !conn->broken; i++) {
        if (i > 1)
            testapp_sleep_ms(interval);
        n = sprintf(event, "id: %lld\ndata: %lld\n\n", i, i);
        reply_write(conn, event, (size_t)n);
    }
    reply_end(conn, "");
}

/* /slow?bytes=N&interval=MS: one byte at a time, with a length. */
static void route_slow(struct conn *conn)
{
    long long bytes = param_number(conn, "bytes", 10);
    long long interval = param_number(conn, "interval", 100);

    reply_begin(conn, 200, "", bytes);
    for (long long i = 0; i < bytes && !conn->broken; i++) {
        testapp_sleep_ms(interval);
        reply_write(conn, ".", 1);
    }
}

static void route_delay(struct conn *conn)
{
    long long ms = param_number(conn, "ms", 100);

    testapp_sleep_ms(ms);
    reply_printf(conn, 200, "waited %lld ms in %s\n", ms, app.id);
}

/* /spin?ms=N: as /delay, but with a CPU. */
static void route_spin(struct conn *conn)
{
    long long until = testapp_now_ms() + param_number(conn, "ms", 100);

    while (testapp_now_ms() < until)
        continue;
    reply_printf(conn, 200, "done\n");
}

static void route_crash(struct conn *conn)
{
    testapp_crash((int)param_number(conn, "code", app.crash_code));
}

/* /status/CODE[?location=URL] */
static void route_status(struct conn *conn)
{
    int status = atoi(conn->path + strlen("/status/"));
    char location[1024], fields[1100] = "";

    if (status < 200 || status > 999)
        status = 400;
    if (param_text(conn, "location", location, sizeof location))
        snprintf(fields, sizeof fields, "Location: %s\r\n", location);
    reply_begin(conn, status, fields, status == 204 || status == 304 ? 0 : 7);
    if (status != 204 && status != 304)
        reply_write(conn, "status\n", 7);
}

/* /close?after=N: no answer, or one of 1000 bytes that ends after N. */
static void route_close(struct conn *conn)
{
    long long after = param_number(conn, "after", -1);

    if (after >= 0) {
        reply_begin(conn, 200, "", 1000);
        for (long long i = 0; i < after; i++)
            reply_write(conn, "x", 1);
    }
    conn->broken = true;
}

/* As /close, but the peer gets an RST. */
static void route_reset(struct conn *conn)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    conn->broken = true;
}

/* Never an answer, until the peer goes. */
static void route_hang(struct conn *conn)
{
    char byte;

    while (recv(conn->fd, &byte, 1, 0) > 0)
        continue;
    testapp_log("testapp: the peer of /hang went");
    conn->broken = true;
}

/* The request's body is sent as it is, in place of an answer. close=0: the
 * connection stays. For answers that no proper app would give. */
static void route_raw(struct conn *conn)
{
    size_t len;
    char *answer = body_read_all(conn, &len);

    if (answer == NULL)
        return;
    send_all(conn, answer, len);
    free(answer);
    conn->keep_alive = param_number(conn, "close", 1) == 0;
}

/* /early?code=N&close=1: an answer before the body was read. */
static void route_early(struct conn *conn)
{
    conn->keep_alive = param_number(conn, "close", 1) == 0;
    reply_printf(conn, (int)param_number(conn, "code", 413), "early\n");
    if (!conn->keep_alive)
        conn->broken = true;
}

/* An informational answer before the final one. */
static void route_hints(struct conn *conn)
{
    static const char hints[] =
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";

    send_all(conn, hints, sizeof hints - 1);
    reply_printf(conn, 200, "hinted\n");
}

/* 101, then every byte back until the peer closes. */
static void route_upgrade(struct conn *conn)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n"
                                 "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    char block[BLOCK_BYTES / 4];
    ssize_t n;

    send_all(conn, answer, sizeof answer - 1);
    send_all(conn, conn->buf + conn->pos, conn->len - conn->pos);
    while (!conn->broken && (n = recv(conn->fd, block, sizeof block, 0)) > 0)
        send_all(conn, block, (size_t)n);
    conn->broken = true;
}

static void print_json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            fprintf(out, "\\u%04x", (unsigned char)*text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void print_json_texts(FILE *out, const char *name, char **texts)
{
    fprintf(out, ",\"%s\":[", name);
    for (char **text = texts; *text != NULL; text++) {
        if (text != texts)
            fputc(',', out);
        print_json_text(out, *text);
    }
    fputc(']', out);
}

static void print_limit(FILE *out, const char *name, int resource)
{
    struct rlimit limit;

    getrlimit((__rlimit_resource_t)resource, &limit);
    fprintf(out, "\"%s\":[%lld,%lld]", name, (long long)limit.rlim_cur,
            (long long)limit.rlim_max);
}

/* What the process was given: environment, arguments, user, limits. An
 * unlimited limit is -1. The environment is a list of NAME=VALUE, so that a
 * name that stands twice shows. */
static void route_env(struct conn *conn)
{
    char *text, cwd[PATH_MAX], host[256] = "";
    size_t len;
    FILE *out = open_memstream(&text, &len);

    gethostname(host, sizeof host - 1);
    fprintf(out, "{\"pid\":%d,\"uid\":%u,\"gid\":%u,\"cwd\":", getpid(),
            getuid(), getgid());
    print_json_text(out, getcwd(cwd, sizeof cwd) ? cwd : "");
    fprintf(out, ",\"hostname\":");
    print_json_text(out, host);
    print_json_texts(out, "argv", app.argv);
    print_json_texts(out, "env", environ);
    fprintf(out, ",\"limits\":{");
    print_limit(out, "nofile", RLIMIT_NOFILE);
    fputc(',', out);
    print_limit(out, "nproc", RLIMIT_NPROC);
    fputc(',', out);
    print_limit(out, "core", RLIMIT_CORE);
    fputc(',', out);
    print_limit(out, "memlock", RLIMIT_MEMLOCK);
    fprintf(out, "}}\n");
    fclose(out);
    reply_text(conn, 200, "application/json", text, len);
    free(text);
}

static void route_pid(struct conn *conn)
{
    reply_printf(conn, 200, "{\"pid\":%d,\"id\":\"%s\",\"uptime_ms\":%lld}\n",
                 getpid(), app.id, testapp_now_ms() - app.started_ms);
}

/* Fill memory until the kernel has enough of it. */
static void route_oom(struct conn *conn)
{
    size_t step = 1 << 20;

    (void)conn;
    for (;;) {
        char *memory = malloc(step);

        if (memory == NULL)
            testapp_crash(137);
        memset(memory, 0x5a, step);
    }
}

/* /touch: each page of what --memory filled is read. */
static void route_touch(struct conn *conn)
{
    size_t size = (size_t)app.memory_mb << 20;
    unsigned sum = 0;

    for (size_t i = 0; i < size; i += 4096)
        sum += (unsigned char)app.memory[i];
    reply_printf(conn, 200, "%zu %u\n", size, sum);
}

/* /verify: all that --memory filled is read, and still what it was. */
static void route_verify(struct conn *conn)
{
    size_t count = ((size_t)app.memory_mb << 20) / sizeof(uint64_t);
    const uint64_t *words = (const uint64_t *)(const void *)app.memory;
    size_t wrong = 0;

    for (size_t i = 0; i < count; i++)
        wrong += words[i] != testapp_noise(i);
    reply_printf(conn, wrong > 0 ? 500 : 200, "%zu words, %zu wrong\n", count,
                 wrong);
}

/* /connect?ip=IPV4&port=N: whether a connection from here gets there, within
 * two seconds. */
static void route_connect(struct conn *conn)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval limit = {.tv_sec = 2};
    char ip[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)param_number(conn, "port", 80));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (!param_text(conn, "ip", ip, sizeof ip) ||
        inet_pton(AF_INET, ip, &to.sin_addr) != 1)
        reply_printf(conn, 400, "no address\n");
    else if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        reply_printf(conn, 200, "connected\n");
    else
        reply_printf(conn, 503, "%s\n", strerror(errno));
    close(fd);
}

/* /file?path=PATH: a file as the container has it; write=1 stores the
 * request's body there. */
static void route_file(struct conn *conn)
{
    char path[PATH_MAX], block[BLOCK_BYTES / 2];
    FILE *file;
    size_t n;
    bool write = param_number(conn, "write", 0) != 0;

    file = param_text(conn, "path", path, sizeof path)
               ? fopen(path, write ? "w" : "r")
               : NULL;
    if (file == NULL) {
        reply_printf(conn, 404, "%s\n", strerror(errno));
        return;
    }
    if (write) {
        ssize_t got;

        while ((got = body_read(conn, block, sizeof block)) > 0)
            fwrite(block, 1, (size_t)got, file);
        fclose(file); /* before somebody is told that it is there */
        reply_printf(conn, 200, "written\n");
    } else {
        reply_begin(conn, 200, "Content-Type: application/octet-stream\r\n",
                    REPLY_CHUNKED);
        while ((n = fread(block, 1, sizeof block, file)) > 0)
            reply_write(conn, block, n);
        reply_end(conn, "");
        fclose(file);
    }
}

/* How many at once, and in all. reset=1: count the most anew. */
static void route_inflight(struct conn *conn)
{
    if (param_number(conn, "reset", 0) != 0) {
        atomic_store(&app.connections_max, app.connections);
        atomic_store(&app.requests_max, app.requests);
    }
    reply_printf(conn, 200,
                 "{\"connections\":%ld,\"connections_max\":%ld,"
                 "\"connections_total\":%ld,\"requests\":%ld,"
                 "\"requests_max\":%ld,\"requests_total\":%ld}\n",
                 app.connections, app.connections_max, app.connections_total,
                 app.requests, app.requests_max, app.requests_total);
}

/* /log?line=TEXT&count=N&stream=out|err */
static void route_log(struct conn *conn)
{
    char line[4096], stream[8] = "err";
    FILE *out;

    if (!param_text(conn, "line", line, sizeof line))
        snprintf(line, sizeof line, "a line");
    param_text(conn, "stream", stream, sizeof stream);
    out = strcmp(stream, "out") == 0 ? stdout : stderr;
    for (long long i = param_number(conn, "count", 1); i > 0; i--)
        fprintf(out, "%s\n", line);
    fflush(out);
    reply_printf(conn, 200, "logged\n");
}

static const struct {
    const char *path; /* one that ends in '/' is a prefix */
    void (*answer)(struct conn *conn);
} routes[] = {
    {"/health", route_health},   {"/headers", route_headers},
    {"/echo", route_echo},       {"/hash", route_hash},
    {"/big", route_big},         {"/stream", route_stream},
    {"/sse", route_sse},         {"/slow", route_slow},
    {"/delay", route_delay},     {"/spin", route_spin},
    {"/crash", route_crash},     {"/status/", route_status},
    {"/close", route_close},     {"/reset", route_reset},
    {"/hang", route_hang},       {"/raw", route_raw},
    {"/early", route_early},     {"/hints", route_hints},
    {"/upgrade", route_upgrade}, {"/env", route_env},
    {"/pid", route_pid},         {"/oom", route_oom},
    {"/file", route_file},       {"/inflight", route_inflight},
    {"/log", route_log},         {"/unready", route_unready},
    {"/connect", route_connect}, {"/touch", route_touch},
    {"/verify", route_verify},
};

/* Of each hundred the first ones fail. */
static bool is_to_fail(const struct conn *conn)
{
    static atomic_long count;

    return app.fail_percent > 0 && strcmp(conn->path, "/health") != 0 &&
           atomic_fetch_add(&count, 1) % 100 < app.fail_percent;
}

void testapp_route(struct conn *conn)
{
    if (is_to_fail(conn)) {
        reply_printf(conn, 500, "it fails\n");
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        size_t len = strlen(routes[i].path);
        bool prefix = routes[i].path[len - 1] == '/';

        if (strncmp(conn->path, routes[i].path, len) == 0 &&
            (prefix || conn->path[len] == '\0')) {
            routes[i].answer(conn);
            return;
        }
    }
    route_root(conn);
}
