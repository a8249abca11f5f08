/* wire.h - numbers and byte strings into a flat message and out again.
 *
 * For messages between our own two processes on one machine. A reader never
 * reads past its end: it fails once and stays failed, so a decoder may read
 * all its fields and ask once at the end. Thread: any.
 */
#ifndef ROUTER_BASE_WIRE_H
#define ROUTER_BASE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

void wire_put_u32(struct strbuf *buf, uint32_t value);
void wire_put_u64(struct strbuf *buf, uint64_t value);
/* A view with ptr NULL comes out with ptr NULL again. */
void wire_put_sv(struct strbuf *buf, struct strview value);
/* NULL comes out as NULL again. */
void wire_put_str(struct strbuf *buf, const char *value);

struct wire_reader {
    const char *at;
    const char *end;
    bool failed; /* sticky */
};

struct wire_reader wire_reader_of(struct strview payload);
/* 0 or an empty view once it failed. Views are borrowed from the payload. */
uint32_t wire_get_u32(struct wire_reader *reader);
uint64_t wire_get_u64(struct wire_reader *reader);
struct strview wire_get_sv(struct wire_reader *reader);
/* A malloc'ed copy, or NULL where NULL was put or it failed. */
MUST_USE char *wire_get_str(struct wire_reader *reader);
/* An element count, refused (failed, 0) when that many elements of at least
 * min_size bytes cannot follow: no huge allocation from a short message. */
uint32_t wire_get_count(struct wire_reader *reader, size_t min_size);
/* Everything was there, and nothing is left over. */
bool wire_reader_is_done(const struct wire_reader *reader);

#endif
