/* admin_call.h - one request to the admin API, and the answer to it.
 *
 * A handler answers at once, or asks the keeper and answers in the call back:
 * admin_call_ask() bounds how long that takes. Thread: main.
 */
#ifndef PROXY_ADMIN_ADMIN_CALL_H
#define PROXY_ADMIN_ADMIN_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

struct admin_call;  /* opaque; freed by its answer */
struct admin_calls; /* opaque: all calls under way */
struct admin_host;
struct cJSON;
struct evhttp_request;

/* Borrows host. */
MUST_USE struct admin_calls *admin_calls_new(const struct admin_host *host);
/* Calls under way end without an answer: evhttp frees their requests with
 * their connections. NULL is skipped. */
void admin_calls_free(struct admin_calls **calls);

/* request: evhttp's, which the answer gives back to it. app: borrowed from the
 * request. */
MUST_USE struct admin_call *admin_call_new(struct admin_calls *calls,
                                           struct evhttp_request *request,
                                           struct strview app);

const struct admin_host *admin_call_host(const struct admin_call *call);
struct evhttp_request *admin_call_request(struct admin_call *call);
/* What stood for {app} in the path. */
struct strview admin_call_app(const struct admin_call *call);
/* Of the query of its URI, decoded; NULL: not there. Borrowed from the call. */
const char *admin_call_param(struct admin_call *call, const char *name);
/* A parameter that is a number; false: it is there, but is none (the call has
 * been answered then). Not there: *ret_number stays as it is. */
MUST_USE bool admin_call_number(struct admin_call *call, const char *name,
                                uint64_t *ret_number, bool *ret_is_there);
/* "1", "true", "yes" or "" as "follow=1" or "follow" say; not there: that. */
bool admin_call_flag(struct admin_call *call, const char *name,
                     bool if_not_there);
/* Index of the app of that name, into settings->apps; UINT32_MAX: there is
 * none, and the call has been answered. */
uint32_t admin_find_app(struct admin_call *call, struct strview name);
/* The request's body. Borrowed from the call. */
struct strview admin_call_body(struct admin_call *call);

/* --- answers: exactly one, which ends the call --- */

/* Takes json. */
void admin_call_json(struct admin_call *call, int status, struct cJSON *json);
/* type: of the content. Takes what is in buf and leaves it empty. */
void admin_call_text(struct admin_call *call, int status, const char *type,
                     struct strbuf *buf);
/* {"error": {"code", "message"}} */
void admin_call_error(struct admin_call *call, int status, const char *code,
                      const char *format, ...) PRINTF_LIKE(4, 5);

/* {"error"} of what the keeper's failed answer says: its first word, where it
 * is one with_underscores, is the code, which leads to a status; the rest is
 * the message. body.ptr NULL: it
 * did not answer in time. */
void admin_call_failure(struct admin_call *call, struct strview body);

/* The two of it, as above. */
void admin_split_failure(struct strview body, struct strview *ret_code,
                         struct strview *ret_message);

/* --- questions to the keeper: one at a time --- */

/* Connections that are left for those who only ask. */
#define ADMIN_STREAMS_MAX 48

/* How a stream of the keeper's parts is passed on. */
struct admin_stream {
    const char *type;    /* of the content */
    const char *silence; /* sent in a silence, so that an end is seen */
    /* What the client gets for a part. */
    void (*write)(struct strview part, struct strbuf *out);
    /* What it gets last, for the keeper's reply; NULL: nothing. */
    void (*finish)(bool ok, struct strview body, struct strbuf *out);
};

/* ok false: it failed (body: why), or gave no answer in time (ptr NULL). */
typedef void (*admin_answer_fn)(struct admin_call *call, bool ok,
                                struct strview body);

struct admin_question {
    const char *what; /* as in questions.h, like the next three */
    bool is_action;
    uint32_t app;
    struct strview argument;
    unsigned timeout_ms; /* 0: the keeper sees to its end */
    /* The answer, where it is no stream or fails before it has begun. */
    admin_answer_fn on_answer;
    const struct admin_stream *stream; /* NULL: parts are not wanted */
};
/* The answer is a stream from the first part on: then the call ends with it,
 * or with its client, and on_answer does not run. */
void admin_call_question(struct admin_call *call,
                         const struct admin_question *question);
/* QUERY what, on no app. */
void admin_call_ask(struct admin_call *call, const char *what,
                    unsigned timeout_ms, admin_answer_fn on_answer);

#endif
