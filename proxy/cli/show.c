/* show.c - ask the admin API, and print what it answers. */
#include "proxy/cli/show.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/view.h"

static bool print(const struct strbuf *text, struct err *err)
{
    if (fwrite(text->data, 1, text->len, stdout) == text->len &&
        fflush(stdout) == 0)
        return true;
    return err_set(err, ERR_IO, "cannot write the output");
}

bool cli_show(const struct cli_args *args, const char *path, show_view_fn show,
              struct err *err)
{
    AUTO(admin_client_free)
    struct admin_client *client = cli_connect(args, err);
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct view view = view_of(stdout);
    cJSON *json;

    if (!client || !admin_client_request(client, path, NULL, &answer, err))
        return false;
    if (cli_flag(args, "json"))
        return print(&answer, err);
    json = cJSON_ParseWithLength(answer.data, answer.len);
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return err_set(err, ERR_PROTOCOL, "berth's answer is no JSON");
    }
    show(json, &view, &text);
    cJSON_Delete(json);
    return print(&text, err);
}
