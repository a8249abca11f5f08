/* podman_pull.c - what Podman says while it pulls an image. */
#include "lifecycle/podman_pull.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/podman_json.h"
#include "lifecycle/podman_failure.h"
#include "router/base/alloc.h"

#define LAYER_ID_SIZE 80

struct layer {
    char id[LAYER_ID_SIZE];
    bool is_done;
};

struct podman_pull {
    struct engine_progress progress;
    struct layer layers[PODMAN_PULL_LAYERS_MAX];
    bool has_failed;
    struct err err; /* has_failed: the first reason */
};

struct podman_pull *podman_pull_new(void)
{
    return xcalloc(1, sizeof(struct podman_pull));
}

void podman_pull_free(struct podman_pull **pull)
{
    free(*pull);
    *pull = NULL;
}

static void fail(struct podman_pull *pull, enum err_code code, const char *text)
{
    if (pull->has_failed)
        return;
    pull->has_failed = true;
    err_set(&pull->err, code, "%s", text);
}

/* The layer of this id, added when it is new; NULL when there is no room, so
 * that a hostile stream cannot make memory grow. */
static struct layer *find_layer(struct podman_pull *pull, const char *id)
{
    unsigned known = pull->progress.layers_known;

    if (id[0] == '\0' || strlen(id) >= LAYER_ID_SIZE)
        return NULL;
    for (unsigned i = 0; i < known; i++) {
        if (strcmp(pull->layers[i].id, id) == 0)
            return &pull->layers[i];
    }
    if (known == PODMAN_PULL_LAYERS_MAX)
        return NULL;
    memcpy(pull->layers[known].id, id, strlen(id) + 1);
    pull->progress.layers_known++;
    return &pull->layers[known];
}

static bool is_done_status(const char *status)
{
    return strcmp(status, "Download complete") == 0 ||
           strcmp(status, "Pull complete") == 0 ||
           strcmp(status, "Already exists") == 0;
}

static bool note_layer(struct podman_pull *pull, const char *status,
                       const char *id)
{
    unsigned known = pull->progress.layers_known;
    bool is_done = is_done_status(status);
    struct layer *layer;

    /* Other words stand beside the id of the image, at the end. */
    if (!is_done && strcmp(status, "Pulling fs layer") != 0 &&
        strcmp(status, "Downloading") != 0)
        return false;
    layer = find_layer(pull, id);
    if (!layer)
        return false;
    if (is_done && !layer->is_done) {
        layer->is_done = true;
        pull->progress.layers_done++;
        return true;
    }
    return pull->progress.layers_known != known;
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* "error", or "message" of "errorDetail": Docker sends both, Podman 4.3 the
 * first. */
static const char *error_of(const cJSON *json)
{
    const char *error = text_of(json, "error");

    if (error && error[0] != '\0')
        return error;
    return text_of(cJSON_GetObjectItemCaseSensitive(json, "errorDetail"),
                   "message");
}

bool podman_pull_line(struct podman_pull *pull, struct strview line)
{
    cJSON *json = cJSON_ParseWithLength(line.ptr, line.len);
    const char *error = error_of(json);
    const char *status = text_of(json, "status");
    const char *id = text_of(json, "id");
    bool changed = false;

    if (!cJSON_IsObject(json))
        fail(pull, ERR_PROTOCOL,
             "Podman's answer while it pulls is not made of JSON lines");
    else if (error)
        fail(pull, podman_failure_pull_code(200, error), error);
    else if (status && id)
        changed = note_layer(pull, status, id);
    cJSON_Delete(json);
    return changed;
}

const struct engine_progress *
podman_pull_progress(const struct podman_pull *pull)
{
    return &pull->progress;
}

bool podman_pull_result(const struct podman_pull *pull, struct err *err)
{
    if (!pull->has_failed)
        return true;
    return err_set(err, pull->err.code, "%s", pull->err.text);
}
