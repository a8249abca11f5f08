/* Any bytes as lines of Forwarded: what is read of them lies in them, and in no
 * quotes; a line more changes nothing of those before. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/forwarded.h"
#include "proxy/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_inside(struct strview part, struct strview line)
{
    if (part.len == 0)
        return;
    check(part.ptr >= line.ptr && part.ptr + part.len <= line.ptr + line.len);
    check(!memchr(part.ptr, '"', part.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = calloc(1, size + (size == 0));
    struct strview line = sv_make(copy, size);
    struct http_field fields[] = {
        {SV("Forwarded"), line, FIELD_FORWARDED},
        {SV("Forwarded"), SV("for=192.0.2.1"), FIELD_FORWARDED}};
    struct http_head head = {.fields = fields,
                             .field_count = 1,
                             .present = UINT64_C(1) << FIELD_FORWARDED};
    struct forwarded list[FORWARDED_MAX];
    struct forwarded more[FORWARDED_MAX];
    size_t count;
    size_t with_more;

    check(copy != NULL);
    memcpy(copy, data, size);
    count = forwarded_read(&head, list);
    check(count <= FORWARDED_MAX);
    for (size_t i = 0; i < count; i++) {
        check_inside(list[i].node, line);
        check_inside(list[i].proto, line);
    }
    head.field_count = 2;
    with_more = forwarded_read(&head, more);
    check(with_more <= FORWARDED_MAX);
    if (with_more > 1)
        check(memcmp(&more[with_more - 2], &list[count - 1], sizeof *list) ==
              0);
    if (count > 0)
        check(with_more == count + (count < FORWARDED_MAX));
    free(copy);
    return 0;
}
