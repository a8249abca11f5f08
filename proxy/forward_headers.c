/* forward_headers.c - a parsed head, written anew for the other side.
 *
 * The room for all of it is computed first, from the sizes of what goes in,
 * so that writing is a row of memcpy into a flat buffer. */
#include "proxy/forward_headers.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "proxy/http_syntax.h"

/* --- writing ------------------------------------------------------------- */

struct out {
    char *at;
    const char *end; /* of the room */
};

static void put_bytes(struct out *out, struct strview text)
{
    assert(text.len <= (size_t)(out->end - out->at));
    if (text.len > 0)
        memcpy(out->at, text.ptr, text.len);
    out->at += text.len;
}

/* A text that is known here becomes a few stores, without a call. */
ALWAYS_INLINE static inline void put(struct out *out, struct strview text)
{
    if (!__builtin_constant_p(text.len)) {
        put_bytes(out, text);
        return;
    }
    assert(text.len <= (size_t)(out->end - out->at));
    memcpy(out->at, text.ptr, text.len);
    out->at += text.len;
}

static void put_field(struct out *out, struct strview name,
                      struct strview value)
{
    put(out, name);
    put(out, SV(": "));
    put(out, value);
    put(out, SV("\r\n"));
}

static void put_number(struct out *out, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;

    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(out, sv_make(digits + n, sizeof digits - n));
}

static void put_number_field(struct out *out, struct strview name,
                             uint64_t value)
{
    put(out, name);
    put(out, SV(": "));
    put_number(out, value);
    put(out, SV("\r\n"));
}

static struct out out_begin(struct strbuf *buf, size_t room)
{
    char *at = strbuf_reserve(buf, room);

    return (struct out){at, at + room};
}

static void out_end(struct out *out, struct strbuf *buf)
{
    buf->len = (size_t)(out->at - buf->data);
    buf->data[buf->len] = '\0';
}

static size_t fields_room(const struct http_head *head)
{
    size_t room = 0;

    for (uint32_t i = 0; i < head->field_count; i++)
        room += head->fields[i].name.len + head->fields[i].value.len + 4;
    return room;
}

/* --- request_header and response_header ---------------------------------- */

static uint32_t setting_count(const struct field_settings *settings)
{
    return settings ? settings->count : 0;
}

static size_t settings_room(const struct field_settings *settings)
{
    size_t room = 0;

    for (uint32_t i = 0; i < setting_count(settings); i++)
        room += strlen(settings->fields[i].name) +
                strlen(settings->fields[i].value) + 4;
    return room;
}

static bool is_among(const struct field_settings *settings, struct strview name)
{
    for (uint32_t i = 0; i < settings->count; i++) {
        if (sv_eq_nocase(sv_of(settings->fields[i].name), name))
            return true;
    }
    return false;
}

static inline bool is_set(const struct field_settings *settings,
                          struct strview name)
{
    return setting_count(settings) > 0 && is_among(settings, name);
}

/* Framing and hop-by-hop fields are berth's own; conf refuses such names. */
static bool may_be_set(struct strview name, enum http_kind kind)
{
    enum http_field_id id = http_field_id_of(name);

    return id != FIELD_CONTENT_LENGTH && id != FIELD_TRANSFER_ENCODING &&
           !http_field_is_hop_by_hop(id, kind);
}

static void put_settings(struct out *out, const struct field_settings *settings,
                         enum http_kind kind)
{
    for (uint32_t i = 0; i < setting_count(settings); i++) {
        struct strview name = sv_of(settings->fields[i].name);
        struct strview value = sv_of(settings->fields[i].value);

        if (value.len > 0 && may_be_set(name, kind))
            put_field(out, name, value);
    }
}

static char folded(char c)
{
    return http_char_is(c, CHAR_MARK) ? '-' : http_lower(c);
}

/* Not the same name, but the same for an app that folds marks. */
static bool is_lookalike(struct strview name, struct strview setting)
{
    if (name.len != setting.len || sv_eq_nocase(name, setting))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (folded(name.ptr[i]) != folded(setting.ptr[i]))
            return false;
    }
    return true;
}

static bool has_lookalike(const struct http_head *head,
                          const struct field_settings *settings)
{
    for (uint32_t i = 0; i < setting_count(settings); i++) {
        struct strview setting = sv_of(settings->fields[i].name);

        for (uint32_t k = 0; k < head->field_count; k++) {
            if (is_lookalike(head->fields[k].name, setting))
                return true;
        }
    }
    return false;
}

/* --- which fields go on -------------------------------------------------- */

static bool is_named_by_connection(const struct http_head *head,
                                   struct strview name)
{
    for (uint32_t i = 0; i < head->option_count; i++) {
        if (sv_eq_nocase(head->options[i], name))
            return true;
    }
    return false;
}

/* Whether a field that is not taken by berth stays behind. */
static bool is_left_behind(const struct http_head *head,
                           const struct http_field *field,
                           const struct field_settings *settings)
{
    if (http_field_is_hop_by_hop(field->id, head->kind))
        return true;
    if (head->option_count > 0 &&
        !http_field_is_protected(field->id, head->kind) &&
        is_named_by_connection(head, field->name))
        return true;
    return settings && is_set(settings, field->name);
}

/* --- what berth adds to a request ---------------------------------------- */

static bool is_client_known(const struct forward_request *request)
{
    return request->client_host.len > 0 &&
           !sv_starts(request->client_host, SV("unix:"));
}

static bool is_ipv6(struct strview host)
{
    return host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;
}

/* Before the value that berth appends to a list of a trusted proxy: the old
 * lines, joined. */
static void put_old_list(struct out *out, const struct forward_request *request,
                         enum http_field_id id)
{
    const struct http_head *head = request->head;

    if (!request->is_trusted || !http_head_has(head, id))
        return;
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].id != id || head->fields[i].value.len == 0)
            continue;
        put(out, head->fields[i].value);
        put(out, SV(", "));
    }
}

static void put_via(struct out *out, const struct forward_request *request)
{
    put(out, SV("Via: "));
    put_old_list(out, request, FIELD_VIA);
    put(out,
        request->head->minor == 0 ? SV("1.0 berth\r\n") : SV("1.1 berth\r\n"));
}

static void put_forwarded_for(struct out *out,
                              const struct forward_request *request)
{
    put(out, SV("X-Forwarded-For: "));
    put_old_list(out, request, FIELD_X_FORWARDED_FOR);
    put(out, is_client_known(request) ? request->client_host : SV("unknown"));
    put(out, SV("\r\n"));
}

static struct strview scheme_of(const struct forward_request *request)
{
    return request->is_tls ? SV("https") : SV("http");
}

/* RFC 7239: an address of IPv6, and a host with a port, are no tokens. */
static void put_forwarded(struct out *out,
                          const struct forward_request *request)
{
    struct strview authority = request->head->authority;

    put(out, SV("Forwarded: "));
    put_old_list(out, request, FIELD_FORWARDED);
    put(out, SV("for="));
    if (!is_client_known(request)) {
        put(out, SV("unknown"));
    } else if (is_ipv6(request->client_host)) {
        put(out, SV("\"["));
        put(out, request->client_host);
        put(out, SV("]\""));
    } else {
        put(out, request->client_host);
    }
    if (authority.len > 0) {
        struct strview quote = http_is_token(authority) ? SV("") : SV("\"");

        /* A valid authority has neither '"' nor '\'. */
        put(out, SV(";host="));
        put(out, quote);
        put(out, authority);
        put(out, quote);
    }
    put(out, SV(";proto="));
    put(out, scheme_of(request));
    put(out, SV("\r\n"));
}

/* The prefix that a proxy before us took away, then ours. */
static void put_prefix(struct out *out, const struct forward_request *request)
{
    struct strview own = request->prefix;
    struct strview outer = {NULL, 0};

    if (request->is_trusted) {
        const struct http_field *field =
            http_head_find(request->head, FIELD_X_FORWARDED_PREFIX);

        if (field && field->value.len > 0 && field->value.ptr[0] == '/')
            outer = field->value;
    }
    while (outer.len > 0 && outer.ptr[outer.len - 1] == '/')
        outer.len--;
    while (own.len > 0 && own.ptr[own.len - 1] == '/')
        own.len--;
    if (outer.len + own.len == 0)
        return;
    put(out, SV("X-Forwarded-Prefix: "));
    put(out, outer);
    put(out, own);
    put(out, SV("\r\n"));
}

/* A field of one value: berth's, unless a trusted proxy said it already. */
static bool is_missing(const struct forward_request *request,
                       enum http_field_id id)
{
    return !(request->is_trusted && http_head_has(request->head, id)) &&
           !is_set(request->settings, http_field_name(id));
}

static void put_added(struct out *out, const struct forward_request *request)
{
    const struct field_settings *settings = request->settings;

    if (!is_set(settings, SV("via")))
        put_via(out, request);
    if (!is_set(settings, SV("x-forwarded-for")))
        put_forwarded_for(out, request);
    if (is_missing(request, FIELD_X_FORWARDED_PROTO))
        put_field(out, SV("X-Forwarded-Proto"), scheme_of(request));
    if (request->head->authority.len > 0 &&
        is_missing(request, FIELD_X_FORWARDED_HOST))
        put_field(out, SV("X-Forwarded-Host"), request->head->authority);
    if (request->local_port > 0 && is_missing(request, FIELD_X_FORWARDED_PORT))
        put_number_field(out, SV("X-Forwarded-Port"), request->local_port);
    if (!is_set(settings, SV("x-forwarded-prefix")))
        put_prefix(out, request);
    if (!is_set(settings, SV("forwarded")))
        put_forwarded(out, request);
    if (request->request_id.len > 0 && !is_set(settings, SV("x-request-id")))
        put_field(out, SV("X-Request-Id"), request->request_id);
    put(out, request->extra);
}

/* --- requests ------------------------------------------------------------ */

void forward_request_init(struct forward_request *ret_request,
                          const struct http_head *head)
{
    *ret_request = (struct forward_request){
        .head = head,
        .framing = head->framing,
        .content_length = head->content_length,
    };
}

/* Whether a client's field goes on as it is. */
static bool passes(const struct forward_request *request,
                   const struct http_field *field)
{
    const struct http_head *head = request->head;

    switch (field->id) {
    case FIELD_OTHER:
        break;
    case FIELD_VIA: /* put_added() joins them with ours */
    case FIELD_FORWARDED:
    case FIELD_X_FORWARDED_FOR:
    case FIELD_X_FORWARDED_PREFIX:
        return false;
    case FIELD_MAX_FORWARDS:
        if (head->has_max_forwards)
            return false;
        break;
    case FIELD_EXPECT:
        if (head->minor == 0)
            return false;
        break;
    default:
        if (!http_field_is_taken(field->id, HTTP_KIND_REQUEST))
            break;
        if (!request->is_trusted ||
            !http_field_needs_trust(field->id, HTTP_KIND_REQUEST))
            return false;
        break;
    }
    return !is_left_behind(head, field, request->settings);
}

static void put_request_line(struct out *out,
                             const struct forward_request *request)
{
    put(out, request->head->method_name);
    put(out, SV(" "));
    put(out, request->path);
    if (request->head->query.ptr) {
        put(out, SV("?"));
        put(out, request->head->query);
    }
    put(out, SV(" HTTP/1.1\r\n"));
}

static void put_host(struct out *out, const struct forward_request *request)
{
    struct strview authority = request->head->authority;

    if (!is_set(request->settings, SV("host")))
        put_field(out, SV("Host"),
                  authority.len > 0 ? authority : request->default_host);
}

static void put_framing(struct out *out, enum http_framing framing,
                        uint64_t content_length)
{
    if (framing == FRAMING_LENGTH)
        put_number_field(out, SV("Content-Length"), content_length);
    else if (framing == FRAMING_CHUNKED)
        put_field(out, SV("Transfer-Encoding"), SV("chunked"));
}

static void put_upgrade(struct out *out, const struct http_head *head)
{
    if (head->upgrade.len == 0)
        return;
    put_field(out, SV("Connection"), SV("upgrade"));
    put_field(out, SV("Upgrade"), head->upgrade);
}

static size_t request_room(const struct forward_request *request)
{
    const struct http_head *head = request->head;

    /* 512: the names of what put_added() writes, and its numbers. */
    return 512 + head->method_name.len + request->path.len + head->query.len +
           fields_room(head) + settings_room(request->settings) +
           3 * head->authority.len + request->default_host.len +
           2 * request->client_host.len + request->prefix.len +
           request->request_id.len + request->extra.len + head->upgrade.len +
           2 * (size_t)head->field_count;
}

bool forward_headers_request(const struct forward_request *request,
                             struct strbuf *buf,
                             struct rejection *ret_rejection)
{
    const struct http_head *head = request->head;
    struct out out;

    assert(request->framing != FRAMING_CLOSE);
    if (has_lookalike(head, request->settings)) {
        *ret_rejection = (struct rejection){
            REJECT_BAD_REQUEST,
            "A field name could be taken for one that the proxy sets."};
        return false;
    }
    out = out_begin(buf, request_room(request));
    put_request_line(&out, request);
    put_host(&out, request);
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];

        if (passes(request, field))
            put_field(&out, field->name, field->value);
    }
    put_framing(&out, request->framing, request->content_length);
    put_upgrade(&out, head);
    if (head->has_max_forwards && head->max_forwards > 0)
        put_number_field(&out, SV("Max-Forwards"), head->max_forwards - 1);
    put_added(&out, request);
    put_settings(&out, request->settings, HTTP_KIND_REQUEST);
    put(&out, SV("\r\n"));
    out_end(&out, buf);
    return true;
}

void forward_headers_drop_expect(struct strbuf *head)
{
    static const char name[] = "Expect:";
    char *end = head->data + head->len;
    char *line = head->data;

    while (line < end) {
        char *next = (char *)memchr(line, '\n', (size_t)(end - line)) + 1;

        if (strncasecmp(line, name, sizeof name - 1) == 0) {
            memmove(line, next, (size_t)(end - next));
            end -= next - line;
        } else {
            line = next;
        }
    }
    head->len = (size_t)(end - head->data);
    *end = '\0';
}

/* --- answers ------------------------------------------------------------- */

static void put_status_line(struct out *out, const struct http_head *head)
{
    put(out, SV("HTTP/1.1 "));
    put_number(out, head->status);
    put(out, SV(" "));
    put(out, head->reason);
    put(out, SV("\r\n"));
}

#define HSTS "Strict-Transport-Security"

/* Of two, a browser believes the first only (RFC 6797, 8.1). */
static bool is_replaced(const struct forward_answer *answer,
                        const struct http_field *field)
{
    return answer->hsts.len > 0 && field->id == FIELD_OTHER &&
           sv_eq_nocase(field->name, SV(HSTS));
}

static void put_answer_fields(struct out *out,
                              const struct forward_answer *answer)
{
    const struct http_head *head = answer->head;

    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];

        if (!http_field_is_taken(field->id, HTTP_KIND_RESPONSE) &&
            !is_left_behind(head, field, answer->settings) &&
            !is_replaced(answer, field))
            put_field(out, field->name, field->value);
    }
    if (answer->hsts.len > 0 && !is_set(answer->settings, SV(HSTS)))
        put_field(out, SV(HSTS), answer->hsts);
    if (answer->server_timing.len > 0)
        put_field(out, SV("Server-Timing"), answer->server_timing);
    if (answer->request_id.len > 0 &&
        !is_set(answer->settings, SV("x-request-id")))
        put_field(out, SV("X-Request-Id"), answer->request_id);
    put_settings(out, answer->settings, HTTP_KIND_RESPONSE);
}

static struct forward_framing
choose_framing(const struct forward_answer *answer)
{
    const struct http_head *request = answer->request;
    struct forward_framing choice = {answer->head->framing,
                                     answer->keep_alive && request->keep_alive};

    if (choice.framing == FRAMING_CLOSE && request->minor > 0)
        choice.framing = FRAMING_CHUNKED;
    else if (choice.framing == FRAMING_CHUNKED && request->minor == 0)
        choice.framing = FRAMING_CLOSE;
    if (choice.framing == FRAMING_CLOSE)
        choice.keep_alive = false;
    return choice;
}

static void put_connection(struct out *out, const struct forward_answer *answer,
                           bool keep_alive)
{
    if (!keep_alive)
        put_field(out, SV("Connection"), SV("close"));
    else if (answer->request->minor == 0)
        put_field(out, SV("Connection"), SV("keep-alive"));
}

static size_t answer_room(const struct forward_answer *answer)
{
    return 256 + answer->head->reason.len + fields_room(answer->head) +
           settings_room(answer->settings) + answer->request_id.len +
           answer->server_timing.len + answer->hsts.len +
           answer->head->upgrade.len;
}

struct forward_framing
forward_headers_answer(const struct forward_answer *answer, struct strbuf *buf)
{
    const struct http_head *head = answer->head;
    struct forward_framing choice = choose_framing(answer);
    struct out out = out_begin(buf, answer_room(answer));

    put_status_line(&out, head);
    put_answer_fields(&out, answer);
    if (head->status == 101) {
        put_upgrade(&out, head);
    } else {
        /* What a body would have: the answer to HEAD, and 304. */
        if (choice.framing != FRAMING_NONE)
            put_framing(&out, choice.framing, head->content_length);
        else if (head->has_content_length && head->status != 204)
            put_framing(&out, FRAMING_LENGTH, head->content_length);
        put_connection(&out, answer, choice.keep_alive);
    }
    put(&out, SV("\r\n"));
    out_end(&out, buf);
    return choice;
}

void forward_headers_interim(const struct forward_answer *answer,
                             struct strbuf *buf)
{
    struct out out;

    if (answer->request->minor == 0)
        return;
    out = out_begin(buf, answer_room(answer));
    put_status_line(&out, answer->head);
    put_answer_fields(&out, answer);
    put(&out, SV("\r\n"));
    out_end(&out, buf);
}

/* --- trailers ------------------------------------------------------------ */

void forward_headers_trailers(const struct http_head *trailers,
                              const struct http_head *request,
                              struct strbuf *buf)
{
    struct out out;

    if (!trailers || !request->te_trailers)
        return;
    out = out_begin(buf, fields_room(trailers));
    for (uint32_t i = 0; i < trailers->field_count; i++) {
        const struct http_field *field = &trailers->fields[i];

        if (!http_field_is_taken(field->id, trailers->kind) &&
            !http_field_is_hop_by_hop(field->id, trailers->kind))
            put_field(&out, field->name, field->value);
    }
    out_end(&out, buf);
}
