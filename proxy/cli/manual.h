/* manual.h - the manual pages, made from the tables of commands and directives.
 * Thread: any.
 */
#ifndef PROXY_CLI_MANUAL_H
#define PROXY_CLI_MANUAL_H

#include "router/base/strbuf.h"

/* Append berth(1) and berth.conf(5), as man(7) has them. */
void manual_write_commands(struct strbuf *buf);
void manual_write_directives(struct strbuf *buf);

#endif
