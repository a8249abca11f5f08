/* request_path.c - the one normalised form of a path. */
#include "router/request_path.h"

#include <string.h>

/* What the segment that is being written is made of. */
struct segment {
    char *path;
    size_t start;      /* of its '/' */
    size_t piece;      /* behind the '/' or the last encoded slash */
    size_t parameters; /* of its first ';' or "%3B"; 0: none */
    bool has_encoded_slash;
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

/* What may stand in a path as it is: pchar (RFC 3986, 3.3), and the few others
 * that browsers do not encode there. */
static bool may_stand(unsigned char c)
{
    return is_unreserved(c) || (c != '\0' && strchr("!$&'()*+,;=:@|[]^", c));
}

static bool is_dots(const char *text, size_t len)
{
    return (len == 1 || len == 2) && text[0] == '.' && text[len - 1] == '.';
}

/* Is what was written since the last slash, encoded or not, "." or ".."? */
static bool ends_in_dots(const struct segment *segment, size_t len)
{
    size_t end = segment->parameters ? segment->parameters : len;

    return is_dots(segment->path + segment->piece, end - segment->piece);
}

static void begin_segment(struct segment *segment, size_t *len)
{
    segment->start = *len;
    segment->path[(*len)++] = '/';
    segment->piece = *len;
    segment->parameters = 0;
    segment->has_encoded_slash = false;
}

/* An app that decodes it sees segments that we do not. Where one of them is a
 * dot segment, or stands in what another app drops as parameters, each app
 * may resolve the path in another way: refused. */
static bool add_encoded_slash(struct segment *segment, size_t len)
{
    if (segment->parameters || ends_in_dots(segment, len))
        return false;
    segment->has_encoded_slash = true;
    segment->piece = len + 3;
    return true;
}

/* Resolve it where it is a dot segment; is_last: the path ends here. */
static bool end_segment(struct segment *segment, size_t *len, bool is_last)
{
    bool is_up;
    size_t at = segment->start;

    if (!ends_in_dots(segment, *len))
        return true;
    if (segment->parameters || segment->has_encoded_slash)
        return false;
    is_up = *len - segment->piece == 2;
    if (is_up && at == 0)
        return false;
    if (is_up) {
        do {
            at--;
        } while (segment->path[at] != '/');
    }
    *len = at;
    if (is_last)
        segment->path[(*len)++] = '/'; /* "/a/." is "/a/" (RFC 3986, 5.2.4) */
    return true;
}

/* The encoding at raw[0]; false: invalid, or refused. */
static bool add_encoded(struct segment *segment, struct strview raw,
                        size_t *len)
{
    static const char digits[] = "0123456789ABCDEF";
    int high = raw.len > 2 ? hex_value(raw.ptr[1]) : -1;
    int low = raw.len > 2 ? hex_value(raw.ptr[2]) : -1;
    unsigned char value = (unsigned char)(high * 16 + low);

    if (high < 0 || low < 0 || value == '\0')
        return false;
    if (is_unreserved(value)) {
        segment->path[(*len)++] = (char)value;
        return true;
    }
    if ((value == '/' || value == '\\') && !add_encoded_slash(segment, *len))
        return false;
    if (value == ';' && !segment->parameters)
        segment->parameters = *len;
    segment->path[(*len)++] = '%';
    segment->path[(*len)++] = digits[high];
    segment->path[(*len)++] = digits[low];
    return true;
}

bool request_path_normalise(struct strview raw, char *ret_path, size_t *ret_len)
{
    struct segment segment = {.path = ret_path};
    size_t len = 0;

    if (raw.len == 0 || raw.ptr[0] != '/')
        return false;
    begin_segment(&segment, &len);
    for (size_t i = 1; i < raw.len; i++) {
        char c = raw.ptr[i];

        if (c == '/') {
            if (!end_segment(&segment, &len, false))
                return false;
            begin_segment(&segment, &len);
        } else if (c == '%') {
            if (!add_encoded(&segment, sv_skip(raw, i), &len))
                return false;
            i += 2;
        } else if (may_stand((unsigned char)c)) {
            if (c == ';' && !segment.parameters)
                segment.parameters = len;
            ret_path[len++] = c;
        } else {
            return false;
        }
    }
    if (!end_segment(&segment, &len, true))
        return false;
    *ret_len = len;
    return true;
}

/* --- the lenient form -------------------------------------------------------
 */

enum piece { PIECE_OTHER, PIECE_SLASH, PIECE_SEMICOLON };

/* What a lenient app takes the byte or encoding at `at` for, and its size. */
static enum piece piece_at(struct strview path, size_t at, size_t *ret_size)
{
    const char *p = path.ptr + at;

    *ret_size = 1;
    if (*p == '/')
        return PIECE_SLASH;
    if (*p == ';')
        return PIECE_SEMICOLON;
    if (*p != '%' || path.len - at < 3)
        return PIECE_OTHER;
    *ret_size = 3;
    if (memcmp(p, "%2F", 3) == 0 || memcmp(p, "%5C", 3) == 0)
        return PIECE_SLASH;
    return memcmp(p, "%3B", 3) == 0 ? PIECE_SEMICOLON : PIECE_OTHER;
}

static bool is_plain(struct strview path)
{
    bool after_slash = false;
    size_t size;

    for (size_t i = 0; i < path.len; i += size) {
        enum piece piece = piece_at(path, i, &size);

        if (piece == PIECE_SEMICOLON ||
            (piece == PIECE_SLASH && (after_slash || size > 1)))
            return false;
        after_slash = piece == PIECE_SLASH;
    }
    return true;
}

bool request_path_lenient(struct strview path, char *ret_path, size_t *ret_len)
{
    bool in_parameters = false;
    size_t len = 0;
    size_t size;

    if (is_plain(path))
        return false;
    for (size_t i = 0; i < path.len; i += size) {
        enum piece piece = piece_at(path, i, &size);

        if (piece == PIECE_SLASH) {
            in_parameters = false;
            if (len == 0 || ret_path[len - 1] != '/')
                ret_path[len++] = '/';
        } else if (piece == PIECE_SEMICOLON) {
            in_parameters = true;
        } else if (!in_parameters) {
            memcpy(ret_path + len, path.ptr + i, size);
            len += size;
        }
    }
    *ret_len = len;
    return true;
}
