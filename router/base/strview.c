/* strview.c - a borrowed run of bytes. */
#include "router/base/strview.h"

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool sv_eq_nocase(struct strview a, struct strview b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

struct strview sv_trim(struct strview sv)
{
    while (sv.len > 0 && (sv.ptr[0] == ' ' || sv.ptr[0] == '\t'))
        sv = sv_skip(sv, 1);
    while (sv.len > 0 &&
           (sv.ptr[sv.len - 1] == ' ' || sv.ptr[sv.len - 1] == '\t'))
        sv.len--;
    return sv;
}

bool sv_split(struct strview *rest, char separator, struct strview *ret_part)
{
    const char *at;

    if (!rest->ptr)
        return false;
    at = memchr(rest->ptr, separator, rest->len);
    if (!at) {
        *ret_part = *rest;
        *rest = (struct strview){NULL, 0};
        return true;
    }
    *ret_part = sv_make(rest->ptr, (size_t)(at - rest->ptr));
    *rest = sv_skip(*rest, ret_part->len + 1);
    return true;
}

bool sv_to_u64(struct strview sv, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (sv.len == 0)
        return false;
    for (size_t i = 0; i < sv.len; i++) {
        uint64_t digit;

        if (sv.ptr[i] < '0' || sv.ptr[i] > '9')
            return false;
        digit = (uint64_t)(sv.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *ret_value = value;
    return true;
}
