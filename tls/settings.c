/* settings.c - TLS of one server. */
#include "tls/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define FILE_MAX_BYTES (1 << 20)

static void free_secret(char **text)
{
    if (*text)
        OPENSSL_cleanse(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void tls_settings_done(struct tls_settings *settings)
{
    for (uint32_t i = 0; i < settings->pair_count; i++) {
        free(settings->pairs[i].certificate_path);
        free(settings->pairs[i].key_path);
        free(settings->pairs[i].certificate_pem);
        free_secret(&settings->pairs[i].key_pem);
    }
    free(settings->pairs);
    free(settings->ciphers);
    free(settings->client_ca_path);
    free(settings->client_ca_pem);
    *settings = (struct tls_settings){0};
}

/* A whole file as text; a fixed buffer, so that no copy of a key is left in
 * memory that was grown and given back. */
static bool read_file(const char *path, char **ret_text, struct err *err)
{
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    AUTO(free_secret) char *text = NULL;
    size_t len = 0;
    struct stat st;

    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &st) != 0)
        return err_set_errno(err, errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a regular file", path);
    if (st.st_size > FILE_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "%s is larger than 1 MiB", path);
    text = xcalloc(1, (size_t)st.st_size + 1);
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "cannot read %s", path);
        if (n == 0)
            break;
        len += (size_t)n;
    }
    if (strlen(text) != len)
        return err_set(err, ERR_INVALID, "%s is not PEM: it has a NUL byte",
                       path);
    *ret_text = TAKE(text);
    return true;
}

static bool load_into(const char *path, char **pem, struct err *err)
{
    char *text;

    if (!read_file(path, &text, err))
        return false;
    free_secret(pem);
    *pem = text;
    return true;
}

bool tls_settings_load(struct tls_settings *settings, struct err *err)
{
    for (uint32_t i = 0; i < settings->pair_count; i++) {
        struct tls_pair *pair = &settings->pairs[i];

        if (!load_into(pair->certificate_path, &pair->certificate_pem, err) ||
            !load_into(pair->key_path, &pair->key_pem, err))
            return false;
    }
    return !settings->client_ca_path ||
           load_into(settings->client_ca_path, &settings->client_ca_pem, err);
}

void tls_settings_encode(const struct tls_settings *settings,
                         struct strbuf *buf)
{
    wire_put_u32(buf, settings->pair_count);
    for (uint32_t i = 0; i < settings->pair_count; i++) {
        wire_put_str(buf, settings->pairs[i].certificate_path);
        wire_put_str(buf, settings->pairs[i].key_path);
        wire_put_str(buf, settings->pairs[i].certificate_pem);
        wire_put_str(buf, settings->pairs[i].key_pem);
    }
    wire_put_u32(buf, settings->min_version);
    wire_put_u32(buf, settings->max_version);
    wire_put_str(buf, settings->ciphers);
    wire_put_u64(buf, settings->session_timeout_ms);
    wire_put_u32(buf, settings->verify);
    wire_put_str(buf, settings->client_ca_path);
    wire_put_str(buf, settings->client_ca_pem);
}

static bool is_version(uint32_t version)
{
    return version == TLS_VERSION_1_2 || version == TLS_VERSION_1_3;
}

static bool in_range(const struct tls_settings *s)
{
    for (uint32_t i = 0; i < s->pair_count; i++) {
        if (!s->pairs[i].certificate_pem || !s->pairs[i].key_pem)
            return false;
    }
    return s->verify <= TLS_VERIFY_ON &&
           (s->pair_count == 0 ||
            (is_version(s->min_version) && is_version(s->max_version)));
}

bool tls_settings_decode(struct wire_reader *reader,
                         struct tls_settings *ret_settings)
{
    struct tls_settings s = {0};

    s.pair_count = wire_get_count(reader, 4 * sizeof(uint32_t));
    s.pairs = xcalloc(s.pair_count, sizeof *s.pairs);
    for (uint32_t i = 0; i < s.pair_count; i++) {
        s.pairs[i].certificate_path = wire_get_str(reader);
        s.pairs[i].key_path = wire_get_str(reader);
        s.pairs[i].certificate_pem = wire_get_str(reader);
        s.pairs[i].key_pem = wire_get_str(reader);
    }
    s.min_version = wire_get_u32(reader);
    s.max_version = wire_get_u32(reader);
    s.ciphers = wire_get_str(reader);
    s.session_timeout_ms = wire_get_u64(reader);
    s.verify = wire_get_u32(reader);
    s.client_ca_path = wire_get_str(reader);
    s.client_ca_pem = wire_get_str(reader);
    if (reader->failed || !in_range(&s)) {
        tls_settings_done(&s);
        return false;
    }
    *ret_settings = s;
    return true;
}
