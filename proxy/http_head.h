/* http_head.h - the head of one request or answer, as berth understood it.
 *
 * http_parser fills it. Views point into the buffer that was parsed, which
 * stays put until the exchange drops the head; arrays are the arena's.
 * Thread: whoever owns the head. */
#ifndef PROXY_HTTP_HEAD_H
#define PROXY_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

enum http_kind { HTTP_KIND_REQUEST, HTTP_KIND_RESPONSE };

enum http_method {
    METHOD_OTHER = 0, /* an extension method: see method_name */
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_PATCH,
};

/* How the target was written (RFC 9112, 3.2). CONNECT's is refused. */
enum http_target_form { TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_ASTERISK };

enum http_framing {
    FRAMING_NONE,   /* no body follows */
    FRAMING_LENGTH, /* content_length bytes (may be 0) */
    FRAMING_CHUNKED,
    FRAMING_CLOSE, /* all until the peer closes; answers only */
};

enum http_field_id {
    FIELD_OTHER = 0,
#define FIELD(id, name, request, answer) FIELD_##id,
#include "proxy/http_field.def"
#undef FIELD
    FIELD_ID_COUNT
};
_Static_assert(FIELD_ID_COUNT <= 64, "http_head.present has one bit an id");

struct http_field {
    struct strview name;  /* as written; a token */
    struct strview value; /* without white space around it; may be empty */
    enum http_field_id id;
};

struct http_head {
    enum http_kind kind;
    uint8_t minor; /* HTTP/1.minor: 0, or 1 (which stands for above, too) */
    size_t bytes;  /* length of the head, empty lines included */

    /* Requests. */
    enum http_method method;
    enum http_target_form target_form;
    struct strview method_name;
    struct strview target; /* as received */
    struct strview path;   /* raw, "/…"; "*" where the form is ASTERISK */
    struct strview query;  /* behind the '?'; ptr NULL: there is no '?' */
    /* The target's authority, else Host: valid. Empty in HTTP/1.0 only. */
    struct strview authority; /* "a.example:8080" */
    struct strview host;      /* "a.example", "[::1]": without the port */
    bool expect_continue;     /* 100-continue, in HTTP/1.1 only */
    bool te_trailers;         /* the client takes trailers */
    bool has_max_forwards;    /* in OPTIONS only */
    uint32_t max_forwards;
    /* Protocols that the request may be upgraded to ("websocket"), h2c left
     * out; empty: not an upgrade. In an answer: of a 101. */
    struct strview upgrade;

    /* Answers. */
    uint16_t status;       /* 100 to 599 */
    struct strview reason; /* may be empty */

    /* Framing. Of an answer without a body (HEAD, 304) content_length is what
     * the field said. */
    enum http_framing framing;
    bool has_content_length;
    uint64_t content_length; /* at most INT64_MAX */
    bool keep_alive;         /* the peer keeps the connection afterwards */

    struct http_field *fields;
    uint32_t field_count;
    uint32_t option_count; /* of Connection, all of them */
    struct strview *options;
    uint64_t present; /* 1 << id of every known field that is there */
};

/* A body of at least one byte may follow. */
static inline bool http_head_has_body(const struct http_head *head)
{
    return head->framing != FRAMING_NONE &&
           !(head->framing == FRAMING_LENGTH && head->content_length == 0);
}

/* OPTIONS of the server as a whole: "*", or an absolute-form without a path. */
static inline bool http_head_is_asterisk(const struct http_head *head)
{
    return head->path.len == 1 && head->path.ptr[0] == '*';
}

static inline bool http_head_has(const struct http_head *head,
                                 enum http_field_id id)
{
    return (head->present >> id) & 1;
}

/* The first field of that id, or NULL. O(1) where there is none. */
const struct http_field *http_head_find(const struct http_head *head,
                                        enum http_field_id id);
/* The first field of that name, any case, or NULL. */
const struct http_field *http_head_find_name(const struct http_head *head,
                                             struct strview name);

/* FIELD_OTHER for a name that no row has. name: a token. */
enum http_field_id http_field_id_of(struct strview name);
/* "content-length"; the prefix of a family; "" for FIELD_OTHER. */
struct strview http_field_name(enum http_field_id id);
/* What an app that takes every other mark than letters and digits for '_'
 * (CGI, RFC 3875, 4.1.18) may read `name` as: the id of a name that berth
 * sets or removes and that `name` is not itself; else FIELD_OTHER. */
enum http_field_id http_field_confusable(struct strview name);

/* What is done with a field (the columns of http_field.def). */
/* A Connection option may not take it away. */
bool http_field_is_protected(enum http_field_id id, enum http_kind kind);
bool http_field_is_hop_by_hop(enum http_field_id id, enum http_kind kind);
/* berth writes or removes it: a peer's is not simply passed on. */
bool http_field_is_taken(enum http_field_id id, enum http_kind kind);
/* Passed on only from a trusted proxy. */
bool http_field_needs_trust(enum http_field_id id, enum http_kind kind);

enum http_method http_method_of(struct strview name); /* case matters */
/* May be sent again without harm (RFC 9110, 9.2.2). METHOD_OTHER: no. */
bool http_method_is_idempotent(enum http_method method);

#endif
