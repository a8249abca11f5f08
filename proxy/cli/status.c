/* status.c - `berth status`: how the apps of a running berth do. */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/status_view.h"
#include "proxy/cli/table.h"
#include "router/base/alloc.h"

struct status_options {
    const char *app; /* NULL: all */
    const char *config;
    const char *socket;
    bool json;
};

static int options_parse(int argc, char **argv, struct status_options *ret)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    int c;

    optind = 1;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
        if (c == 'c')
            ret->config = optarg;
        else if (c == 's')
            ret->socket = optarg;
        else if (c == 'j')
            ret->json = true;
        else
            return cli_option_error("status", c, argv);
    }
    if (ret->config && ret->socket)
        return cli_usage_error("status", "-c or --socket, not both");
    if (optind < argc)
        ret->app = argv[optind++];
    if (optind < argc)
        return cli_usage_error("status", "what is \"%s\"?", argv[optind]);
    return CLI_OK;
}

static bool print_json(const struct strbuf *answer)
{
    return fwrite(answer->data, 1, answer->len, stdout) == answer->len;
}

static bool print_view(const struct status_options *options,
                       const struct strbuf *answer, struct err *err)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct view view = {colour_is_wanted(stdout), 0};
    struct winsize size = {0};
    cJSON *json = cJSON_ParseWithLength(answer->data, answer->len);

    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return err_set(err, ERR_PROTOCOL, "berth's answer is no JSON");
    }
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        view.width = size.ws_col;
    if (options->app)
        status_view_app(json, &view, &text);
    else
        status_view_all(json, &view, &text);
    cJSON_Delete(json);
    if (!print_json(&text))
        return err_set(err, ERR_IO, "cannot write the output");
    return true;
}

/* Names go into a path as they are; what cannot be a name has no such app. */
static bool name_is_plain(const char *name)
{
    return name[0] && !strpbrk(name, "/?#% \t\r\n");
}

static bool show_status(const struct status_options *options, struct err *err)
{
    AUTO(admin_client_free) struct admin_client *client =
        admin_client_new(options->socket, options->config, err);
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    AUTO(auto_free) char *path = NULL;

    if (!client)
        return false;
    if (options->app && !name_is_plain(options->app))
        return err_set(err, ERR_NOT_FOUND, "there is no app \"%s\"",
                       options->app);
    path = options->app ? xasprintf("/api/v1/apps/%s", options->app)
                        : xstrdup("/api/v1/status");
    if (!admin_client_request(client, path, NULL, &answer, err))
        return false;
    if (!options->json)
        return print_view(options, &answer, err);
    if (!print_json(&answer))
        return err_set(err, ERR_IO, "cannot write the output");
    return true;
}

int cli_status(int argc, char **argv)
{
    struct status_options options = {0};
    struct err err = {0};
    int code = options_parse(argc, argv, &options);

    if (code != CLI_OK)
        return code;
    if (show_status(&options, &err) && fflush(stdout) == 0)
        return CLI_OK;
    fprintf(stderr, "berth status: %s\n",
            err.text[0] ? err.text : "cannot write the output");
    return CLI_FAILED;
}
