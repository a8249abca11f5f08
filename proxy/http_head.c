/* http_head.c - names, and looking fields up. */
#include "proxy/http_head.h"

#include <string.h>

#include "proxy/http_syntax.h"

enum field_class { PASS, HOP, OWN, TRUST, SECRET, KEEP };

static const struct {
    struct strview name;
    uint8_t request; /* enum field_class */
    uint8_t answer;
} rows[FIELD_ID_COUNT] = {
    [FIELD_OTHER] = {{"", 0}, PASS, PASS},
#define FIELD(id, name, request, answer)                                       \
    [FIELD_##id] = {{name, sizeof name - 1}, request, answer},
#include "proxy/http_field.def"
#undef FIELD
};

/* Names by their length: at most a few to compare with, and none for most
 * lengths. http_head_test.c finds every row of http_field.def through it. */
#define LONGEST_NAME 19
static const uint8_t by_length[LONGEST_NAME + 1][6] = {
    [2] = {FIELD_TE},
    [3] = {FIELD_VIA},
    [4] = {FIELD_HOST, FIELD_DATE},
    [6] = {FIELD_ACCEPT, FIELD_COOKIE, FIELD_EXPECT, FIELD_SERVER},
    [7] = {FIELD_TRAILER, FIELD_UPGRADE, FIELD_REFERER},
    [9] = {FIELD_FORWARDED},
    [10] = {FIELD_USER_AGENT, FIELD_CONNECTION, FIELD_SET_COOKIE,
            FIELD_KEEP_ALIVE},
    [12] = {FIELD_CONTENT_TYPE, FIELD_X_REQUEST_ID, FIELD_MAX_FORWARDS,
            FIELD_X_BERTH_KEEP},
    [13] = {FIELD_AUTHORIZATION, FIELD_SERVER_TIMING},
    [14] = {FIELD_CONTENT_LENGTH, FIELD_HTTP2_SETTINGS},
    [15] = {FIELD_X_FORWARDED_FOR},
    [16] = {FIELD_X_FORWARDED_HOST, FIELD_X_FORWARDED_PORT,
            FIELD_PROXY_CONNECTION},
    [17] = {FIELD_TRANSFER_ENCODING, FIELD_X_FORWARDED_PROTO,
            FIELD_X_REQUEST_TIMEOUT},
    [18] = {FIELD_X_FORWARDED_PREFIX},
    [19] = {FIELD_PROXY_AUTHORIZATION},
};

/* Eight characters of a token and of a name of http_field.def: of the former
 * only the letter of other case and the same character become the latter's
 * with this bit set. */
static bool same_eight(const char *token, const char *lower_name)
{
    uint64_t a;
    uint64_t b;

    memcpy(&a, token, sizeof a);
    memcpy(&b, lower_name, sizeof b);
    return (a | UINT64_C(0x2020202020202020)) == b;
}

/* Whether text, in any case, begins with lower_name, which is in lower case.
 * text is a token at least as long. */
static bool begins_with(struct strview text, struct strview lower_name)
{
    size_t len = lower_name.len;

    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            if (!same_eight(text.ptr + i, lower_name.ptr + i))
                return false;
        }
        return same_eight(text.ptr + len - 8, lower_name.ptr + len - 8);
    }
    for (size_t i = 0; i < lower_name.len; i++) {
        if (http_lower(text.ptr[i]) != lower_name.ptr[i])
            return false;
    }
    return true;
}

static enum http_field_id family_of(struct strview name)
{
    if (name.len < 2 || http_lower(name.ptr[0]) != 'x' || name.ptr[1] != '-')
        return FIELD_OTHER;
    for (unsigned id = FIELD_X_FORWARDED_ANY; id < FIELD_ID_COUNT; id++) {
        struct strview prefix = rows[id].name;

        if (name.len >= prefix.len && begins_with(name, prefix))
            return (enum http_field_id)id;
    }
    return FIELD_OTHER;
}

enum http_field_id http_field_id_of(struct strview name)
{
    if (name.len <= LONGEST_NAME) {
        const uint8_t *id = by_length[name.len];

        for (; *id != FIELD_OTHER; id++) {
            if (begins_with(name, rows[*id].name))
                return (enum http_field_id) * id;
        }
    }
    return family_of(name);
}

struct strview http_field_name(enum http_field_id id)
{
    return rows[id].name;
}

enum http_field_id http_field_confusable(struct strview name)
{
    char folded[64];
    size_t len = name.len < sizeof folded ? name.len : sizeof folded;
    enum http_field_id id;
    bool changed = false;

    for (size_t i = 0; i < len; i++) {
        bool is_mark = http_char_is(name.ptr[i], CHAR_MARK);

        folded[i] = is_mark ? '-' : name.ptr[i];
        changed = changed || is_mark;
    }
    if (!changed)
        return FIELD_OTHER;
    id = http_field_id_of(sv_make(folded, len));
    /* X-Forwarded-Some_thing is a family member as it stands. */
    if (id == http_field_id_of(name))
        return FIELD_OTHER;
    return http_field_is_taken(id, HTTP_KIND_REQUEST) ? id : FIELD_OTHER;
}

static enum field_class class_of(enum http_field_id id, enum http_kind kind)
{
    return kind == HTTP_KIND_REQUEST ? rows[id].request : rows[id].answer;
}

bool http_field_is_protected(enum http_field_id id, enum http_kind kind)
{
    enum field_class class = class_of(id, kind);

    return class == OWN || class == TRUST || class == KEEP;
}

bool http_field_is_hop_by_hop(enum http_field_id id, enum http_kind kind)
{
    return class_of(id, kind) == HOP;
}

bool http_field_is_taken(enum http_field_id id, enum http_kind kind)
{
    enum field_class class = class_of(id, kind);

    return class == OWN || class == TRUST || class == SECRET;
}

bool http_field_needs_trust(enum http_field_id id, enum http_kind kind)
{
    return class_of(id, kind) == TRUST;
}

const struct http_field *http_head_find(const struct http_head *head,
                                        enum http_field_id id)
{
    if (!http_head_has(head, id))
        return NULL;
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].id == id)
            return &head->fields[i];
    }
    return NULL;
}

const struct http_field *http_head_find_name(const struct http_head *head,
                                             struct strview name)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (sv_eq_nocase(head->fields[i].name, name))
            return &head->fields[i];
    }
    return NULL;
}

enum http_method http_method_of(struct strview name)
{
    static const struct {
        struct strview name;
        enum http_method method;
    } methods[] = {
        {{"GET", 3}, METHOD_GET},         {{"POST", 4}, METHOD_POST},
        {{"HEAD", 4}, METHOD_HEAD},       {{"PUT", 3}, METHOD_PUT},
        {{"DELETE", 6}, METHOD_DELETE},   {{"PATCH", 5}, METHOD_PATCH},
        {{"OPTIONS", 7}, METHOD_OPTIONS},
    };

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (sv_eq(methods[i].name, name))
            return methods[i].method;
    }
    return METHOD_OTHER;
}

bool http_method_is_idempotent(enum http_method method)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
        return true;
    case METHOD_POST:
    case METHOD_PATCH:
    case METHOD_OTHER:
        break;
    }
    return false;
}
