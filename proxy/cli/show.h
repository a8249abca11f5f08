/* show.h - ask the admin API, and print what it answers: as it is (--json), or
 * as a view makes it.
 */
#ifndef PROXY_CLI_SHOW_H
#define PROXY_CLI_SHOW_H

#include <stdbool.h>

#include "proxy/cli/options.h"
#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"

struct cJSON;
struct view;

typedef void (*show_view_fn)(const struct cJSON *json, const struct view *view,
                             struct strbuf *buf);

/* GET path of the berth that args name, which must have CLI_CONNECTS and
 * CLI_PRINTS_DATA. */
MUST_USE bool cli_show(const struct cli_args *args, const char *path,
                       show_view_fn view, struct err *err);

#endif
