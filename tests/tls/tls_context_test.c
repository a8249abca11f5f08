/* What a server's certificates, keys and policy are refused for. */
#include "tls/tls_context.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "tests/support/test_certs.h"

static struct test_cert make(const char *name, enum test_key key, long valid_s)
{
    return test_cert_make(&(struct test_cert_options){
        .name = name, .key = key, .valid_s = valid_s});
}

static struct tls_settings settings_of(const char *cert, const char *key)
{
    struct tls_settings s = {.pair_count = 1,
                             .min_version = TLS_VERSION_1_2,
                             .max_version = TLS_VERSION_1_3};

    s.pairs = xcalloc(1, sizeof *s.pairs);
    s.pairs[0].certificate_path = xstrdup("/etc/x/cert.pem");
    s.pairs[0].key_path = xstrdup("/etc/x/key.pem");
    s.pairs[0].certificate_pem = xstrdup(cert);
    s.pairs[0].key_pem = xstrdup(key);
    return s;
}

Test(tls_context, what_is_wrong_with_a_pair_is_named_with_its_file)
{
    struct test_cert a = make("a.test", TEST_KEY_EC, 9999999);
    struct test_cert b = make("b.test", TEST_KEY_EC, 9999999);
    struct test_cert weak = make("w.test", TEST_KEY_RSA_1024, 9999999);
    struct {
        const char *label;
        const char *cert;
        const char *key;
        const char *ciphers;
        const char *expected; /* NULL: it is fine */
    } cases[] = {
        {"matching", a.certificate_pem, a.key_pem, NULL, NULL},
        {"mismatch", a.certificate_pem, b.key_pem, NULL,
         "/etc/x/key.pem is not the key of /etc/x/cert.pem"},
        {"no certificate", "hello", a.key_pem, NULL,
         "/etc/x/cert.pem: no certificate"},
        {"swapped", a.key_pem, a.certificate_pem, NULL,
         "/etc/x/cert.pem: no certificate"},
        {"no key", a.certificate_pem, "hello", NULL,
         "/etc/x/key.pem: no private key"},
        {"weak key", weak.certificate_pem, weak.key_pem, NULL,
         "ee key too small"},
        {"ciphers", a.certificate_pem, a.key_pem, "NO-SUCH-CIPHER",
         "tls_ciphers: OpenSSL knows no cipher in \"NO-SUCH-CIPHER\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_settings s = settings_of(cases[i].cert, cases[i].key);
        struct err warning;
        struct err err = {0};
        bool ok;

        if (cases[i].ciphers)
            s.ciphers = xstrdup(cases[i].ciphers);
        ok = tls_settings_check(&s, &warning, &err);
        cr_expect_eq(ok, cases[i].expected == NULL, "%s: %s", cases[i].label,
                     err.text);
        if (cases[i].expected)
            cr_expect_not_null(strstr(err.text, cases[i].expected), "%s: %s",
                               cases[i].label, err.text);
        tls_settings_done(&s);
    }
    test_cert_done(&a);
    test_cert_done(&b);
    test_cert_done(&weak);
}

Test(tls_context, certificates_near_their_end_are_warned_of)
{
    struct {
        long valid_s;
        const char *expected;
    } cases[] = {{-60, "has expired"},
                 {3600, "expires within two weeks"},
                 {60L * 24 * 3600, ""}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct test_cert c = make("c.test", TEST_KEY_EC, cases[i].valid_s);
        struct tls_settings s = settings_of(c.certificate_pem, c.key_pem);
        struct err warning;

        cr_assert(tls_settings_check(&s, &warning, NULL));
        if (cases[i].expected[0])
            cr_expect_not_null(strstr(warning.text, cases[i].expected));
        else
            cr_expect_eq(warning.code, ERR_NONE);
        tls_settings_done(&s);
        test_cert_done(&c);
    }
}

Test(tls_context, servers_are_the_same_to_clients_when_policy_and_ca_are)
{
    struct test_cert c = make("c.test", TEST_KEY_EC, 9999);
    struct test_cert ca = make("ca.test", TEST_KEY_EC, 9999);
    struct tls_settings plain = settings_of(c.certificate_pem, c.key_pem);
    struct tls_settings verified = settings_of(c.certificate_pem, c.key_pem);
    struct tls_context *a;
    struct tls_context *b;
    struct tls_context *v;

    verified.verify = TLS_VERIFY_ON;
    verified.client_ca_path = xstrdup("ca.pem");
    verified.client_ca_pem = xstrdup(ca.certificate_pem);
    a = tls_context_new(&plain, NULL, SV("a"), NULL);
    b = tls_context_new(&plain, NULL, SV("b"), NULL);
    v = tls_context_new(&verified, NULL, SV("b"), NULL);
    cr_expect(tls_context_same_clients(a, b));
    cr_expect_not(tls_context_same_clients(a, v));
    tls_context_unref(&a);
    tls_context_unref(&b);
    tls_context_unref(&v);
    tls_settings_done(&plain);
    tls_settings_done(&verified);
    test_cert_done(&c);
    test_cert_done(&ca);
}
