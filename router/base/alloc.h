/* alloc.h - allocation that aborts on failure (style.md: no untested OOM
 * branches; limits, not malloc, refuse work). Thread: any.
 */
#ifndef ROUTER_BASE_ALLOC_H
#define ROUTER_BASE_ALLOC_H

#include <stddef.h>

#include "router/base/attr.h"

/* Zeroed memory; the caller frees it with free(). */
MUST_USE void *xcalloc(size_t count, size_t size);
MUST_USE void *xrealloc(void *ptr, size_t size);
MUST_USE char *xstrdup(const char *text);
MUST_USE char *xstrndup(const char *text, size_t len);

/* vasprintf/asprintf that abort on failure. */
MUST_USE char *xasprintf(const char *format, ...) PRINTF_LIKE(1, 2);

/* AUTO(auto_free) for plain malloc'ed pointers of any type. */
void auto_free(void *pptr);

/* AUTO(auto_close) for descriptors; -1 is skipped. Keeps errno. */
void auto_close(int *fd);

#endif
