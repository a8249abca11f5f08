#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/config.h"
#include "conf/config_text.h"
#include "router/base/alloc.h"

#define ROUTE(text)                                                            \
    "http { server { listen 80; route / { return 200 x; " text " } } }"

static struct config *parse(const char *text, struct strbuf *errors)
{
    return config_parse_text(sv_of(text), "t", errors);
}

Test(config_protect, every_slip_has_its_message)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {ROUTE("allow nowhere;"), "\"allow\": "},
        {ROUTE("deny 10.0.0.0/33;"), "\"deny\": "},
        {ROUTE("rate_limit 10;"), "takes a rate such as 10r/s"},
        {ROUTE("rate_limit 0r/s;"), "takes a rate such as 10r/s"},
        {ROUTE("rate_limit 10r/d;"), "takes a rate such as 10r/s"},
        {ROUTE("rate_limit 10r/s burst=x;"), "burst= takes a whole number"},
        {ROUTE("rate_limit 10r/s key=$cookie_x;"), "key= takes $remote_addr"},
        {ROUTE("rate_limit 10r/s brst=1;"), "did you mean \"burst=N\"?"},
        {ROUTE("rate_limit 10r/s burst=1 burst=2;"), "duplicate rate_limit"},
        {ROUTE("access_log log;"), "takes off or a path with a / in it"},
        {ROUTE("access_log /l jsn;"), "did you mean \"json\"?"},
        {ROUTE("access_log /l '$statu';"), "did you mean \"$status\"?"},
        {ROUTE("access_log /l '$status $';"), "a $ that is not followed"},
        {ROUTE("access_log /l \"$status\\n\";"), "a control character"},
        {ROUTE("access_log off json;"), "\"access_log off\" takes no format"},
        {ROUTE("error_page 200 /x;"), "400"},
        {ROUTE("error_page 404 /x; error_page 404 /y;"),
         "duplicate error_page"},
        {"http { allow all; }", "may not stand"},
        {"http { server { listen 80; status_routes on; "
         "route /-/routes { return 200 x; } } }",
         "which is also a route of this server"},
        {"error_log nowhere info;", "takes stderr, syslog or a path"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(config_free) struct config *config = parse(cases[i].text, &errors);

        cr_assert_null(config, "%s", cases[i].text);
        cr_expect_not_null(strstr(errors.data, cases[i].error), "%s\n%s",
                           cases[i].text, errors.data);
    }
}

static const char whole[] =
    "error_log /l/error warn json;\n"
    "http {\n"
    "  access_log /l/a; error_page 503 /p/503.html;\n"
    "  server { listen 80; status_routes on; access_log /l/b json;\n"
    "    route /a { return 200 x; allow 10.0.0.0/8 ::1; deny all;\n"
    "      rate_limit 600r/m burst=5 key=$http_x_tenant;\n"
    "      basic_auth_file /f/users; api_keys_file /f/keys;\n"
    "      error_page 403 /p/403.html; error_page 503 /p/other.html; }\n"
    "    route /b { return 200 x; access_log off; }\n"
    "    route /c { return 200 x; access_log /l/a '$status \"$uri\"';\n"
    "      basic_auth_file /f/users; }\n"
    "  }\n"
    "  server { listen 81; }\n"
    "}\n";

Test(config_protect, the_inner_one_wins_and_what_is_shared_stands_once)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config = parse(whole, &errors);
    const struct proxy_settings *s;
    const struct route_settings *a;
    const struct shared_settings *shared;

    cr_assert_not_null(config, "%s", errors.data);
    s = config->proxy;
    shared = &s->shared;
    a = &s->servers[0].routes[0];
    cr_expect_eq(shared->log_file_count, 3);
    cr_expect_str_eq(config->lifecycle->log_files.items[0], "/l/error");
    cr_expect_eq(shared->error_log, 1);
    cr_expect_eq(config->lifecycle->error_log, 1);
    cr_expect_eq(shared->access_log_count, 3);
    cr_expect_eq(s->servers[1].access_log, 1);
    cr_expect_eq(s->servers[0].access_log, 2);
    cr_expect_eq(a->access_log, 2);
    cr_expect_eq(s->servers[0].routes[1].access_log, 0);
    cr_expect_eq(s->servers[0].routes[2].access_log, 3);
    cr_expect_eq(shared->error_page_count, 3);
    cr_expect_eq(a->error_pages.count, 2);
    cr_expect_str_eq(shared->error_pages[a->error_pages.numbers[0] - 1].path,
                     "/p/other.html");
    cr_expect_eq(s->servers[0].error_pages.count, 1);
    cr_expect_eq(shared->basic_file_count, 1);
    cr_expect_eq(s->servers[0].routes[2].protection.basic_auth, 1);
    cr_assert_eq(a->protection.rule_count, 3);
    cr_expect(a->protection.rules[1].allows);
    cr_expect(a->protection.rules[2].is_all);
    cr_expect_not(a->protection.rules[2].allows);
    cr_expect_eq(a->protection.rate.requests, 600);
    cr_expect_eq(a->protection.rate.period_s, 60);
    cr_expect_str_eq(a->protection.rate.key_field, "x-tenant");
}

Test(config_protect, what_is_printed_is_read_back_the_same)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf first = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf second = STRBUF_INIT;
    AUTO(config_free) struct config *config = parse(whole, &errors);
    AUTO(config_free) struct config *again = NULL;

    cr_assert_not_null(config, "%s", errors.data);
    config_print(config, &first);
    again = parse(first.data, &errors);
    cr_assert_not_null(again, "%s\n%s", errors.data, first.data);
    config_print(again, &second);
    cr_expect_str_eq(first.data, second.data);
}

Test(config_protect, it_goes_over_the_channel_and_comes_out_the_same)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf wire = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf second = STRBUF_INIT;
    AUTO(config_free) struct config *config = parse(whole, &errors);
    AUTO(proxy_settings_free) struct proxy_settings *after = NULL;
    struct key_file *keys = &config->proxy->shared.key_files[0];
    struct basic_file *users = &config->proxy->shared.basic_files[0];

    keys->key_count = 2;
    keys->digests = xcalloc(2, KEY_DIGEST_BYTES);
    keys->digests[1][31] = 7;
    users->user_count = 1;
    users->users = xcalloc(1, sizeof *users->users);
    users->users[0].name = xstrdup("ann");
    users->users[0].hash = xstrdup("$6$x");
    proxy_settings_encode(config->proxy, &wire);
    after = proxy_settings_decode(strbuf_view(&wire));
    cr_assert_not_null(after);
    cr_expect_eq(after->shared.key_files[0].digests[1][31], 7);
    cr_expect_str_eq(after->shared.basic_files[0].users[0].hash, "$6$x");
    cr_expect(after->servers[0].status_routes);
    proxy_settings_encode(after, &second);
    cr_expect(sv_eq(strbuf_view(&wire), strbuf_view(&second)));
    for (size_t len = 0; len < wire.len; len += 7)
        cr_assert_null(proxy_settings_decode(sv_make(wire.data, len)), "%zu",
                       len);
}

/* --- files
 * --------------------------------------------------------------------- */

static char dir[64];

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

static struct config *load(const char *route, struct strbuf *errors)
{
    char text[512];
    char path[128];

    snprintf(text, sizeof text, ROUTE("%s"), route);
    write_file("berth.conf", text, 0644);
    snprintf(path, sizeof path, "%s/berth.conf", dir);
    return config_load(path, errors);
}

Test(config_protect, files_are_read_and_what_is_wrong_in_them_is_told)
{
    static const struct {
        const char *label;
        const char *directive;
        const char *text;
        mode_t mode;
        const char *error; /* NULL: fits */
    } cases[] = {
        {"users", "basic_auth_file f;",
         "# "
         "c\n\nbob:$2y$05$abcdefghijklmnopqrstuuWcPp9K1Zcd3xC1kM6iWlKb5N0sQdH9m"
         ":x\r\n",
         0600, NULL},
        {"no colon", "basic_auth_file f;", "bob\n", 0600,
         "line 1: expected NAME:HASH"},
        {"plain text", "basic_auth_file f;", "\nbob:pw\n", 0600,
         "line 2: only bcrypt"},
        {"a cost of years", "basic_auth_file f;",
         "b:$2y$31$abcdefghijklmnopqrstuuWcPp9K1Zcd3xC1kM6iWlKb5N0sQdH9m\n",
         0600, "bcrypt's cost must be"},
        {"readable by all", "basic_auth_file f;", "", 0644,
         "every user may read it"},
        {"keys", "api_keys_file f;",
         "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef "
         "ci\n",
         0600, NULL},
        {"a short key", "api_keys_file f;", "0123456789abcdef\n", 0600,
         "line 1: expected the SHA-256 digest"},
        {"a key that goes on", "api_keys_file f;",
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0\n",
         0600, "line 1: expected the SHA-256 digest"},
        {"keys for all", "api_keys_file f;", "", 0604,
         "every user may read it"},
        {"a page", "error_page 404 f;", "<h1>x</h1>", 0644, NULL},
        {"no such page", "error_page 404 none;", "", 0644,
         "No such file or directory"},
    };

    strcpy(dir, "/tmp/config_protect_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(config_free) struct config *config = NULL;

        write_file("f", cases[i].text, cases[i].mode);
        config = load(cases[i].directive, &errors);
        cr_expect_eq(config != NULL, cases[i].error == NULL, "%s: %s",
                     cases[i].label, errors.data ? errors.data : "");
        if (cases[i].error)
            cr_expect_not_null(
                strstr(errors.data ? errors.data : "", cases[i].error),
                "%s: %s", cases[i].label, errors.data);
    }
    write_file("f", "", 0600);
    write_file("berth.conf", "", 0600);
    {
        char command[128];

        snprintf(command, sizeof command, "rm -rf '%s'", dir);
        cr_expect_eq(system(command), 0);
    }
}
