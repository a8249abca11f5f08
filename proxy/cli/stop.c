/* stop.c - `berth stop`: drain and stop a running berth, and wait for its end.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/cli.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"

#define LOOK_EVERY_MS   250
#define LOOK_TIMEOUT_MS 500

struct stop_options {
    const char *config;
    const char *socket;
    bool keep_containers;
};

/* What still keeps berth, in a few words; false when nobody answers. */
static bool look_what_remains(struct admin_client *client, char *ret_text,
                              size_t size)
{
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    double in_flight = 0;
    double queued = 0;
    cJSON *json;
    const cJSON *app;

    if (!admin_client_request(client, "/api/v1/status", NULL, &answer, NULL))
        return false;
    json = cJSON_ParseWithLength(answer.data, answer.len);
    cJSON_ArrayForEach(app, cJSON_GetObjectItemCaseSensitive(json, "apps"))
    {
        const cJSON *count = cJSON_GetObjectItemCaseSensitive(app, "in_flight");

        in_flight += cJSON_IsNumber(count) ? count->valuedouble : 0;
        count = cJSON_GetObjectItemCaseSensitive(app, "queued");
        queued += cJSON_IsNumber(count) ? count->valuedouble : 0;
    }
    cJSON_Delete(json);
    snprintf(ret_text, size, "%.0f in flight, %.0f queued", in_flight, queued);
    return true;
}

/* On a terminal the line is rewritten; elsewhere only changes are written. */
static void show_progress(const char *text, uint64_t since_us)
{
    static char shown[128];
    char time[32];

    if (isatty(STDERR_FILENO)) {
        clock_format_duration((clock_now_us() - since_us) / 1000, time,
                              sizeof(time));
        fprintf(stderr, "\r\x1b[Kberth stops: %s (%s)", text, time);
    } else if (strcmp(text, shown) != 0) {
        snprintf(shown, sizeof(shown), "%s", text);
        fprintf(stderr, "berth stops: %s\n", text);
    }
}

static bool has_ended(struct admin_client *client, int pid_fd)
{
    struct pollfd end = {.fd = pid_fd, .events = POLLIN};
    struct admin_client *again;

    if (pid_fd >= 0)
        return poll(&end, 1, LOOK_EVERY_MS) == 1;
    /* Not to be seen from here: as long as somebody listens, it is there. */
    poll(NULL, 0, LOOK_EVERY_MS);
    again = admin_client_new(admin_client_path(client), NULL, NULL);
    if (!again)
        return true;
    admin_client_free(&again);
    return false;
}

static void await_end(struct admin_client *client, int pid_fd)
{
    uint64_t since_us = clock_now_us();
    bool front_is_there = true;
    char text[128] = "asked";

    while (!has_ended(client, pid_fd)) {
        if (front_is_there)
            front_is_there = look_what_remains(client, text, sizeof(text));
        if (!front_is_there)
            snprintf(text, sizeof(text), "the containers");
        show_progress(text, since_us);
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\x1b[K", stderr);
}

static bool stop(const struct stop_options *options, struct err *err)
{
    AUTO(admin_client_free) struct admin_client *client =
        admin_client_new(options->socket, options->config, err);
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    AUTO(auto_close) int pid_fd = -1;
    const char *body =
        options->keep_containers ? "{\"keep_containers\":true}" : "{}";

    if (!client)
        return false;
    /* Before it is asked to go, so that the pid cannot be another's yet. */
    if (admin_client_pid(client) > 0)
        pid_fd = (int)syscall(SYS_pidfd_open, admin_client_pid(client), 0);
    if (!admin_client_request(client, "/api/v1/stop", body, &answer, err))
        return false;
    /* The keeper may hold the socket when nobody answers there any more. */
    admin_client_set_timeout(client, LOOK_TIMEOUT_MS);
    await_end(client, pid_fd);
    return true;
}

int cli_stop(int argc, char **argv)
{
    struct stop_options options;
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    options = (struct stop_options){
        .config = cli_text(&args, "config"),
        .socket = cli_text(&args, "socket"),
        .keep_containers = cli_flag(&args, "keep-containers"),
    };
    if (!stop(&options, &err)) {
        fprintf(stderr, "berth stop: %s\n", err.text);
        return CLI_FAILED;
    }
    puts("berth has stopped");
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}
