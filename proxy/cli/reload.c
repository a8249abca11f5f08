/* reload.c - `berth reload`: apply the configuration as it is in its files now,
 * show what became of each app, and wait for those that are being replaced. */
#include <cjson/cJSON.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/answer_json.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/progress.h"

#define LOOK_EVERY_MS 250

static cJSON *ask(struct admin_client *client, const char *path,
                  const char *body, struct strbuf *ret_answer, struct err *err)
{
    cJSON *json;

    strbuf_clear(ret_answer);
    if (!admin_client_request(client, path, body, ret_answer, err))
        return NULL;
    json = cJSON_ParseWithLength(ret_answer->data, ret_answer->len);
    if (!json)
        err_set(err, ERR_FAILED, "berth's answer makes no sense");
    return json;
}

static void show_result(const cJSON *json)
{
    const cJSON *listeners = answer_member(json, "listeners");
    const cJSON *item;

    cJSON_ArrayForEach(item, answer_member(json, "warnings"))
        fprintf(stderr, "warning: %s\n", cJSON_GetStringValue(item));
    cJSON_ArrayForEach(item, answer_member(json, "apps")) printf(
        "%-24s %s\n", answer_text(item, "name"), answer_text(item, "result"));
    printf("listeners: %llu kept, %llu opened, %llu closed\n",
           (unsigned long long)answer_number(listeners, "kept"),
           (unsigned long long)answer_number(listeners, "opened"),
           (unsigned long long)answer_number(listeners, "closed"));
    printf("configuration %llu is in force after %llu ms\n",
           (unsigned long long)answer_number(json, "generation"),
           (unsigned long long)answer_number(json, "took_ms"));
    fflush(stdout);
}

/* --- roll-outs --- */

static bool is_result(const cJSON *rollout, const char *result)
{
    return strcmp(answer_text(rollout, "result"), result) == 0;
}

static bool is_rolling(const cJSON *results, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, answer_member(results, "apps"))
    {
        if (strcmp(answer_text(item, "name"), name) == 0)
            return strcmp(answer_text(item, "result"), "rolling") == 0;
    }
    return false;
}

static void describe(const cJSON *app, struct strbuf *text)
{
    const cJSON *rollout = answer_member(app, "rollout");

    strbuf_printf(text, "%s%s %s, %llu new ready, %llu old",
                  text->len > 0 ? "; " : "", answer_text(app, "name"),
                  answer_text(rollout, "step"),
                  (unsigned long long)answer_number(rollout, "new_ready"),
                  (unsigned long long)answer_number(rollout, "old_ready"));
}

/* Whether none is under way any more. */
static bool look(const cJSON *status, const cJSON *results,
                 struct progress *progress)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    const cJSON *app;

    cJSON_ArrayForEach(app, answer_member(status, "apps"))
    {
        if (is_rolling(results, answer_text(app, "name")) &&
            is_result(answer_member(app, "rollout"), "rolling"))
            describe(app, &text);
    }
    if (text.len == 0)
        return true;
    progress_show(progress, text.data);
    return false;
}

/* How each ended; false when one was rolled back. */
static bool show_ends(const cJSON *status, const cJSON *results,
                      struct err *err)
{
    bool ok = true;
    const cJSON *app;

    cJSON_ArrayForEach(app, answer_member(status, "apps"))
    {
        const char *name = answer_text(app, "name");
        const cJSON *rollout = answer_member(app, "rollout");

        if (!is_rolling(results, name))
            continue;
        if (is_result(rollout, "rolled_back")) {
            err_set(err, ERR_FAILED,
                    "app %s was rolled back, the revision before serves on: "
                    "%.800s",
                    name, answer_text(rollout, "reason"));
            ok = false;
        } else {
            printf("%-24s rolled out in %.1f s\n", name,
                   (double)answer_number(rollout, "took_ms") / 1e3);
        }
    }
    return ok;
}

static bool await_rollouts(struct admin_client *client, const cJSON *results,
                           struct err *err)
{
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    struct progress progress = {.name = "reload"};

    for (;;) {
        cJSON *status = ask(client, "/api/v1/status", NULL, &answer, err);
        bool is_over;
        bool ok;

        if (!status)
            return false;
        is_over = look(status, results, &progress);
        if (is_over)
            progress_end(&progress);
        ok = !is_over || show_ends(status, results, err);
        cJSON_Delete(status);
        if (is_over)
            return ok;
        poll(NULL, 0, LOOK_EVERY_MS);
    }
}

static bool has_rollouts(const cJSON *results)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, answer_member(results, "apps"))
    {
        if (strcmp(answer_text(item, "result"), "rolling") == 0)
            return true;
    }
    return false;
}

/* --- asking for it --- */

struct answer {
    cJSON *json; /* the last line, which ends it */
};

static bool on_line(void *arg, struct strview text)
{
    struct answer *answer = arg;
    cJSON *line = cJSON_ParseWithLength(text.ptr, text.len);

    if (cJSON_IsObject(line)) {
        cJSON_Delete(answer->json);
        answer->json = line;
    } else {
        cJSON_Delete(line);
    }
    return true;
}

/* What is wrong may be many lines, each with its place: they are shown here. */
static bool show_refusal(const cJSON *json, struct err *err)
{
    const cJSON *error = answer_member(json, "error");

    if (!error)
        return true;
    fprintf(stderr, "%s\n", answer_text(error, "message"));
    return err_set(err, ERR_FAILED,
                   "refused; the configuration before stays in force");
}

static cJSON *ask_for_reload(struct admin_client *client, struct err *err)
{
    struct answer answer = {NULL};
    const struct admin_follow follow = {
        .path = "/api/v1/reload",
        .body = "{}",
        .accept = "application/x-ndjson",
        .on_line = on_line,
        .arg = &answer,
    };

    if (!admin_client_follow(client, &follow, err)) {
        cJSON_Delete(answer.json);
        return NULL;
    }
    if (!answer.json)
        err_set(
            err, ERR_UNAVAILABLE,
            "berth went away before it was done; \"berth events\" tells how "
            "it went on");
    return answer.json;
}

static void print_json(const cJSON *json)
{
    char *text = cJSON_Print(json);

    puts(text);
    cJSON_free(text);
}

static bool reload(const struct cli_args *args, struct err *err)
{
    AUTO(admin_client_free)
    struct admin_client *client = cli_connect(args, err);
    cJSON *results = client ? ask_for_reload(client, err) : NULL;
    bool ok;

    if (!results)
        return false;
    if (cli_flag(args, "json"))
        print_json(results);
    ok = show_refusal(results, err);
    if (ok && !cli_flag(args, "json"))
        show_result(results);
    fflush(stdout);
    if (ok && !cli_flag(args, "no-wait") && has_rollouts(results))
        ok = await_rollouts(client, results, err);
    cJSON_Delete(results);
    return ok;
}

int cli_reload(int argc, char **argv)
{
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    return reload(&args, &err) ? CLI_OK : cli_failed(argv[0], &err);
}
