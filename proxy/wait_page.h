/* wait_page.h - the page that a browser sees while its app starts
 * (`on_cold_start page`): wait_page.html, built in. Thread: any.
 */
#ifndef PROXY_WAIT_PAGE_H
#define PROXY_WAIT_PAGE_H

#include <stdbool.h>

#include "router/base/strview.h"

struct app_progress;
struct http_head;
struct strbuf;

/* A browser that goes to a page: GET, it would rather have HTML, and nothing
 * says that it is anything but a navigation (Sec-Fetch-Mode). */
bool wait_page_is_for(const struct http_head *request);
/* The page's own question: `?berth_wait` for text/event-stream. */
bool wait_page_is_follow(const struct http_head *request);

struct strview wait_page_html(void);
/* What it may do: its own style and script, and ask its own host. Whole field
 * lines. */
struct strview wait_page_fields(void);

/* An event of the stream, with its empty line: "progress". */
void wait_page_add_progress(const struct app_progress *progress,
                            struct strbuf *buf);
/* "ready" or "failed": the last. */
void wait_page_add_end(const char *event, struct strbuf *buf);

#endif
