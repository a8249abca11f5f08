/* metrics_merge_fuzz.c - two expositions of any bytes, the halves of the
 * input; what comes out must merge to itself.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/admin/metrics_merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void merge_into(struct strview first, struct strview second,
                       struct strbuf *ret)
{
    AUTO(metrics_merge_free) struct metrics_merge *merge = metrics_merge_new();

    metrics_merge_add(merge, first);
    metrics_merge_add(merge, second);
    metrics_merge_write(merge, METRICS_TEXT, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(strbuf_done) struct strbuf once = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf again = STRBUF_INIT;
    const char *text = (const char *)data;

    merge_into(sv_make(text, size / 2),
               sv_make(text + size / 2, size - size / 2), &once);
    merge_into(strbuf_view(&once), sv_make(NULL, 0), &again);
    if (!sv_eq(strbuf_view(&once), strbuf_view(&again)))
        abort();
    return 0;
}
