/* status_view.h - the admin API's status, as people read it. Thread: any. */
#ifndef PROXY_CLI_STATUS_VIEW_H
#define PROXY_CLI_STATUS_VIEW_H

#include <stdbool.h>

#include "router/base/strbuf.h"

struct cJSON;

/* How the output takes it. */
struct view {
    bool has_colour;
    unsigned width; /* columns of the terminal; 0: nothing is cut */
};

/* What GET /api/v1/status answered: a line about berth, and the apps. */
void status_view_all(const struct cJSON *status, const struct view *view,
                     struct strbuf *buf);

/* What GET /api/v1/apps/{app} answered: its counts, replicas, last start and
 * last error with its log lines. */
void status_view_app(const struct cJSON *app, const struct view *view,
                     struct strbuf *buf);

#endif
