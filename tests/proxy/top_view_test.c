/* top_view_test.c - the past of queues, as people read it. */
#include "proxy/cli/top_view.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>

#include "proxy/cli/view.h"

static const struct view plain = {false, 0};

Test(top_view, a_sparkline_shows_what_is_more_as_more)
{
    static const uint64_t none[] = {0, 0, 0};
    static const uint64_t few[] = {0, 1, 4, 8};
    static const uint64_t many[] = {0, 1, 500, 1000};
    AUTO(strbuf_done) struct strbuf a = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf b = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf c = STRBUF_INIT;

    top_sparkline(none, ARRAY_LEN(none), &a);
    top_sparkline(few, ARRAY_LEN(few), &b);
    top_sparkline(many, ARRAY_LEN(many), &c);
    cr_expect_str_eq(a.data, "   ");
    cr_expect_str_eq(b.data, " ▁▄█");
    cr_expect_str_eq(c.data, " ▁▄█", "one that waits is seen");
}

static void show(struct top *top, unsigned requests, unsigned queued,
                 uint64_t now_us, struct strbuf *out)
{
    char text[256];
    cJSON *json;

    snprintf(text, sizeof text,
             "{\"apps\":[{\"name\":\"a\",\"state\":\"ready\",\"ready\":1,"
             "\"wanted\":2,\"in_flight\":3,\"queued\":%u,\"requests\":%u}]}",
             queued, requests);
    json = cJSON_Parse(text);
    top_view(top, json, now_us, &plain, out);
    cJSON_Delete(json);
}

Test(top_view, rates_come_from_two_looks)
{
    AUTO(top_free) struct top *top = top_new();
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    show(top, 100, 0, 1000000, &out);
    cr_expect_str_eq(
        out.data,
        "APP  STATE  READY/WANTED  IN FLIGHT  REQ/S  P50  P99  QUEUED  QUEUE\n"
        "a    ready           1/2          3      -    -    -       0\n",
        "\n%s", out.data);
    strbuf_clear(&out);
    show(top, 125, 8, 3000000, &out);
    cr_expect(strstr(out.data, "  12.5  "), "\n%s", out.data);
    cr_expect(strstr(out.data, " 8   █\n"), "\n%s", out.data);
    strbuf_clear(&out);
    show(top, 5, 0, 4000000, &out); /* another front */
    cr_expect(strstr(out.data, "  12.5  "), "\n%s", out.data);
}

Test(top_view, the_past_is_bounded)
{
    AUTO(top_free) struct top *top = top_new();
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    unsigned bars = 0;

    for (unsigned i = 0; i < 3 * TOP_PAST; i++) {
        strbuf_clear(&out);
        show(top, 0, 8, i + 1, &out);
    }
    for (const char *at = out.data; (at = strstr(at, "█")); at += 3)
        bars++;
    cr_expect_eq(bars, TOP_PAST);
}
