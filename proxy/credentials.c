/* credentials.c - what a request shows to be let in. */
#include "proxy/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/http_head.h"
#include "router/base/digest.h"

_Static_assert(KEY_DIGEST_BYTES == DIGEST_BYTES, "keys are kept as SHA-256");

void credentials_remove(struct http_head *head, struct strview name)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < head->field_count; i++)
        if (!sv_eq_nocase(head->fields[i].name, name))
            head->fields[kept++] = head->fields[i];
    if (kept == head->field_count)
        return;
    head->field_count = kept;
    if (http_field_id_of(name) != FIELD_OTHER)
        head->present &= ~(1ULL << http_field_id_of(name));
}

/* What follows the scheme ("Basic", any case); false: it is another. */
static bool after_scheme(struct strview value, struct strview scheme,
                         struct strview *ret)
{
    if (value.len <= scheme.len || value.ptr[scheme.len] != ' ' ||
        !sv_eq_nocase(sv_make(value.ptr, scheme.len), scheme))
        return false;
    *ret = sv_trim(sv_skip(value, scheme.len));
    return true;
}

/* --- keys
 * --------------------------------------------------------------------- */

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, KEY_DIGEST_BYTES);
}

/* How long the search takes tells of the digest, which nobody can choose. */
static bool is_known(const struct key_file *file, struct strview key)
{
    unsigned char bytes[DIGEST_BYTES];
    struct digest *digest;

    if (key.len == 0 || file->key_count == 0)
        return false;
    digest = digest_new();
    digest_add(digest, key.ptr, key.len);
    digest_finish(digest, bytes);
    digest_free(&digest);
    return bsearch(bytes, file->digests, file->key_count, KEY_DIGEST_BYTES,
                   compare_digests) != NULL;
}

bool credentials_take_key(struct http_head *head, const struct key_file *file)
{
    const struct http_field *field = http_head_find_name(head, SV("x-api-key"));
    struct strview token;

    if (field && is_known(file, field->value)) {
        credentials_remove(head, SV("x-api-key"));
        return true;
    }
    field = http_head_find(head, FIELD_AUTHORIZATION);
    if (field && after_scheme(field->value, SV("Bearer"), &token) &&
        is_known(file, token)) {
        credentials_remove(head, SV("authorization"));
        return true;
    }
    return false;
}

/* --- names with passwords
 * --------------------------------------------------------
 */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* NUL-terminated; false: broken, longer than max, or a NUL in it. */
static bool base64_decode(struct strview text, char *ret, size_t max)
{
    unsigned bits = 0;
    unsigned count = 0;
    size_t len = 0;

    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (len == max || ((bits >> count) & 0xff) == 0)
            return false;
        ret[len++] = (char)(bits >> count & 0xff);
    }
    ret[len] = '\0';
    return true;
}

bool credentials_read_basic(const struct http_head *head,
                            struct basic_credentials *ret)
{
    const struct http_field *field = http_head_find(head, FIELD_AUTHORIZATION);
    struct strview token;
    char *colon;

    if (!field || !after_scheme(field->value, SV("Basic"), &token) ||
        !base64_decode(token, ret->text, CREDENTIALS_TEXT_MAX))
        return false;
    colon = strchr(ret->text, ':');
    if (!colon)
        return false;
    *colon = '\0';
    ret->user = ret->text;
    ret->password = colon + 1;
    return true;
}

static int compare_user(const void *name, const void *user)
{
    return strcmp(name, ((const struct basic_user *)user)->name);
}

const struct basic_user *credentials_find_user(const struct basic_file *file,
                                               const char *name)
{
    if (file->user_count == 0)
        return NULL;
    return bsearch(name, file->users, file->user_count, sizeof *file->users,
                   compare_user);
}
