/* event_view.h - an event of the admin API, as people read it: one line.
 * Thread: any.
 */
#ifndef PROXY_CLI_EVENT_VIEW_H
#define PROXY_CLI_EVENT_VIEW_H

#include "router/base/strbuf.h"

struct cJSON;
struct view;

/* Append the line, its end included. */
void event_view(const struct cJSON *event, const struct view *view,
                struct strbuf *buf);

#endif
