/* top_view.h - the apps and the past of their queues, as people read them.
 * Thread: any, one at a time.
 */
#ifndef PROXY_CLI_TOP_VIEW_H
#define PROXY_CLI_TOP_VIEW_H

#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"

struct cJSON;
struct top; /* opaque: what was seen so far */
struct view;

#define TOP_PAST 30 /* samples of each app that are kept */

MUST_USE struct top *top_new(void);
void top_free(struct top **top); /* NULL is skipped */

/* status: what GET /api/v1/status answered at now_us. Append the whole screen.
 */
void top_view(struct top *top, const struct cJSON *status, uint64_t now_us,
              const struct view *view, struct strbuf *buf);

/* Append a bar of one line for each sample, the highest being `max` or more. */
void top_sparkline(const uint64_t *samples, unsigned count, struct strbuf *buf);

#endif
