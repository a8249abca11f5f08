/* admin_route.c - the admin API's table, and the look-up in it. */
#include "proxy/admin/admin_route.h"

#include "proxy/admin/admin_handlers.h"
#include "router/base/attr.h"

#define READS  false
#define WRITES true
static const struct admin_route routes[] = {
#define ADMIN_ROUTE(METHOD, path, handler, OPEN, writes, help)                 \
    {ADMIN_METHOD_##METHOD, path,   admin_handle_##handler,                    \
     ADMIN_OPEN_##OPEN,     writes, help},
#include "proxy/admin/admin_routes.def"
#undef ADMIN_ROUTE
};
#undef READS
#undef WRITES

const struct admin_route *admin_routes(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(routes);
    return routes;
}

static bool path_matches(struct strview pattern, struct strview path,
                         struct strview *ret_app)
{
    struct strview want;
    struct strview have;

    while (sv_split(&pattern, '/', &want)) {
        if (!sv_split(&path, '/', &have))
            return false;
        if (sv_eq(want, SV("{app}")) && have.len > 0)
            *ret_app = have;
        else if (!sv_eq(want, have))
            return false;
    }
    return !path.ptr;
}

const struct admin_route *admin_route_find(enum admin_method method,
                                           struct strview path,
                                           struct strview *ret_app,
                                           const char **ret_allowed)
{
    const char *allowed = NULL;

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        struct strview app = {NULL, 0};

        if (!path_matches(sv_of(routes[i].path), path, &app))
            continue;
        if (routes[i].method == method) {
            *ret_app = app;
            return &routes[i];
        }
        allowed = routes[i].method == ADMIN_METHOD_GET ? "GET, HEAD" : "POST";
    }
    *ret_allowed = allowed;
    return NULL;
}
