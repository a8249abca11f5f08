/* http_request_fuzz.c - a request is read, written anew, and read again by
 * an independent reader: it must be one request, and mean the same.
 *
 * The first byte of the input chooses how it is cut and who the peer is. */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/forward_headers.h"
#include "proxy/http_syntax.h"
#include "tests/support/fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct field_setting settings[] = {
    {(char *)"X-Operator", (char *)"set"},
    {(char *)"X-Removed", (char *)""},
};
static const struct field_settings request_headers = {2, settings};

/* The independent reader finds the same request in the client's bytes. */
static void check_reading(const struct http_head *head, struct strview data)
{
    struct strict_message *strict = calloc(1, sizeof *strict);
    bool ok = strict_http_request(data.ptr, data.len, strict);

    /* A body may be broken, which is seen later: the head is compared. */
    MUST(ok || strict->body_kind == STRICT_CHUNKED);
    MUST(sv_eq(head->method_name, fuzz_http_view(strict->method)));
    MUST(sv_eq(head->target, fuzz_http_view(strict->target)));
    MUST((head->minor == 0) == (strict->minor == '0'));
    MUST(head->bytes == strict->head_len);
    fuzz_http_same_fields(head, strict);
    MUST((head->framing == FRAMING_CHUNKED) ==
         (strict->body_kind == STRICT_CHUNKED));
    MUST((head->framing == FRAMING_LENGTH) ==
         (strict->body_kind == STRICT_LENGTH));
    MUST(head->framing != FRAMING_LENGTH ||
         head->content_length == strict->length);
    strict_http_done(strict);
    free(strict);
}

/* A name that an app must never get from a client that is not trusted. */
static bool is_berths(struct strview name)
{
    static const char *const names[] = {
        "via",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-request-id",
        "x-operator",
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "max-forwards",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (sv_eq_nocase(name, sv_of(names[i])))
            return true;
    }
    return false;
}

static bool has_pair(const struct http_head *head, struct strict_field field)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (sv_eq(head->fields[i].name, fuzz_http_view(field.name)) &&
            sv_eq(head->fields[i].value, fuzz_http_view(field.value)))
            return true;
    }
    return false;
}

/* As an app that folds marks would see it. */
static bool folds_to(struct strict_text name, const char *wanted)
{
    size_t i;

    for (i = 0; i < name.len && wanted[i]; i++) {
        char c = http_lower(name.ptr[i]);

        if (!http_char_is(c, CHAR_ALNUM))
            c = '-';
        if (c != wanted[i])
            return false;
    }
    return wanted[i] == '\0';
}

static void check_fields(const struct http_head *head,
                         const struct strict_message *sent, bool is_trusted)
{
    static const char *const never[] = {
        "keep-alive", "proxy-connection", "proxy-authorization", "te",
        "trailer",    "http2-settings",   "x-removed",
    };
    static const enum http_field_id kept[] = {FIELD_COOKIE,
                                              FIELD_AUTHORIZATION};
    static const char *const once[] = {"host", "via", "x-forwarded-for",
                                       "forwarded", "x-request-id"};

    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        MUST(strict_http_count(sent, never[i], NULL) == 0);
    for (size_t i = 0; i < ARRAY_LEN(once); i++)
        MUST(strict_http_count(sent, once[i], NULL) == 1);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        size_t count = 0;

        for (uint32_t k = 0; k < head->field_count; k++)
            count += head->fields[k].id == kept[i];
        MUST(strict_http_count(sent, http_field_name(kept[i]).ptr, NULL) ==
             count);
    }
    for (size_t i = 0; i < sent->field_count; i++) {
        struct strict_field field = sent->fields[i];
        struct strview name = fuzz_http_view(field.name);

        MUST(!folds_to(field.name, "x-berth-"));
        MUST(!folds_to(field.name, "x-operator") || name.len > 10 ||
             sv_eq(name, SV("X-Operator")));
        MUST(!folds_to(field.name, "x-client-cert-"));
        if (!is_trusted && folds_to(field.name, "x-forwarded-"))
            MUST(is_berths(name));
        MUST(is_berths(name) || has_pair(head, field));
    }
}

static void check_start(const struct http_head *head,
                        const struct strict_message *sent)
{
    struct strict_text host = {NULL, 0};
    struct strview target = fuzz_http_view(sent->target);
    struct strview wanted_host =
        head->authority.len > 0 ? head->authority : SV("app");

    MUST(sv_eq(head->method_name, fuzz_http_view(sent->method)));
    MUST(sv_starts(target, head->path));
    target = sv_skip(target, head->path.len);
    if (head->query.ptr) {
        MUST(target.len > 0 && target.ptr[0] == '?');
        target = sv_skip(target, 1);
    }
    MUST(sv_eq(target, head->query));
    MUST(strict_http_count(sent, "host", &host) == 1);
    MUST(sv_eq(fuzz_http_view(host), wanted_host));
}

/* The head and the body as an app would get them. Returns whether the body
 * is whole. */
static bool write_request(const struct http_head *head, struct strview rest,
                          unsigned flags, struct strbuf *out,
                          struct strbuf *body)
{
    struct forward_request request;
    struct rejection why;
    struct http_body decoder;
    struct arena arena;
    AUTO(strbuf_done) struct strbuf chunks = STRBUF_INIT;
    size_t used;
    enum fuzz_body state;

    forward_request_init(&request, head);
    request.path = head->path;
    request.client_host = flags & 2 ? SV("2001:db8::1") : SV("192.0.2.1");
    request.is_trusted = flags & 1;
    request.is_tls = flags & 4;
    request.prefix = flags & 4 ? SV("/app") : SV("");
    request.local_port = 8080;
    request.request_id = SV("id-1");
    request.default_host = SV("app");
    request.settings = &request_headers;
    if (!forward_headers_request(&request, out, &why)) {
        MUST(out->len == 0 && why.code == REJECT_BAD_REQUEST);
        return false;
    }
    arena_init(&arena);
    http_body_init(&decoder, head, &fuzz_http_limits);
    state = fuzz_http_decode(&decoder, rest, (flags >> 3) + 1, &arena, body,
                             &chunks, &used);
    if (head->framing == FRAMING_CHUNKED) {
        strbuf_add_sv(out, strbuf_view(&chunks));
        if (state == FUZZ_BODY_WHOLE) {
            strbuf_add_sv(out, HTTP_CHUNK_LAST);
            forward_headers_trailers(decoder.trailers, head, out);
            strbuf_add_sv(out, HTTP_CHUNK_END);
        }
    } else {
        strbuf_add_sv(out, strbuf_view(body));
    }
    arena_done(&arena);
    return state == FUZZ_BODY_WHOLE;
}

static void check_writing(const struct http_head *head, struct strview rest,
                          unsigned flags)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf body = STRBUF_INIT;
    struct strict_message *sent;
    bool is_whole = write_request(head, rest, flags, &out, &body);
    bool ok;

    if (out.len == 0)
        return;
    sent = calloc(1, sizeof *sent);
    ok = strict_http_request(out.data, out.len, sent);
    MUST(ok || (!is_whole && sent->body_kind == STRICT_CHUNKED));
    MUST(sent->minor == '1');
    check_start(head, sent);
    check_fields(head, sent, flags & 1);
    /* One request, all of it, or one that does not end. */
    MUST(sent->is_whole == is_whole);
    MUST(!is_whole || sent->total == out.len);
    MUST(sent->body_len == body.len);
    MUST(body.len == 0 || memcmp(sent->body, body.data, body.len) == 0);
    strict_http_done(sent);
    free(sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_parser parser;
    struct http_head head;
    struct rejection why = {REJECT_NONE, NULL};
    struct arena arena;
    struct strview raw;
    enum http_result result;
    unsigned flags;

    if (size < 1)
        return 0;
    flags = data[0];
    raw = sv_make((const char *)data + 1, size - 1);
    arena_init(&arena);
    http_parser_init(&parser, HTTP_KIND_REQUEST, &fuzz_http_limits);
    result = http_parser_head(&parser, raw, &arena, &head, &why);
    http_parser_reset(&parser);
    fuzz_http_pieces(&parser, raw, (flags >> 3) + 1, result, &head, &why);
    if (result == HTTP_REFUSED) {
        MUST(rejection_status(why.code) >= 400);
        MUST(!why.text || strcmp(why.text, "llhttp disagrees.") != 0);
    }
    if (result == HTTP_DONE) {
        check_reading(&head, raw);
        check_writing(&head, sv_skip(raw, head.bytes), flags);
    }
    arena_done(&arena);
    return 0;
}
