/* strview.h - a borrowed run of bytes; not NUL-terminated. Thread: any. */
#ifndef ROUTER_BASE_STRVIEW_H
#define ROUTER_BASE_STRVIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "router/base/attr.h"

struct strview {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
};

#define SV(literal) ((struct strview){"" literal, sizeof(literal) - 1})
/* For printf: "%.*s", SV_ARG(view). */
#define SV_ARG(sv) (int)(sv).len, (sv).ptr

static inline struct strview sv_of(const char *text)
{
    return (struct strview){text, text ? strlen(text) : 0};
}

static inline struct strview sv_make(const char *ptr, size_t len)
{
    return (struct strview){ptr, len};
}

static inline bool sv_eq(struct strview a, struct strview b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool sv_starts(struct strview sv, struct strview prefix)
{
    return sv.len >= prefix.len &&
           (prefix.len == 0 || memcmp(sv.ptr, prefix.ptr, prefix.len) == 0);
}

/* The view without its first n bytes; n may not exceed sv.len. */
static inline struct strview sv_skip(struct strview sv, size_t n)
{
    return (struct strview){sv.ptr + n, sv.len - n};
}

/* ASCII case only, as field names and hosts compare (RFC 9110, 5.1). */
bool sv_eq_nocase(struct strview a, struct strview b);

/* Without spaces and tabs (OWS, RFC 9110, 5.6.3) on either side. */
struct strview sv_trim(struct strview sv);

/* Split off what stands before the first `separator` (all when there is none)
 * and move *rest behind it. Returns false when *rest is exhausted; ptr NULL in
 * *rest marks that. An empty view yields one empty part. */
bool sv_split(struct strview *rest, char separator, struct strview *ret_part);

/* Decimal digits only, no sign, no overflow of `max`. */
MUST_USE bool sv_to_u64(struct strview sv, uint64_t max, uint64_t *ret_value);

#endif
