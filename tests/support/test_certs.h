/* test_certs.h - certificates made while a test runs: nothing that expires
 * stands in the repository. */
#ifndef TESTS_SUPPORT_TEST_CERTS_H
#define TESTS_SUPPORT_TEST_CERTS_H

#include <stdbool.h>

struct test_cert {
    char *certificate_pem;
    char *key_pem;
};

enum test_key { TEST_KEY_EC, TEST_KEY_RSA, TEST_KEY_RSA_1024 };

struct test_cert_options {
    const char *name; /* CN and subjectAltName */
    enum test_key key;
    const struct test_cert *issuer; /* NULL: self-signed CA */
    long valid_s;                   /* from now; negative: expired */
};

/* Aborts on failure. Free with test_cert_done(). */
struct test_cert test_cert_make(const struct test_cert_options *options);
void test_cert_done(struct test_cert *cert);

#endif
