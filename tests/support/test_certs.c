/* test_certs.c - certificates made while a test runs. */
#include "tests/support/test_certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"

static EVP_PKEY *make_key(enum test_key kind)
{
    EVP_PKEY *key = kind == TEST_KEY_EC    ? EVP_EC_gen("P-256")
                    : kind == TEST_KEY_RSA ? EVP_RSA_gen(2048)
                                           : EVP_RSA_gen(1024);

    if (!key)
        abort();
    return key;
}

static char *bio_text(BIO *bio)
{
    const char *text;
    long len = BIO_get_mem_data(bio, &text);
    char *copy = xstrndup(text, (size_t)len);

    BIO_free(bio);
    return copy;
}

static X509 *read_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    if (!cert)
        abort();
    return cert;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    if (!key)
        abort();
    return key;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    if (!extension || X509_add_ext(cert, extension, -1) != 1)
        abort();
    X509_EXTENSION_free(extension);
}

static void sign(X509 *cert, EVP_PKEY *key, const struct test_cert *issuer)
{
    if (issuer) {
        X509 *ca = read_cert(issuer->certificate_pem);
        EVP_PKEY *ca_key = read_key(issuer->key_pem);

        X509_set_issuer_name(cert, X509_get_subject_name(ca));
        X509_sign(cert, ca_key, EVP_sha256());
        X509_free(ca);
        EVP_PKEY_free(ca_key);
        return;
    }
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(cert, key, EVP_sha256());
}

struct test_cert test_cert_make(const struct test_cert_options *options)
{
    static long serial = 1;
    struct test_cert result;
    EVP_PKEY *key = make_key(options->key);
    X509 *cert = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char san[300];

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), -7200);
    X509_gmtime_adj(X509_getm_notAfter(cert), options->valid_s);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                               (const unsigned char *)options->name, -1, -1, 0);
    snprintf(san, sizeof san, "DNS:%s", options->name);
    add_extension(cert, NID_subject_alt_name, san);
    sign(cert, key, options->issuer);
    PEM_write_bio_X509(bio, cert);
    result.certificate_pem = bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    result.key_pem = bio_text(bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    return result;
}

void test_cert_done(struct test_cert *cert)
{
    free(cert->certificate_pem);
    free(cert->key_pem);
    *cert = (struct test_cert){0};
}
