/* admin_rates.h - how many requests a second each app gets, over the last
 * seconds: a look at their counters once a second. Thread: main.
 */
#ifndef PROXY_ADMIN_ADMIN_RATES_H
#define PROXY_ADMIN_ADMIN_RATES_H

#include <stdint.h>

#include "router/base/attr.h"

struct admin_host;
struct admin_rates; /* opaque */

/* Borrows host. */
MUST_USE struct admin_rates *admin_rates_new(const struct admin_host *host);
void admin_rates_free(struct admin_rates **rates); /* NULL is skipped */

/* Of the app of that number, over the last ADMIN_RATES_S seconds, or as long
 * as there are; 0: not known yet. */
#define ADMIN_RATES_S 10
double admin_rates_get(const struct admin_rates *rates, uint32_t app_id);

#endif
