/* reservation.h - what a container has reserved, as one label of it: what berth
 * knows of it after a restart. Values. Thread: any.
 */
#ifndef LIFECYCLE_RESERVATION_H
#define LIFECYCLE_RESERVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"
#include "router/placement.h"

/* "cpu_millis=500 memory=1048576 gpu_millis=2000 gpu_memory=0 devices=x,y".
 * devices: names, a comma between two; "": none. */
void reservation_format(const struct placement_need *need,
                        struct strview devices, struct strbuf *ret_text);

/* ret_devices is borrowed from text. false: it is no such text, whole. */
MUST_USE bool reservation_parse(struct strview text,
                                struct placement_need *ret_need,
                                struct strview *ret_devices);

#endif
