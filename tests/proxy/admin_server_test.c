/* The admin API over real sockets, with a front that is made up. */
#include "proxy/admin/admin_server.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/admin/admin_host.h"
#include "proxy/settings.h"
#include "router/app.h"
#include "router/app_replicas.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/wire.h"
#include "router/log_record.h"

enum { UNIX_LISTENER, TCP_LISTENER, LISTENERS };

struct front { /* the one that is made up */
    struct loop *loop;
    struct proxy_settings settings;
    struct listener_settings listeners[LISTENERS];
    struct server_settings server;
    struct route_settings routes[2];
    struct app_settings app_settings[2];
    struct app *apps[2];
    struct metrics_registry *metrics;
    bool is_serving;
    const char *keeper_status;  /* NULL: never answered */
    const char *keeper_metrics; /* likewise */
    bool stop_fails;
    char action[64];     /* "stop:keep" */
    struct {             /* of all questions but those above */
        char asked[256]; /* "events app=0 {…}" */
        struct strview parts[3];
        bool ok;
        const char *reply; /* NULL: never */
    } script;
    _Atomic unsigned forgotten; /* looked at while the loop runs */
    size_t credited;
    struct {
        struct loop_task task;
        bool ok;
        struct strview body;
        void (*on_reply)(void *arg, bool ok, struct strview body);
        void (*on_part)(void *arg, struct strview body);
        void *arg;
    } answer;
};

static struct front front;
static struct admin_server *server;
static pthread_t thread;
static char socket_path[108];
static char tcp_host[ADDRESS_TEXT_SIZE];

/* --- the made-up front --- */

static const struct proxy_settings *settings_of(void *arg UNUSED)
{
    return &front.settings;
}

static struct metrics_registry *metrics_of(void *arg UNUSED)
{
    return front.metrics;
}

static struct app *app_of(void *arg UNUSED, uint32_t index)
{
    return front.apps[index];
}

static bool is_serving(void *arg UNUSED)
{
    return front.is_serving;
}

static void run_answer(struct loop_task *task UNUSED)
{
    for (size_t i = 0;
         front.answer.on_part && i < ARRAY_LEN(front.script.parts); i++)
        if (front.script.parts[i].ptr)
            front.answer.on_part(front.answer.arg, front.script.parts[i]);
    if (front.answer.body.ptr)
        front.answer.on_reply(front.answer.arg, front.answer.ok,
                              front.answer.body);
}

static uint64_t answer_with(const char *text, bool ok,
                            void (*on_reply)(void *arg, bool ok,
                                             struct strview body),
                            void *arg)
{
    if (!text)
        return 7;
    front.answer.on_part = NULL;
    front.answer.ok = ok;
    front.answer.body = sv_of(text);
    front.answer.on_reply = on_reply;
    front.answer.arg = arg;
    front.answer.task.run = run_answer;
    loop_post(front.loop, &front.answer.task);
    return 7;
}

static uint64_t ask_script(const struct question *question)
{
    snprintf(front.script.asked, sizeof(front.script.asked), "%s%s app=%d %.*s",
             question->is_action ? "do " : "", question->what,
             (int)question->app, SV_ARG(question->argument));
    answer_with("", front.script.ok, question->on_reply, question->arg);
    front.answer.on_part = question->on_part;
    front.answer.body =
        front.script.reply ? sv_of(front.script.reply) : sv_make(NULL, 0);
    return 7;
}

static uint64_t ask(void *arg UNUSED, const struct question *question)
{
    if (strcmp(question->what, "status") != 0 &&
        strcmp(question->what, "metrics") != 0 &&
        strcmp(question->what, "stop") != 0)
        return ask_script(question);
    if (!question->is_action)
        return answer_with(strcmp(question->what, "status") == 0
                               ? front.keeper_status
                               : front.keeper_metrics,
                           true, question->on_reply, question->arg);
    snprintf(front.action, sizeof(front.action), "%s:%.*s", question->what,
             SV_ARG(question->argument));
    return answer_with(front.stop_fails ? "no way" : "stopping",
                       !front.stop_fails, question->on_reply, question->arg);
}

static void credit(void *arg UNUSED, uint64_t id, size_t bytes)
{
    cr_assert_eq(id, 7);
    front.credited += bytes;
}

static void forget(void *arg UNUSED, uint64_t id)
{
    cr_assert_eq(id, 7);
    front.forgotten++;
}

static const struct admin_host_ops ops = {
    .settings = settings_of,
    .metrics = metrics_of,
    .app = app_of,
    .is_serving = is_serving,
    .ask = ask,
    .credit = credit,
    .forget = forget,
};

/* --- set up --- */

static int listen_at(struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(address->v6);

    cr_assert(fd >= 0);
    if (address->any.sa_family == AF_INET)
        address->v4.sin_port = 0; /* a free one */
    cr_assert_eq(bind(fd, &address->any, address->len), 0);
    cr_assert_eq(listen(fd, 128), 0);
    if (address->any.sa_family == AF_INET)
        cr_assert_eq(getsockname(fd, &address->any, &len), 0);
    return fd;
}

static void set_address(unsigned listener, const char *text)
{
    struct err err;

    cr_assert(
        address_parse(sv_of(text), &front.listeners[listener].address, &err));
    front.listeners[listener].is_admin = true;
}

static void *run_loop(void *arg UNUSED)
{
    loop_run(front.loop);
    return NULL;
}

static void make_settings(void)
{
    static char full[] = "full";
    static char look[] = "look";
    static char nlp[] = "nlp";
    static char grafana[] = "grafana";
    static char prefix[] = "/nlp";
    static char gone[] = "/old";
    static char where[] = "/new";

    front.routes[0] = (struct route_settings){
        .prefix = prefix, .app = 0, .strip_prefix = true};
    front.routes[1] = (struct route_settings){.prefix = gone,
                                              .app = UINT32_MAX,
                                              .return_code = 301,
                                              .return_text = where};
    front.server.route_count = 2;
    front.server.routes = front.routes;
    front.app_settings[0] = (struct app_settings){.name = nlp,
                                                  .concurrency = 1,
                                                  .replicas_min = 1,
                                                  .replicas_max = 4,
                                                  .queue_size = 10,
                                                  .queue_timeout_ms = 1000};
    front.app_settings[1] = front.app_settings[0];
    front.app_settings[1].name = grafana;
    front.app_settings[1].replicas_min = 0;
    front.settings.admin = (struct admin_settings){
        .metrics_open = true, .token = full, .read_token = look};
    front.settings.listener_count = LISTENERS;
    front.settings.listeners = front.listeners;
    front.settings.server_count = 1;
    front.settings.servers = &front.server;
    front.settings.app_count = 2;
    front.settings.apps = front.app_settings;
}

static void set_up(void)
{
    struct admin_host host = {.ops = &ops, .front = &front};
    char unix_text[128];

    signal(SIGPIPE, SIG_IGN);
    snprintf(socket_path, sizeof(socket_path), "/tmp/berth-admin-test-%d",
             getpid());
    snprintf(unix_text, sizeof(unix_text), "unix:%s", socket_path);
    set_address(UNIX_LISTENER, unix_text);
    set_address(TCP_LISTENER, "127.0.0.1:1");
    make_settings();
    front.loop = host.loop = loop_new("test");
    front.metrics = metrics_registry_new();
    front.is_serving = true;
    front.keeper_status = "{\"engine\":{\"name\":\"podman\"},\"apps\":[{"
                          "\"name\":\"nlp\",\"image\":\"localhost/nlp:7\","
                          "\"wanted\":1,\"state\":\"lies\"}]}";
    front.keeper_metrics = "# TYPE berth_podman_up gauge\nberth_podman_up 1\n";
    for (unsigned i = 0; i < 2; i++)
        front.apps[i] = app_new(&front.app_settings[i], i, 1);
    server = admin_server_new(&host);
    for (unsigned i = 0; i < LISTENERS; i++)
        admin_server_listen(server, i, listen_at(&front.listeners[i].address));
    address_format(&front.listeners[TCP_LISTENER].address, tcp_host);
    cr_assert_eq(pthread_create(&thread, NULL, run_loop, NULL), 0);
}

static void tear_down(void)
{
    loop_stop(front.loop);
    pthread_join(thread, NULL);
    admin_server_free(&server);
    for (unsigned i = 0; i < 2; i++)
        app_free(&front.apps[i]);
    metrics_registry_free(&front.metrics);
    loop_free(&front.loop);
    unlink(socket_path);
}

TestSuite(admin_server, .init = set_up, .fini = tear_down, .timeout = 30);

/* --- a client that says exactly what it sends --- */

struct answer {
    int status; /* 0: closed without one */
    char text[65536];
    const char *body;
};

static int dial(unsigned listener)
{
    const struct address *address = &front.listeners[listener].address;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0);
    cr_assert_eq(connect(fd, &address->any, address->len), 0);
    return fd;
}

/* Until the end of the connection, which is closed then. */
static struct answer *read_answer(int fd)
{
    static struct answer answer;
    size_t len = 0;
    ssize_t n;

    memset(&answer, 0, sizeof(answer));
    while ((n = read(fd, answer.text + len, sizeof(answer.text) - 1 - len)) > 0)
        len += (size_t)n;
    close(fd);
    sscanf(answer.text, "HTTP/1.%*d %d", &answer.status);
    answer.body = strstr(answer.text, "\r\n\r\n");
    answer.body = answer.body ? answer.body + 4 : "";
    return &answer;
}

static void send_text(int fd, const char *text)
{
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static struct answer *talk(unsigned listener, const char *request)
{
    int fd = dial(listener);

    send_text(fd, request);
    return read_answer(fd);
}

/* GET from the Unix socket. */
static struct answer *get(const char *path)
{
    char request[512];

    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             path);
    return talk(UNIX_LISTENER, request);
}

static void check_error(const struct answer *answer, int status,
                        const char *code)
{
    cJSON *json = cJSON_Parse(answer->body);
    const cJSON *error = cJSON_GetObjectItem(json, "error");

    cr_assert_eq(answer->status, status, "%s", answer->text);
    cr_assert_not_null(error, "%s", answer->text);
    cr_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(error, "code")),
                     code);
    cr_assert(strlen(cJSON_GetStringValue(
                  cJSON_GetObjectItem(error, "message"))) > 0);
    cJSON_Delete(json);
}

/* --- access --- */

static const struct {
    const char *label;
    const char *request; /* %s: the listener's own Host */
    int status;
    const char *code; /* of the error; NULL: none */
} tcp_cases[] = {
    {"healthz is open", "GET /healthz HTTP/1.1\r\nHost: %s\r\n", 200, NULL},
    {"metrics are open", "GET /metrics HTTP/1.1\r\nHost: %s\r\n", 200, NULL},
    {"status is not", "GET /api/v1/status HTTP/1.1\r\nHost: %s\r\n", 401,
     "unauthorized"},
    {"what is not there tells no more",
     "GET /api/v1/nothing HTTP/1.1\r\nHost: %s\r\n", 401, "unauthorized"},
    {"the read token opens status",
     "GET /api/v1/status HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer "
     "look\r\n",
     200, NULL},
    {"the read token stops nothing",
     "POST /api/v1/stop HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer "
     "look\r\nContent-Length: 0\r\n",
     403, "forbidden"},
    {"no token stops nothing",
     "POST /api/v1/stop HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n", 401,
     "unauthorized"},
    {"another Host is misdirected",
     "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n", 421, "misdirected"},
    {"localhost is ours", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n", 200,
     NULL},
    {"two Hosts are none",
     "GET /healthz HTTP/1.1\r\nHost: %s\r\nHost: evil.example\r\n", 400,
     "bad_request"},
    {"HTTP/1.1 without Host is malformed", "GET /healthz HTTP/1.1\r\n", 400,
     "bad_request"},
    {"HTTP/1.0 needs none", "GET /healthz HTTP/1.0\r\n", 200, NULL},
    {"an absolute target is not served",
     "GET http://evil.example/healthz HTTP/1.1\r\nHost: %s\r\n", 400,
     "bad_request"},
};

Test(admin_server, tcp_gives_what_its_caller_may_have)
{
    for (size_t i = 0; i < ARRAY_LEN(tcp_cases); i++) {
        char request[512];
        struct answer *answer;

        snprintf(request, sizeof(request), tcp_cases[i].request, tcp_host);
        strcat(request, "Connection: close\r\n\r\n");
        answer = talk(TCP_LISTENER, request);
        cr_assert_eq(answer->status, tcp_cases[i].status, "%s: %s",
                     tcp_cases[i].label, answer->text);
        if (tcp_cases[i].code)
            check_error(answer, tcp_cases[i].status, tcp_cases[i].code);
    }
    cr_assert_str_eq(front.action, "", "nothing may have been stopped");
}

Test(admin_server, metrics_that_are_not_open_need_the_token)
{
    char request[512];

    front.settings.admin.metrics_open = false;
    snprintf(request, sizeof(request),
             "GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
             tcp_host);
    check_error(talk(TCP_LISTENER, request), 401, "unauthorized");
    cr_assert_eq(get("/metrics")->status, 200);
}

Test(admin_server, an_unauthorized_answer_names_the_scheme)
{
    char request[512];

    snprintf(request, sizeof(request),
             "GET /api/v1/apps HTTP/1.1\r\nHost: %s\r\nConnection: "
             "close\r\n\r\n",
             tcp_host);
    cr_assert(strstr(talk(TCP_LISTENER, request)->text,
                     "WWW-Authenticate: Bearer realm=\"berth\"\r\n"));
}

/* --- answers --- */

Test(admin_server, paths_and_methods_that_are_not_there_say_so)
{
    check_error(get("/nothing"), 404, "not_found");
    check_error(get("/api/v1/stop"), 405, "method_not_allowed");
    cr_assert(strstr(get("/api/v1/stop")->text, "Allow: POST\r\n"));
    check_error(talk(UNIX_LISTENER, "DELETE /api/v1/apps HTTP/1.1\r\nHost: "
                                    "x\r\nConnection: close\r\n\r\n"),
                405, "method_not_allowed");
}

Test(admin_server, the_query_does_not_matter)
{
    cr_assert_eq(get("/healthz?a=/b")->status, 200);
}

Test(admin_server, head_has_no_body)
{
    struct answer *answer =
        talk(UNIX_LISTENER,
             "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

    cr_assert_eq(answer->status, 200);
    cr_assert_str_eq(answer->body, "");
}

Test(admin_server, status_joins_what_front_and_keeper_know)
{
    struct answer *answer = get("/api/v1/status");
    cJSON *json = cJSON_Parse(answer->body);
    const cJSON *apps = cJSON_GetObjectItem(json, "apps");
    const cJSON *nlp = cJSON_GetArrayItem(apps, 0);

    cr_assert_eq(answer->status, 200);
    cr_assert_eq(cJSON_GetArraySize(apps), 2);
    cr_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(nlp, "image")),
                     "localhost/nlp:7");
    cr_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(nlp, "state")),
                     "asleep", "the front's state is the one that counts");
    cr_assert_eq(cJSON_GetObjectItem(nlp, "max")->valueint, 4);
    cr_assert(cJSON_IsTrue(
        cJSON_GetObjectItem(cJSON_GetObjectItem(json, "keeper"), "up")));
    cr_assert_not_null(cJSON_GetObjectItem(json, "engine"));
    cJSON_Delete(json);
}

Test(admin_server, status_of_a_silent_keeper_is_the_fronts_alone)
{
    struct answer *answer;
    cJSON *json;

    front.keeper_status = NULL;
    answer = get("/api/v1/status");
    json = cJSON_Parse(answer->body);
    cr_assert_eq(answer->status, 200);
    cr_assert(cJSON_IsFalse(
        cJSON_GetObjectItem(cJSON_GetObjectItem(json, "keeper"), "up")));
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(json, "apps")), 2);
    cr_assert_eq(front.forgotten, 1);
    cJSON_Delete(json);
}

Test(admin_server, nonsense_from_the_keeper_is_as_none)
{
    cJSON *json;

    front.keeper_status = "[1,";
    json = cJSON_Parse(get("/api/v1/status")->body);
    cr_assert(cJSON_IsFalse(
        cJSON_GetObjectItem(cJSON_GetObjectItem(json, "keeper"), "up")));
    cJSON_Delete(json);
}

Test(admin_server, one_app_is_found_by_name)
{
    cJSON *json = cJSON_Parse(get("/api/v1/apps/grafana")->body);

    cr_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(json, "name")),
                     "grafana");
    cJSON_Delete(json);
    check_error(get("/api/v1/apps/nl"), 404, "unknown_app");
    cr_assert(strstr(get("/api/v1/apps/nl")->body, "there are nlp, grafana"));
}

Test(admin_server, routes_say_what_goes_where)
{
    cJSON *json = cJSON_Parse(get("/api/v1/routes")->body);
    const cJSON *routes = cJSON_GetObjectItem(
        cJSON_GetArrayItem(cJSON_GetObjectItem(json, "servers"), 0), "routes");

    cr_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(
                         cJSON_GetArrayItem(routes, 0), "app")),
                     "nlp");
    cr_assert_eq(
        cJSON_GetObjectItem(cJSON_GetArrayItem(routes, 1), "return")->valueint,
        301);
    cJSON_Delete(json);
}

Test(admin_server, metrics_hold_both_processes)
{
    const char *text = get("/metrics")->body;

    cr_assert(strstr(text, "\nberth_podman_up 1\n"), "%s", text);
    cr_assert(strstr(text, "\nberth_keeper_up 1\n"));
    cr_assert(strstr(text, "berth_build_info{version=\""));
    cr_assert(strstr(text, "process_open_fds{process=\"front\"} "));
    text = strstr(text, "# TYPE berth_podman_up ");
    cr_assert_not_null(text);
    cr_assert_null(strstr(text + 1, "# TYPE berth_podman_up "),
                   "no family may come twice");
}

Test(admin_server, metrics_of_a_silent_keeper_come_within_a_second_or_so)
{
    uint64_t since_us = clock_now_us();

    front.keeper_metrics = NULL;
    cr_assert(strstr(get("/metrics")->body, "\nberth_keeper_up 0\n"));
    cr_assert(clock_now_us() - since_us < 1500000);
    cr_assert_eq(front.forgotten, 1);
}

Test(admin_server, ready_waits_for_apps_with_a_minimum)
{
    struct replica_ref *replica;
    struct address address;

    cr_assert_eq(get("/readyz")->status, 503);
    cr_assert(strstr(get("/readyz")->body, "\"nlp\""));
    cr_assert_null(strstr(get("/readyz")->body, "\"grafana\""));
    cr_assert(address_parse(SV("127.0.0.1:1"), &address, NULL));
    replica =
        app_replica_new(front.apps[0], 1, SV("r"), CONNECT_DIRECT, &address, 0);
    app_publish(replica, clock_now_us());
    cr_assert_eq(get("/readyz")->status, 200);
    front.is_serving = false;
    cr_assert_eq(get("/readyz")->status, 503);
    cr_assert_eq(get("/healthz")->status, 200);
}

/* --- stop --- */

static struct answer *post_stop(const char *body)
{
    char request[512];

    snprintf(request, sizeof(request),
             "POST /api/v1/stop HTTP/1.1\r\nHost: x\r\nConnection: "
             "close\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    return talk(UNIX_LISTENER, request);
}

Test(admin_server, stop_says_what_becomes_of_the_containers)
{
    cr_assert_eq(post_stop("")->status, 202);
    cr_assert_str_eq(front.action, "stop:");
    cr_assert_eq(post_stop("{}")->status, 202);
    cr_assert_str_eq(front.action, "stop:");
    cr_assert_eq(post_stop("{\"keep_containers\": true}")->status, 202);
    cr_assert_str_eq(front.action, "stop:keep");
    cr_assert_eq(post_stop("{\"keep_containers\": false}")->status, 202);
    cr_assert_str_eq(front.action, "stop:stop");
}

Test(admin_server, stop_with_nonsense_stops_nothing)
{
    check_error(post_stop("{\"keep_containers\": 1}"), 400, "bad_request");
    check_error(post_stop("[]"), 400, "bad_request");
    check_error(post_stop("{"), 400, "bad_request");
    cr_assert_str_eq(front.action, "");
}

Test(admin_server, a_stop_that_the_keeper_refuses_says_why)
{
    struct answer *answer;

    front.stop_fails = true;
    answer = post_stop("");
    check_error(answer, 503, "stop_failed");
    cr_assert(strstr(answer->body, "no way"));
}

/* --- bounds --- */

Test(admin_server, a_body_that_is_too_large_is_refused)
{
    static char request[120000];
    size_t len = (size_t)snprintf(
        request, sizeof(request),
        "POST /api/v1/stop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Length: 100000\r\n\r\n");

    memset(request + len, ' ', 100000);
    request[len + 100000] = '\0';
    check_error(talk(UNIX_LISTENER, request), 413, "body_too_large");
    cr_assert_str_eq(front.action, "");
}

Test(admin_server, a_head_that_is_too_large_is_refused)
{
    static char request[100000];
    size_t len = (size_t)snprintf(
        request, sizeof(request),
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: ");

    memset(request + len, 'a', 40000);
    strcpy(request + len + 40000, "\r\n\r\n");
    check_error(talk(UNIX_LISTENER, request), 431, "headers_too_large");
}

Test(admin_server, what_is_no_request_is_refused_shortly_and_closed)
{
    static char far_too_large[100000];
    size_t len = (size_t)snprintf(far_too_large, sizeof(far_too_large),
                                  "GET /healthz HTTP/1.1\r\nHost: x\r\nA: ");
    const struct {
        const char *request;
        int status;
    } cases[] = {
        {far_too_large, 400},
        {"POST /api/v1/stop HTTP/1.1\r\nHost: x\r\n"
         "Content-Length: 10000000\r\n\r\n",
         413},
        {"POST /api/v1/stop HTTP/1.1\r\nHost: x\r\n"
         "Content-Length: some\r\n\r\n",
         400},
        {"hello there\r\n\r\n", 400},
    };

    memset(far_too_large + len, 'a', 80000);
    strcpy(far_too_large + len + 80000, "\r\n\r\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct answer *answer = talk(UNIX_LISTENER, cases[i].request);

        cr_expect_eq(answer->status, cases[i].status, "%.60s: %d",
                     cases[i].request, answer->status);
        cr_expect_lt(strlen(answer->body), 512U, "%.60s", cases[i].request);
    }
    cr_assert_str_eq(front.action, "");
}

/* Of all its bytes and its end, as far as it has come. */
static bool has_ended(int fd)
{
    char bytes[4096];
    ssize_t n;

    do
        n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    while (n > 0);
    return n == 0 || errno == ECONNRESET;
}

static unsigned count_ended(const int *fds, size_t count)
{
    unsigned ended = 0;

    for (size_t i = 0; i < count; i++)
        ended += has_ended(fds[i]);
    return ended;
}

/* Nobody without a token, and no scraper that forgets to hang up, may keep
 * others out. */
Test(admin_server, the_oldest_that_asks_for_nothing_makes_room)
{
    static const char half_a_body[] =
        "POST /api/v1/stop HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Length: 9\r\n\r\n";
    static const char *const asked[] = {
        "", "GET /heal", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        half_a_body};
    int fds[ADMIN_CONNECTIONS_MAX + 8];
    struct answer *answer;
    int fd;

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial(TCP_LISTENER);
        send_text(fds[i], asked[i % ARRAY_LEN(asked)]);
    }
    usleep(300000);
    cr_assert_eq(count_ended(fds, ARRAY_LEN(fds)), 8);
    cr_assert_eq(count_ended(fds, 16), 8, "of the oldest");
    fd = dial(TCP_LISTENER);
    send_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                  "Connection: close\r\n\r\n");
    answer = read_answer(fd);
    cr_assert_eq(answer->status, 200);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

Test(admin_server, those_that_are_answered_at_the_moment_are_left_alone)
{
    int fds[ADMIN_CONNECTIONS_MAX];
    int late;

    front.keeper_metrics = NULL; /* it takes a second to see that */
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial(TCP_LISTENER);
        send_text(fds[i], "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    usleep(300000);
    late = dial(TCP_LISTENER);
    send_text(late, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                    "Connection: close\r\n\r\n");
    usleep(300000);
    cr_assert_eq(count_ended(fds, ARRAY_LEN(fds)), 0);
    cr_assert_eq(get("/healthz")->status, 200,
                 "the Unix socket's are counted by themselves");
    cr_assert_eq(read_answer(late)->status, 200, "its turn comes");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

Test(admin_server, a_client_that_hangs_up_while_the_keeper_thinks_is_survived)
{
    int fd = dial(UNIX_LISTENER);

    front.keeper_metrics = NULL;
    cr_assert(write(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 35) == 35);
    usleep(100000);
    close(fd);
    usleep(1300000);
    cr_assert_eq(get("/healthz")->status, 200);
}

Test(admin_server, an_end_while_the_keeper_thinks_forgets_the_question)
{
    int fd = dial(UNIX_LISTENER);

    front.keeper_metrics = NULL;
    cr_assert(write(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 35) == 35);
    usleep(100000);
    loop_stop(front.loop);
    pthread_join(thread, NULL);
    admin_server_free(&server);
    cr_assert_eq(front.forgotten, 1);
    close(fd);
    cr_assert_eq(pthread_create(&thread, NULL, run_loop, NULL), 0);
}

/* --- streams --- */

static void script(bool ok, const char *reply, struct strview part,
                   struct strview second)
{
    front.script.ok = ok;
    front.script.reply = reply;
    front.script.parts[0] = SV("");
    front.script.parts[1] = part;
    front.script.parts[2] = second;
}

Test(admin_server, events_are_sent_as_they_come_and_credited)
{
    static const char events[] = "7 app {\"id\":7}\n8 lost {\"lost\":2}\n";
    struct answer *answer;

    script(true, "", sv_of(events), SV("9 pull {}\n"));
    answer = talk(UNIX_LISTENER,
                  "GET /api/v1/events?app=nlp&tail=5&follow=0 HTTP/1.1\r\n"
                  "Host: x\r\nLast-Event-ID: 6\r\n\r\n");
    cr_assert_eq(answer->status, 200, "%s", answer->text);
    cr_expect(strstr(answer->text, "Content-Type: text/event-stream\r\n"));
    cr_expect(strstr(answer->body, "id: 7\nevent: app\ndata: {\"id\":7}\n\n"
                                   "id: 8\nevent: lost\ndata: "
                                   "{\"lost\":2}\n\n"),
              "%s", answer->body);
    cr_expect(strstr(answer->body, "id: 9\nevent: pull\ndata: {}\n\n"), "%s",
              answer->body);
    cr_expect_str_eq(front.script.asked,
                     "events app=0 {\"after\":6,\"tail\":5,\"follow\":false}");
}

Test(admin_server, a_stream_that_fails_before_it_begins_is_an_error)
{
    script(false, "unknown_replica nlp has no replica 9", sv_make(NULL, 0),
           sv_make(NULL, 0));
    front.script.parts[0] = sv_make(NULL, 0);
    check_error(get("/api/v1/apps/nlp/logs?replica=9"), 404, "unknown_replica");
    cr_expect_str_eq(front.script.asked,
                     "logs app=0 {\"follow\":false,\"replica\":\"9\"}");
}

Test(admin_server, lines_are_passed_on_as_bytes_or_as_json)
{
    struct strbuf part = STRBUF_INIT;

    wire_put_u32(&part, LOG_RECORD_STDERR);
    wire_put_sv(&part, SV("nlp-1"));
    wire_put_sv(&part, SV("redis"));
    wire_put_sv(&part, SV("\xff \"x\""));
    wire_put_u32(&part, LOG_RECORD_NOTE);
    wire_put_sv(&part, SV("nlp-2"));
    wire_put_sv(&part, SV(""));
    wire_put_sv(&part, SV("gone"));
    script(true, "", strbuf_view(&part), sv_make(NULL, 0));
    cr_expect(strstr(get("/api/v1/apps/nlp/logs")->body,
                     "nlp-1/redis | \xff \"x\"\nnlp-2 - gone\n"));
    cr_expect(strstr(get("/api/v1/apps/nlp/logs?format=json")->body,
                     "{\"replica\":\"nlp-1\",\"sidecar\":\"redis\","
                     "\"source\":\"stderr\",\"line\":\""));
    strbuf_done(&part);
}

Test(admin_server, an_action_is_told_in_lines_to_who_wants_them)
{
    static const char request[] =
        "POST /api/v1/apps/nlp/scale HTTP/1.1\r\nHost: x\r\n"
        "Accept: application/x-ndjson\r\nContent-Length: 14\r\n\r\n"
        "{\"replicas\":2}";
    struct answer *answer;

    script(false, "start_failed it \"broke\"", SV("{\"text\":\"x\"}\n"),
           sv_make(NULL, 0));
    answer = talk(UNIX_LISTENER, request);
    cr_expect_eq(answer->status, 200);
    cr_expect(strstr(answer->body, "{\"text\":\"x\"}\n"), "%s", answer->body);
    cr_expect(strstr(answer->body, "{\"error\":{\"code\":\"start_failed\","
                                   "\"message\":\"it \\\"broke\\\"\"}}\n"),
              "%s", answer->body);
    cr_expect_str_eq(front.script.asked, "do scale app=0 {\"replicas\":2}");
}

Test(admin_server, an_action_is_answered_once_to_everybody_else)
{
    static const char request[] =
        "POST /api/v1/apps/nlp/wake HTTP/1.1\r\nHost: x\r\n"
        "Connection: close\r\nContent-Length: 13\r\n\r\n{\"for\":\"10m\"}";

    script(true, "{\"done\":true}", SV("{\"text\":\"x\"}\n"), sv_make(NULL, 0));
    cr_expect_str_eq(talk(UNIX_LISTENER, request)->body, "{\"done\":true}\n");
    cr_expect_str_eq(front.script.asked, "do wake app=0 {\"for_ms\":600000}");
    front.script.ok = false;
    front.script.reply = "timed_out not done";
    check_error(talk(UNIX_LISTENER, request), 504, "timed_out");
}

Test(admin_server, who_leaves_a_stream_is_forgotten)
{
    const char request[] = "GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    char text[1024];
    int fd = dial(UNIX_LISTENER);

    script(true, NULL, SV("7 app {}\n"), sv_make(NULL, 0));
    cr_assert_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    cr_assert_gt(read(fd, text, sizeof text), 0);
    close(fd);
    for (unsigned i = 0; i < 200 && front.forgotten == 0; i++)
        usleep(10000);
    cr_expect_eq(front.forgotten, 1);
    cr_expect_eq(get("/healthz")->status, 200);
}

Test(admin_server, an_end_amid_a_stream_is_survived)
{
    const char request[] = "GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    char text[1024];
    int fd = dial(UNIX_LISTENER);

    script(true, NULL, SV("7 app {}\n"), sv_make(NULL, 0));
    cr_assert_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    cr_assert_gt(read(fd, text, sizeof text), 0);
    close(fd); /* tear_down() frees the server, whichever comes first */
}
