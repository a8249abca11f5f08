/* config_tls.h - TLS of a server, or of the admin listeners. Internal to conf.
 */
#ifndef CONF_CONFIG_TLS_H
#define CONF_CONFIG_TLS_H

#include "conf/builder.h"

/* Say what does not fit together; read the files, and try what is in them. For
 * a block whose other directives were applied. is_used: one of its listeners
 * has TLS. */
void config_tls_finish(struct builder *builder, const struct block *block,
                       struct tls_settings *tls, bool is_used);

/* Whether one of the block's `listen`, which are rows of that id, says
 * `tls`. */
bool config_tls_is_used(const struct block *block, enum directive_id id);

#endif
