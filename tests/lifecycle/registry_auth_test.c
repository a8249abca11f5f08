#include "lifecycle/registry_auth.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

/* echo -n '{"username":"u","password":"p:w"}' | base64 */
#define U_PW "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InA6dyJ9"
#define A_B  "eyJ1c2VybmFtZSI6ImEiLCJwYXNzd29yZCI6ImIifQ=="

static const char file[] =
    "{\"auths\": {"
    " \"reg.example.com:5000\": {\"auth\": \"dTpwOnc=\"},"
    " \"reg.example.com:5000/team\": {\"auth\": \"YTpi\"},"
    " \"https://index.docker.io/v1/\": {\"auth\": \"YTpi\"},"
    " \"quay.io\": {\"username\": \"a\", \"password\": \"b\"},"
    " \"token.example.com\": {\"auth\": \"\", \"identitytoken\": \"t\"}}}";

Test(registry_auth, the_longest_key_that_fits_is_taken)
{
    static const struct {
        const char *image;
        const char *value;
    } cases[] = {
        {"reg.example.com:5000/x:1", U_PW},
        {"reg.example.com:5000/team/x:1", A_B},
        {"reg.example.com:5000/team", A_B},
        {"reg.example.com:5000/team:1", A_B},
        {"reg.example.com:5000/teams/x@sha256:00", U_PW},
        {"reg.example.com/x", ""},
        {"reg.example.com:50001/x", ""},
        {"docker.io/library/nginx", A_B},
        {"quay.io/x/y:z", A_B},
        {"token.example.com/x", "eyJpZGVudGl0eXRva2VuIjoidCJ9"},
        {"elsewhere.example.com/x", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(strbuf_done) struct strbuf value = STRBUF_INIT;
        struct err err;

        cr_assert(
            registry_auth_of_text(sv_of(file), cases[i].image, &value, &err),
            "%s: %s", cases[i].image, err.text);
        cr_expect_str_eq(value.data ? value.data : "", cases[i].value, "%s",
                         cases[i].image);
    }
}

Test(registry_auth, what_cannot_be_used_is_told_without_a_secret)
{
    static const char *const texts[] = {
        "",
        "x",
        "[]",
        "{\"auths\": {\"r.io\": {}}}",
        "{\"auths\": {\"r.io\": {\"auth\": \"c2VjcmV0\"}}}", /* no colon */
        "{\"auths\": {\"r.io\": {\"auth\": \"c2Vj!\"}}}",
        "{\"auths\": {\"r.io\": {\"auth\": 5}}}",
        "{\"auths\": {\"r.io\": 5}}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        AUTO(strbuf_done) struct strbuf value = STRBUF_INIT;
        struct err err;

        cr_expect_not(
            registry_auth_of_text(sv_of(texts[i]), "r.io/a", &value, &err),
            "%s", texts[i]);
        cr_expect_eq(err.code, ERR_DENIED);
        cr_expect_null(strstr(err.text, "sec"), "%s", err.text);
        cr_expect_null(strstr(err.text, "c2V"), "%s", err.text);
        cr_expect_eq(value.len, 0);
    }
}

Test(registry_auth, other_keys_of_the_file_do_not_matter)
{
    AUTO(strbuf_done) struct strbuf value = STRBUF_INIT;
    struct err err;

    cr_expect(registry_auth_of_text(
        SV("{\"credsStore\": \"x\", \"auths\": {\"\": {}, \"/\": {}}}"),
        "r.io/a", &value, &err));
    cr_expect(registry_auth_of_text(SV("{}"), "r.io/a", &value, &err));
    cr_expect_eq(value.len, 0);
}

Test(registry_auth, a_file_is_read_anew_each_time)
{
    char path[] = "/tmp/registry_auth_test.XXXXXX";
    int fd = mkstemp(path);
    AUTO(strbuf_done) struct strbuf value = STRBUF_INIT;
    struct err err;

    cr_assert_geq(fd, 0);
    cr_expect_not(registry_auth_read(path, "quay.io/a", &value, &err));
    cr_expect_not_null(strstr(err.text, path), "%s", err.text);
    cr_assert_eq(write(fd, file, sizeof file - 1), (ssize_t)sizeof file - 1);
    cr_expect(registry_auth_read(path, "quay.io/a", &value, &err));
    cr_expect_str_eq(value.data, A_B);
    close(fd);
    unlink(path);
    cr_expect_not(registry_auth_read(path, "quay.io/a", &value, &err));
    cr_expect_eq(err.code, ERR_DENIED);
}
