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
/* What stood for {app} in the path. */
struct strview admin_call_app(const struct admin_call *call);
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

/* --- questions to the keeper: one at a time --- */

/* ok false: it failed (body: why), or gave no answer in time (ptr NULL). */
typedef void (*admin_answer_fn)(struct admin_call *call, bool ok,
                                struct strview body);
/* QUERY what. */
void admin_call_ask(struct admin_call *call, const char *what,
                    unsigned timeout_ms, admin_answer_fn on_answer);
/* ACTION what. */
void admin_call_act(struct admin_call *call, const char *what,
                    struct strview argument, unsigned timeout_ms,
                    admin_answer_fn on_answer);

#endif
