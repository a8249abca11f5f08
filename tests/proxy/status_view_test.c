#include "proxy/cli/status_view.h"
#include "proxy/cli/view.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>

static const struct view plain = {false, 0};

static void check(const char *json_text, bool is_app, const char *expected)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    cJSON *json = cJSON_Parse(json_text);

    cr_assert_not_null(json, "the case is no JSON");
    if (is_app)
        status_view_app(json, &plain, &out);
    else
        status_view_all(json, &plain, &out);
    cJSON_Delete(json);
    cr_assert_str_eq(out.data, expected, "\n%s", out.data);
}

Test(status_view, all_apps_are_rows_under_a_summary)
{
    check("{\"version\":\"0.1.0\",\"state\":\"serving\",\"keeper\":{\"up\":"
          "true},\"engine\":{\"name\":\"podman\",\"version\":\"4.3.1\",\"up\":"
          "true},\"apps\":[{\"name\":\"nlp\",\"image\":\"localhost/"
          "nlp:7\",\"state\":\"ready\",\"ready\":1,\"wanted\":1,\"max\":4,"
          "\"in_flight\":2,\"queued\":3,\"requests_per_s\":12.34,"
          "\"revision\":\"0123456789abcdef\",\"replicas\":[{\"state\":"
          "\"frozen\"},{\"state\":\"ready\"},{\"state\":\"frozen\"},"
          "{\"state\":\"primed\"}],\"latency_us\":{"
          "\"p50\":420,\"p99\":12000},\"last_error\":null},{\"name\":\"g\","
          "\"upstreams\":[\"127.0.0.1:3000\"],\"state\":\"asleep\",\"max\":1,"
          "\"last_error\":{\"message\":\"it\\nbroke\"}}]}",
          false,
          "berth 0.1.0, serving, podman 4.3.1\n"
          "APP  IMAGE                    REVISION  STATE   READY/WANTED/MAX  "
          "WARMTH              IN FLIGHT  QUEUED  REQ/S    P50   P99  LAST "
          "ERROR\n"
          "nlp  localhost/nlp:7          01234567  ready              1/1/4  "
          "2 frozen, 1 primed          2       3     12  0.4ms  12ms\n"
          "g    upstream 127.0.0.1:3000            asleep             0/-/1  "
          "-                           0       0      -      -     -  it "
          "broke\n");
}

Test(status_view, certificates_that_cannot_be_used_are_said)
{
    check("{\"version\":\"0.1.0\",\"state\":\"serving\",\"keeper\":{\"up\":"
          "true},\"engine\":null,\"broken_certificates\":[{\"file\":"
          "\"/etc/b/one.pem\",\"reason\":\"the key does\\nnot match\","
          "\"since_unix_ms\":1}],\"apps\":[]}",
          false,
          "berth 0.1.0, serving\n"
          "/etc/b/one.pem has changed and cannot be used, the old one stays: "
          "the key does not match\n"
          "APP  IMAGE  REVISION  STATE  READY/WANTED/MAX  WARMTH  IN FLIGHT  "
          "QUEUED  REQ/S  P50  P99  LAST ERROR\n");
}

Test(status_view, a_silent_keeper_is_said)
{
    check("{\"version\":\"0.1.0\",\"state\":\"serving\",\"keeper\":{\"up\":"
          "false},\"apps\":[]}",
          false,
          "berth 0.1.0, serving, the keeper does not answer: what it knows is "
          "missing\n"
          "APP  IMAGE  REVISION  STATE  READY/WANTED/MAX  WARMTH  IN FLIGHT  "
          "QUEUED  REQ/S  P50  P99  LAST ERROR\n");
}

Test(status_view, an_engine_that_is_down_says_why)
{
    check("{\"version\":\"0.1.0\",\"state\":\"serving\",\"keeper\":{\"up\":"
          "true},\"engine\":{\"name\":\"podman\",\"up\":false,\"error\":\"no "
          "socket\"},\"apps\":[]}",
          false,
          "berth 0.1.0, serving, podman is down: no socket\n"
          "APP  IMAGE  REVISION  STATE  READY/WANTED/MAX  WARMTH  IN FLIGHT  "
          "QUEUED  REQ/S  P50  P99  LAST ERROR\n");
}

Test(status_view, an_app_shows_replicas_start_and_error)
{
    check(
        "{\"name\":\"nlp\",\"image\":\"localhost/nlp:7\",\"state\":"
        "\"failed\",\"retry_in_ms\":4200,\"image_activity\":\"pulling: 3 of "
        "7 layers\",\"ready\":0,\"wanted\":1,\"min\":0,\"max\":4,\"requests\""
        ":5,\"in_flight\":0,\"queued\":1,\"refused\":2,\"latency_us\":{"
        "\"p50\":0,\"p99\":0},\"replicas\":[{\"name\":\"berth-default-nlp-"
        "3\",\"state\":\"probing\",\"pid\":77,\"age_ms\":61000,\"reason\":"
        "\"started\",\"probe\":\"connection refused\"},{\"name\":"
        "\"berth-default-nlp-4\",\"state\":\"ready\",\"memory\":{\"resident\":"
        "2097152,\"swapped\":62914560}}],\"last_start\":{\"at_"
        "unix_ms\":1764000000000,\"from\":\"pulled\",\"ok\":false,\"total_"
        "us\":812000,\"phases\":[{\"name\":\"create\",\"us\":90000},{\"name\""
        ":\"start\",\"us\":1500}]},\"last_error\":{\"at_unix_ms\":"
        "1764000000000,\"code\":\"start_failed\",\"message\":\"exited with "
        "1\",\"log\":[\"Traceback\",\"\\u001b[31mboom\"]}}",
        true,
        "app         nlp\n"
        "image       localhost/nlp:7\n"
        "state       failed\n"
        "pull        pulling: 3 of 7 layers\n"
        "next try    in 4.2s\n"
        "replicas    0 ready, 1 wanted, 0 to 4\n"
        "requests    5, 0 in flight, 1 queued, 2 refused\n"
        "latency     p50 -, p99 -\n"
        "\n"
        "REPLICA              STATE    PID    AGE          MEMORY  WHY\n"
        "berth-default-nlp-3  probing   77  1m01s               -  "
        "connection refused\n"
        "berth-default-nlp-4  ready      -    0ms  2M+60M swapped\n"
        "\n"
        "last start  2025-11-24T16:00:00.000Z, from pulled, failed after "
        "812ms\n"
        "PHASE    TIME\n"
        "create   90ms\n"
        "start   1.5ms\n"
        "\n"
        "last error  2025-11-24T16:00:00.000Z, start_failed: exited with 1\n"
        "  | Traceback\n"
        "  | ?[31mboom\n");
}

Test(status_view, members_that_are_missing_or_of_another_kind_break_nothing)
{
    check("{\"name\":7,\"replicas\":{},\"last_start\":[],\"last_error\":\"x\"}",
          true,
          "app         \n"
          "image       ?\n"
          "state       \n"
          "replicas    0 ready, - wanted, 0 to 0\n"
          "requests    0, 0 in flight, 0 queued, 0 refused\n"
          "latency     p50 -, p99 -\n");
}
