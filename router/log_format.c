/* log_format.c - the format of an access log. */
#include "router/log_format.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

static const char combined[] =
    "$remote_addr - $remote_user [$time_local] \"$request\" $status "
    "$body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

static const char json[] =
    "{\"time\":\"$time_iso8601\",\"request_id\":\"$request_id\","
    "\"remote_addr\":\"$remote_addr\",\"remote_user\":\"$remote_user\","
    "\"host\":\"$host\",\"method\":\"$request_method\","
    "\"uri\":\"$request_uri\",\"protocol\":\"$server_protocol\","
    "\"status\":$status,\"error\":\"$error\","
    "\"request_length\":$request_length,\"bytes_sent\":$bytes_sent,"
    "\"request_time\":$request_time,\"app\":\"$app\","
    "\"replica\":\"$replica\",\"queue_time\":$queue_time,"
    "\"upstream_time\":$upstream_time,\"cold_start\":$cold_start,"
    "\"referer\":\"$http_referer\",\"user_agent\":\"$http_user_agent\"}";

static const struct {
    const char *name;
    bool is_of_head;
} variables[LOG_VARIABLE_COUNT] = {
    [LOG_VARIABLE_TEXT] = {"", false},
#define LOG_VARIABLE(id, name, of_head) [LOG_VARIABLE_##id] = {name, of_head},
#include "router/log_variable.def"
#undef LOG_VARIABLE
};

const char *log_variable_name(enum log_variable variable)
{
    return variables[variable].name;
}

bool log_variable_is_of_head(enum log_variable variable)
{
    return variables[variable].is_of_head;
}

void log_format_done(struct log_format *format)
{
    free(format->ops);
    free(format->storage);
    *format = (struct log_format){0};
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* TEXT: there is none of that name. ret_field: the part that is a field's. */
static enum log_variable find(struct strview name, struct strview *ret_field)
{
    for (int i = LOG_VARIABLE_TEXT + 1; i < LOG_VARIABLE_COUNT; i++) {
        struct strview known = sv_of(variables[i].name);
        bool is_family = known.ptr[known.len - 1] == '_';

        *ret_field = sv_make(NULL, 0);
        if (sv_eq(name, known) && !is_family)
            return (enum log_variable)i;
        if (is_family && name.len > known.len && sv_starts(name, known)) {
            *ret_field = sv_skip(name, known.len);
            return (enum log_variable)i;
        }
    }
    return LOG_VARIABLE_TEXT;
}

/* As it stands in a head: "User_Agent" is "user-agent". In place. */
static void name_field(struct strview field)
{
    char *c = (char *)(size_t)field.ptr; /* of storage, which is ours */

    for (size_t i = 0; i < field.len; i++)
        c[i] = c[i] == '_' ? '-' : (char)tolower((unsigned char)c[i]);
}

static void add(struct log_format *format, enum log_variable variable,
                struct strview text)
{
    format->ops[format->op_count++] = (struct log_op){variable, text};
}

/* What follows a '$': "name" or "{name}". Moves *rest behind it. */
static bool take_name(struct strview *rest, struct strview *ret_name)
{
    bool is_braced = rest->len > 0 && rest->ptr[0] == '{';
    size_t len = 0;

    if (is_braced)
        *rest = sv_skip(*rest, 1);
    while (len < rest->len && is_name_char(rest->ptr[len]))
        len++;
    *ret_name = sv_make(rest->ptr, len);
    *rest = sv_skip(*rest, len);
    if (is_braced) {
        if (rest->len == 0 || rest->ptr[0] != '}')
            return false;
        *rest = sv_skip(*rest, 1);
    }
    return len > 0;
}

static bool parse(struct log_format *format, struct strview rest,
                  struct strview *ret_unknown, struct err *err)
{
    bool has_variable = false;

    while (rest.len > 0) {
        const char *dollar = memchr(rest.ptr, '$', rest.len);
        size_t before = dollar ? (size_t)(dollar - rest.ptr) : rest.len;
        enum log_variable variable;
        struct strview name;
        struct strview field;

        if (format->op_count + 2 > LOG_FORMAT_OPS_MAX)
            return err_set(err, ERR_INVALID, "more than %d variables",
                           LOG_FORMAT_OPS_MAX / 2);
        if (before > 0)
            add(format, LOG_VARIABLE_TEXT, sv_make(rest.ptr, before));
        rest = sv_skip(rest, before);
        if (!dollar)
            break;
        rest = sv_skip(rest, 1);
        if (!take_name(&rest, &name))
            return err_set(err, ERR_INVALID,
                           "a $ that is not followed by a name");
        variable = find(name, &field);
        if (variable == LOG_VARIABLE_TEXT) {
            *ret_unknown = name;
            return err_set(err, ERR_NOT_FOUND, "there is no variable \"$%.*s\"",
                           (int)(name.len < 80 ? name.len : 80), name.ptr);
        }
        name_field(field);
        add(format, variable, field);
        has_variable = true;
        format->has_sent_fields |= variable == LOG_VARIABLE_SENT_HTTP;
    }
    return has_variable ||
           err_set(err, ERR_INVALID, "it has no $variable in it");
}

bool log_format_parse(struct strview text, struct log_format *ret_format,
                      struct strview *ret_unknown, struct err *err)
{
    struct strview full = sv_eq(text, SV("combined")) ? sv_of(combined)
                          : sv_eq(text, SV("json"))   ? sv_of(json)
                                                      : text;
    struct log_format format = {0};
    struct strview unknown = sv_make(NULL, 0);

    if (full.len > LOG_FORMAT_MAX)
        return err_set(err, ERR_INVALID, "it is longer than %d bytes",
                       LOG_FORMAT_MAX);
    format.storage = xstrndup(full.ptr, full.len);
    format.ops = xcalloc(LOG_FORMAT_OPS_MAX, sizeof *format.ops);
    format.is_json = full.len > 0 && full.ptr[0] == '{';
    if (!parse(&format, sv_make(format.storage, full.len), &unknown, err)) {
        if (unknown.ptr)
            *ret_unknown =
                sv_make(full.ptr + (unknown.ptr - format.storage), unknown.len);
        log_format_done(&format);
        return false;
    }
    *ret_format = format;
    return true;
}

/* --- values -----------------------------------------------------------------
 */

/* Bytes that do not stand for themselves in one of the ways of escaping. */
static const bool is_special[256] = {
    [0 ... 0x1f] = true,
    ['"'] = true,
    ['\\'] = true,
    [0x7f ... 0xff] = true,
};

static bool is_plain(unsigned char c)
{
    return !is_special[c];
}

static void add_json(struct strview value, struct strbuf *line)
{
    size_t begin = line->len;

    strbuf_add_json(line, value);
    /* Its quotes are the format's own. */
    line->len -= 2;
    memmove(line->data + begin, line->data + begin + 1, line->len - begin);
    line->data[line->len] = '\0';
}

static void add_hex(struct strview value, struct strbuf *line)
{
    static const char digits[] = "0123456789ABCDEF";
    char *at = strbuf_reserve(line, value.len * 4);
    char *start = at;

    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (is_plain(c)) {
            *at++ = (char)c;
            continue;
        }
        *at++ = '\\';
        *at++ = 'x';
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    line->len += (size_t)(at - start);
}

void log_format_add_value(const struct log_format *format, struct strview value,
                          struct strbuf *line)
{
    size_t plain = 0;

    if (value.len == 0) {
        if (!format->is_json)
            strbuf_add_char(line, '-');
        return;
    }
    while (plain < value.len && is_plain((unsigned char)value.ptr[plain]))
        plain++;
    if (plain == value.len)
        strbuf_add_sv(line, value);
    else if (format->is_json)
        add_json(value, line);
    else
        add_hex(value, line);
}
