/* http_meaning.c - what the fields of a head say together. */
#include "proxy/http_meaning.h"

#include <stdint.h>

#include "proxy/http_syntax.h"

bool http_reject(struct rejection *ret_rejection, enum reject_code code,
                 const char *text)
{
    *ret_rejection = (struct rejection){code, text};
    return false;
}

static bool bad(struct rejection *ret_rejection, const char *text)
{
    return http_reject(ret_rejection, REJECT_BAD_REQUEST, text);
}

/* How many fields have that id, and the first of them. */
static uint32_t count_fields(const struct http_head *head,
                             enum http_field_id id,
                             const struct http_field **ret_first)
{
    uint32_t count = 0;

    if (!http_head_has(head, id))
        return 0;
    for (uint32_t i = head->field_count; i-- > 0;) {
        if (head->fields[i].id == id) {
            *ret_first = &head->fields[i];
            count++;
        }
    }
    return count;
}

/* --- framing ------------------------------------------------------------- */

static bool read_content_length(struct http_head *head,
                                struct rejection *ret_rejection)
{
    const struct http_field *field = NULL;
    uint32_t count = count_fields(head, FIELD_CONTENT_LENGTH, &field);

    if (count == 0)
        return true;
    if (count > 1)
        return bad(ret_rejection, "There is more than one Content-Length.");
    if (!sv_to_u64(field->value, INT64_MAX, &head->content_length))
        return bad(ret_rejection, "Content-Length is not a number.");
    head->has_content_length = true;
    return true;
}

/* token *( OWS ";" … ), as far as is needed to tell what we do not implement
 * from what nobody does. */
static bool is_coding(struct strview element)
{
    struct strview name;

    return sv_split(&element, ';', &name) && http_is_token(sv_trim(name));
}

static bool read_transfer_encoding(struct http_head *head,
                                   struct rejection *ret_rejection)
{
    static const char broken[] = "Transfer-Encoding is malformed.";
    uint32_t codings = 0;
    bool is_chunked = false;

    for (uint32_t i = 0; i < head->field_count; i++) {
        struct strview rest = head->fields[i].value;
        struct strview element;

        if (head->fields[i].id != FIELD_TRANSFER_ENCODING)
            continue;
        while (sv_split(&rest, ',', &element)) {
            element = sv_trim(element);
            if (!is_coding(element))
                return bad(ret_rejection, broken);
            codings++;
            is_chunked = sv_eq_nocase(element, SV("chunked"));
        }
    }
    if (head->minor == 0)
        return bad(ret_rejection, "HTTP/1.0 has no Transfer-Encoding.");
    if (head->has_content_length)
        return bad(ret_rejection,
                   "Content-Length and Transfer-Encoding exclude each other.");
    if (codings != 1 || !is_chunked)
        return http_reject(ret_rejection, REJECT_NOT_IMPLEMENTED,
                           "The only transfer coding supported is chunked.");
    head->framing = FRAMING_CHUNKED;
    return true;
}

static bool read_framing(struct http_head *head,
                         struct rejection *ret_rejection)
{
    head->framing = FRAMING_NONE;
    if (!read_content_length(head, ret_rejection))
        return false;
    if (head->has_content_length)
        head->framing = FRAMING_LENGTH;
    return !http_head_has(head, FIELD_TRANSFER_ENCODING) ||
           read_transfer_encoding(head, ret_rejection);
}

/* --- Connection ---------------------------------------------------------- */

static uint32_t count_elements(const struct http_head *head,
                               enum http_field_id id)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < head->field_count; i++) {
        struct strview rest = head->fields[i].value;
        struct strview element;

        if (head->fields[i].id != id)
            continue;
        while (http_next_element(&rest, &element))
            count++;
    }
    return count;
}

/* All elements of a list field's lines, in order; *ret_count says how many. */
static struct strview *read_list(const struct http_head *head,
                                 enum http_field_id id, struct arena *arena,
                                 uint32_t *ret_count)
{
    uint32_t count = http_head_has(head, id) ? count_elements(head, id) : 0;
    struct strview *list;
    uint32_t n = 0;

    *ret_count = count;
    if (count == 0)
        return NULL;
    list = arena_alloc(arena, count * sizeof *list);
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct strview rest = head->fields[i].value;

        if (head->fields[i].id != id)
            continue;
        while (n < count && http_next_element(&rest, &list[n]))
            n++;
    }
    return list;
}

static bool has_option(const struct http_head *head, struct strview option)
{
    for (uint32_t i = 0; i < head->option_count; i++) {
        if (sv_eq_nocase(head->options[i], option))
            return true;
    }
    return false;
}

static void read_connection(struct http_head *head, struct arena *arena)
{
    head->options =
        read_list(head, FIELD_CONNECTION, arena, &head->option_count);
    head->keep_alive = !has_option(head, SV("close")) &&
                       (head->minor > 0 || has_option(head, SV("keep-alive")));
}

/* name [ "/" version ], and not h2c, of whatever version. */
static bool is_passed_protocol(struct strview text)
{
    struct strview name;

    if (!sv_split(&text, '/', &name) || !http_is_token(name) ||
        sv_eq_nocase(name, SV("h2c")))
        return false;
    return !text.ptr || http_is_token(text);
}

/* The protocols of Upgrade without h2c, which would carry requests past
 * berth, and without what is none. */
static void read_upgrade(struct http_head *head, struct arena *arena)
{
    struct strview *list;
    uint32_t count;
    uint32_t kept = 0;
    size_t bytes = 0;
    char *text;

    if (!http_head_has(head, FIELD_UPGRADE) || head->minor == 0 ||
        !has_option(head, SV("upgrade")))
        return;
    list = read_list(head, FIELD_UPGRADE, arena, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_passed_protocol(list[i]))
            continue;
        list[kept++] = list[i];
        bytes += list[i].len + 2;
    }
    if (kept == 0)
        return;
    if (kept == 1) {
        head->upgrade = list[0];
        return;
    }
    text = arena_alloc(arena, bytes);
    head->upgrade = sv_make(text, bytes - 2);
    for (uint32_t i = 0; i < kept; i++) {
        memcpy(text, list[i].ptr, list[i].len);
        memcpy(text + list[i].len, ", ", 2);
        text += list[i].len + 2;
    }
}

/* --- requests ------------------------------------------------------------ */

static bool read_host(struct http_head *head, struct rejection *ret_rejection)
{
    const struct http_field *field = NULL;
    uint32_t count = count_fields(head, FIELD_HOST, &field);
    struct strview host;
    uint16_t port;

    if (count > 1)
        return bad(ret_rejection, "There is more than one Host.");
    if (count == 0)
        return head->minor == 0 || bad(ret_rejection, "Host is missing.");
    if (!http_split_authority(field->value, &host, &port))
        return bad(ret_rejection, "Host is invalid.");
    /* The target's authority replaces Host (RFC 9112, 3.2.2). */
    if (head->target_form == TARGET_ABSOLUTE)
        return true;
    head->authority = field->value;
    head->host = host;
    return true;
}

static bool read_max_forwards(struct http_head *head,
                              struct rejection *ret_rejection)
{
    const struct http_field *field = NULL;
    uint32_t count = count_fields(head, FIELD_MAX_FORWARDS, &field);
    uint64_t value = 0;

    if (head->method != METHOD_OPTIONS || count == 0)
        return true;
    if (count > 1 || !sv_to_u64(field->value, UINT32_MAX, &value))
        return bad(ret_rejection, "Max-Forwards is not a number.");
    head->has_max_forwards = true;
    head->max_forwards = (uint32_t)value;
    return true;
}

static bool list_has(const struct http_head *head, enum http_field_id id,
                     struct strview wanted)
{
    if (!http_head_has(head, id))
        return false;
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct strview rest = head->fields[i].value;
        struct strview element;

        if (head->fields[i].id != id)
            continue;
        while (http_next_element(&rest, &element)) {
            if (sv_eq_nocase(element, wanted))
                return true;
        }
    }
    return false;
}

bool http_meaning_of_request(struct http_head *head, struct arena *arena,
                             struct rejection *ret_rejection)
{
    if (!read_host(head, ret_rejection) || !read_framing(head, ret_rejection) ||
        !read_max_forwards(head, ret_rejection))
        return false;
    read_connection(head, arena);
    if (!http_head_has_body(head))
        read_upgrade(head, arena);
    head->te_trailers = list_has(head, FIELD_TE, SV("trailers"));
    head->expect_continue =
        head->minor > 0 && list_has(head, FIELD_EXPECT, SV("100-continue"));
    return true;
}

/* --- answers ------------------------------------------------------------- */

bool http_meaning_of_answer(struct http_head *head,
                            const struct http_parser *parser,
                            struct arena *arena,
                            struct rejection *ret_rejection)
{
    bool is_interim = head->status < 200;

    if (!read_framing(head, ret_rejection))
        return false;
    read_connection(head, arena);
    if (head->status == 101) {
        read_upgrade(head, arena);
        if (!parser->upgrade_asked || head->upgrade.len == 0)
            return bad(ret_rejection, "The app upgrades what it was not "
                                      "asked to upgrade.");
    }
    if (is_interim || head->status == 204 || head->status == 304 ||
        parser->request_method == METHOD_HEAD) {
        head->framing = FRAMING_NONE;
    } else if (head->framing == FRAMING_NONE) {
        head->framing = FRAMING_CLOSE;
        head->keep_alive = false;
    }
    return true;
}
