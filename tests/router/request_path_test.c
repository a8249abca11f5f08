/* http.md, "The path is normalised once": each of its lines is a case. */
#include "router/request_path.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct path_case {
    const char *label;
    const char *raw;
    const char *normal; /* NULL: refused */
};

static const struct path_case cases[] = {
    {"the root", "/", "/"},
    {"nothing to do", "/a/b.c/d~e_f-g", "/a/b.c/d~e_f-g"},
    {"unreserved encodings are decoded", "/%61%5A%30%2D%2e%5f%7E", "/aZ0-._~"},
    {"others are written in upper case", "/a%3ab%e2%82%ac", "/a%3Ab%E2%82%AC"},
    {"reserved ones that stand plain stay", "/a:b@c!$&'()*+,;=d",
     "/a:b@c!$&'()*+,;=d"},
    {"what browsers do not encode stays", "/a|b[1]^", "/a|b[1]^"},
    {"an encoded slash stays", "/a%2fb", "/a%2Fb"},
    {"an encoded backslash stays", "/a%5cb", "/a%5Cb"},
    {"decoded once: an encoded percent stays", "/a%252e%252e/b",
     "/a%252e%252e/b"},
    {"an encoded control stays", "/a%0d%0ab", "/a%0D%0Ab"},
    {"a single dot goes", "/a/./b", "/a/b"},
    {"a single dot at the end leaves the slash", "/a/.", "/a/"},
    {"a single dot alone", "/.", "/"},
    {"two dots go with what stands before", "/a/b/../c", "/a/c"},
    {"two dots at the end leave the slash", "/a/b/..", "/a/"},
    {"two dots to the root", "/a/..", "/"},
    {"two dots to the root and on", "/a/../b", "/b"},
    {"several", "/a/b/c/./../../g", "/a/g"},
    {"an encoded dot segment goes too", "/a/%2e%2E/b", "/b"},
    {"a half encoded one as well", "/a/.%2e/b", "/b"},
    {"three dots are a name", "/a/.../b", "/a/.../b"},
    {"dots in a name are a name", "/a/..b/.c", "/a/..b/.c"},
    {"empty segments stay", "//a///b//", "//a///b//"},
    {"two dots take an empty segment", "/a//../b", "/a/b"},
    {"two dots take the leading empty segment", "//../b", "/b"},
    {"parameters stay", "/a;v=1/b", "/a;v=1/b"},
    {"encoded parameters stay", "/a%3bv/b", "/a%3Bv/b"},
    {"a name of dots and more with parameters", "/a/...;x", "/a/...;x"},
    {"climbing above the root", "/..", NULL},
    {"climbing above the root, with a name", "/a/../..", NULL},
    {"climbing above the root in the middle", "/../a", NULL},
    {"climbing above the root, encoded", "/%2e%2e/a", NULL},
    {"an invalid encoding", "/%zz", NULL},
    {"an invalid encoding, second digit", "/%2z", NULL},
    {"a cut encoding", "/a%2", NULL},
    {"a percent sign at the end", "/a%", NULL},
    {"a NUL encoding", "/a%00b", NULL},
    {"two dots with parameters", "/a/..;x/b", NULL},
    {"two dots with empty parameters", "/a/..;/b", NULL},
    {"encoded dots with parameters", "/a/%2e%2e;x", NULL},
    {"two dots with an encoded semicolon", "/a/..%3bx/b", NULL},
    {"one dot with parameters", "/a/.;x/b", NULL},
    {"two dots before an encoded slash", "/a/..%2fb", NULL},
    {"two dots behind an encoded slash", "/a%2f..", NULL},
    {"two dots behind an encoded slash, then more", "/a%2f../b", NULL},
    {"two dots between encoded backslashes", "/a%5c..%5cb", NULL},
    {"one dot between encoded slashes", "/a%2f.%2fb", NULL},
    {"two dots behind an encoded slash, with parameters", "/a%2f..;x", NULL},
    {"an encoded slash in parameters", "/admin;x%2f", NULL},
    {"an encoded slash in encoded parameters", "/admin%3bx%5c", NULL},
    {"an encoded slash before parameters", "/a%2fb;x", "/a%2Fb;x"},
    {"a backslash", "/a\\b", NULL},
    {"two dots and a backslash", "/a/..\\b", NULL},
    {"a space", "/a b", NULL},
    {"a control", "/a\tb", NULL},
    {"a byte beyond ASCII", "/\xc3\xa9", NULL},
    {"a fragment", "/a#b", NULL},
    {"a query", "/a?b", NULL},
    {"a quote", "/a\"b", NULL},
    {"an angle bracket", "/a<b", NULL},
    {"empty", "", NULL},
    {"no slash", "a/b", NULL},
    {"asterisk", "*", NULL},
};

Test(request_path, every_path_has_one_normalised_form_or_is_refused)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct path_case *c = &cases[i];
        struct strview raw = sv_of(c->raw);
        char path[128];
        size_t len = 0;
        bool ok = request_path_normalise(raw, path, &len);

        if (!c->normal) {
            cr_expect_not(ok, "%s: \"%s\" became \"%.*s\"", c->label, c->raw,
                          (int)len, path);
            continue;
        }
        cr_expect(ok, "%s: \"%s\" is refused", c->label, c->raw);
        cr_expect(sv_eq(sv_make(path, len), sv_of(c->normal)),
                  "%s: \"%s\" became \"%.*s\"", c->label, c->raw, (int)len,
                  path);
    }
}

Test(request_path, a_nul_byte_is_refused)
{
    char path[8];
    size_t len;

    cr_assert_not(request_path_normalise(sv_make("/a\0b", 4), path, &len));
}

struct lenient_case {
    const char *label;
    const char *path;
    const char *lenient; /* NULL: the path itself */
};

static const struct lenient_case lenient_cases[] = {
    {"the root", "/", NULL},
    {"a plain path", "/a/b%20c/", NULL},
    {"an encoded percent is no slash", "/a%252Fb", NULL},
    {"an encoded slash", "/pub/admin%2Fx", "/pub/admin/x"},
    {"an encoded backslash", "/pub%5Cadmin", "/pub/admin"},
    {"an encoded slash at the end", "/a%2F", "/a/"},
    {"two slashes", "//admin", "/admin"},
    {"slashes of both kinds", "/a/%2F//b", "/a/b"},
    {"slashes at the end", "/a//", "/a/"},
    {"only slashes", "///", "/"},
    {"parameters", "/admin;v=1/x", "/admin/x"},
    {"empty parameters", "/admin;", "/admin"},
    {"encoded parameters", "/admin%3Bv=1/x", "/admin/x"},
    {"a segment of parameters only", "/;v=1/x", "/x"},
    {"several parameters", "/a;b;c/d;e", "/a/d"},
};

Test(request_path, the_lenient_form_shows_what_a_careless_app_would_see)
{
    for (size_t i = 0; i < sizeof lenient_cases / sizeof lenient_cases[0];
         i++) {
        const struct lenient_case *c = &lenient_cases[i];
        char path[128];
        size_t len = 0;
        bool differs = request_path_lenient(sv_of(c->path), path, &len);

        cr_expect_eq(differs, c->lenient != NULL, "%s", c->label);
        if (differs && c->lenient)
            cr_expect(sv_eq(sv_make(path, len), sv_of(c->lenient)),
                      "%s: \"%.*s\"", c->label, (int)len, path);
    }
}
