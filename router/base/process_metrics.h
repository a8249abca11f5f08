/* process_metrics.h - the usual process_* families of the calling process.
 *
 * Front and keeper both expose them; the label `process` tells them apart.
 * Thread: any.
 */
#ifndef ROUTER_BASE_PROCESS_METRICS_H
#define ROUTER_BASE_PROCESS_METRICS_H

#include "router/base/strbuf.h"

/* Append them in Prometheus text format. process: "front" or "keeper". What
 * /proc does not tell (a container with no /proc) is left out. */
void process_metrics_expose(struct strbuf *buf, const char *process);

#endif
