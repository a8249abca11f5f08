/* http_body.c - where a body ends. */
#include "proxy/http_body.h"

#include <assert.h>
#include <string.h>

#include "proxy/http_meaning.h"
#include "proxy/http_syntax.h"

/* Where in a chunked body we are (RFC 9112, 7.1). */
enum state {
    SIZE_FIRST, /* one digit at least */
    SIZE,
    EXT_SPACE,      /* white space, then ';' */
    EXT_NAME_FIRST, /* behind the ';' */
    EXT_NAME,
    EXT_NAME_SPACE,  /* white space, then '=' or ';' */
    EXT_VALUE_FIRST, /* behind the '=' */
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_QUOTED_PAIR,
    EXT_VALUE_END, /* behind the closing quote */
    LINE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    BROKEN = 255, /* not a state: there is no way on */
};

void http_body_init(struct http_body *body, const struct http_head *head,
                    const struct http_limits *limits)
{
    *body = (struct http_body){
        .limits = limits,
        .kind = head->kind,
        .framing = head->framing,
        .remaining = head->framing == FRAMING_LENGTH ? head->content_length : 0,
        .done = !http_head_has_body(head),
    };
}

static enum http_body_result reject(const struct http_body *body,
                                    struct rejection *ret_rejection,
                                    const char *text)
{
    *ret_rejection = (struct rejection){body->kind == HTTP_KIND_REQUEST
                                            ? REJECT_BAD_REQUEST
                                            : REJECT_UPSTREAM_INVALID,
                                        text};
    return BODY_REFUSED;
}

/* Take up to body->remaining bytes of the input, which has some. */
static struct strview take_span(struct http_body *body, struct strview *input)
{
    struct strview span = *input;

    if (span.len > body->remaining)
        span.len = (size_t)body->remaining;
    *input = sv_skip(*input, span.len);
    body->remaining -= span.len;
    body->total += span.len;
    return span;
}

/* --- the line before a chunk --------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = http_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Bytes that carry nothing are bounded, whatever they are. */
static bool count_extension(struct http_body *body)
{
    return ++body->extension_bytes <= HTTP_BODY_MAX_EXTENSION_BYTES;
}

static enum state step_size(struct http_body *body, char c)
{
    int digit = hex_value(c);

    if (digit >= 0) {
        if (body->state == SIZE_FIRST)
            body->remaining = 0;
        else if (body->remaining == 0 && !count_extension(body))
            return BROKEN; /* leading zeroes without an end */
        if (body->remaining > (uint64_t)INT64_MAX >> 4)
            return BROKEN;
        body->remaining = body->remaining << 4 | (uint64_t)digit;
        return SIZE;
    }
    if (body->state == SIZE_FIRST)
        return BROKEN;
    if (c == '\r')
        return LINE_LF;
    if (c == ';')
        return EXT_NAME_FIRST;
    return is_space(c) ? EXT_SPACE : BROKEN;
}

/* Behind a name or a value: the next extension or the line's end. */
static enum state step_extension_end(char c)
{
    if (c == ';')
        return EXT_NAME_FIRST;
    return c == '\r' ? LINE_LF : BROKEN;
}

static enum state step_name(enum state state, char c)
{
    switch (state) {
    case EXT_SPACE:
        if (is_space(c))
            return EXT_SPACE;
        return c == ';' ? EXT_NAME_FIRST : BROKEN;
    case EXT_NAME_FIRST:
        if (is_space(c))
            return EXT_NAME_FIRST;
        return http_char_is(c, CHAR_TOKEN) ? EXT_NAME : BROKEN;
    case EXT_NAME:
        if (http_char_is(c, CHAR_TOKEN))
            return EXT_NAME;
        if (c == '=')
            return EXT_VALUE_FIRST;
        return is_space(c) ? EXT_NAME_SPACE : step_extension_end(c);
    default:
        if (is_space(c))
            return EXT_NAME_SPACE;
        if (c == '=')
            return EXT_VALUE_FIRST;
        return c == ';' ? EXT_NAME_FIRST : BROKEN;
    }
}

static enum state step_value(enum state state, char c)
{
    switch (state) {
    case EXT_VALUE_FIRST:
        if (is_space(c))
            return EXT_VALUE_FIRST;
        if (c == '"')
            return EXT_QUOTED;
        return http_char_is(c, CHAR_TOKEN) ? EXT_TOKEN : BROKEN;
    case EXT_TOKEN:
        if (http_char_is(c, CHAR_TOKEN))
            return EXT_TOKEN;
        return is_space(c) ? EXT_SPACE : step_extension_end(c);
    case EXT_QUOTED:
        if (c == '"')
            return EXT_VALUE_END;
        if (c == '\\')
            return EXT_QUOTED_PAIR;
        return http_char_is(c, CHAR_QDTEXT) ? EXT_QUOTED : BROKEN;
    case EXT_QUOTED_PAIR:
        return http_char_is(c, CHAR_QDTEXT) || c == '"' || c == '\\'
                   ? EXT_QUOTED
                   : BROKEN;
    default:
        return is_space(c) ? EXT_SPACE : step_extension_end(c);
    }
}

/* One byte of a chunk line, or of the CR LF behind a chunk's data. */
static enum state step(struct http_body *body, char c)
{
    enum state state = body->state;

    switch (state) {
    case SIZE_FIRST:
    case SIZE:
        return step_size(body, c);
    case LINE_LF:
        if (c != '\n')
            return BROKEN;
        return body->remaining > 0 ? DATA : TRAILER;
    case DATA_CR:
        return c == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return c == '\n' ? SIZE_FIRST : BROKEN;
    default:
        if (!count_extension(body))
            return BROKEN;
        return state <= EXT_NAME_SPACE ? step_name(state, c)
                                       : step_value(state, c);
    }
}

/* --- trailers ------------------------------------------------------------ */

/* Keep a piece of the trailer section, which may come in many. */
static bool keep_trailer(struct http_body *body, struct strview piece,
                         struct arena *arena)
{
    size_t need = body->trailer_len + piece.len;

    if (need > body->limits->max_head_bytes)
        return false;
    if (need > body->trailer_capacity) {
        size_t capacity = need < 256 ? 256 : need * 2;
        char *bigger = arena_alloc(arena, capacity);

        if (body->trailer_len > 0)
            memcpy(bigger, body->trailer, body->trailer_len);
        body->trailer = bigger;
        body->trailer_capacity = (uint32_t)capacity;
    }
    memcpy(body->trailer + body->trailer_len, piece.ptr, piece.len);
    body->trailer_len = (uint32_t)need;
    return true;
}

static enum http_body_result finish_trailers(struct http_body *body,
                                             struct arena *arena,
                                             struct rejection *ret_rejection)
{
    body->done = true;
    if (body->trailer_lines == 0)
        return BODY_DONE;
    body->trailers = arena_alloc(arena, sizeof *body->trailers);
    if (!http_parser_trailers(body->kind,
                              sv_make(body->trailer, body->trailer_len), arena,
                              body->trailers, ret_rejection)) {
        body->trailers = NULL;
        return reject(body, ret_rejection, ret_rejection->text);
    }
    return BODY_DONE;
}

static enum http_body_result next_trailer(struct http_body *body,
                                          struct strview *input,
                                          struct arena *arena,
                                          struct rejection *ret_rejection)
{
    while (input->len > 0) {
        const char *lf = memchr(input->ptr, '\n', input->len);
        struct strview piece = *input;
        uint32_t line_bytes;

        if (lf)
            piece.len = (size_t)(lf - input->ptr) + 1;
        if (!keep_trailer(body, piece, arena))
            return reject(body, ret_rejection, "The trailers are too large.");
        *input = sv_skip(*input, piece.len);
        if (!lf)
            return BODY_MORE;
        line_bytes = body->trailer_len - body->trailer_line_at;
        if (line_bytes < 2 || body->trailer[body->trailer_len - 2] != '\r')
            return reject(body, ret_rejection, "A line ends in a bare LF.");
        if (line_bytes == 2)
            return finish_trailers(body, arena, ret_rejection);
        body->trailer_line_at = body->trailer_len;
        if (body->trailer_lines++ == body->limits->max_fields)
            return reject(body, ret_rejection, "There are too many trailers.");
    }
    return BODY_MORE;
}

/* --- bodies -------------------------------------------------------------- */

static enum http_body_result next_chunked(struct http_body *body,
                                          struct strview *input,
                                          struct strview *ret_span,
                                          struct rejection *ret_rejection)
{
    while (input->len > 0) {
        enum state next;

        if (body->state == TRAILER)
            return BODY_MORE;
        if (body->state == DATA) {
            *ret_span = take_span(body, input);
            if (body->remaining == 0)
                body->state = DATA_CR;
            return BODY_DATA;
        }
        next = step(body, input->ptr[0]);
        if (next == BROKEN)
            return reject(body, ret_rejection,
                          "The chunked body is malformed.");
        body->state = (uint8_t)next;
        *input = sv_skip(*input, 1);
    }
    return BODY_MORE;
}

enum http_body_result http_body_next(struct http_body *body,
                                     struct strview *input, struct arena *arena,
                                     struct strview *ret_span,
                                     struct rejection *ret_rejection)
{
    enum http_body_result result = BODY_MORE;

    if (body->done)
        return BODY_DONE;
    if (input->len == 0)
        return BODY_MORE;
    switch (body->framing) {
    case FRAMING_NONE:
        assert(body->done);
        break;
    case FRAMING_LENGTH:
        *ret_span = take_span(body, input);
        body->done = body->remaining == 0;
        return BODY_DATA;
    case FRAMING_CLOSE:
        body->remaining = input->len;
        *ret_span = take_span(body, input);
        return BODY_DATA;
    case FRAMING_CHUNKED:
        result = next_chunked(body, input, ret_span, ret_rejection);
        if (result == BODY_MORE && body->state == TRAILER)
            result = next_trailer(body, input, arena, ret_rejection);
        break;
    }
    return result;
}

bool http_body_end(struct http_body *body)
{
    if (body->framing == FRAMING_CLOSE)
        body->done = true;
    return body->done;
}

void http_body_skip(struct http_body *body, uint64_t n)
{
    assert(body->framing == FRAMING_LENGTH || body->framing == FRAMING_CLOSE);
    body->total += n;
    if (body->framing == FRAMING_CLOSE)
        return;
    assert(n <= body->remaining);
    body->remaining -= n;
    body->done = body->remaining == 0;
}

/* --- encoding ------------------------------------------------------------ */

size_t http_body_chunk_head(size_t len, char *ret_text)
{
    char digits[2 * sizeof len];
    size_t count = 0;
    size_t n = 0;

    assert(len > 0);
    for (; len > 0; len >>= 4)
        digits[count++] = "0123456789abcdef"[len & 15];
    while (count > 0)
        ret_text[n++] = digits[--count];
    ret_text[n++] = '\r';
    ret_text[n++] = '\n';
    return n;
}
