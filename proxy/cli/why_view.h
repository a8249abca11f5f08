/* why_view.h - the last starts of an app, as people read them. Thread: any. */
#ifndef PROXY_CLI_WHY_VIEW_H
#define PROXY_CLI_WHY_VIEW_H

#include "router/base/strbuf.h"

struct cJSON;
struct view;

/* What GET /api/v1/apps/{app}/starts answered. */
void why_view(const struct cJSON *starts, const struct view *view,
              struct strbuf *buf);

#endif
