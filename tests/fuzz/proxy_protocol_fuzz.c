/* Any bytes as a PROXY header: what is done at some length is refused or
 * waited for at no shorter one, and does not change with what follows. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole;
    struct proxy_header part;
    struct strview all = sv_make((const char *)data, size);
    enum proxy_result result = proxy_protocol_parse(all, &whole);
    size_t step = size > 512 ? size / 64 : 1;

    if (result == PROXY_DONE) {
        check(whole.bytes > 0 && whole.bytes <= size &&
              whole.bytes <= PROXY_HEADER_MAX_BYTES);
        check(proxy_protocol_parse(sv_make(all.ptr, whole.bytes), &part) ==
              PROXY_DONE);
        check(part.bytes == whole.bytes && part.has_client == whole.has_client);
    }
    if (result == PROXY_MORE)
        check(size < PROXY_HEADER_MAX_BYTES);
    for (size_t len = 0; len < size; len += step) {
        char *copy = malloc(len + (len == 0));
        enum proxy_result shorter;

        check(copy != NULL);
        memcpy(copy, data, len);
        shorter = proxy_protocol_parse(sv_make(copy, len), &part);
        free(copy);
        if (result == PROXY_MORE)
            check(shorter == PROXY_MORE);
        if (result == PROXY_DONE)
            check(shorter == (len < whole.bytes ? PROXY_MORE : PROXY_DONE));
    }
    return 0;
}
