/* config_text.h - a configuration from memory, for tests and fuzzing: nothing
 * is included, and no file that it names is read. */
#ifndef CONF_CONFIG_TEXT_H
#define CONF_CONFIG_TEXT_H

#include "conf/config.h"
#include "router/base/strview.h"

/* As config_load(). name: what errors call the file. */
MUST_USE struct config *config_parse_text(struct strview text, const char *name,
                                          struct strbuf *ret_errors);

#endif
