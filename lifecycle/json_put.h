/* json_put.h - JSON that is built: cJSON, with its out-of-memory results taken
 * as xalloc takes them. Thread: any.
 */
#ifndef LIFECYCLE_JSON_PUT_H
#define LIFECYCLE_JSON_PUT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

struct string_list;

/* For AUTO(json_free). */
void json_free(cJSON **json);

MUST_USE cJSON *json_object(void);

/* Set a member; the last of a name wins, as where env follows env_file. Take
 * value, and return it. */
cJSON *json_put(cJSON *object, const char *name, cJSON *value);
void json_put_text(cJSON *object, const char *name, const char *value);
void json_put_view(cJSON *object, const char *name, struct strview value);
/* cJSON's numbers are doubles, which lose digits beyond 2^53; these do not. */
void json_put_number(cJSON *object, const char *name, uint64_t value);
void json_put_list(cJSON *object, const char *name,
                   const struct string_list *list);
/* An empty one, returned. */
cJSON *json_put_object(cJSON *object, const char *name);
cJSON *json_put_array(cJSON *object, const char *name);

/* Take value, and return it. */
cJSON *json_append(cJSON *array, cJSON *value);
void json_append_text(cJSON *array, const char *value);

/* As text without blanks; the caller's to free. */
MUST_USE char *json_text(const cJSON *json);

#endif
