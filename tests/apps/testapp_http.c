/* testapp_http.c - see testapp_http.h */
#include "tests/apps/testapp_http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/apps/testapp.h"

enum { BUFFER_BYTES = 128 * 1024 };

void conn_init(struct conn *conn, int fd)
{
    memset(conn, 0, sizeof *conn);
    conn->fd = fd;
    conn->buf = malloc(BUFFER_BYTES);
    if (conn->buf == NULL)
        abort();
}

void conn_done(struct conn *conn)
{
    close(conn->fd);
    free(conn->buf);
    free(conn->head);
    free(conn->path);
}

/* Receive more behind what is there; false at the end of the stream. */
static bool fill(struct conn *conn)
{
    ssize_t n;

    if (conn->pos > 0) {
        memmove(conn->buf, conn->buf + conn->pos, conn->len - conn->pos);
        conn->len -= conn->pos;
        conn->pos = 0;
    }
    if (conn->len == BUFFER_BYTES)
        return false;
    do {
        n = recv(conn->fd, conn->buf + conn->len, BUFFER_BYTES - conn->len, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    conn->len += (size_t)n;
    return true;
}

/* The value of a header field: the first of that name. NULL when absent. */
static const char *field_find(const struct conn *conn, const char *name)
{
    size_t name_len = strlen(name);

    for (const char *line = strstr(conn->head, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        const char *field = line + 2;

        if (strncasecmp(field, name, name_len) == 0 && field[name_len] == ':')
            return field + name_len + 1 + strspn(field + name_len + 1, " \t");
    }
    return NULL;
}

static bool field_has(const struct conn *conn, const char *name,
                      const char *word)
{
    const char *value = field_find(conn, name);
    size_t len = strlen(word);

    if (value == NULL)
        return false;
    for (; *value != '\r' && *value != '\0'; value++) {
        if (strncasecmp(value, word, len) == 0)
            return true;
    }
    return false;
}

static bool parse_head(struct conn *conn)
{
    char version[16], *query;
    const char *length;

    free(conn->path);
    conn->path = NULL;
    if (sscanf(conn->head, "%31s %ms %15s", conn->method, &conn->path,
               version) != 3 ||
        strncmp(version, "HTTP/1.", 7) != 0)
        return false;
    query = strchr(conn->path, '?');
    if (query != NULL)
        *query++ = '\0';
    conn->query = query != NULL ? query : "";

    conn->http10 = strcmp(version, "HTTP/1.0") == 0;
    conn->keep_alive = conn->http10
                           ? field_has(conn, "Connection", "keep-alive")
                           : !field_has(conn, "Connection", "close");
    conn->expects_continue = field_has(conn, "Expect", "100-continue");
    conn->body_chunked = field_has(conn, "Transfer-Encoding", "chunked");
    length = field_find(conn, "Content-Length");
    conn->body_left =
        length && !conn->body_chunked ? strtoull(length, NULL, 10) : 0;
    conn->body_done = !conn->body_chunked && conn->body_left == 0;
    conn->reply_no_body = strcmp(conn->method, "HEAD") == 0;
    conn->reply_chunked = false;
    return true;
}

bool conn_next(struct conn *conn)
{
    char *end;

    while ((end = memmem(conn->buf + conn->pos, conn->len - conn->pos,
                         "\r\n\r\n", 4)) == NULL) {
        if (!fill(conn))
            return false;
    }
    conn->head_len = (size_t)(end + 4 - (conn->buf + conn->pos));
    free(conn->head);
    conn->head = malloc(conn->head_len + 1);
    if (conn->head == NULL)
        abort();
    memcpy(conn->head, conn->buf + conn->pos, conn->head_len);
    conn->head[conn->head_len] = '\0';
    conn->pos += conn->head_len;
    return parse_head(conn);
}

/* One line up to CRLF, which is consumed and not part of it. */
static bool read_line(struct conn *conn, char *out, size_t cap)
{
    char *end;
    size_t len;

    while ((end = memmem(conn->buf + conn->pos, conn->len - conn->pos, "\r\n",
                         2)) == NULL) {
        if (!fill(conn))
            return false;
    }
    len = (size_t)(end - (conn->buf + conn->pos));
    snprintf(out, cap, "%.*s", (int)len, conn->buf + conn->pos);
    conn->pos += len + 2;
    return true;
}

/* Go on to the next chunk; at the last one, past the trailers. */
static bool next_chunk(struct conn *conn)
{
    char line[4096], *end;

    if (!read_line(conn, line, sizeof line))
        return false;
    conn->body_left = strtoull(line, &end, 16);
    if (end == line)
        return false;
    if (conn->body_left > 0)
        return true;
    do {
        if (!read_line(conn, line, sizeof line))
            return false;
    } while (line[0] != '\0');
    conn->body_done = true;
    return true;
}

static ssize_t body_failed(struct conn *conn)
{
    conn->broken = true;
    conn->body_done = true;
    return -1;
}

void body_accept(struct conn *conn)
{
    if (conn->expects_continue) {
        conn->expects_continue = false;
        send_all(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
}

ssize_t body_read(struct conn *conn, void *out, size_t cap)
{
    char line[8];
    size_t n;

    body_accept(conn);
    if (!conn->body_done && conn->body_chunked && conn->body_left == 0 &&
        !next_chunk(conn))
        return body_failed(conn);
    if (conn->body_done)
        return 0;
    if (conn->pos == conn->len && !fill(conn))
        return body_failed(conn);
    n = conn->len - conn->pos;
    if (n > conn->body_left)
        n = conn->body_left;
    if (n > cap)
        n = cap;
    memcpy(out, conn->buf + conn->pos, n);
    conn->pos += n;
    conn->body_left -= n;
    if (conn->body_left == 0 && !conn->body_chunked)
        conn->body_done = true;
    if (conn->body_left == 0 && conn->body_chunked &&
        (!read_line(conn, line, sizeof line) || line[0] != '\0'))
        return body_failed(conn);
    return (ssize_t)n;
}

char *body_read_all(struct conn *conn, size_t *ret_len)
{
    size_t len = 0, cap = 64 * 1024;
    char *body = malloc(cap + 1);
    ssize_t n;

    while (body != NULL && (n = body_read(conn, body + len, cap - len)) > 0) {
        len += (size_t)n;
        if (len == cap) {
            cap *= 2;
            body = realloc(body, cap + 1);
        }
    }
    if (body == NULL)
        abort();
    if (conn->broken) {
        free(body);
        return NULL;
    }
    body[len] = '\0';
    *ret_len = len;
    return body;
}

static void percent_decode(char *text)
{
    char *out = text, *end, digits[3] = "";

    for (const char *in = text; *in != '\0'; in++) {
        if (in[0] == '%' && in[1] != '\0' && in[2] != '\0') {
            memcpy(digits, in + 1, 2);
            *out++ = (char)strtoul(digits, &end, 16);
            in += 2;
        } else {
            *out++ = *in == '+' ? ' ' : *in;
        }
    }
    *out = '\0';
}

char *param_text(struct conn *conn, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);

    for (const char *p = conn->query; *p != '\0';) {
        size_t len = strcspn(p, "&");

        if (strncmp(p, name, name_len) == 0 && p[name_len] == '=') {
            snprintf(out, cap, "%.*s", (int)(len - name_len - 1),
                     p + name_len + 1);
            percent_decode(out);
            return out;
        }
        p += len + (p[len] == '&');
    }
    return NULL;
}

long long param_number(struct conn *conn, const char *name, long long unset)
{
    char text[64];

    return param_text(conn, name, text, sizeof text) ? atoll(text) : unset;
}

static bool send_parts(struct conn *conn, struct iovec *part, int count)
{
    struct msghdr message = {.msg_iov = part, .msg_iovlen = (size_t)count};

    while (message.msg_iovlen > 0) {
        ssize_t n = sendmsg(conn->fd, &message, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            conn->broken = true;
            return false;
        }
        while (message.msg_iovlen > 0 && (size_t)n >= part->iov_len) {
            n -= (ssize_t)part->iov_len;
            message.msg_iov = ++part;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen > 0) {
            part->iov_base = (char *)part->iov_base + n;
            part->iov_len -= (size_t)n;
        }
    }
    return true;
}

bool send_all(struct conn *conn, const void *data, size_t len)
{
    struct iovec part = {.iov_base = (void *)data, .iov_len = len};

    return len == 0 || send_parts(conn, &part, 1);
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

/* The head of an answer in `out`; its length. */
static size_t head_print(struct conn *conn, int status, const char *fields,
                         long long length, char out[4096])
{
    char framing[64] = "";
    const char *connection = "";
    int n;

    conn->reply_chunked = length == REPLY_CHUNKED && !conn->http10;
    if (conn->reply_chunked)
        snprintf(framing, sizeof framing, "Transfer-Encoding: chunked\r\n");
    else if (length >= 0 && status != 204)
        snprintf(framing, sizeof framing, "Content-Length: %lld\r\n", length);
    else if (length == REPLY_CHUNKED)
        conn->keep_alive = false;
    if (!conn->keep_alive)
        connection = "Connection: close\r\n";
    else if (conn->http10)
        connection = "Connection: keep-alive\r\n";
    n = snprintf(out, 4096, "HTTP/1.1 %d %s\r\nX-App-Id: %s\r\n%s%s%s\r\n",
                 status, reason_of(status), testapp_id(), connection, framing,
                 fields);
    return n < 4096 ? (size_t)n : 4095;
}

void reply_begin(struct conn *conn, int status, const char *fields,
                 long long length)
{
    char head[4096];

    send_all(conn, head, head_print(conn, status, fields, length, head));
}

void reply_write(struct conn *conn, const void *data, size_t len)
{
    char size[32];
    struct iovec part[3] = {
        {size, 0}, {(void *)data, len}, {(void *)"\r\n", 2}};

    if (conn->reply_no_body || len == 0)
        return;
    if (!conn->reply_chunked) {
        send_all(conn, data, len);
        return;
    }
    part[0].iov_len = (size_t)sprintf(size, "%zx\r\n", len);
    send_parts(conn, part, 3);
}

void reply_end(struct conn *conn, const char *trailers)
{
    char end[4096];
    int n = snprintf(end, sizeof end, "0\r\n%s\r\n", trailers);

    if (conn->reply_chunked && !conn->reply_no_body)
        send_all(conn, end, (size_t)n);
}

void reply_text(struct conn *conn, int status, const char *type,
                const char *body, size_t len)
{
    char head[4096], fields[256];
    struct iovec part[2] = {{head, 0}, {(void *)body, len}};

    snprintf(fields, sizeof fields, "Content-Type: %s\r\n", type);
    part[0].iov_len = head_print(conn, status, fields, (long long)len, head);
    send_parts(conn, part, conn->reply_no_body || len == 0 ? 1 : 2);
}

void reply_printf(struct conn *conn, int status, const char *format, ...)
{
    char *body;
    int len;
    va_list args;

    va_start(args, format);
    len = vasprintf(&body, format, args);
    va_end(args);
    if (len < 0)
        abort();
    reply_text(conn, status, body[0] == '{' ? "application/json" : "text/plain",
               body, (size_t)len);
    free(body);
}
