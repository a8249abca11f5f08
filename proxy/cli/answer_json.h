/* answer_json.h - what stands in the admin API's answers; every member may be
 * missing, or another thing than it should be. Thread: any.
 */
#ifndef PROXY_CLI_ANSWER_JSON_H
#define PROXY_CLI_ANSWER_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct cJSON;

/* NULL when there is none. */
const struct cJSON *answer_member(const struct cJSON *json, const char *name);
/* "" when it is none. */
const char *answer_text(const struct cJSON *json, const char *name);
bool answer_has_number(const struct cJSON *json, const char *name);
/* 0 when it is none, or below. */
uint64_t answer_number(const struct cJSON *json, const char *name);
bool answer_is_true(const struct cJSON *json, const char *name);

#endif
