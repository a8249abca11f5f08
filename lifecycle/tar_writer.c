/* tar_writer.c - writes a tar archive. */
#include "lifecycle/tar_writer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK     512U
#define BUF_BYTES ((size_t)256 << 10)
#define NAME_MAX_ 100U /* of the header's fields for names */
#define SIZE_MAX_ 077777777777ULL

/* Offsets in a header (POSIX.1-2017, ustar). */
enum {
    AT_NAME = 0,
    AT_MODE = 100,
    AT_UID = 108,
    AT_GID = 116,
    AT_SIZE = 124,
    AT_MTIME = 136,
    AT_CHECKSUM = 148,
    AT_TYPE = 156,
    AT_LINK = 157,
    AT_MAGIC = 257,
};

void tar_writer_init(struct tar_writer *tar, int fd)
{
    *tar = (struct tar_writer){.fd = fd, .buf = STRBUF_INIT};
}

void tar_writer_done(struct tar_writer *tar)
{
    strbuf_done(&tar->buf);
}

static bool flush(struct tar_writer *tar, struct err *err)
{
    size_t done = 0;

    while (done < tar->buf.len) {
        ssize_t n = write(tar->fd, tar->buf.data + done, tar->buf.len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "the archive cannot be written");
        done += (size_t)n;
    }
    strbuf_clear(&tar->buf);
    return true;
}

static bool put(struct tar_writer *tar, const void *data, size_t len,
                struct err *err)
{
    strbuf_add(&tar->buf, data, len);
    tar->bytes += len;
    return tar->buf.len < BUF_BYTES || flush(tar, err);
}

/* Zeroes to the end of the block. */
static bool pad(struct tar_writer *tar, struct err *err)
{
    static const char zeroes[BLOCK];
    size_t over = tar->bytes % BLOCK;

    return over == 0 || put(tar, zeroes, BLOCK - over, err);
}

static void put_octal(char *field, size_t size, uint64_t value)
{
    for (size_t i = size - 1; i-- > 0; value >>= 3)
        field[i] = (char)('0' + (value & 7));
    field[size - 1] = '\0';
}

static bool put_header(struct tar_writer *tar, const char *name, char type,
                       const struct stat *st, const char *link, struct err *err)
{
    char header[BLOCK] = {0};
    uint64_t size = type == '0' || type == 'x' ? (uint64_t)st->st_size : 0;
    uint64_t mtime = st->st_mtime > 0 ? (uint64_t)st->st_mtime : 0;
    unsigned sum = 0;

    strncpy(header + AT_NAME, name, NAME_MAX_);
    put_octal(header + AT_MODE, 8, st->st_mode & 07777);
    put_octal(header + AT_UID, 8, 0);
    put_octal(header + AT_GID, 8, 0);
    put_octal(header + AT_SIZE, 12, size < SIZE_MAX_ ? size : SIZE_MAX_);
    put_octal(header + AT_MTIME, 12, mtime < SIZE_MAX_ ? mtime : 0);
    header[AT_TYPE] = type;
    if (link)
        strncpy(header + AT_LINK, link, NAME_MAX_);
    memcpy(header + AT_MAGIC, "ustar\00000", 8);
    memset(header + AT_CHECKSUM, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)header[i];
    put_octal(header + AT_CHECKSUM, 7, sum);
    tar->left = size;
    return put(tar, header, BLOCK, err);
}

/* "LEN KEY=VALUE\n", where LEN counts itself. */
static void add_record(struct strbuf *records, const char *key,
                       const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3;
    size_t len = rest + 1;
    char digits[24];

    for (;;) {
        size_t wanted =
            rest + (size_t)snprintf(digits, sizeof digits, "%zu", len);

        if (wanted == len)
            break;
        len = wanted;
    }
    strbuf_printf(records, "%zu %s=%s\n", len, key, value);
}

static bool put_records(struct tar_writer *tar, const char *name,
                        const struct stat *st, const char *link,
                        struct err *err)
{
    AUTO(strbuf_done) struct strbuf records = STRBUF_INIT;
    struct stat own = {.st_mode = 0644, .st_mtime = st->st_mtime};
    char size[24];

    if (strlen(name) > NAME_MAX_)
        add_record(&records, "path", name);
    if (link && strlen(link) > NAME_MAX_)
        add_record(&records, "linkpath", link);
    if (S_ISREG(st->st_mode) && (uint64_t)st->st_size > SIZE_MAX_) {
        snprintf(size, sizeof size, "%" PRIu64, (uint64_t)st->st_size);
        add_record(&records, "size", size);
    }
    if (records.len == 0)
        return true;
    own.st_size = (off_t)records.len;
    return put_header(tar, "pax", 'x', &own, NULL, err) &&
           put(tar, records.data, records.len, err) && pad(tar, err);
}

bool tar_writer_begin(struct tar_writer *tar, const char *name,
                      const struct stat *st, const char *link, struct err *err)
{
    char type = S_ISDIR(st->st_mode) ? '5' : S_ISLNK(st->st_mode) ? '2' : '0';

    assert(tar->left == 0);
    if (!put_records(tar, name, st, link, err) ||
        !put_header(tar, name, type, st, link, err))
        return false;
    tar->left = type == '0' ? (uint64_t)st->st_size : 0;
    return true;
}

bool tar_writer_add(struct tar_writer *tar, const void *data, size_t len,
                    struct err *err)
{
    assert(len <= tar->left);
    tar->left -= len;
    return put(tar, data, len, err) && (tar->left > 0 || pad(tar, err));
}

bool tar_writer_file(struct tar_writer *tar, const char *name,
                     struct strview text, struct err *err)
{
    struct stat st = {.st_mode = S_IFREG | 0644, .st_size = (off_t)text.len};

    return tar_writer_begin(tar, name, &st, NULL, err) &&
           (text.len == 0 || tar_writer_add(tar, text.ptr, text.len, err));
}

bool tar_writer_finish(struct tar_writer *tar, struct err *err)
{
    static const char zeroes[2 * BLOCK];

    assert(tar->left == 0);
    return put(tar, zeroes, sizeof zeroes, err) && flush(tar, err);
}
