/* admin_host.h - what the admin API needs of the front, as functions, so that
 * tests can stand in for it.
 */
#ifndef PROXY_ADMIN_ADMIN_HOST_H
#define PROXY_ADMIN_ADMIN_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/front.h"
#include "proxy/questions.h"
#include "router/base/strview.h"

struct admin_rates;

/* As the functions of front.h that have these names. */
struct admin_host_ops {
    const struct proxy_settings *(*settings)(void *front);
    struct metrics_registry *(*metrics)(void *front);
    struct app *(*app)(void *front, uint32_t index);
    bool (*is_serving)(void *front);
    /* As the functions of questions.h. */
    uint64_t (*ask)(void *front, const struct question *question);
    void (*credit)(void *front, uint64_t id, size_t bytes);
    void (*forget)(void *front, uint64_t id);
};

struct admin_host {
    const struct admin_host_ops *ops;
    void *front;
    struct loop *loop;
    struct admin_rates *rates; /* the server's own; NULL: none */
};

#endif
