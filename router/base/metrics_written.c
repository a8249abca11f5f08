/* metrics_written.c - the metric families that are no cells. */
#include "router/base/metrics_written.h"

#include "router/base/strbuf.h"

static const struct {
    const char *name;
    const char *type;
    const char *help;
} families[METRICS_WRITTEN_COUNT] = {
#define WRITTEN(id, name, labels, type, help)                                  \
    [METRICS_WRITTEN_##id] = {name, type, help},
#include "router/base/metrics_written.def"
#undef WRITTEN
};

const char *metrics_written_name(enum metrics_written id)
{
    return families[id].name;
}

void metrics_written_begin(struct strbuf *buf, enum metrics_written id)
{
    strbuf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", families[id].name,
                  families[id].help, families[id].name, families[id].type);
}
