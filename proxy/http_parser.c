/* http_parser.c - one strict reader for requests and answers.
 *
 * First the lines: one pass finds each line end and every control character
 * that may not be there. Then, once the head is whole, the field lines are
 * taken apart, and llhttp has to read the same names and values. Its own
 * opinion of start lines and framing differs by version (it knows a list of
 * methods, refuses a tab beside Content-Length, …), so it gets a start line
 * of ours and no framing fields: those are decided in http_meaning. */
#include "proxy/http_parser.h"

#include <assert.h>
#include <llhttp.h>

#include "proxy/http_meaning.h"
#include "proxy/http_syntax.h"

void http_parser_init(struct http_parser *parser, enum http_kind kind,
                      const struct http_limits *limits)
{
    *parser = (struct http_parser){.kind = kind, .limits = limits};
}

void http_parser_reset(struct http_parser *parser)
{
    *parser = (struct http_parser){.kind = parser->kind,
                                   .limits = parser->limits,
                                   .request_method = parser->request_method,
                                   .upgrade_asked = parser->upgrade_asked};
}

void http_parser_expect(struct http_parser *parser, enum http_method method,
                        bool upgrade_asked)
{
    parser->request_method = method;
    parser->upgrade_asked = upgrade_asked;
}

static bool bad(struct rejection *ret_rejection, const char *text)
{
    return http_reject(ret_rejection, REJECT_BAD_REQUEST, text);
}

static enum http_result refuse(struct rejection *ret_rejection,
                               enum reject_code code, const char *text)
{
    http_reject(ret_rejection, code, text);
    return HTTP_REFUSED;
}

/* --- lines --------------------------------------------------------------- */

/* A line end at `at` would come too late. What is true of the bytes so far
 * stays true with more of them, so that the verdict does not depend on how
 * they are cut. */
static bool is_too_long(const struct http_parser *parser, size_t at,
                        struct rejection *ret_rejection)
{
    size_t end = at + 2;
    bool is_too_large = end > parser->limits->max_head_bytes;

    if (parser->saw_line || parser->kind == HTTP_KIND_RESPONSE) {
        if (is_too_large)
            http_reject(ret_rejection, REJECT_HEADERS_TOO_LARGE, NULL);
        return is_too_large;
    }
    if (is_too_large || end - parser->at > parser->limits->max_line_bytes) {
        http_reject(ret_rejection, REJECT_URI_TOO_LONG, NULL);
        return true;
    }
    return false;
}

/* Find the end of the line at parser->at: *ret_line is it without CR LF. */
static enum http_result next_line(struct http_parser *parser,
                                  struct strview data, struct strview *ret_line,
                                  struct rejection *ret_rejection)
{
    const char *end = data.ptr + data.len;
    const char *found = http_find_control(data.ptr + parser->clean, end);
    size_t at = (size_t)(found - data.ptr);

    if (is_too_long(parser, at, ret_rejection))
        return HTTP_REFUSED;
    parser->clean = (uint32_t)at;
    if (found == end)
        return HTTP_MORE;
    if (*found == '\n')
        return refuse(ret_rejection, REJECT_BAD_REQUEST,
                      "A line ends in a bare LF.");
    if (*found != '\r')
        return refuse(ret_rejection, REJECT_BAD_REQUEST,
                      "There is a control character in a line.");
    if (found + 1 == end)
        return HTTP_MORE;
    if (found[1] != '\n')
        return refuse(ret_rejection, REJECT_BAD_REQUEST, "There is a bare CR.");
    *ret_line = sv_make(data.ptr + parser->at, at - parser->at);
    parser->clean = (uint32_t)at + 2;
    parser->at = parser->clean;
    return HTTP_DONE;
}

/* --- request line -------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/" DIGIT "." DIGIT, and a major version of 1. */
static bool read_version(struct strview text, struct http_head *head,
                         struct rejection *ret_rejection)
{
    if (text.len != 8 || !sv_starts(text, SV("HTTP/")) ||
        !is_digit(text.ptr[5]) || text.ptr[6] != '.' ||
        !is_digit(text.ptr[7]) || text.ptr[5] == '0')
        return bad(ret_rejection, "The HTTP version is malformed.");
    if (text.ptr[5] != '1')
        return http_reject(ret_rejection, REJECT_VERSION_NOT_SUPPORTED, NULL);
    head->minor = text.ptr[7] != '0';
    return true;
}

static void split_query(struct strview text, struct http_head *head)
{
    const char *mark = memchr(text.ptr, '?', text.len);

    head->path = text;
    if (!mark)
        return;
    head->path.len = (size_t)(mark - text.ptr);
    head->query = sv_skip(text, head->path.len + 1);
}

/* "http://" or "https://", any case; 0: neither. */
static size_t scheme_bytes(struct strview target)
{
    static const struct strview schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = schemes[i].len;

        if (target.len >= len &&
            sv_eq_nocase(sv_make(target.ptr, len), schemes[i]))
            return len;
    }
    return 0;
}

static bool read_absolute_form(struct http_head *head,
                               struct rejection *ret_rejection)
{
    size_t scheme = scheme_bytes(head->target);
    struct strview rest;
    uint16_t port;
    size_t n = 0;

    if (scheme == 0)
        return bad(ret_rejection, "The request target is malformed.");
    rest = sv_skip(head->target, scheme);
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
        n++;
    head->authority = sv_make(rest.ptr, n);
    if (!http_split_authority(head->authority, &head->host, &port))
        return bad(ret_rejection, "The target's authority is invalid.");
    head->target_form = TARGET_ABSOLUTE;
    split_query(sv_skip(rest, n), head);
    if (head->path.len > 0)
        return true;
    head->path = SV("/");
    /* RFC 9112, 3.2.4: the last proxy sends "*" then. */
    if (head->method == METHOD_OPTIONS && !head->query.ptr)
        head->path = SV("*");
    return true;
}

static bool read_target(struct http_head *head, struct rejection *ret_rejection)
{
    struct strview target = head->target;

    for (size_t i = 0; i < target.len; i++) {
        if (!http_char_is(target.ptr[i], CHAR_TARGET))
            return bad(ret_rejection,
                       "A character may not stand in the request target.");
    }
    if (target.ptr[0] == '/') {
        split_query(target, head);
        return true;
    }
    if (head->method == METHOD_OPTIONS && sv_eq(target, SV("*"))) {
        head->target_form = TARGET_ASTERISK;
        head->path = target;
        return true;
    }
    return read_absolute_form(head, ret_rejection);
}

/* method SP request-target SP HTTP-version, and exactly that. */
static bool read_request_line(struct strview line, struct http_head *head,
                              struct rejection *ret_rejection)
{
    struct strview rest = line;
    struct strview method;
    struct strview target;

    if (!sv_split(&rest, ' ', &method) || !rest.ptr || !http_is_token(method))
        return bad(ret_rejection, "The request line is malformed.");
    if (!sv_split(&rest, ' ', &target) || !rest.ptr || target.len == 0)
        return bad(ret_rejection, "The request line is malformed.");
    head->method_name = method;
    head->method = http_method_of(method);
    head->target = target;
    if (!read_version(rest, head, ret_rejection))
        return false;
    if (head->method == METHOD_OTHER && (sv_eq_nocase(method, SV("CONNECT")) ||
                                         sv_eq_nocase(method, SV("TRACE"))))
        return http_reject(ret_rejection, REJECT_METHOD_NOT_ALLOWED, NULL);
    return read_target(head, ret_rejection);
}

/* "HTTP/1.x" SP 3DIGIT [SP reason] */
static bool read_status_line(struct strview line, struct http_head *head,
                             struct rejection *ret_rejection)
{
    const char *p = line.ptr;
    unsigned status = 0;

    if (line.len < 12 || p[8] != ' ' ||
        !read_version(sv_make(p, 8), head, ret_rejection))
        return bad(ret_rejection, "The status line is malformed.");
    for (int i = 9; i < 12; i++) {
        if (!is_digit(p[i]))
            return bad(ret_rejection, "The status line is malformed.");
        status = status * 10 + (unsigned)(p[i] - '0');
    }
    if (status < 100 || status > 599 || (line.len > 12 && p[12] != ' '))
        return bad(ret_rejection, "The status line is malformed.");
    head->status = (uint16_t)status;
    head->reason = line.len > 13 ? sv_skip(line, 13) : sv_make(p, 0);
    return true;
}

static bool read_start_line(enum http_kind kind, struct strview line,
                            struct http_head *head,
                            struct rejection *ret_rejection)
{
    *head = (struct http_head){.kind = kind};
    return kind == HTTP_KIND_REQUEST
               ? read_request_line(line, head, ret_rejection)
               : read_status_line(line, head, ret_rejection);
}

/* --- fields -------------------------------------------------------------- */

/* field-name ":" OWS field-value OWS, in [at, line_end). */
static bool read_field(const char *at, const char *line_end,
                       struct http_field *ret_field,
                       struct rejection *ret_rejection)
{
    const char *name = at;
    unsigned classes = 0;

    while (at < line_end && http_char_is(*at, CHAR_TOKEN))
        classes |= http_chars[(unsigned char)*at++];
    if (at == line_end || *at != ':' || at == name)
        return bad(ret_rejection, "A field line is malformed.");
    ret_field->name = sv_make(name, (size_t)(at - name));
    at++;
    ret_field->value = sv_trim(sv_make(at, (size_t)(line_end - at)));
    ret_field->id = http_field_id_of(ret_field->name);
    if ((classes & CHAR_MARK) &&
        http_field_confusable(ret_field->name) != FIELD_OTHER)
        return bad(ret_rejection,
                   "A field name could be taken for one that the proxy sets.");
    return true;
}

/* The lines [lines.ptr, …), each with CR LF, into head->fields, which has
 * room for all. */
static bool read_fields(struct strview lines, struct http_head *head,
                        struct rejection *ret_rejection)
{
    const char *at = lines.ptr;
    const char *end = lines.ptr + lines.len;

    while (at < end) {
        struct http_field *field = &head->fields[head->field_count];
        const char *cr = memchr(at, '\r', (size_t)(end - at));

        if (!read_field(at, cr, field, ret_rejection))
            return false;
        head->present |= UINT64_C(1) << field->id;
        head->field_count++;
        at = cr + 2;
    }
    return true;
}

/* --- llhttp's opinion ---------------------------------------------------- */

/* The fuzz targets look for this text: it should never be seen. */
static const char llhttp_disagrees[] = "llhttp disagrees.";

struct second_reading {
    const struct http_head *head;
    uint32_t next; /* field that the next name must be */
    bool differs;
    bool ended;
};

static bool is_framing(enum http_field_id id)
{
    return id == FIELD_CONTENT_LENGTH || id == FIELD_TRANSFER_ENCODING;
}

/* llhttp was not shown these. */
static void skip_framing(struct second_reading *reading)
{
    const struct http_head *head = reading->head;

    while (reading->next < head->field_count &&
           is_framing(head->fields[reading->next].id))
        reading->next++;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct second_reading *reading = llhttp->data;
    const struct http_field *field;

    skip_framing(reading);
    field = reading->head->fields + reading->next;
    if (reading->next >= reading->head->field_count || at != field->name.ptr ||
        len != field->name.len)
        reading->differs = true;
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct second_reading *reading = llhttp->data;
    const struct http_head *head = reading->head;
    struct strview value = sv_trim(sv_make(at, len));

    if (reading->next >= head->field_count ||
        !sv_eq(value, head->fields[reading->next].value) ||
        (value.len > 0 && value.ptr != head->fields[reading->next].value.ptr))
        reading->differs = true;
    return 0;
}

static int on_value_complete(llhttp_t *llhttp)
{
    struct second_reading *reading = llhttp->data;

    reading->next++;
    return 0;
}

static int on_head_complete(llhttp_t *llhttp)
{
    struct second_reading *reading = llhttp->data;

    reading->ended = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t llhttp_settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head_complete,
};

/* Behind a start line of ours: read once a thread, then copied. */
static bool begin_llhttp(llhttp_t *ret_llhttp)
{
    static const struct strview start = {"GET / HTTP/1.1\r\n", 16};
    static _Thread_local llhttp_t begun;
    static _Thread_local bool has_begun;

    if (!has_begun) {
        llhttp_init(&begun, HTTP_REQUEST, &llhttp_settings);
        if (llhttp_execute(&begun, start.ptr, start.len) != HPE_OK)
            return false;
        has_begun = true;
    }
    *ret_llhttp = begun;
    return true;
}

/* Whether llhttp reads the lines (with the empty one at their end) as the
 * fields that we read, framing fields left out. */
static bool llhttp_agrees(struct strview lines, const struct http_head *head)
{
    struct second_reading reading = {.head = head};
    const char *at = lines.ptr;
    const char *end = lines.ptr + lines.len;
    llhttp_t llhttp;

    if (!begin_llhttp(&llhttp))
        return false;
    llhttp.data = &reading;
    for (uint32_t i = 0; i < head->field_count; i++) {
        const char *name = head->fields[i].name.ptr;

        if (!is_framing(head->fields[i].id))
            continue;
        if (name > at &&
            llhttp_execute(&llhttp, at, (size_t)(name - at)) != HPE_OK)
            return false;
        at = memchr(name, '\n', (size_t)(end - name));
        at++;
    }
    if (llhttp_execute(&llhttp, at, (size_t)(end - at)) != HPE_PAUSED)
        return false;
    skip_framing(&reading);
    return reading.ended && !reading.differs &&
           reading.next == head->field_count;
}

/* --- a whole head -------------------------------------------------------- */

static bool read_whole(const struct http_parser *parser, struct strview data,
                       struct arena *arena, struct http_head *head,
                       struct rejection *ret_rejection)
{
    /* Without and with the empty line behind them. */
    struct strview fields =
        sv_make(data.ptr + parser->field_at, parser->at - parser->field_at - 2);
    struct strview all = sv_make(fields.ptr, fields.len + 2);

    head->bytes = parser->at;
    head->fields =
        arena_alloc(arena, parser->field_count * sizeof *head->fields);
    if (!read_fields(fields, head, ret_rejection))
        return false;
    if (!llhttp_agrees(all, head))
        return bad(ret_rejection, llhttp_disagrees);
    return parser->kind == HTTP_KIND_REQUEST
               ? http_meaning_of_request(head, arena, ret_rejection)
               : http_meaning_of_answer(head, parser, arena, ret_rejection);
}

/* One more line, which is not empty. */
static bool take_line(struct http_parser *parser, struct strview line,
                      struct strview data, struct http_head *head,
                      struct rejection *ret_rejection)
{
    if (parser->saw_line) {
        if (parser->field_count == parser->limits->max_fields)
            return http_reject(ret_rejection, REJECT_HEADERS_TOO_LARGE,
                               "There are too many header fields.");
        parser->field_count++;
        return true;
    }
    parser->saw_line = true;
    parser->line_at = (uint32_t)(line.ptr - data.ptr);
    parser->field_at = parser->at;
    return read_start_line(parser->kind, line, head, ret_rejection);
}

/* An empty line before the start line. */
static bool may_skip_empty_line(struct http_parser *parser)
{
    if (parser->kind == HTTP_KIND_RESPONSE || parser->saw_empty)
        return false;
    parser->saw_empty = true;
    return true;
}

/* What cannot begin a request need not be read to its line's end. */
static bool begins_badly(const struct http_parser *parser, struct strview data)
{
    return parser->kind == HTTP_KIND_REQUEST && !parser->saw_line &&
           parser->at < data.len && data.ptr[parser->at] != '\r' &&
           data.ptr[parser->at] != '\n' &&
           !http_char_is(data.ptr[parser->at], CHAR_TOKEN);
}

static enum http_result read_head(struct http_parser *parser,
                                  struct strview data, struct arena *arena,
                                  struct http_head *head,
                                  struct rejection *ret_rejection)
{
    for (;;) {
        struct strview line;
        enum http_result result;

        if (begins_badly(parser, data))
            return refuse(ret_rejection, REJECT_BAD_REQUEST,
                          "This is not an HTTP request.");
        result = next_line(parser, data, &line, ret_rejection);
        if (result != HTTP_DONE)
            return result;
        if (line.len > 0) {
            if (!take_line(parser, line, data, head, ret_rejection))
                return HTTP_REFUSED;
            continue;
        }
        if (parser->saw_line)
            break;
        if (!may_skip_empty_line(parser))
            return refuse(ret_rejection, REJECT_BAD_REQUEST,
                          "There is no start line.");
    }
    return read_whole(parser, data, arena, head, ret_rejection) ? HTTP_DONE
                                                                : HTTP_REFUSED;
}

enum http_result http_parser_head(struct http_parser *parser,
                                  struct strview data, struct arena *arena,
                                  struct http_head *ret_head,
                                  struct rejection *ret_rejection)
{
    enum http_result result;

    *ret_head = (struct http_head){.kind = parser->kind};
    if (data.len == 0)
        return HTTP_MORE;
    /* The buffer may have moved since its start line was read. */
    if (parser->saw_line) {
        struct strview line = sv_make(data.ptr + parser->line_at,
                                      parser->field_at - parser->line_at - 2);
        bool ok = read_start_line(parser->kind, line, ret_head, ret_rejection);

        assert(ok);
    }
    result = read_head(parser, data, arena, ret_head, ret_rejection);
    if (result == HTTP_REFUSED && parser->kind == HTTP_KIND_RESPONSE)
        ret_rejection->code = REJECT_UPSTREAM_INVALID;
    return result;
}

/* --- trailers ------------------------------------------------------------ */

/* How many lines there are before the empty one, at the end; -1: a line end
 * or a character is wrong. */
static int64_t count_trailer_lines(struct strview lines)
{
    const char *at = lines.ptr;
    const char *end = lines.ptr + lines.len;
    int64_t count = 0;

    while (at < end) {
        const char *cr = http_find_control(at, end);

        if (end - cr < 2 || cr[0] != '\r' || cr[1] != '\n')
            return -1;
        if (cr == at)
            return cr + 2 == end ? count : -1;
        count++;
        at = cr + 2;
    }
    return -1;
}

bool http_parser_trailers(enum http_kind kind, struct strview lines,
                          struct arena *arena, struct http_head *ret_trailers,
                          struct rejection *ret_rejection)
{
    struct http_head head = {.kind = kind, .bytes = lines.len};
    int64_t count = count_trailer_lines(lines);

    if (count < 0)
        return bad(ret_rejection, "The trailer section is malformed.");
    head.fields = arena_alloc(arena, (size_t)count * sizeof *head.fields);
    lines.len -= 2;
    if (!read_fields(lines, &head, ret_rejection))
        return false;
    lines.len += 2;
    if (http_head_has(&head, FIELD_CONTENT_LENGTH) ||
        http_head_has(&head, FIELD_TRANSFER_ENCODING) ||
        http_head_has(&head, FIELD_HOST))
        return bad(ret_rejection, "A field may not stand in a trailer.");
    if (!llhttp_agrees(lines, &head))
        return bad(ret_rejection, llhttp_disagrees);
    *ret_trailers = head;
    return true;
}
