/* forwarded.c - the field Forwarded. */
#include "proxy/forwarded.h"

#include <stdbool.h>
#include <string.h>

#include "proxy/http_head.h"
#include "proxy/http_syntax.h"

static void skip_space(struct strview *rest)
{
    while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t'))
        *rest = sv_skip(*rest, 1);
}

static struct strview take_token(struct strview *rest)
{
    size_t len = 0;

    while (len < rest->len && http_char_is(rest->ptr[len], CHAR_TOKEN))
        len++;
    *rest = sv_skip(*rest, len);
    return sv_make(rest->ptr - len, len);
}

/* A token, or what is in the quotes. An escape in it would need a copy, and no
 * address or protocol has one: malformed. */
static bool take_value(struct strview *rest, struct strview *ret_value)
{
    size_t len = 1;

    if (rest->len == 0 || rest->ptr[0] != '"') {
        *ret_value = take_token(rest);
        return ret_value->len > 0;
    }
    while (len < rest->len && http_char_is(rest->ptr[len], CHAR_QDTEXT))
        len++;
    if (len == rest->len || rest->ptr[len] != '"')
        return false;
    *ret_value = sv_make(rest->ptr + 1, len - 1);
    *rest = sv_skip(*rest, len + 1);
    return true;
}

/* name "=" value *( ";" … ), up to a comma or the end. */
static bool take_element(struct strview *rest, struct forwarded *ret_element)
{
    *ret_element = (struct forwarded){{NULL, 0}, {NULL, 0}};
    for (;;) {
        struct strview name;
        struct strview value;

        skip_space(rest);
        name = take_token(rest);
        if (name.len == 0 || rest->len == 0 || rest->ptr[0] != '=')
            return false;
        *rest = sv_skip(*rest, 1);
        if (!take_value(rest, &value))
            return false;
        if (sv_eq_nocase(name, SV("for")))
            ret_element->node = value;
        else if (sv_eq_nocase(name, SV("proto")))
            ret_element->proto = value;
        skip_space(rest);
        if (rest->len == 0 || rest->ptr[0] != ';')
            return rest->len == 0 || rest->ptr[0] == ',';
        *rest = sv_skip(*rest, 1);
    }
}

static bool is_empty_element(const struct strview *rest)
{
    return rest->len == 0 || rest->ptr[0] == ',';
}

size_t forwarded_read(const struct http_head *head,
                      struct forwarded ret_list[FORWARDED_MAX])
{
    size_t count = 0;

    if (!http_head_has(head, FIELD_FORWARDED))
        return 0;
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct strview rest = head->fields[i].value;

        if (head->fields[i].id != FIELD_FORWARDED)
            continue;
        while (rest.len > 0) {
            skip_space(&rest);
            if (!is_empty_element(&rest)) { /* RFC 9110, 5.6.1 */
                if (count == FORWARDED_MAX) {
                    memmove(ret_list, ret_list + 1, --count * sizeof *ret_list);
                }
                if (!take_element(&rest, &ret_list[count]))
                    return 0;
                count++;
            }
            rest = sv_skip(rest, rest.len > 0 ? 1 : 0);
        }
    }
    return count;
}
