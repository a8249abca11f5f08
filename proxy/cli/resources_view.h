/* resources_view.h - who has what of the machine, as people read it.
 * Thread: any. */
#ifndef PROXY_CLI_RESOURCES_VIEW_H
#define PROXY_CLI_RESOURCES_VIEW_H

#include "proxy/cli/view.h"
#include "router/base/strbuf.h"

struct cJSON;

/* Append "resources" of status: what is reserved of CPUs and memory, each
 * device with who has it, and who waits for room. Nothing where there are no
 * devices, nothing is reserved and nobody waits. */
void resources_view(const struct cJSON *resources, const struct view *view,
                    struct strbuf *buf);

#endif
