/* exchange_wait.h - for a browser whose app is not there yet: a page, and the
 * stream of events that the page follows. Thread: owner loop.
 */
#ifndef PROXY_EXCHANGE_WAIT_H
#define PROXY_EXCHANGE_WAIT_H

#include "proxy/exchange_private.h"

/* Answer with the page that follows the start. */
void exchange_reply_page(struct exchange *x);
/* Begin to tell that page how far it is. */
void exchange_follow(struct exchange *x);
enum step exchange_step_follow(struct exchange *x);

/* --- what exchange_reply.c gives for that --- */
/* Free what the request held, and have `x->answer_body.head` for an answer.
 * false: there is no more place for one. */
MUST_USE bool exchange_begin_reply(struct exchange *x);
void exchange_end_reply(struct exchange *x, unsigned status);
/* Field lines that berth's own answers have, too, and `more`. */
struct strview exchange_extra_fields(struct exchange *x, struct strview more);
uint64_t exchange_retry_after_ms(struct exchange *x);

#endif
