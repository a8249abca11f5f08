/* forward_headers.h - a parsed head, written anew for the other side.
 *
 * Every byte comes from what was parsed: the start line, the framing and each
 * field line are berth's own spelling of it. Thread: any. */
#ifndef PROXY_FORWARD_HEADERS_H
#define PROXY_FORWARD_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http_head.h"
#include "proxy/rejection.h"
#include "proxy/settings.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

/* A request on its way to an app; all borrowed. */
struct forward_request {
    const struct http_head *head;
    struct strview path;   /* normalised, below the prefix if stripped; "/…"
                              or "*" */
    struct strview prefix; /* that was stripped; X-Forwarded-Prefix; or empty
                            */
    struct strview client_host; /* "192.0.2.1", "::1"; "unix:" or empty:
                                   unknown */
    uint16_t local_port;        /* the client connected to; 0: unknown */
    bool is_tls;
    bool is_trusted; /* the peer is a trusted proxy */
    struct strview request_id;
    struct strview default_host; /* where HTTP/1.0 named none */
    struct strview extra; /* whole field lines of berth's own, each with CRLF
                             (X-Client-Cert-*); or empty */
    const struct field_settings *settings; /* request_header; or NULL */
    /* As it will be sent: the head's, unless the body was read whole. */
    enum http_framing framing; /* not FRAMING_CLOSE */
    uint64_t content_length;
};

/* Fill the framing (and the head) of *ret_request from head; the rest zero. */
void forward_request_init(struct forward_request *ret_request,
                          const struct http_head *head);

/* Append the head for the app to buf, start line to empty line. Returns false
 * (400) when a field's name could be taken for one that request_header sets;
 * buf is then as it was. */
MUST_USE bool forward_headers_request(const struct forward_request *request,
                                      struct strbuf *buf,
                                      struct rejection *ret_rejection);

/* Take Expect out of a head that was written: berth said 100 itself since. */
void forward_headers_drop_expect(struct strbuf *head);

/* An answer on its way to the client; all borrowed. */
struct forward_answer {
    const struct http_head *head;    /* the app's */
    const struct http_head *request; /* the client's: version, method */
    bool keep_alive; /* berth would keep the client's connection */
    struct strview request_id;
    struct strview server_timing; /* a value; empty: none */
    struct strview hsts; /* of Strict-Transport-Security; empty: the app's */
    const struct field_settings *settings; /* response_header; or NULL */
};

/* How the answer's body is framed towards the client. */
struct forward_framing {
    enum http_framing framing;
    bool keep_alive; /* what Connection said */
};

/* Append the final answer's head (or that of a 101) to buf. A close-delimited
 * body becomes chunked for HTTP/1.1 clients; a body of unknown length ends by
 * close for HTTP/1.0 clients. */
struct forward_framing
forward_headers_answer(const struct forward_answer *answer, struct strbuf *buf);

/* Append an interim answer (1xx but 101) to buf; nothing for HTTP/1.0
 * clients. */
void forward_headers_interim(const struct forward_answer *answer,
                             struct strbuf *buf);

/* Append the trailer field lines (no empty line) that may go on: none where
 * the client (of `request`, in both directions) did not say TE: trailers. */
void forward_headers_trailers(const struct http_head *trailers,
                              const struct http_head *request,
                              struct strbuf *buf);

#endif
