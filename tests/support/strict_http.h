/* strict_http.h - a second reader of HTTP/1.1, for tests only.
 *
 * Written from RFC 9112 without a look at proxy/: plain, slow, byte by byte,
 * whole messages only. What proxy reads, and what it writes, has to mean the
 * same to this one. */
#ifndef TESTS_SUPPORT_STRICT_HTTP_H
#define TESTS_SUPPORT_STRICT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRICT_HTTP_MAX_FIELDS 512

struct strict_text {
    const char *ptr;
    size_t len;
};

struct strict_field {
    struct strict_text name;
    struct strict_text value;
};

enum strict_body { STRICT_NONE, STRICT_LENGTH, STRICT_CHUNKED, STRICT_CLOSE };

struct strict_message {
    const char *why; /* it was not taken; a literal */
    struct strict_text method;
    struct strict_text target;
    char minor;
    unsigned status;
    struct strict_field fields[STRICT_HTTP_MAX_FIELDS];
    size_t field_count;
    size_t head_len;
    enum strict_body body_kind;
    uint64_t length; /* what Content-Length says */
    char *body;      /* decoded; malloc'ed */
    size_t body_len;
    struct strict_field trailers[STRICT_HTTP_MAX_FIELDS];
    size_t trailer_count;
    bool is_whole; /* the body is; false: more would have to come */
    size_t total;  /* bytes used, if it is whole */
};

/* Read one message from data. False: it is malformed, or its head is not
 * whole; *ret_message may be half filled. strict_http_done() in each case.
 * no_body: the answer is one to HEAD. */
bool strict_http_request(const char *data, size_t len,
                         struct strict_message *ret_message);
bool strict_http_answer(const char *data, size_t len, bool no_body,
                        struct strict_message *ret_message);
/* A chunked body alone: data begins with a chunk's size. */
bool strict_http_chunked(const char *data, size_t len,
                         struct strict_message *ret_message);
void strict_http_done(struct strict_message *message);

/* How many fields are called so (any case), and the first one's value. */
size_t strict_http_count(const struct strict_message *message, const char *name,
                         struct strict_text *ret_value);
bool strict_text_is(struct strict_text text, const char *wanted);

#endif
