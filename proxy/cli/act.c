/* act.c - the subcommands that have something done to an app, and wait. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/answer_json.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/progress.h"
#include "router/base/alloc.h"

struct watch {
    struct progress progress;
    bool json;
    bool is_done;
    struct err *err; /* why it failed, as berth says */
};

static void take_line(struct watch *watch, const cJSON *line)
{
    const cJSON *error = answer_member(line, "error");

    if (error) {
        err_set(watch->err, ERR_FAILED, "%s", answer_text(error, "message"));
    } else if (answer_is_true(line, "done")) {
        watch->is_done = true;
        progress_end(&watch->progress);
        if (!watch->json)
            puts(answer_text(line, "text"));
    } else {
        progress_show(&watch->progress, answer_text(line, "text"));
    }
}

static bool on_line(void *arg, struct strview text)
{
    struct watch *watch = arg;
    cJSON *line = cJSON_ParseWithLength(text.ptr, text.len);

    if (cJSON_IsObject(line)) {
        if (watch->json)
            printf("%.*s\n", SV_ARG(text));
        take_line(watch, line);
    }
    cJSON_Delete(line);
    return fflush(stdout) == 0;
}

static char *make_body(const struct cli_args *args)
{
    if (strcmp(args->command->name, "scale") == 0)
        return xasprintf("{\"replicas\":%s}", args->arguments[1]);
    if (strcmp(args->command->name, "wake") == 0 && cli_text(args, "for"))
        return xasprintf("{\"for\":\"%s\"}", cli_text(args, "for"));
    return xstrdup("{}");
}

/* By the JSON's own rules: a number may have no zero in front. */
static bool number_is_plain(const char *text)
{
    return !text || text[0] != '0' || !text[1];
}

static bool act(const struct cli_args *args, struct err *err)
{
    AUTO(admin_client_free)
    struct admin_client *client = cli_connect(args, err);
    AUTO(auto_free) char *body = make_body(args);
    AUTO(auto_free)
    char *path = xasprintf("/api/v1/apps/%s/%s", args->arguments[0],
                           args->command->name);
    struct watch watch = {
        .progress = {.name = args->arguments[0]},
        .json = cli_flag(args, "json"),
        .err = err,
    };
    const struct admin_follow follow = {
        .path = path,
        .body = body,
        .accept = "application/x-ndjson",
        .on_line = on_line,
        .arg = &watch,
    };
    bool is_answered;

    if (!client || !cli_app_is_plain(args->arguments[0], err))
        return false;
    is_answered = admin_client_follow(client, &follow, err);
    progress_end(&watch.progress);
    if (is_answered && !watch.is_done && !err->text[0])
        err_set(err, ERR_UNAVAILABLE,
                "berth went away before it was done; \"berth events\" tells "
                "how it went on");
    return is_answered && watch.is_done;
}

int cli_act(int argc, char **argv)
{
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    if (!number_is_plain(args.arguments[1]))
        return cli_usage_error(argv[0], "N must be a number, not \"%s\"",
                               args.arguments[1]);
    return act(&args, &err) ? CLI_OK : cli_failed(argv[0], &err);
}
