/* local_reply.h - the answers that berth itself gives: JSON, or HTML for
 * browsers, with X-Berth-Error. Thread: any. */
#ifndef PROXY_LOCAL_REPLY_H
#define PROXY_LOCAL_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http_head.h"
#include "proxy/rejection.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

struct local_reply {
    const struct http_head *request; /* as far as it was understood; or NULL */
    struct strview request_id;       /* may be empty */
    bool keep_alive;                 /* else Connection: close */
    uint32_t retry_after_s; /* 0: 1 with 503 and 429, none with others */
    struct strview page;    /* HTML in place of berth's own; or empty */
    struct strview type;    /* of local_reply_return()'s text; or empty */
    struct strview extra;   /* whole field lines, each with CRLF; or empty */
};

/* Append the whole answer, head and body (no body for HEAD), to buf.
 * detail: what to say instead of the rejection's text; escaped; may be empty.
 * keep_alive is not obeyed where the version does not allow it. */
void local_reply_reject(const struct local_reply *reply,
                        const struct rejection *rejection,
                        struct strview detail, struct strbuf *buf);

/* The directive `return`, and other answers that are no errors. status: 200
 * to 599. text: the URL of a 30x, else the body (text/plain); may be empty. */
void local_reply_return(const struct local_reply *reply, unsigned status,
                        struct strview text, struct strbuf *buf);

/* An error with a page of its own, whoever asks. */
void local_reply_page(const struct local_reply *reply, enum reject_code code,
                      struct strview html, struct strbuf *buf);

/* The head of a stream of server-sent events, which ends by close. */
void local_reply_stream(const struct local_reply *reply, struct strbuf *buf);

/* "HTTP/1.1 100 Continue" and its empty line. */
void local_reply_continue(struct strbuf *buf);

/* Whether the client would rather see HTML than JSON: by the q-values of
 * Accept; a tie, or no Accept, is JSON. request may be NULL. */
bool local_reply_wants_html(const struct http_head *request);

/* The standard reason phrase; "" where there is none. */
const char *local_reply_reason(unsigned status);

#endif
