/* log_line.h - a line of a container's output, as a terminal may have it.
 *
 * What an app prints may hold anything. Colours (SGR) are let through; what
 * could move the cursor, rename the window or forge a line is not.
 * Thread: any.
 */
#ifndef PROXY_CLI_LOG_LINE_H
#define PROXY_CLI_LOG_LINE_H

#include "router/base/strbuf.h"
#include "router/base/strview.h"

struct view;

/* line: "REPLICA | TEXT" or "REPLICA - NOTE", as the admin API has it. Append
 * it with its end. Without colours: the very bytes. */
void log_line_view(struct strview line, const struct view *view,
                   struct strbuf *buf);

#endif
