/* access_log_bench.c - what a line of an access log costs a worker: the values
 * kept of the head, and the line made of them.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/access_log.h"
#include "proxy/http_head.h"
#include "proxy/protection_settings.h"
#include "router/base/clock.h"

#define LINES 1000000U

static void measure(const char *format)
{
    struct access_log_settings settings = {0, (char *)(size_t)format};
    struct shared_settings shared = {.access_log_count = 1,
                                     .access_logs = &settings};
    struct access_logs *logs = access_logs_new(&shared);
    struct http_field fields[] = {
        {SV("Host"), SV("models.example.com"), FIELD_HOST},
        {SV("User-Agent"), SV("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"),
         FIELD_USER_AGENT},
        {SV("Accept"), SV("*/*"), FIELD_ACCEPT}};
    struct http_head head = {
        .minor = 1,
        .method_name = SV("GET"),
        .target = SV("/sentiment/predict?text=hello+world"),
        .path = SV("/sentiment/predict"),
        .query = SV("text=hello+world"),
        .host = SV("models.example.com"),
        .fields = fields,
        .field_count = 3,
        .present = 1ULL << FIELD_HOST | 1ULL << FIELD_USER_AGENT |
                   1ULL << FIELD_ACCEPT,
    };
    struct access_entry entry = {
        .remote = SV("192.0.2.17"),
        .request_id = SV("01a20c95-1742-75ac-ac01-df9041457113"),
        .app = SV("sentiment"),
        .replica = SV("sentiment-17"),
        .unix_ms = clock_unix_ms(),
        .body_bytes = 1234,
        .bytes = 1500,
        .request_bytes = 240,
        .request_us = 3210,
        .upstream_us = 3000,
        .status = 200,
    };
    struct strbuf line = STRBUF_INIT;
    struct arena arena;
    size_t bytes = 0;
    uint64_t began;
    uint64_t us;

    arena_init(&arena);
    began = clock_now_us();
    for (unsigned i = 0; i < LINES; i++) {
        entry.head_values =
            access_log_keep(&logs->all[0], &head, head.path, &arena);
        entry.unix_ms = clock_unix_ms();
        access_log_write(&logs->all[0], &entry, &line);
        bytes = line.len;
        strbuf_clear(&line);
        arena_reset(&arena);
    }
    us = clock_now_us() - began;
    printf("%-10s %4.0f ns a line of %zu bytes\n",
           strlen(format) < 10 ? format : "own", (double)us * 1000 / LINES,
           bytes);
    arena_done(&arena);
    strbuf_done(&line);
    access_logs_free(&logs);
}

int main(void)
{
    measure("combined");
    measure("json");
    measure("$remote_addr $status $request_time \"$request\"");
    return 0;
}
