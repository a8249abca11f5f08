#include "proxy/admin/admin_route.h"

#include <criterion/criterion.h>

#include "router/base/attr.h"

static const struct {
    const char *label;
    enum admin_method method;
    const char *path;
    const char *expected; /* the row's path; NULL: none */
    const char *app;
    const char *allowed;
} cases[] = {
    {"a plain path", ADMIN_METHOD_GET, "/healthz", "/healthz", NULL, NULL},
    {"an app is a segment", ADMIN_METHOD_GET, "/api/v1/apps/nlp-7",
     "/api/v1/apps/{app}", "nlp-7", NULL},
    {"the list is not an app", ADMIN_METHOD_GET, "/api/v1/apps", "/api/v1/apps",
     NULL, NULL},
    {"an empty segment is no app", ADMIN_METHOD_GET, "/api/v1/apps/", NULL,
     NULL, NULL},
    {"two segments are no app", ADMIN_METHOD_GET, "/api/v1/apps/a/b", NULL,
     NULL, NULL},
    {"a longer path is another", ADMIN_METHOD_GET, "/healthz/x", NULL, NULL,
     NULL},
    {"a shorter path is another", ADMIN_METHOD_GET, "/api/v1", NULL, NULL,
     NULL},
    {"the root is nothing yet", ADMIN_METHOD_GET, "/", NULL, NULL, NULL},
    {"stop is a POST", ADMIN_METHOD_POST, "/api/v1/stop", "/api/v1/stop", NULL,
     NULL},
    {"stop by GET is refused, and POST named", ADMIN_METHOD_GET, "/api/v1/stop",
     NULL, NULL, "POST"},
    {"status by POST is refused, and GET named", ADMIN_METHOD_POST,
     "/api/v1/status", NULL, NULL, "GET, HEAD"},
    {"other methods are refused", ADMIN_METHOD_OTHER, "/metrics", NULL, NULL,
     "GET, HEAD"},
};

Test(admin_route, a_path_leads_where_the_table_says)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strview app = {NULL, 0};
        const char *allowed = NULL;
        const struct admin_route *route = admin_route_find(
            cases[i].method, sv_of(cases[i].path), &app, &allowed);

        cr_assert_eq(route != NULL, cases[i].expected != NULL, "%s",
                     cases[i].label);
        if (route)
            cr_assert_str_eq(route->path, cases[i].expected, "%s",
                             cases[i].label);
        cr_assert(sv_eq(app, sv_of(cases[i].app)), "%s", cases[i].label);
        cr_assert(sv_eq(sv_of(allowed), sv_of(cases[i].allowed)), "%s",
                  cases[i].label);
    }
}

Test(admin_route, what_writes_needs_a_token_and_is_a_post)
{
    struct strview app;
    const char *allowed;
    const struct admin_route *stop =
        admin_route_find(ADMIN_METHOD_POST, SV("/api/v1/stop"), &app, &allowed);

    cr_assert(stop->writes);
    cr_assert_eq(stop->open, ADMIN_OPEN_NEVER);
}
