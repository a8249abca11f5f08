/* local_reply.c - the answers that berth itself gives. */
#include "proxy/local_reply.h"

#include <string.h>
#include <time.h>

#include "proxy/http_syntax.h"
#include "router/base/clock.h"

/* --- what the client would like ------------------------------------------ */

/* A weight (RFC 9110, 12.4.2) in thousandths; 1000 where there is none. What
 * is no weight counts as 0: such a range is not preferred. */
static unsigned weight_of(struct strview parameters)
{
    struct strview part;

    while (sv_split(&parameters, ';', &part)) {
        unsigned weight;
        unsigned unit = 100;

        part = sv_trim(part);
        if (part.len < 3 || http_lower(part.ptr[0]) != 'q' ||
            part.ptr[1] != '=')
            continue;
        if (part.ptr[2] != '0' && part.ptr[2] != '1')
            return 0;
        weight = part.ptr[2] == '1' ? 1000 : 0;
        for (size_t i = 4; i < part.len && unit > 0; i++, unit /= 10) {
            if (part.ptr[i] < '0' || part.ptr[i] > '9')
                return 0;
            weight += unit * (unsigned)(part.ptr[i] - '0');
        }
        return weight > 1000 ? 1000 : weight;
    }
    return 1000;
}

struct preference {
    unsigned weight;
    unsigned exactness; /* of the range that it comes from */
};

/* The most exact range decides (RFC 9110, 12.5.1). */
static void prefer(struct preference *preference, unsigned exactness,
                   unsigned weight)
{
    if (exactness > preference->exactness ||
        (exactness == preference->exactness && weight > preference->weight))
        *preference = (struct preference){weight, exactness};
}

bool local_reply_wants_html(const struct http_head *request)
{
    struct preference html = {0, 0};
    struct preference json = {0, 0};

    if (!request || !http_head_has(request, FIELD_ACCEPT))
        return false;
    for (uint32_t i = 0; i < request->field_count; i++) {
        struct strview rest = request->fields[i].value;
        struct strview element;

        if (request->fields[i].id != FIELD_ACCEPT)
            continue;
        while (http_next_element(&rest, &element)) {
            struct strview range = {NULL, 0};
            unsigned weight;

            (void)sv_split(&element, ';', &range);
            range = sv_trim(range);
            weight = weight_of(element);
            if (sv_eq_nocase(range, SV("text/html")))
                prefer(&html, 3, weight);
            else if (sv_eq_nocase(range, SV("text/*")))
                prefer(&html, 2, weight);
            else if (sv_eq_nocase(range, SV("application/json")))
                prefer(&json, 3, weight);
            else if (sv_eq_nocase(range, SV("application/*")))
                prefer(&json, 2, weight);
            else if (sv_eq(range, SV("*/*"))) {
                prefer(&html, 1, weight);
                prefer(&json, 1, weight);
            }
        }
    }
    return html.weight > json.weight;
}

/* --- bodies -------------------------------------------------------------- */

static void add_html(struct strbuf *buf, struct strview text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '&')
            strbuf_add_sv(buf, SV("&amp;"));
        else if (c == '<')
            strbuf_add_sv(buf, SV("&lt;"));
        else if (c == '>')
            strbuf_add_sv(buf, SV("&gt;"));
        else if (c == '"')
            strbuf_add_sv(buf, SV("&quot;"));
        else if (c == '\'')
            strbuf_add_sv(buf, SV("&#39;"));
        else if ((unsigned char)c < 0x20 || c == 0x7f)
            strbuf_add_char(buf, ' ');
        else
            strbuf_add_char(buf, c);
    }
}

static void add_html_body(struct strbuf *body, enum reject_code code,
                          struct strview message, struct strview request_id)
{
    unsigned status = rejection_status(code);
    const char *reason = local_reply_reason(status);

    strbuf_printf(body,
                  "<!DOCTYPE html>\n<html lang=\"en\">\n<head>"
                  "<meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width\">"
                  "<title>%u %s</title>"
                  "<style>body{font:1rem/1.5 sans-serif;margin:15vh auto;"
                  "max-width:34em;padding:0 1em}"
                  "@media(prefers-color-scheme:dark)"
                  "{body{background:#111;color:#ddd}}</style></head>\n"
                  "<body><h1>%u %s</h1>\n<p>",
                  status, reason, status, reason);
    add_html(body, message);
    strbuf_printf(body, "</p>\n<p><small><code>%s", rejection_name(code));
    if (request_id.len > 0) {
        strbuf_add_char(body, ' ');
        add_html(body, request_id);
    }
    strbuf_add_str(body, "</code></small></p></body>\n</html>\n");
}

static void add_json_body(struct strbuf *body, enum reject_code code,
                          struct strview message, struct strview request_id)
{
    strbuf_printf(
        body, "{\"error\":{\"code\":\"%s\",\"message\":", rejection_name(code));
    strbuf_add_json(body, message);
    strbuf_add_str(body, ",\"request_id\":");
    strbuf_add_json(body, request_id);
    strbuf_add_str(body, "}}\n");
}

/* --- heads --------------------------------------------------------------- */

static const struct {
    uint16_t status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *local_reply_reason(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

/* IMF-fixdate (RFC 9110, 5.6.7), whatever the locale. */
static void add_date(struct strbuf *buf)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed",
                                    "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr",
                                       "May", "Jun", "Jul", "Aug",
                                       "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)(clock_unix_ms() / 1000);
    struct tm tm;

    gmtime_r(&now, &tm);
    strbuf_printf(buf, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                  days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                  tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void begin_head(const struct local_reply *reply, unsigned status,
                       struct strbuf *buf)
{
    strbuf_printf(buf, "HTTP/1.1 %u %s\r\n", status,
                  local_reply_reason(status));
    add_date(buf);
    if (status == 503 || status == 429)
        strbuf_printf(buf, "Retry-After: %u\r\n",
                      reply->retry_after_s > 0 ? reply->retry_after_s : 1);
    else if (reply->retry_after_s > 0)
        strbuf_printf(buf, "Retry-After: %u\r\n", reply->retry_after_s);
    /* CONNECT and TRACE are what berth refuses so (RFC 9110, 15.5.6). */
    if (status == 405)
        strbuf_add_str(
            buf, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
    if (reply->request_id.len > 0) {
        strbuf_add_str(buf, "X-Request-Id: ");
        strbuf_add_sv(buf, reply->request_id);
        strbuf_add_str(buf, "\r\n");
    }
    strbuf_add_sv(buf, reply->extra);
}

static void end_head(const struct local_reply *reply, struct strbuf *buf)
{
    const struct http_head *request = reply->request;

    if (!reply->keep_alive || !request || !request->keep_alive)
        strbuf_add_str(buf, "Connection: close\r\n");
    else if (request->minor == 0)
        strbuf_add_str(buf, "Connection: keep-alive\r\n");
    strbuf_add_str(buf, "\r\n");
}

static void add_body(const struct local_reply *reply, struct strview type,
                     struct strview body, struct strbuf *buf)
{
    strbuf_add_str(buf, "Content-Type: ");
    strbuf_add_sv(buf, type);
    strbuf_printf(buf, "\r\nContent-Length: %zu\r\n", body.len);
    end_head(reply, buf);
    if (!reply->request || reply->request->method != METHOD_HEAD)
        strbuf_add_sv(buf, body);
}

static void add_error_fields(enum reject_code code, struct strbuf *buf)
{
    strbuf_printf(buf, "X-Berth-Error: %s\r\n", rejection_name(code));
    /* 404, 405, 414 and 501 may be cached unless that is said. */
    strbuf_add_str(buf, "Cache-Control: no-store\r\n"
                        "Vary: Accept\r\n"
                        "X-Content-Type-Options: nosniff\r\n");
}

void local_reply_page(const struct local_reply *reply, enum reject_code code,
                      struct strview html, struct strbuf *buf)
{
    begin_head(reply, rejection_status(code), buf);
    add_error_fields(code, buf);
    add_body(reply, SV("text/html; charset=utf-8"), html, buf);
}

void local_reply_stream(const struct local_reply *reply, struct strbuf *buf)
{
    begin_head(reply, 200, buf);
    strbuf_add_str(buf, "Content-Type: text/event-stream\r\n"
                        "Cache-Control: no-store\r\n"
                        "X-Accel-Buffering: no\r\n");
    end_head(reply, buf);
    strbuf_add_str(buf, "retry: 1000\n\n");
}

void local_reply_reject(const struct local_reply *reply,
                        const struct rejection *rejection,
                        struct strview detail, struct strbuf *buf)
{
    AUTO(strbuf_done) struct strbuf body = STRBUF_INIT;
    struct strview message =
        detail.len > 0 ? detail : sv_of(rejection_text(rejection));
    bool is_html = local_reply_wants_html(reply->request);

    if (is_html && reply->page.len > 0)
        strbuf_add_sv(&body, reply->page);
    else if (is_html)
        add_html_body(&body, rejection->code, message, reply->request_id);
    else
        add_json_body(&body, rejection->code, message, reply->request_id);
    begin_head(reply, rejection_status(rejection->code), buf);
    add_error_fields(rejection->code, buf);
    add_body(reply,
             is_html ? SV("text/html; charset=utf-8") : SV("application/json"),
             strbuf_view(&body), buf);
}

void local_reply_return(const struct local_reply *reply, unsigned status,
                        struct strview text, struct strbuf *buf)
{
    begin_head(reply, status, buf);
    if (status == 204 || status == 304) {
        end_head(reply, buf);
        return;
    }
    if (status >= 300 && status < 400) {
        strbuf_add_str(buf, "Location: ");
        strbuf_add_sv(buf, text);
        strbuf_add_str(buf, "\r\nContent-Length: 0\r\n");
        end_head(reply, buf);
        return;
    }
    add_body(reply,
             reply->type.len > 0 ? reply->type
                                 : SV("text/plain; charset=utf-8"),
             text, buf);
}

void local_reply_continue(struct strbuf *buf)
{
    strbuf_add_str(buf, "HTTP/1.1 100 Continue\r\n\r\n");
}
