#include "proxy/cli/admin_client.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "router/base/alloc.h"

static char dir[] = "/tmp/berth-client-test-XXXXXX";
static char path[108];
static int listener = -1;
static const char *canned; /* what every request is answered with; "" closes */
static char asked[4096];   /* the last request */
static pthread_t thread;

/* The first connection of each client is only a look at who listens. */
static void *serve(void *arg UNUSED)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ssize_t n;

        if (fd < 0)
            return NULL;
        n = read(fd, asked, sizeof(asked) - 1);
        if (n > 0) {
            asked[n] = '\0';
            if (!canned) /* no answer until the other side has enough */
                n = read(fd, asked, 1);
            else
                n = write(fd, canned, strlen(canned));
        }
        close(fd);
    }
}

static void listen_at_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(listener >= 0);
    cr_assert_eq(
        bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 16), 0);
}

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/admin.sock", dir);
    canned = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: "
             "close\r\n\r\n{}";
}

static void tear_down(void)
{
    if (listener >= 0) {
        shutdown(listener, SHUT_RDWR);
        if (thread)
            pthread_join(thread, NULL);
        close(listener);
    }
    unlink(path);
    rmdir(dir);
}

TestSuite(admin_client, .init = set_up, .fini = tear_down, .timeout = 30);

static struct admin_client *client_of_server(void)
{
    struct err err = {0};
    struct admin_client *client;

    listen_at_path();
    cr_assert_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    client = admin_client_new(path, NULL, &err);
    cr_assert_not_null(client, "%s", err.text);
    return client;
}

static void check_failure(const char *answer, const char *body,
                          enum err_code code, const char *text)
{
    AUTO(admin_client_free) struct admin_client *client = client_of_server();
    AUTO(strbuf_done) struct strbuf ret = STRBUF_INIT;
    struct err err = {0};

    canned = answer;
    admin_client_set_timeout(client, 300);
    cr_assert_not(admin_client_request(client, "/x", body, &ret, &err));
    cr_assert_eq(err.code, code, "%s", err.text);
    cr_assert(strstr(err.text, text), "%s", err.text);
    cr_assert_eq(ret.len, 0);
}

Test(admin_client, where_no_socket_is_berth_must_be_started)
{
    struct err err = {0};

    cr_assert_null(admin_client_new(path, NULL, &err));
    cr_assert_eq(err.code, ERR_UNAVAILABLE);
    cr_assert(strstr(err.text, "no berth listens on "));
    cr_assert(strstr(err.text, path));
    cr_assert(strstr(err.text, "berth run -c FILE"));
}

Test(admin_client, a_socket_that_nobody_listens_on_is_as_none)
{
    struct err err = {0};

    listen_at_path();
    close(listener);
    listener = -1;
    cr_assert_null(admin_client_new(path, NULL, &err));
    cr_assert_eq(err.code, ERR_UNAVAILABLE);
}

Test(admin_client, a_socket_that_may_not_be_opened_says_as_whom_to_run)
{
    struct err err = {0};

    listen_at_path();
    cr_assert_eq(chmod(path, 0), 0);
    if (geteuid() == 0 && (chmod(dir, 0755) != 0 || seteuid(65534) != 0))
        cr_skip("cannot become another user");
    cr_assert_null(admin_client_new(path, NULL, &err));
    cr_assert_eq(err.code, ERR_DENIED, "%s", err.text);
    cr_assert(strstr(err.text, "run this as root or as the user"));
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
}

Test(admin_client, a_path_that_is_too_long_is_refused)
{
    struct err err = {0};
    char text[200];

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    cr_assert_null(admin_client_new(text, NULL, &err));
    cr_assert_eq(err.code, ERR_INVALID);
}

Test(admin_client, a_configuration_with_errors_shows_them_and_names_its_socket)
{
    struct err err = {0};
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fprintf(file, "imge x; state_dir %s/state;\n", dir);
    fclose(file);
    cr_assert_null(admin_client_new(NULL, path, &err));
    cr_assert_eq(err.code, ERR_UNAVAILABLE);
    cr_assert(strstr(err.text, "/state/admin.sock"), "%s", err.text);
    cr_assert(strstr(err.text, "unknown directive"), "%s", err.text);
    unlink(path);
    cr_assert_null(admin_client_new(NULL, path, &err));
    cr_assert_eq(err.code, ERR_INVALID);
    cr_assert(strstr(err.text, "No such file"), "%s", err.text);
}

Test(admin_client, a_configuration_names_its_socket)
{
    struct err err = {0};
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fprintf(file,
            "state_dir %s/state; http { server { listen 127.0.0.1:1; "
            "route / { app a; } } } app a { upstream 127.0.0.1:2; }\n",
            dir);
    fclose(file);
    cr_assert_null(admin_client_new(NULL, path, &err));
    cr_assert_eq(err.code, ERR_UNAVAILABLE, "%s", err.text);
    cr_assert(strstr(err.text, "/state/admin.sock"), "%s", err.text);
}

Test(admin_client, it_knows_who_listens)
{
    AUTO(admin_client_free) struct admin_client *client = client_of_server();

    cr_assert_eq(admin_client_pid(client), getpid());
    cr_assert_str_eq(admin_client_path(client), path);
}

Test(admin_client, an_answer_is_what_was_sent)
{
    AUTO(admin_client_free) struct admin_client *client = client_of_server();
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    struct err err = {0};

    cr_assert(admin_client_request(client, "/a?b", NULL, &answer, &err), "%s",
              err.text);
    cr_assert_str_eq(answer.data, "{}");
    cr_assert(strstr(asked, "GET /a?b HTTP/1.1\r\n"), "%s", asked);
    cr_assert(strstr(asked, "\r\nHost: localhost\r\n"));
}

Test(admin_client, a_body_makes_it_a_post_of_json)
{
    AUTO(admin_client_free) struct admin_client *client = client_of_server();
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    struct err err = {0};

    cr_assert(admin_client_request(client, "/s", "{\"a\":1}", &answer, &err));
    cr_assert(strstr(asked, "POST /s HTTP/1.1\r\n"), "%s", asked);
    cr_assert(strstr(asked, "\r\nContent-Type: application/json\r\n"));
    cr_assert(strstr(asked, "\r\n\r\n{\"a\":1}"));
}

Test(admin_client, an_error_is_told_in_the_apis_words)
{
    check_failure("HTTP/1.1 404 x\r\nConnection: close\r\n\r\n{\"error\":{"
                  "\"code\":\"unknown_app\",\"message\":\"there is no app "
                  "\\\"x\\\"\"}}",
                  NULL, ERR_NOT_FOUND, "there is no app \"x\"");
}

Test(admin_client, an_error_that_is_no_json_is_told_by_its_status)
{
    check_failure("HTTP/1.1 500 x\r\nConnection: close\r\n\r\n<html>", "{}",
                  ERR_FAILED, "status 500");
}

Test(admin_client, a_close_without_an_answer_is_told)
{
    check_failure("", NULL, ERR_UNAVAILABLE, path);
}

Test(admin_client, silence_is_told_in_time)
{
    check_failure(NULL, NULL, ERR_TIMEOUT, "300 ms");
}
