/* top.c - `berth top`: how the apps do, live. */
#include <cjson/cJSON.h>
#include <poll.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/top_view.h"
#include "proxy/cli/view.h"
#include "router/base/clock.h"

#define SAMPLE_MS 1000

/* Keys come one by one, and are not shown. */
static bool quiet_keys(struct termios *ret_before)
{
    struct termios quiet;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, ret_before) != 0)
        return false;
    quiet = *ret_before;
    quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    return tcsetattr(STDIN_FILENO, TCSANOW, &quiet) == 0;
}

/* Wait for the next sample; false: q was pressed. */
static bool wait_for_next(bool has_keys)
{
    struct pollfd keys = {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN};
    char key;

    return poll(&keys, 1, SAMPLE_MS) <= 0 || read(STDIN_FILENO, &key, 1) != 1 ||
           key != 'q';
}

static bool show(struct admin_client *client, struct top *top, struct err *err)
{
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct view view = view_of(stdout);
    cJSON *status;

    if (!admin_client_request(client, "/api/v1/status", NULL, &answer, err))
        return false;
    status = cJSON_ParseWithLength(answer.data, answer.len);
    top_view(top, status, clock_now_us(), &view, &text);
    cJSON_Delete(status);
    if (isatty(STDOUT_FILENO))
        fputs("\x1b[H\x1b[2J", stdout);
    fwrite(text.data, 1, text.len, stdout);
    if (fflush(stdout) == 0)
        return true;
    return err_set(err, ERR_IO, "cannot write the output");
}

int cli_top(int argc, char **argv)
{
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);
    AUTO(admin_client_free) struct admin_client *client = NULL;
    AUTO(top_free) struct top *top = NULL;
    struct termios before;
    bool has_keys;
    bool ok;

    if (code != CLI_OK)
        return code;
    client = cli_connect(&args, &err);
    if (!client)
        return cli_failed("top", &err);
    top = top_new();
    has_keys = quiet_keys(&before);
    do
        ok = show(client, top, &err);
    while (ok && wait_for_next(has_keys));
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return ok ? CLI_OK : cli_failed("top", &err);
}
