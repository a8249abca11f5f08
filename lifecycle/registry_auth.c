/* registry_auth.c - a registry's credentials, as Podman's API takes them. */
#include "lifecycle/registry_auth.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/json_put.h"
#include "router/base/alloc.h"

#define FILE_MAX (1U << 20)

/* What held a password is wiped before it is freed. */
static void secret_done(struct strbuf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->capacity);
    strbuf_done(buf);
}

static void secret_free(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
}

/* --- base64 (RFC 4648) --- */

static int value_of(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at ? (int)(at - digits) : -1;
}

static bool base64_decode(const char *text, struct strbuf *ret)
{
    unsigned bits = 0;
    unsigned count = 0;

    for (; *text && *text != '='; text++) {
        int value = value_of(*text);

        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            strbuf_add_char(ret, (char)(bits >> count & 0xff));
        }
    }
    return text[strspn(text, "=")] == '\0';
}

/* Of the alphabet for URLs, padded: what Go's URLEncoding reads. */
static void base64_encode(struct strview bytes, struct strbuf *ret)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < bytes.len; i += 3) {
        unsigned bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 |
                   (i + j < bytes.len ? (unsigned char)bytes.ptr[i + j] : 0U);
        for (size_t j = 0; j < 4; j++)
            strbuf_add_char(ret, i + j > bytes.len
                                     ? '='
                                     : digits[bits >> (18 - 6 * j) & 0x3f]);
    }
}

/* --- which credentials --- */

/* "host:5000/a/b" of "host:5000/a/b:tag@sha256:…". */
static struct strview repository_of(const char *image)
{
    const char *at = strchr(image, '@');
    size_t len = at ? (size_t)(at - image) : strlen(image);
    const char *slash = memrchr(image, '/', len);
    const char *colon =
        slash ? memchr(slash, ':', len - (size_t)(slash - image)) : NULL;

    return sv_make(image, colon ? (size_t)(colon - image) : len);
}

/* The registry or path that a key names: docker login writes URLs. */
static struct strview plain_key(const char *key)
{
    struct strview plain = sv_of(key);
    bool is_url = false;

    if (sv_starts(plain, SV("https://"))) {
        plain = sv_skip(plain, strlen("https://"));
        is_url = true;
    } else if (sv_starts(plain, SV("http://"))) {
        plain = sv_skip(plain, strlen("http://"));
        is_url = true;
    }
    if (is_url) {
        const char *slash = memchr(plain.ptr, '/', plain.len);

        if (slash)
            plain.len = (size_t)(slash - plain.ptr);
    }
    while (plain.len > 0 && plain.ptr[plain.len - 1] == '/')
        plain.len--;
    if (sv_eq(plain, SV("index.docker.io")) ||
        sv_eq(plain, SV("registry-1.docker.io")))
        return SV("docker.io");
    return plain;
}

static bool key_fits(struct strview key, struct strview repository)
{
    return key.len > 0 && sv_starts(repository, key) &&
           (key.len == repository.len || repository.ptr[key.len] == '/');
}

static const cJSON *find_entry(const cJSON *auths, const char *image)
{
    struct strview repository = repository_of(image);
    const cJSON *found = NULL;
    const cJSON *item;
    size_t longest = 0;

    cJSON_ArrayForEach(item, auths)
    {
        struct strview key = plain_key(item->string ? item->string : "");

        if (key_fits(key, repository) && key.len > longest) {
            longest = key.len;
            found = item;
        }
    }
    return found;
}

/* --- the field --- */

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void encode(const cJSON *json, struct strbuf *ret_value)
{
    AUTO(secret_free) char *text = json_text(json);

    base64_encode(sv_of(text), ret_value);
}

/* "USER:PASSWORD" in base64, or the two by themselves, or a token. */
static bool add_credentials(const cJSON *entry, struct strbuf *ret_value)
{
    AUTO(json_free) cJSON *json = json_object();
    AUTO(secret_done) struct strbuf both = STRBUF_INIT;
    const char *auth = text_of(entry, "auth");
    const char *token = text_of(entry, "identitytoken");
    const char *user = text_of(entry, "username");
    const char *password = text_of(entry, "password");

    if (token && *token) {
        json_put_text(json, "identitytoken", token);
        encode(json, ret_value);
        return true;
    }
    if (auth && *auth) {
        char *colon;

        if (!base64_decode(auth, &both) || both.len == 0 ||
            memchr(both.data, '\0', both.len))
            return false;
        colon = strchr(both.data, ':');
        if (!colon)
            return false;
        *colon = '\0';
        user = both.data;
        password = colon + 1;
    }
    if (!user || !password)
        return false;
    json_put_text(json, "username", user);
    json_put_text(json, "password", password);
    encode(json, ret_value);
    return true;
}

bool registry_auth_of_text(struct strview text, const char *image,
                           struct strbuf *ret_value, struct err *err)
{
    AUTO(json_free) cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);
    const cJSON *entry;

    if (!cJSON_IsObject(json))
        return err_set(err, ERR_DENIED,
                       "it is not JSON, as `podman login "
                       "--authfile` writes it");
    entry = find_entry(cJSON_GetObjectItemCaseSensitive(json, "auths"), image);
    if (!entry)
        return true;
    if (!add_credentials(entry, ret_value))
        return err_set(err, ERR_DENIED,
                       "its entry \"%.200s\" holds no \"auth\" that can be "
                       "used (credential helpers are not supported)",
                       entry->string);
    return true;
}

static bool read_file(const char *path, struct strbuf *ret_text,
                      struct err *err)
{
    AUTO(auto_close)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return err_set_errno(err, errno, "it cannot be opened");
    for (;;) {
        char *room = strbuf_reserve(ret_text, 4096);
        ssize_t n = read(fd, room, 4096);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "it cannot be read");
        if (n == 0)
            return true;
        ret_text->len += (size_t)n;
        if (ret_text->len > FILE_MAX)
            return err_set(err, ERR_LIMIT, "it is larger than %u bytes",
                           FILE_MAX);
    }
}

bool registry_auth_read(const char *path, const char *image,
                        struct strbuf *ret_value, struct err *err)
{
    AUTO(secret_done) struct strbuf text = STRBUF_INIT;

    if (read_file(path, &text, err) &&
        registry_auth_of_text(strbuf_view(&text), image, ret_value, err))
        return true;
    err_prefix(err, "auth_file %.200s", path);
    if (err)
        err->code = ERR_DENIED;
    return false;
}
