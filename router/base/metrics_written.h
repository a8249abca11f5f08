/* metrics_written.h - the metric families that are no cells: see
 * metrics_written.def. Thread: any.
 */
#ifndef ROUTER_BASE_METRICS_WRITTEN_H
#define ROUTER_BASE_METRICS_WRITTEN_H

struct strbuf;

enum metrics_written {
#define WRITTEN(id, name, labels, type, help) METRICS_WRITTEN_##id,
#include "router/base/metrics_written.def"
#undef WRITTEN
    METRICS_WRITTEN_COUNT
};

const char *metrics_written_name(enum metrics_written id);
/* Its HELP and TYPE lines. */
void metrics_written_begin(struct strbuf *buf, enum metrics_written id);

#endif
