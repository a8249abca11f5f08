/* wait_page.c - the page that a browser sees while its app starts. */
#include "proxy/wait_page.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proxy/http_head.h"
#include "proxy/local_reply.h"
#include "router/app_progress.h"
#include "router/base/attr.h"
#include "router/base/digest.h"
#include "router/base/strbuf.h"

/* CMakeLists.txt says where it is, and builds this file anew when it changes.
 */
__asm__(".pushsection .rodata\n"
        "wait_page_begin:\n"
        ".incbin \"" BERTH_WAIT_PAGE "\"\n"
        "wait_page_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char wait_page_begin[] __attribute__((visibility("hidden")));
extern const char wait_page_end[] __attribute__((visibility("hidden")));

struct strview wait_page_html(void)
{
    return sv_make(wait_page_begin, (size_t)(wait_page_end - wait_page_begin));
}

/* --- who it is for -------------------------------------------------------- */

bool wait_page_is_for(const struct http_head *request)
{
    const struct http_field *mode =
        http_head_find_name(request, SV("sec-fetch-mode"));

    return request->method == METHOD_GET && !http_head_has_body(request) &&
           (!mode || sv_eq(mode->value, SV("navigate"))) &&
           local_reply_wants_html(request);
}

bool wait_page_is_follow(const struct http_head *request)
{
    const struct http_field *accept = http_head_find(request, FIELD_ACCEPT);

    return request->method == METHOD_GET && !http_head_has_body(request) &&
           sv_eq(request->query, SV("berth_wait")) && accept &&
           sv_eq_nocase(accept->value, SV("text/event-stream"));
}

/* --- its policy ----------------------------------------------------------- */

static char fields[512];

static void add_base64(char *to, const unsigned char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
                                 "stuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned bits = (unsigned)data[i] << 16;

        bits |= left > 1 ? (unsigned)data[i + 1] << 8 : 0;
        bits |= left > 2 ? data[i + 2] : 0;
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = '=';
        *to++ = '=';
        if (left > 1)
            to[-2] = digits[bits >> 6 & 63];
        if (left > 2)
            to[-1] = digits[bits & 63];
    }
    *to = '\0';
}

/* Of what stands between two tags of the page, as CSP wants it. */
static void hash_of(const char *open, const char *close, char *ret_text)
{
    struct strview html = wait_page_html();
    const char *begin =
        (const char *)memmem(html.ptr, html.len, open, strlen(open));
    const char *end;
    unsigned char bytes[DIGEST_BYTES];
    struct digest *digest = digest_new();

    begin += strlen(open);
    end = (const char *)memmem(begin, html.len - (size_t)(begin - html.ptr),
                               close, strlen(close));
    digest_add(digest, begin, (size_t)(end - begin));
    digest_finish(digest, bytes);
    digest_free(&digest);
    add_base64(ret_text, bytes, sizeof bytes);
}

static void make_fields(void)
{
    char style[64];
    char script[64];

    hash_of("<style>", "</style>", style);
    hash_of("<script>", "</script>", script);
    snprintf(fields, sizeof fields,
             "Content-Security-Policy: default-src 'none'; style-src "
             "'sha256-%s'; script-src 'sha256-%s'; connect-src 'self'; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'self'\r\n"
             "Referrer-Policy: no-referrer\r\n",
             style, script);
}

struct strview wait_page_fields(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_fields);
    return sv_of(fields);
}

/* --- its stream ----------------------------------------------------------- */

void wait_page_add_progress(const struct app_progress *progress,
                            struct strbuf *buf)
{
    strbuf_printf(buf,
                  "event: progress\ndata: {\"phase\":\"%s\",\"layers_done\":%u,"
                  "\"layers_known\":%u,\"bytes\":%" PRIu64 "}\n\n",
                  progress->phase, progress->layers_done,
                  progress->layers_known, progress->bytes);
}

void wait_page_add_end(const char *event, struct strbuf *buf)
{
    strbuf_printf(buf, "event: %s\ndata: {}\n\n", event);
}
