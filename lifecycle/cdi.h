/* cdi.h - the devices that the host's CDI specifications describe.
 *
 * Container Device Interface: JSON and YAML files, each with a kind
 * ("nvidia.com/gpu") and devices that a container asks for by name
 * ("nvidia.com/gpu=0"). Podman injects them; berth only counts them. A file is
 * input: what is too large, too deep, no plain file or not as the
 * specification says is refused whole. Thread: any, one at a time.
 */
#ifndef LIFECYCLE_CDI_H
#define LIFECYCLE_CDI_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

#define CDI_FILE_MAX    (4U << 20)
#define CDI_DEPTH_MAX   32U   /* of nested objects and arrays */
#define CDI_FILES_MAX   1000U /* in a directory */
#define CDI_DEVICES_MAX 4096U
#define CDI_NODES_MAX   16384U /* of all devices together */
#define CDI_NAME_MAX    128U   /* VENDOR/CLASS=DEVICE */
#define CDI_NONE        (~0U)

struct cdi; /* opaque; defined in cdi.c */

MUST_USE struct cdi *cdi_new(void);
void cdi_free(struct cdi **cdi); /* NULL is skipped */

/* Add what the directory's *.json, *.yaml and *.yml say; a device of the same
 * name goes before one of a directory that was read earlier, and two of the
 * same name in one directory cancel each other, as in every engine. A directory
 * that is not there has none. *ret_notes: a line for each file that is not
 * used. */
void cdi_read_dir(struct cdi *cdi, const char *dir, struct strbuf *ret_notes);

/* Add one specification. Fails with ERR_INVALID or ERR_LIMIT, and nothing of it
 * is added. */
MUST_USE bool cdi_add_text(struct cdi *cdi, struct strview text, bool is_yaml,
                           struct err *err);

unsigned cdi_count(const struct cdi *cdi);
const char *cdi_name(const struct cdi *cdi, unsigned index);
/* CDI_NONE: there is none of that name. */
unsigned cdi_find(const struct cdi *cdi, const char *name);
/* Whether one device node of the host belongs to both. */
bool cdi_shares_node(const struct cdi *cdi, unsigned a, unsigned b);

/* The devices of class "gpu", each once: another name for the same device nodes
 * is no device more, nor is one that is made of others ("all"). In the order of
 * the files. Returns how many, at most max; *ret_more: there are more. */
unsigned cdi_gpus(const struct cdi *cdi, unsigned *ret_indices, unsigned max,
                  bool *ret_more);

#endif
