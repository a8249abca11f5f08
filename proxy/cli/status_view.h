/* status_view.h - the admin API's status, as people read it. Thread: any. */
#ifndef PROXY_CLI_STATUS_VIEW_H
#define PROXY_CLI_STATUS_VIEW_H

#include "router/base/strbuf.h"

struct cJSON;
struct view; /* view.h */

/* What GET /api/v1/status answered: a line about berth, and the apps. */
void status_view_all(const struct cJSON *status, const struct view *view,
                     struct strbuf *buf);

/* What GET /api/v1/apps/{app} answered: its counts, replicas, last start and
 * last error with its log lines. */
void status_view_app(const struct cJSON *app, const struct view *view,
                     struct strbuf *buf);

#endif
