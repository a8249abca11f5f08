/* build_log.c - what Podman says while it builds an image. */
#include "lifecycle/build_log.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/json_put.h"
#include "router/base/alloc.h"

#define LINES_MAX 10
#define LINE_SIZE 200
#define STEPS_MAX 10000

struct build_log {
    struct engine_progress progress;
    char lines[LINES_MAX][LINE_SIZE]; /* a ring of what steps wrote */
    unsigned line_count;              /* of all */
    bool has_failed;
    struct err err; /* has_failed: the first reason */
};

struct build_log *build_log_new(void)
{
    return xcalloc(1, sizeof(struct build_log));
}

void build_log_free(struct build_log **log)
{
    free(*log);
    *log = NULL;
}

static void fail(struct build_log *log, enum err_code code, const char *text)
{
    size_t len = strlen(text);

    if (log->has_failed)
        return;
    log->has_failed = true;
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    err_set(&log->err, code, "%.*s", (int)(len < 500 ? len : 500), text);
}

/* "STEP 2/5: COPY …" */
static bool note_step(struct build_log *log, const char *text)
{
    unsigned step;
    unsigned steps;

    if (sscanf(text, "STEP %5u/%5u:", &step, &steps) != 2 || step == 0 ||
        step > steps || steps > STEPS_MAX)
        return false;
    log->progress.layers_done = step - 1;
    log->progress.layers_known = steps;
    return true;
}

static void keep_line(struct build_log *log, struct strview line)
{
    char *at = log->lines[log->line_count % LINES_MAX];
    size_t len = line.len < LINE_SIZE - 1 ? line.len : LINE_SIZE - 1;

    if (line.len == 0)
        return;
    for (size_t i = 0; i < len; i++)
        at[i] = iscntrl((unsigned char)line.ptr[i]) ? ' ' : line.ptr[i];
    at[len] = '\0';
    log->line_count++;
}

static bool take_text(struct build_log *log, const char *text)
{
    struct strview rest = sv_of(text);
    struct strview line;
    bool changed = note_step(log, text);

    if (changed || strncmp(text, "--> ", 4) == 0)
        return changed;
    while (rest.len > 0 && sv_split(&rest, '\n', &line))
        keep_line(log, line);
    return false;
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

bool build_log_line(struct build_log *log, struct strview line)
{
    AUTO(json_free) cJSON *json = cJSON_ParseWithLength(line.ptr, line.len);
    const char *error = text_of(json, "error");
    const char *text = text_of(json, "stream");

    if (!cJSON_IsObject(json))
        fail(log, ERR_PROTOCOL,
             "Podman's answer while it builds is not made of JSON lines");
    else if (error)
        fail(log, ERR_FAILED, error);
    else if (text)
        return take_text(log, text);
    return false;
}

const struct engine_progress *build_log_progress(const struct build_log *log)
{
    return &log->progress;
}

/* The newest are what matters: as many as there is room for. */
void build_log_add_lines(const struct build_log *log, struct err *err)
{
    struct err told = *err;
    unsigned kept = log->line_count < LINES_MAX ? log->line_count : LINES_MAX;
    size_t room = sizeof told.text - strlen(told.text) - 64;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    unsigned first = log->line_count;

    while (kept > 0 && first > log->line_count - kept) {
        size_t len = strlen(log->lines[(first - 1) % LINES_MAX]) + 3;

        if (len > room)
            break;
        room -= len;
        first--;
    }
    if (first == log->line_count)
        return;
    for (unsigned i = first; i < log->line_count; i++)
        strbuf_printf(&text, "%s%s", i == first ? "" : " | ",
                      log->lines[i % LINES_MAX]);
    err_set(err, told.code, "%s; its last lines: %s", told.text, text.data);
}

bool build_log_result(const struct build_log *log, struct err *err)
{
    if (!log->has_failed)
        return true;
    err_set(err, log->err.code, "%s", log->err.text);
    build_log_add_lines(log, err);
    return false;
}
