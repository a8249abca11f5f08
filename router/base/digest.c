/* digest.c - SHA-256 by libcrypto. */
#include "router/base/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"

struct digest {
    EVP_MD_CTX *ctx;
};

struct digest *digest_new(void)
{
    struct digest *digest = xcalloc(1, sizeof *digest);

    digest->ctx = EVP_MD_CTX_new();
    /* Fails only when memory is out or the provider is missing. */
    if (!digest->ctx || EVP_DigestInit_ex(digest->ctx, EVP_sha256(), NULL) != 1)
        abort();
    return digest;
}

void digest_free(struct digest **digest)
{
    if (!*digest)
        return;
    EVP_MD_CTX_free((*digest)->ctx);
    free(*digest);
    *digest = NULL;
}

void digest_add(struct digest *digest, const void *data, size_t len)
{
    int ok = EVP_DigestUpdate(digest->ctx, data, len);

    assert(ok == 1);
    (void)ok;
}

void digest_finish(struct digest *digest, unsigned char *ret_bytes)
{
    unsigned len = 0;
    int ok = EVP_DigestFinal_ex(digest->ctx, ret_bytes, &len);

    assert(ok == 1 && len == DIGEST_BYTES);
    (void)ok;
}

void digest_finish_hex(struct digest *digest, char *ret_hex)
{
    unsigned char bytes[DIGEST_BYTES];

    digest_finish(digest, bytes);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", bytes[i]);
}
