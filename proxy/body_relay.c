/* body_relay.c - one direction of an exchange. */
#include "proxy/body_relay.h"

#include <assert.h>
#include <string.h>

/* A buffer with less room than this is not read into again. */
#define USEFUL_SPACE 2048
/* Heads longer than this do not stay in memory between exchanges. */
#define HEAD_KEPT_BYTES 8192

void relay_init(struct body_relay *relay, struct buffer_pool *pool)
{
    *relay = (struct body_relay){.pool = pool};
}

void relay_done(struct body_relay *relay)
{
    relay_reset(relay);
    strbuf_done(&relay->head);
    strbuf_done(&relay->tail);
}

void relay_set_limit(struct body_relay *relay, uint64_t buffers_bytes)
{
    uint64_t count = (buffers_bytes + IO_BUFFER_BYTES - 1) / IO_BUFFER_BYTES;

    relay->buffer_max = count < 1 ? 1 : (uint32_t)count;
}

static void start(struct body_relay *relay, uint64_t buffers_bytes,
                  bool keeps_sent)
{
    assert(!relay->first);
    relay_set_limit(relay, buffers_bytes);
    relay->keeps_sent = keeps_sent;
    relay->is_chunked = false;
    relay->dropped = false;
    relay->was_full = false;
}

void relay_start(struct body_relay *relay, const struct http_head *head,
                 const struct http_limits *limits, uint64_t buffers_bytes,
                 bool keeps_sent)
{
    start(relay, buffers_bytes, keeps_sent);
    http_body_init(&relay->body, head, limits);
    relay->is_whole = http_body_is_done(&relay->body);
}

void relay_start_local(struct body_relay *relay)
{
    start(relay, 0, false);
    relay->is_whole = true;
}

void relay_start_raw(struct body_relay *relay, uint64_t buffers_bytes)
{
    static const struct http_head raw = {.kind = HTTP_KIND_RESPONSE,
                                         .framing = FRAMING_CLOSE};

    start(relay, buffers_bytes, false);
    http_body_init(&relay->body, &raw, NULL);
    relay->is_whole = false;
}

static void clear_text(struct strbuf *buf)
{
    if (buf->capacity > HEAD_KEPT_BYTES)
        strbuf_done(buf);
    else
        strbuf_clear(buf);
}

void relay_discard(struct body_relay *relay, size_t head_bytes)
{
    relay_cancel_space(relay);
    while (relay->first) {
        struct io_buffer *buffer = relay->first;

        relay->first = buffer->next;
        buffer_give(relay->pool, &buffer);
    }
    pipe_give(relay->pool, &relay->pipe);
    relay->pipe_is_full = false;
    relay->last = NULL;
    relay->at = NULL;
    relay->at_sent = 0;
    relay->buffer_count = 0;
    relay->is_whole = false;
    relay->body = (struct http_body){0};
    relay->head.len = head_bytes;
    assert(relay->head_sent <= head_bytes);
    clear_text(&relay->tail);
    relay->tail_sent = 0;
}

void relay_reset(struct body_relay *relay)
{
    relay->head_sent = 0;
    relay_discard(relay, 0);
    clear_text(&relay->head);
}

/* --- what comes in --- */

static bool can_append(const struct body_relay *relay)
{
    const struct io_buffer *last = relay->last;

    /* A sent buffer that is kept may still be added to: `at` then points at
     * it again, behind what was sent. But not one with chunk framing. */
    return last && !last->is_framed &&
           last->capacity - IO_BUFFER_TAILROOM - last->end >= USEFUL_SPACE;
}

/* What is held in the pipe counts like buffers. */
static uint32_t buffers_held(const struct body_relay *relay)
{
    uint32_t piped = relay->pipe ? relay->pipe->count : 0;

    return relay->buffer_count +
           (piped + IO_BUFFER_BYTES - 1) / IO_BUFFER_BYTES;
}

/* offered: new buffers that are offered already. */
static struct io_buffer *one_more(struct body_relay *relay, uint32_t offered)
{
    if (relay->buffer_count + offered == 0)
        return buffer_take(relay->pool);
    if (buffers_held(relay) + offered >= relay->buffer_max)
        return NULL;
    return buffer_take_extra(relay->pool);
}

static bool can_take_more(const struct body_relay *relay)
{
    if (relay->buffer_count == 0)
        return true;
    return buffers_held(relay) < relay->buffer_max &&
           relay->pool->extra_bytes + IO_BUFFER_BYTES <=
               relay->pool->extra_limit;
}

bool relay_has_room(const struct body_relay *relay)
{
    return can_append(relay) || can_take_more(relay) ||
           relay->first != relay->at; /* sent ones can be dropped */
}

static uint64_t bytes_left(const struct body_relay *relay, bool exact)
{
    if (exact && relay->body.framing == FRAMING_LENGTH)
        return relay->body.remaining;
    return UINT64_MAX;
}

/* How many buffers to offer: one, and more only for a body that showed that
 * it fills them, so that a small one touches a single buffer. */
static uint32_t wanted_buffers(const struct body_relay *relay)
{
    return relay->was_full && relay->body.framing != FRAMING_CHUNKED
               ? BODY_RELAY_SPACE
               : 1;
}

int relay_space(struct body_relay *relay, bool exact, struct iovec *ret_iov)
{
    uint64_t left = bytes_left(relay, exact);
    uint32_t wanted = wanted_buffers(relay);
    uint32_t fresh = 0;

    assert(relay->space_used == 0);
    if (!can_append(relay) && !can_take_more(relay)) {
        relay->keeps_sent = false;
        relay_drop_sent(relay);
    }
    while (relay->space_used < wanted && left > 0) {
        struct io_buffer *buffer = relay->last;
        size_t size;

        if (relay->space_used > 0 || !can_append(relay))
            buffer = one_more(relay, fresh++);
        if (!buffer)
            break;
        relay->space[relay->space_used] = buffer;
        ret_iov[relay->space_used].iov_base = buffer_space(buffer, &size);
        if (size > BODY_RELAY_READ_BYTES - relay->space_bytes)
            size = BODY_RELAY_READ_BYTES - relay->space_bytes;
        relay->space_bytes += (uint32_t)size;
        if (size > left)
            size = (size_t)left;
        ret_iov[relay->space_used].iov_len = size;
        left -= size;
        relay->space_used++;
    }
    return (int)relay->space_used;
}

/* Give back the offered buffers from `from` on. */
static void give_space(struct body_relay *relay, uint32_t from)
{
    for (uint32_t i = from; i < relay->space_used; i++) {
        if (relay->space[i] == relay->last)
            relay->space[i] = NULL;
        else
            buffer_give(relay->pool, &relay->space[i]);
    }
    for (uint32_t i = 0; i < from; i++)
        relay->space[i] = NULL;
    relay->space_used = 0;
    relay->space_bytes = 0;
}

void relay_cancel_space(struct body_relay *relay)
{
    give_space(relay, 0);
}

static void append(struct body_relay *relay, struct io_buffer *buffer)
{
    buffer->next = NULL;
    if (relay->last)
        relay->last->next = buffer;
    else
        relay->first = buffer;
    relay->last = buffer;
    relay->buffer_count++;
}

/* Decode what stands from `from` on in the buffer, in place. */
static enum relay_result decode(struct body_relay *relay,
                                struct io_buffer *buffer, uint32_t from,
                                struct arena *arena, struct strview *ret_excess,
                                struct rejection *ret_rejection)
{
    struct strview input =
        sv_make(buffer->data + from, (size_t)(buffer->end - from));
    char *to = buffer->data + from;
    enum http_body_result result;
    struct strview span;

    while ((result = http_body_next(&relay->body, &input, arena, &span,
                                    ret_rejection)) == BODY_DATA) {
        if (to != span.ptr)
            memmove(to, span.ptr, span.len);
        to += span.len;
    }
    buffer->end = (uint32_t)(to - buffer->data);
    if (result == BODY_REFUSED)
        return RELAY_REFUSED;
    if (result == BODY_MORE)
        return RELAY_MORE;
    relay->is_whole = true;
    *ret_excess = input;
    return RELAY_WHOLE;
}

/* The buffer got bytes behind `from`: they are to be sent. */
static void note_filled(struct body_relay *relay, struct io_buffer *buffer,
                        uint32_t from)
{
    if (buffer->end == from)
        return;
    if (relay->at)
        return;
    relay->at = buffer;
    relay->at_sent = from - buffer->start;
}

enum relay_result relay_fill(struct body_relay *relay, size_t count,
                             struct arena *arena, struct strview *ret_excess,
                             struct rejection *ret_rejection)
{
    enum relay_result result = RELAY_MORE;
    size_t left = count;
    uint32_t used = 0;

    *ret_excess = sv_make(NULL, 0);
    for (uint32_t i = 0; i < relay->space_used; i++) {
        struct io_buffer *buffer = relay->space[i];
        uint32_t from = buffer->end;
        size_t size;

        if (left == 0 || result != RELAY_MORE)
            break;
        buffer_space(buffer, &size);
        if (size > left)
            size = left;
        left -= size;
        used = i + 1;
        if (buffer != relay->last)
            append(relay, buffer);
        buffer->end = from + (uint32_t)size;
        result = decode(relay, buffer, from, arena, ret_excess, ret_rejection);
        note_filled(relay, buffer, from);
    }
    relay->was_full = count == relay->space_bytes;
    if (left > 0 && ret_excess->len == 0)
        ret_excess->len = left;
    give_space(relay, used);
    return result;
}

enum relay_result relay_adopt(struct body_relay *relay,
                              struct io_buffer **buffer_ptr,
                              struct arena *arena, struct strview *ret_excess,
                              struct rejection *ret_rejection)
{
    struct io_buffer *buffer = TAKE(*buffer_ptr);
    enum relay_result result;
    uint32_t from = buffer->start;

    *ret_excess = sv_make(NULL, 0);
    if (buffer_len(buffer) == 0) {
        buffer_give(relay->pool, &buffer);
        return relay->is_whole ? RELAY_WHOLE : RELAY_MORE;
    }
    append(relay, buffer);
    relay->was_full = buffer->end == buffer->capacity - IO_BUFFER_TAILROOM;
    result = decode(relay, buffer, from, arena, ret_excess, ret_rejection);
    note_filled(relay, buffer, from);
    return result;
}

bool relay_end(struct body_relay *relay)
{
    if (!http_body_end(&relay->body))
        return false;
    relay->is_whole = true;
    return true;
}

void relay_finish(struct body_relay *relay, struct strview trailers)
{
    assert(relay->is_whole);
    if (!relay->is_chunked)
        return;
    if (trailers.len == 0) {
        strbuf_add_sv(&relay->tail, HTTP_CHUNK_LAST_ALL);
        return;
    }
    strbuf_add_sv(&relay->tail, HTTP_CHUNK_LAST);
    strbuf_add_sv(&relay->tail, trailers);
    strbuf_add_sv(&relay->tail, HTTP_CHUNK_END);
}

/* --- past the buffers --- */

/* What was sent may have to be kept for a retry: not while it can be. */
static bool must_keep_sent(const struct body_relay *relay)
{
    return relay->keeps_sent && !relay->dropped &&
           (can_append(relay) || can_take_more(relay));
}

size_t relay_pipe_space(struct body_relay *relay)
{
    uint64_t space = (uint64_t)relay->buffer_max * IO_BUFFER_BYTES;

    if (relay->body.framing != FRAMING_LENGTH || relay->is_chunked ||
        relay->body.remaining < BODY_RELAY_PIPE_MIN || relay->pipe_is_full ||
        space < BODY_RELAY_PIPE_MIN || relay->at ||
        relay->head_sent < relay->head.len || must_keep_sent(relay))
        return 0;
    if (!relay->pipe && !(relay->pipe = pipe_take(relay->pool)))
        return 0;
    if (space > PIPE_BYTES)
        space = PIPE_BYTES;
    if (relay->pipe->count >= space)
        return 0;
    space -= relay->pipe->count;
    return (size_t)(space < relay->body.remaining ? space
                                                  : relay->body.remaining);
}

enum relay_result relay_pipe_filled(struct body_relay *relay, size_t count)
{
    relay->keeps_sent = false;
    relay_drop_sent(relay);
    relay->dropped = true;
    http_body_skip(&relay->body, count);
    relay->is_whole = http_body_is_done(&relay->body);
    return relay->is_whole ? RELAY_WHOLE : RELAY_MORE;
}

static void give_empty_pipe(struct body_relay *relay)
{
    if (relay->pipe->count == 0)
        pipe_give(relay->pool, &relay->pipe);
}

void relay_pipe_unfilled(struct body_relay *relay)
{
    /* A pipe has room for so many pieces, however small they are. */
    relay->pipe_is_full = relay->pipe->count > 0;
    give_empty_pipe(relay);
}

void relay_pipe_drained(struct body_relay *relay)
{
    relay->pipe_is_full = false;
    give_empty_pipe(relay);
}

/* --- what goes out --- */

/* Only a buffer of which nothing was sent: start moves. */
static void frame(struct io_buffer *buffer)
{
    char text[HTTP_CHUNK_HEAD_SIZE];
    size_t len = http_body_chunk_head(buffer_len(buffer), text);

    assert(len <= buffer->start);
    buffer->start -= (uint32_t)len;
    memcpy(buffer->data + buffer->start, text, len);
    memcpy(buffer->data + buffer->end, "\r\n", 2);
    buffer->end += 2;
    buffer->is_framed = true;
}

int relay_pending(struct body_relay *relay, struct iovec *ret_iov)
{
    struct io_buffer *buffer = relay->at;
    uint32_t sent = relay->at_sent;
    int count = 0;

    if (relay->head_sent < relay->head.len) {
        ret_iov[count].iov_base = relay->head.data + relay->head_sent;
        ret_iov[count++].iov_len = relay->head.len - relay->head_sent;
    }
    for (; buffer && count < BODY_RELAY_PENDING - 1; buffer = buffer->next) {
        if (buffer_len(buffer) == 0)
            continue;
        if (relay->is_chunked && !buffer->is_framed)
            frame(buffer);
        ret_iov[count].iov_base = buffer->data + buffer->start + sent;
        ret_iov[count++].iov_len = buffer_len(buffer) - sent;
        sent = 0;
    }
    if (!buffer && relay->tail_sent < relay->tail.len) {
        ret_iov[count].iov_base = relay->tail.data + relay->tail_sent;
        ret_iov[count++].iov_len = relay->tail.len - relay->tail_sent;
    }
    return count;
}

/* Pass over buffers that are wholly sent; unless they are kept, give them
 * back. */
static void advance(struct body_relay *relay)
{
    relay->at = relay->at->next;
    relay->at_sent = 0;
    if (!relay->keeps_sent)
        relay_drop_sent(relay);
}

static size_t take_text(struct strbuf *text, size_t *sent, size_t count)
{
    size_t left = text->len - *sent;

    if (left > count)
        left = count;
    *sent += left;
    return count - left;
}

void relay_sent(struct body_relay *relay, size_t count)
{
    count = take_text(&relay->head, &relay->head_sent, count);
    while (relay->at) {
        size_t left = buffer_len(relay->at) - relay->at_sent;

        if (left > count) {
            relay->at_sent += (uint32_t)count;
            return;
        }
        count -= left;
        advance(relay);
    }
    count = take_text(&relay->tail, &relay->tail_sent, count);
    assert(count == 0);
}

bool relay_is_empty(const struct body_relay *relay)
{
    return relay->head_sent == relay->head.len && !relay->at && !relay->pipe;
}

bool relay_is_done(const struct body_relay *relay)
{
    return relay->is_whole && relay_is_empty(relay) &&
           relay->tail_sent == relay->tail.len;
}

bool relay_can_rewind(const struct body_relay *relay)
{
    return !relay->dropped;
}

void relay_rewind(struct body_relay *relay)
{
    assert(!relay->dropped);
    relay->head_sent = 0;
    relay->tail_sent = 0;
    relay->at = relay->first;
    relay->at_sent = 0;
}

void relay_drop_sent(struct body_relay *relay)
{
    while (relay->first && relay->first != relay->at) {
        struct io_buffer *buffer = relay->first;

        relay->first = buffer->next;
        if (!relay->first)
            relay->last = NULL;
        relay->buffer_count--;
        relay->dropped = true;
        buffer_give(relay->pool, &buffer);
    }
}
