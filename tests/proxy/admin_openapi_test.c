/* admin_openapi_test.c - openapi.json and the server's table say the same. */
#include "proxy/admin/admin_openapi.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <string.h>

#include "proxy/admin/admin_route.h"

static cJSON *doc;

static void set_up(void)
{
    struct strview text = admin_openapi();

    doc = cJSON_ParseWithLength(text.ptr, text.len);
    cr_assert_not_null(doc, "it is JSON");
}

static void tear_down(void)
{
    cJSON_Delete(doc);
}

TestSuite(admin_openapi, .init = set_up, .fini = tear_down);

static const cJSON *get(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

static const char *method_of(const struct admin_route *route)
{
    return route->method == ADMIN_METHOD_GET ? "get" : "post";
}

static const cJSON *operation_of(const struct admin_route *route)
{
    return get(get(get(doc, "paths"), route->path), method_of(route));
}

Test(admin_openapi, what_the_server_answers_is_described)
{
    size_t count;
    const struct admin_route *routes = admin_routes(&count);

    for (size_t i = 0; i < count; i++) {
        const cJSON *operation = operation_of(&routes[i]);

        cr_expect_not_null(operation, "%s %s", method_of(&routes[i]),
                           routes[i].path);
        cr_expect(!strstr(routes[i].path, "{app}") ||
                      get(get(operation, "responses"), "404"),
                  "%s: 404", routes[i].path);
    }
}

Test(admin_openapi, what_is_described_is_answered)
{
    const cJSON *path;
    const cJSON *operation;
    size_t count;
    const struct admin_route *routes = admin_routes(&count);

    cJSON_ArrayForEach(path, get(doc, "paths"))
    {
        cJSON_ArrayForEach(operation, path)
        {
            bool is_there = false;

            for (size_t i = 0; i < count; i++)
                is_there |= operation_of(&routes[i]) == operation;
            cr_expect(is_there, "%s %s", operation->string, path->string);
        }
    }
}

Test(admin_openapi, who_may_ask_is_described)
{
    size_t count;
    const struct admin_route *routes = admin_routes(&count);

    for (size_t i = 0; i < count; i++) {
        const cJSON *operation = operation_of(&routes[i]);
        const cJSON *responses = get(operation, "responses");
        const cJSON *security = get(operation, "security");
        bool is_open = cJSON_IsArray(security) && !security->child;

        cr_expect_eq(is_open, routes[i].open == ADMIN_OPEN_ALWAYS, "%s: open",
                     routes[i].path);
        cr_expect_eq(get(responses, "401") == NULL, is_open, "%s: 401",
                     routes[i].path);
        cr_expect_eq(get(responses, "403") != NULL, routes[i].writes, "%s: 403",
                     routes[i].path);
    }
}

static void check_refs(const cJSON *json)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, json)
    {
        static const char prefix[] = "#/components/schemas/";

        check_refs(item);
        if (!item->string || strcmp(item->string, "$ref") != 0)
            continue;
        cr_assert_eq(strncmp(item->valuestring, prefix, strlen(prefix)), 0);
        cr_expect_not_null(get(get(get(doc, "components"), "schemas"),
                               item->valuestring + strlen(prefix)),
                           "%s", item->valuestring);
    }
}

Test(admin_openapi, every_reference_leads_somewhere)
{
    check_refs(doc);
}
