/* sha256.h - SHA-256 (FIPS 180-4) for the test app, which links nothing.
 */
#ifndef BERTH_TESTS_APPS_SHA256_H
#define BERTH_TESTS_APPS_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t size_bytes;
    unsigned char block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t len);
/* ret_hex: 64 digits and a NUL. `hash` is used up. */
void sha256_hex(struct sha256 *hash, char ret_hex[65]);

#endif
