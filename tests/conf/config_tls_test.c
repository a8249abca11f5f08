/* TLS of servers and of the admin listeners: what is read, what is refused. */
#include "conf/config_tls.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/config_text.h"
#include "router/base/alloc.h"
#include "tests/support/test_certs.h"

#define PAIR "tls_certificate c.pem; tls_certificate_key k.pem; "
#define SERVER(directives)                                                     \
    "http { server { " directives " route / { return 200; } } }"

static struct config *parse(const char *text, struct strbuf *ret_errors)
{
    return config_parse_text(sv_of(text), "t", ret_errors);
}

Test(config_tls, all_directives_are_read)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free)
    struct config *config =
        parse(SERVER("listen 443 tls proxy_protocol default; listen 80;"
                     "tls_certificate /r.pem; tls_certificate_key /r.key;"
                     "tls_certificate_key /e.key; tls_certificate /e.pem;"
                     "tls_protocols TLSv1.3; tls_ciphers AESGCM;"
                     "tls_session_timeout 1h; tls_client_ca /ca.pem;"
                     "tls_verify_client optional; redirect_https on; hsts 30d;"
                     "handshake_timeout 3s;"),
              &errors);
    const struct server_settings *server;

    cr_assert_not_null(config, "%s", errors.data);
    server = &config->proxy->servers[0];
    cr_assert_eq(server->tls.pair_count, 2);
    cr_expect_str_eq(server->tls.pairs[0].certificate_path, "/r.pem");
    cr_expect_str_eq(server->tls.pairs[0].key_path, "/r.key");
    cr_expect_str_eq(server->tls.pairs[1].certificate_path, "/e.pem");
    cr_expect_str_eq(server->tls.pairs[1].key_path, "/e.key");
    cr_expect_eq(server->tls.min_version, TLS_VERSION_1_3);
    cr_expect_eq(server->tls.max_version, TLS_VERSION_1_3);
    cr_expect_str_eq(server->tls.ciphers, "AESGCM");
    cr_expect_eq(server->tls.session_timeout_ms, 3600 * 1000);
    cr_expect_str_eq(server->tls.client_ca_path, "/ca.pem");
    cr_expect_eq(server->tls.verify, TLS_VERIFY_OPTIONAL);
    cr_expect(server->redirect_https);
    cr_expect_eq(server->hsts_ms, 30ULL * 24 * 3600 * 1000);
    cr_expect_eq(server->handshake_timeout_ms, 3000);
    for (uint32_t i = 0; i < config->proxy->listener_count; i++) {
        const struct listener_settings *l = &config->proxy->listeners[i];

        cr_expect_eq(l->is_tls, strcmp(l->text, "443") == 0, "%s", l->text);
        cr_expect_eq(l->proxy_protocol, l->is_tls, "%s", l->text);
    }
}

Test(config_tls, defaults_are_those_of_the_manual)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free)
    struct config *config =
        parse("admin { listen 0.0.0.0:9901 tls; server_name a.example; " PAIR
              "}" SERVER("listen 443 tls; " PAIR),
              &errors);
    const struct server_settings *server;

    cr_assert_not_null(config, "%s", errors.data);
    server = &config->proxy->servers[0];
    cr_expect_eq(server->tls.min_version, TLS_VERSION_1_2);
    cr_expect_eq(server->tls.max_version, TLS_VERSION_1_3);
    cr_expect_null(server->tls.ciphers);
    cr_expect_eq(server->tls.session_timeout_ms, 24ULL * 3600 * 1000);
    cr_expect_eq(server->tls.verify, TLS_VERIFY_OFF);
    cr_expect_not(server->redirect_https);
    cr_expect_eq(server->hsts_ms, 0);
    cr_expect_eq(server->handshake_timeout_ms, 10000);
    cr_expect_eq(config->proxy->admin.tls.pair_count, 1);
    cr_expect_eq(config->proxy->admin.tls.min_version, TLS_VERSION_1_2);
    cr_assert_eq(config->proxy->admin.name_count, 1);
    cr_expect_str_eq(config->proxy->admin.names[0], "a.example");
    cr_expect(config->proxy->listeners[0].is_tls);
}

Test(config_tls, redirect_https_has_a_route_for_every_path)
{
    static const struct {
        const char *label;
        const char *routes;
        uint32_t count;
    } cases[] = {
        {"none", "", 1},
        {"another", "route /a { return 200; }", 2},
        {"that one", "route / { return 200; }", 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(auto_free) char *text =
            xasprintf("http { server { listen 80; redirect_https on; %s } }",
                      cases[i].routes);
        AUTO(config_free) struct config *config = parse(text, &errors);

        cr_assert_not_null(config, "%s: %s", cases[i].label, errors.data);
        cr_expect_null(errors.data, "%s: %s", cases[i].label, errors.data);
        cr_expect_eq(config->proxy->servers[0].route_count, cases[i].count,
                     "%s", cases[i].label);
    }
}

Test(config_tls, what_does_not_fit_is_refused)
{
    static const struct {
        const char *label;
        const char *text;
        const char *errors;
    } cases[] = {
        {"no certificate", SERVER("listen 443 tls;"),
         "t:1:8: \"listen … tls\" needs \"tls_certificate\" and "
         "\"tls_certificate_key\" in the same block\n"},
        {"no certificate of the admin API", "admin { listen 127.0.0.1:1 tls; }",
         "t:1:1: \"listen … tls\" needs \"tls_certificate\" and "
         "\"tls_certificate_key\" in the same block\n"},
        {"no key", SERVER("listen 443 tls; tls_certificate c.pem;"),
         "t:1:33: there is no \"tls_certificate_key\" for the certificate "
         "\"c.pem\"\n"},
        {"no certificate for the key",
         SERVER("listen 443 tls; " PAIR "tls_certificate_key /x.key;"),
         "t:1:33: there is no \"tls_certificate\" for the key \"/x.key\"\n"},
        {"no ca", SERVER("listen 443 tls; " PAIR "tls_verify_client on;"),
         "t:1:83: \"tls_verify_client\" needs \"tls_client_ca\"\n"},
        {"old protocol",
         SERVER("listen 443 tls; " PAIR "tls_protocols "
                "TLSv1.1;"),
         "t:1:83: \"tls_protocols\" takes TLSv1.2 or TLSv1.3, not "
         "\"TLSv1.1\"; did you mean \"TLSv1.2\"?\n"},
        {"a word twice", SERVER("listen 443 tls tls; " PAIR),
         "t:1:32: \"tls\" stands twice in this \"listen\"\n"},
        {"tls in one server only",
         "http { server { listen 443 tls; " PAIR "route / { return 200; } }"
         " server { listen 443; server_name b; route / { return 200; } } }",
         "t:1:118: \"listen 443\" must say \"tls\" in all servers or in none; "
         "see t:1:17\n"},
        {"proxy_protocol in one server only",
         "http { server { listen 80; route / { return 200; } }"
         " server { listen 80 proxy_protocol; server_name b;"
         " route / { return 200; } } }",
         "t:1:63: \"listen 80\" must say \"proxy_protocol\" in all servers or "
         "in none; see t:1:17\n"},
        {"any name of the admin API", "admin { server_name _; }",
         "t:1:21: the admin API answers to its own names only: "
         "\"server_name _\" may not stand here\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(config_free) struct config *config = parse(cases[i].text, &errors);

        cr_expect_null(config, "%s", cases[i].label);
        cr_expect_str_eq(errors.data ? errors.data : "", cases[i].errors,
                         "%s:\n%s", cases[i].label, errors.data);
    }
}

/* --- files ---------------------------------------------------------------- */

struct files {
    char dir[32];
    char conf[64];
};

static void write_file(const struct files *files, const char *name,
                       const char *text)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", files->dir, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static struct files files_new(void)
{
    struct files files = {.dir = "/tmp/berth-tls-XXXXXX"};

    cr_assert_not_null(mkdtemp(files.dir));
    snprintf(files.conf, sizeof files.conf, "%s/berth.conf", files.dir);
    write_file(&files, "berth.conf", SERVER("listen 443 tls; " PAIR));
    return files;
}

static void files_remove(const struct files *files)
{
    static const char *const names[] = {"berth.conf", "c.pem", "k.pem"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(auto_free) char *path = xasprintf("%s/%s", files->dir, names[i]);

        unlink(path);
    }
    rmdir(files->dir);
}

static struct test_cert certificate(long valid_s)
{
    const struct test_cert_options options = {
        .name = "a.example", .key = TEST_KEY_EC, .valid_s = valid_s};

    return test_cert_make(&options);
}

Test(config_tls, a_missing_file_is_an_error_where_it_runs_and_a_warning_else)
{
    struct files files = files_new();
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    struct config *config = config_load(files.conf, &errors);

    cr_expect_null(config);
    cr_expect_not_null(strstr(errors.data, "/c.pem: No such file"), "%s",
                       errors.data);
    config = config_check(files.conf, &warnings);
    cr_assert_not_null(config, "%s", warnings.data);
    cr_expect_not_null(strstr(warnings.data, "warning: cannot open "), "%s",
                       warnings.data);
    config_free(&config);
    files_remove(&files);
}

Test(config_tls, a_good_pair_is_loaded_and_never_printed)
{
    struct files files = files_new();
    struct test_cert cert = certificate(365L * 24 * 3600);
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct config *config;

    write_file(&files, "c.pem", cert.certificate_pem);
    write_file(&files, "k.pem", cert.key_pem);
    config = config_load(files.conf, &errors);
    cr_assert_not_null(config, "%s", errors.data);
    cr_expect_null(errors.data, "%s", errors.data);
    cr_expect_str_eq(config->proxy->servers[0].tls.pairs[0].key_pem,
                     cert.key_pem);
    config_print(config, &text);
    cr_expect_null(strstr(text.data, "PRIVATE"));
    cr_expect_null(strstr(text.data, "CERTIFICATE--"));
    config_free(&config);
    test_cert_done(&cert);
    files_remove(&files);
}

Test(config_tls, a_pair_that_does_not_match_is_named)
{
    struct files files = files_new();
    struct test_cert cert = certificate(365L * 24 * 3600);
    struct test_cert other = certificate(365L * 24 * 3600);
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(auto_free)
    char *want =
        xasprintf("%s/k.pem is not the key of %s/c.pem", files.dir, files.dir);

    write_file(&files, "c.pem", cert.certificate_pem);
    write_file(&files, "k.pem", other.key_pem);
    cr_expect_null(config_check(files.conf, &errors));
    cr_expect_not_null(strstr(errors.data, want), "%s", errors.data);
    test_cert_done(&cert);
    test_cert_done(&other);
    files_remove(&files);
}

Test(config_tls, a_certificate_that_expires_soon_is_warned_of)
{
    struct files files = files_new();
    struct test_cert cert = certificate(3600);
    AUTO(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    struct config *config;

    write_file(&files, "c.pem", cert.certificate_pem);
    write_file(&files, "k.pem", cert.key_pem);
    config = config_load(files.conf, &warnings);
    cr_assert_not_null(config, "%s", warnings.data);
    cr_expect_not_null(strstr(warnings.data, "expires within two weeks"), "%s",
                       warnings.data);
    config_free(&config);
    test_cert_done(&cert);
    files_remove(&files);
}
