/* config_shared.h - what several routes name, kept once: log files, formats,
 * pages, files of users and of keys; and what files of directives share.
 * Internal to conf.
 */
#ifndef CONF_CONFIG_SHARED_H
#define CONF_CONFIG_SHARED_H

#include <stdint.h>

#include "conf/builder.h"
#include "conf/source.h"
#include "lifecycle/settings.h"
#include "router/base/strbuf.h"

/* The index of that log file, added where it is new. Copies path. */
uint32_t config_log_file(struct builder *builder, const char *path);

/* Append the file that the directive names to *text: lines or HTML, so no NUL.
 * false: it could not be read and that was said, or it need not be there. */
MUST_USE bool config_read_file(struct builder *builder,
                               const struct conf_node *node, const char *path,
                               const struct source_limits *limits,
                               struct strbuf *text);

/* NULL when an environment variable of this name may be set; else why not, to
 * be put behind the name. */
const char *config_env_trouble(const char *name);

/* Of an app, or of a sidecar, which then has one. */
struct ready_check *config_ready_check_of(struct block *block);
/* A path with or without a query, as it stands in a request line. */
bool config_is_target(const char *path);

/* Append a copy. */
void config_list_add(struct string_list *list, const char *text);

#endif
