/* answer_json.c - what stands in the admin API's answers. */
#include "proxy/cli/answer_json.h"

#include <cjson/cJSON.h>

const struct cJSON *answer_member(const struct cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

const char *answer_text(const struct cJSON *json, const char *name)
{
    const cJSON *is = answer_member(json, name);

    return cJSON_IsString(is) ? is->valuestring : "";
}

bool answer_has_number(const struct cJSON *json, const char *name)
{
    return cJSON_IsNumber(answer_member(json, name));
}

uint64_t answer_number(const struct cJSON *json, const char *name)
{
    const cJSON *is = answer_member(json, name);

    return cJSON_IsNumber(is) && is->valuedouble > 0 ? (uint64_t)is->valuedouble
                                                     : 0;
}

bool answer_is_true(const struct cJSON *json, const char *name)
{
    return cJSON_IsTrue(answer_member(json, name));
}
