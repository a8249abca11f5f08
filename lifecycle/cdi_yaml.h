/* cdi_yaml.h - a small YAML document as a tree of cJSON: the only user of
 * libyaml. Thread: any.
 */
#ifndef LIFECYCLE_CDI_YAML_H
#define LIFECYCLE_CDI_YAML_H

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strview.h"

struct cJSON;

/* Scalars of any kind become strings. NULL with ERR_INVALID: malformed, an
 * alias (they can make a small file endless), a key that is no scalar, a second
 * document; ERR_LIMIT: more than depth_max levels. The caller frees it. */
MUST_USE struct cJSON *cdi_yaml_parse(struct strview text, unsigned depth_max,
                                      struct err *err);

#endif
