/* Any bytes as a path: what comes out is never longer, is its own normalised
 * form, and so is its lenient form; neither holds a dot segment. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "router/request_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Checked without the code under test: no segment is "." or "..". */
static void check_no_dots(struct strview path)
{
    struct strview segment;

    check(path.len > 0 && path.ptr[0] == '/');
    while (sv_split(&path, '/', &segment))
        check(!sv_eq(segment, SV(".")) && !sv_eq(segment, SV("..")));
}

static void check_normal(struct strview path)
{
    char *again = malloc(path.len);
    size_t len = 0;

    check(again && request_path_normalise(path, again, &len));
    check(sv_eq(path, sv_make(again, len)));
    check_no_dots(path);
    free(again);
}

static void check_lenient(struct strview path)
{
    char *lenient = malloc(path.len);
    char *again = malloc(path.len);
    size_t len = 0;

    check(lenient && again);
    if (request_path_lenient(path, lenient, &len)) {
        check(len <= path.len);
        check(!sv_eq(path, sv_make(lenient, len)));
        check_normal(sv_make(lenient, len));
        check(!request_path_lenient(sv_make(lenient, len), again, &len));
    }
    free(lenient);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strview raw = {(const char *)data, size};
    char *path = malloc(size + 1);
    size_t len = 0;

    check(path);
    path[size] = 'x';
    if (request_path_normalise(raw, path, &len)) {
        check(len <= size && path[size] == 'x');
        check_normal(sv_make(path, len));
        check_lenient(sv_make(path, len));
    }
    free(path);
    return 0;
}
