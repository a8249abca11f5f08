/* digest.h - SHA-256 (FIPS 180-4) by libcrypto. Thread: any. */
#ifndef ROUTER_BASE_DIGEST_H
#define ROUTER_BASE_DIGEST_H

#include <stddef.h>

#define DIGEST_BYTES    32
#define DIGEST_HEX_SIZE 65

struct digest; /* opaque: a hash that is being computed */

struct digest *digest_new(void);
void digest_free(struct digest **digest);
void digest_add(struct digest *digest, const void *data, size_t len);

/* End the computation; nothing may be added afterwards. */
void digest_finish(struct digest *digest, unsigned char *ret_bytes);

/* Lower-case hex of the digest, NUL-terminated, into ret_hex[65]. */
void digest_finish_hex(struct digest *digest, char *ret_hex);

#endif
