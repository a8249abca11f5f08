/* A file of registry credentials: the first line is the image that is asked
 * for, the rest the file. What comes out goes into a field of a request. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/registry_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=";
    struct strview rest = sv_make((const char *)data, size);
    struct strbuf value = STRBUF_INIT;
    struct strview line;
    struct err err;
    char image[512];

    if (!sv_split(&rest, '\n', &line) || line.len >= sizeof image ||
        memchr(line.ptr, '\0', line.len) || !rest.ptr)
        return 0;
    memcpy(image, line.ptr, line.len);
    image[line.len] = '\0';
    if (!registry_auth_of_text(rest, image, &value, &err))
        assert(err.code == ERR_DENIED && value.len == 0);
    else if (value.len > 0)
        assert(strspn(value.data, digits) == value.len && value.len % 4 == 0);
    strbuf_done(&value);
    return 0;
}
