/* run_settings.h - `berth run`'s configuration file as the keeper wants it:
 * loaded at the start, loaded anew at each reload. Thread: keeper main.
 */
#ifndef PROXY_CLI_RUN_SETTINGS_H
#define PROXY_CLI_RUN_SETTINGS_H

#include <stdint.h>

#include "lifecycle/keeper_settings.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

struct run_source {
    const char *path;     /* of the file; borrowed */
    uint32_t next_app_id; /* larger ones were never given to an app */
};

/* Read the file, as it is to follow `running`, which this made too (NULL: it is
 * the first). NULL: errors, a line each, in *ret_messages; else warnings.
 * arg: struct run_source. Fits keeper_config.load. */
MUST_USE struct keeper_settings *
run_settings_load(void *arg, struct keeper_settings *running,
                  struct strbuf *ret_messages);

#endif
