/* routes_view.h - what goes where, as people read it. Thread: any. */
#ifndef PROXY_CLI_ROUTES_VIEW_H
#define PROXY_CLI_ROUTES_VIEW_H

#include "router/base/strbuf.h"

struct cJSON;
struct view;

/* What GET /api/v1/routes answered. */
void routes_view(const struct cJSON *routes, const struct view *view,
                 struct strbuf *buf);

#endif
