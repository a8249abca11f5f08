/* json_put.c - JSON that is built. */
#include "lifecycle/json_put.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lifecycle/container_settings.h"
#include "router/base/alloc.h"

void json_free(cJSON **json)
{
    cJSON_Delete(*json);
}

/* cJSON gives NULL only when memory is out. */
static cJSON *checked(cJSON *json)
{
    if (!json)
        abort();
    return json;
}

cJSON *json_put(cJSON *object, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (!cJSON_AddItemToObject(object, name, checked(value)))
        abort();
    return value;
}

void json_put_text(cJSON *object, const char *name, const char *value)
{
    json_put(object, name, cJSON_CreateString(value));
}

void json_put_view(cJSON *object, const char *name, struct strview value)
{
    AUTO(auto_free) char *text = xstrndup(value.ptr, value.len);

    json_put_text(object, name, text);
}

void json_put_number(cJSON *object, const char *name, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, value);
    json_put(object, name, cJSON_CreateRaw(text));
}

cJSON *json_put_object(cJSON *object, const char *name)
{
    return json_put(object, name, cJSON_CreateObject());
}

cJSON *json_put_array(cJSON *object, const char *name)
{
    return json_put(object, name, cJSON_CreateArray());
}

cJSON *json_append(cJSON *array, cJSON *value)
{
    if (!cJSON_AddItemToArray(array, checked(value)))
        abort();
    return value;
}

void json_append_text(cJSON *array, const char *value)
{
    json_append(array, cJSON_CreateString(value));
}

void json_put_list(cJSON *object, const char *name,
                   const struct string_list *list)
{
    cJSON *array = json_put_array(object, name);

    for (uint32_t i = 0; i < list->count; i++)
        json_append_text(array, list->items[i]);
}

cJSON *json_object(void)
{
    return checked(cJSON_CreateObject());
}

char *json_text(const cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);

    if (!text)
        abort();
    return text;
}
