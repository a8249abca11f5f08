/* strict_http.c - a second reader of HTTP/1.1, for tests only. */
#include "tests/support/strict_http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct cursor {
    const char *at;
    const char *end;
    const char *why;
};

static bool fail(struct cursor *cursor, const char *why)
{
    cursor->why = why;
    return false;
}

static bool is_tchar(char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
        (c >= 'a' && c <= 'z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

/* field-vchar, SP or HTAB */
static bool is_text(char c)
{
    unsigned char u = (unsigned char)c;

    return u == '\t' || (u >= 0x20 && u != 0x7f);
}

static bool take(struct cursor *cursor, const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(cursor->end - cursor->at) < len ||
        memcmp(cursor->at, text, len) != 0)
        return false;
    cursor->at += len;
    return true;
}

static struct strict_text take_while(struct cursor *cursor, bool (*fn)(char))
{
    struct strict_text text = {cursor->at, 0};

    while (cursor->at < cursor->end && fn(*cursor->at))
        cursor->at++;
    text.len = (size_t)(cursor->at - text.ptr);
    return text;
}

static struct strict_text trim(struct strict_text text)
{
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 &&
           (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool strict_text_is(struct strict_text text, const char *wanted)
{
    return text.len == strlen(wanted) &&
           memcmp(text.ptr, wanted, text.len) == 0;
}

size_t strict_http_count(const struct strict_message *message, const char *name,
                         struct strict_text *ret_value)
{
    size_t count = 0;

    for (size_t i = 0; i < message->field_count; i++) {
        struct strict_text found = message->fields[i].name;

        if (found.len != strlen(name) ||
            strncasecmp(found.ptr, name, found.len) != 0)
            continue;
        if (count++ == 0 && ret_value)
            *ret_value = message->fields[i].value;
    }
    return count;
}

/* *( field-line CRLF ) CRLF */
static bool take_fields(struct cursor *cursor, struct strict_field *fields,
                        size_t *count)
{
    while (!take(cursor, "\r\n")) {
        struct strict_field *field = &fields[*count];

        if (*count == STRICT_HTTP_MAX_FIELDS)
            return fail(cursor, "too many fields");
        field->name = take_while(cursor, is_tchar);
        if (field->name.len == 0 || !take(cursor, ":"))
            return fail(cursor, "field name");
        field->value = trim(take_while(cursor, is_text));
        if (!take(cursor, "\r\n"))
            return fail(cursor, "field value");
        ++*count;
    }
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_target(char c)
{
    return c > 0x20 && c < 0x7f && c != '#' && c != '\\';
}

static bool take_version(struct cursor *cursor, struct strict_message *message)
{
    if (!take(cursor, "HTTP/1.") || cursor->at == cursor->end ||
        !is_digit(*cursor->at))
        return fail(cursor, "version");
    message->minor = *cursor->at++;
    return true;
}

/* --- framing ------------------------------------------------------------- */

static bool to_number(struct strict_text text, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i]) || value > (UINT64_MAX >> 1) / 10)
            return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret_value = value;
    return text.len > 0 && value <= UINT64_MAX >> 1;
}

static bool choose_body(struct cursor *cursor, struct strict_message *message)
{
    struct strict_text length;
    struct strict_text coding;
    size_t lengths = strict_http_count(message, "content-length", &length);
    size_t codings = strict_http_count(message, "transfer-encoding", &coding);

    message->body_kind = STRICT_NONE;
    if (lengths + codings > 1)
        return fail(cursor, "more than one framing");
    if (lengths == 1) {
        message->body_kind = STRICT_LENGTH;
        if (!to_number(length, &message->length))
            return fail(cursor, "content-length");
    }
    if (codings == 1) {
        message->body_kind = STRICT_CHUNKED;
        if (coding.len != 7 || strncasecmp(coding.ptr, "chunked", 7) != 0 ||
            message->minor == '0')
            return fail(cursor, "transfer-encoding");
    }
    return true;
}

static void keep_body(struct strict_message *message, const char *data,
                      size_t len)
{
    message->body = realloc(message->body, message->body_len + len + 1);
    if (!message->body)
        abort();
    memcpy(message->body + message->body_len, data, len);
    message->body_len += len;
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef";
    char lower = c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
    const char *found = lower ? strchr(digits, lower) : NULL;

    return found ? (int)(found - digits) : -1;
}

static void skip_bws(struct cursor *cursor)
{
    while (cursor->at < cursor->end &&
           (*cursor->at == ' ' || *cursor->at == '\t'))
        cursor->at++;
}

static bool take_quoted(struct cursor *cursor)
{
    while (cursor->at < cursor->end && *cursor->at != '"') {
        if (*cursor->at == '\\')
            cursor->at++;
        if (cursor->at == cursor->end || !is_text(*cursor->at))
            return fail(cursor, "quoted string");
        cursor->at++;
    }
    return take(cursor, "\"") || fail(cursor, "open quote");
}

/* *( BWS ";" BWS name [ BWS "=" BWS value ] ) */
static bool take_extensions(struct cursor *cursor)
{
    for (;;) {
        const char *before = cursor->at;

        skip_bws(cursor);
        if (!take(cursor, ";"))
            return cursor->at == before || fail(cursor, "space after size");
        skip_bws(cursor);
        if (take_while(cursor, is_tchar).len == 0)
            return fail(cursor, "extension name");
        before = cursor->at;
        skip_bws(cursor);
        if (!take(cursor, "=")) {
            cursor->at = before;
            continue;
        }
        skip_bws(cursor);
        if (take(cursor, "\"")) {
            if (!take_quoted(cursor))
                return false;
        } else if (take_while(cursor, is_tchar).len == 0) {
            return fail(cursor, "extension value");
        }
    }
}

static bool take_size(struct cursor *cursor, uint64_t *ret_size)
{
    uint64_t size = 0;
    size_t digits = 0;

    while (cursor->at < cursor->end && hex(*cursor->at) >= 0) {
        if (size > UINT64_MAX >> 5)
            return fail(cursor, "size overflows");
        size = size * 16 + (uint64_t)hex(*cursor->at++);
        digits++;
    }
    *ret_size = size;
    return digits > 0 || fail(cursor, "no size");
}

/* What is missing at the end is no error; whoever reads byte by byte could not
 * tell either. */
static bool take_chunked(struct cursor *cursor, struct strict_message *message)
{
    uint64_t size;

    do {
        if (!take_size(cursor, &size) || !take_extensions(cursor))
            return false;
        if (!take(cursor, "\r\n"))
            return fail(cursor, "chunk line");
        if (size > (uint64_t)(cursor->end - cursor->at)) {
            keep_body(message, cursor->at, (size_t)(cursor->end - cursor->at));
            cursor->at = cursor->end;
            return fail(cursor, "short chunk");
        }
        keep_body(message, cursor->at, size);
        cursor->at += size;
        if (size > 0 && !take(cursor, "\r\n"))
            return fail(cursor, "chunk end");
    } while (size > 0);
    if (!take_fields(cursor, message->trailers, &message->trailer_count))
        return false;
    message->is_whole = true;
    return true;
}

/* Fails with why only where the bytes are wrong, not where they are few. */
static bool take_body(struct cursor *cursor, struct strict_message *message)
{
    size_t left = (size_t)(cursor->end - cursor->at);

    message->is_whole = true;
    switch (message->body_kind) {
    case STRICT_NONE:
        break;
    case STRICT_LENGTH:
        message->is_whole = left >= message->length;
        if (message->is_whole)
            left = message->length;
        keep_body(message, cursor->at, left);
        cursor->at += left;
        break;
    case STRICT_CLOSE:
        keep_body(message, cursor->at, left);
        cursor->at += left;
        break;
    case STRICT_CHUNKED:
        message->is_whole = false;
        return take_chunked(cursor, message);
    }
    return true;
}

static bool finish(struct cursor *cursor, const char *data, bool ok,
                   struct strict_message *message)
{
    message->why = ok ? NULL : cursor->why;
    message->total = (size_t)(cursor->at - data);
    return ok;
}

static bool take_request(struct cursor *cursor, struct strict_message *message)
{
    message->method = take_while(cursor, is_tchar);
    if (message->method.len == 0 || !take(cursor, " "))
        return fail(cursor, "method");
    message->target = take_while(cursor, is_target);
    if (message->target.len == 0 || !take(cursor, " "))
        return fail(cursor, "target");
    return take_version(cursor, message) &&
           (take(cursor, "\r\n") || fail(cursor, "request line"));
}

bool strict_http_request(const char *data, size_t len,
                         struct strict_message *ret_message)
{
    struct cursor cursor = {data, data + len, NULL};
    bool ok;

    memset(ret_message, 0, sizeof *ret_message);
    (void)take(&cursor, "\r\n");
    ok = take_request(&cursor, ret_message) &&
         take_fields(&cursor, ret_message->fields, &ret_message->field_count);
    if (ok) {
        size_t hosts = strict_http_count(ret_message, "host", NULL);

        if (hosts > 1 || (hosts == 0 && ret_message->minor != '0'))
            ok = fail(&cursor, "host");
    }
    ret_message->head_len = (size_t)(cursor.at - data);
    ok = ok && choose_body(&cursor, ret_message) &&
         take_body(&cursor, ret_message);
    return finish(&cursor, data, ok, ret_message);
}

static bool take_status(struct cursor *cursor, struct strict_message *message)
{
    if (!take_version(cursor, message) || !take(cursor, " "))
        return fail(cursor, "status line");
    for (int i = 0; i < 3; i++) {
        if (cursor->at == cursor->end || !is_digit(*cursor->at))
            return fail(cursor, "status");
        message->status =
            message->status * 10 + (unsigned)(*cursor->at++ - '0');
    }
    if (take(cursor, " "))
        (void)take_while(cursor, is_text);
    return take(cursor, "\r\n") || fail(cursor, "status line");
}

bool strict_http_answer(const char *data, size_t len, bool no_body,
                        struct strict_message *ret_message)
{
    struct cursor cursor = {data, data + len, NULL};
    struct strict_message *m = ret_message;
    bool ok;

    memset(m, 0, sizeof *m);
    ok = take_status(&cursor, m) &&
         take_fields(&cursor, m->fields, &m->field_count) &&
         choose_body(&cursor, m);
    m->head_len = (size_t)(cursor.at - data);
    if (ok) {
        if (no_body || m->status < 200 || m->status == 204 || m->status == 304)
            m->body_kind = STRICT_NONE;
        else if (m->body_kind == STRICT_NONE)
            m->body_kind = STRICT_CLOSE;
        ok = take_body(&cursor, m);
    }
    return finish(&cursor, data, ok, m);
}

bool strict_http_chunked(const char *data, size_t len,
                         struct strict_message *ret_message)
{
    struct cursor cursor = {data, data + len, NULL};
    bool ok;

    memset(ret_message, 0, sizeof *ret_message);
    ok = take_chunked(&cursor, ret_message);
    return finish(&cursor, data, ok, ret_message);
}

void strict_http_done(struct strict_message *message)
{
    free(message->body);
    message->body = NULL;
}
