/* forwarded.h - the field Forwarded (RFC 7239). Thread: any. */
#ifndef PROXY_FORWARDED_H
#define PROXY_FORWARDED_H

#include <stddef.h>

#include "router/base/strview.h"

struct http_head;

/* More proxies than that are not looked back at. */
#define FORWARDED_MAX 32

/* What one proxy said of whom it spoke for; empty: nothing. Without the quotes
 * where it was quoted. */
struct forwarded {
    struct strview node; /* for= */
    struct strview proto;
};

/* The last FORWARDED_MAX elements of all lines, in order. Returns how many; 0:
 * there are none, or any of them is malformed: then none can be believed.
 * Borrows what head borrows. */
size_t forwarded_read(const struct http_head *head,
                      struct forwarded ret_list[FORWARDED_MAX]);

#endif
