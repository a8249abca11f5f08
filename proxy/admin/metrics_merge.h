/* metrics_merge.h - several expositions made one: each family once, with HELP
 * and TYPE once.
 *
 * Front and keeper have the same families of metrics.def, so a series that
 * both have is summed: each counts its own part, and what only one of them
 * writes is 0 in the other. Series without a TYPE line keep their place as
 * untyped. Thread: any.
 */
#ifndef PROXY_ADMIN_METRICS_MERGE_H
#define PROXY_ADMIN_METRICS_MERGE_H

#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

struct metrics_merge; /* opaque */

MUST_USE struct metrics_merge *metrics_merge_new(void);
void metrics_merge_free(struct metrics_merge **merge);

/* text: Prometheus text format 0.0.4. Borrowed: must live until the merge is
 * written. Lines that are none of the format are dropped. */
void metrics_merge_add(struct metrics_merge *merge, struct strview text);

enum metrics_format {
    METRICS_TEXT, /* Prometheus text format 0.0.4 */
    METRICS_OPEN, /* OpenMetrics 1.0 */
};

/* Append the whole, families and series in the order of their first coming.
 */
void metrics_merge_write(const struct metrics_merge *merge,
                         enum metrics_format format, struct strbuf *buf);

#endif
