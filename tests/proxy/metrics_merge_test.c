#include "proxy/admin/metrics_merge.h"

#include <criterion/criterion.h>

static void check(const char *label, const char *const *texts, size_t count,
                  const char *expected)
{
    AUTO(metrics_merge_free) struct metrics_merge *merge = metrics_merge_new();
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    for (size_t i = 0; i < count; i++)
        metrics_merge_add(merge, sv_of(texts[i]));
    metrics_merge_write(merge, METRICS_TEXT, &out);
    cr_assert_str_eq(out.data ? out.data : "", expected, "%s:\n%s", label,
                     out.data);
}

static const struct {
    const char *label;
    const char *texts[2];
    const char *expected;
} cases[] = {
    {"families of one side only stand as they are",
     {"# HELP a A\n# TYPE a counter\na{x=\"1\"} 1\n",
      "# HELP b B\n# TYPE b gauge\nb 2.5\n"},
     "# HELP a A\n# TYPE a counter\na{x=\"1\"} 1\n"
     "# HELP b B\n# TYPE b gauge\nb 2.5\n"},
    {"a family of both comes once, its series together",
     {"# HELP a A\n# TYPE a counter\na{x=\"1\"} 1\n# TYPE b gauge\nb 1\n",
      "# HELP a A\n# TYPE a counter\na{x=\"2\"} 7\n"},
     "# HELP a A\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 7\n"
     "# TYPE b gauge\nb 1\n"},
    {"a series of both is summed",
     {"# TYPE a counter\na{x=\"1\"} 1\n", "# TYPE a counter\na{x=\"1\"} 41\n"},
     "# TYPE a counter\na{x=\"1\"} 42\n"},
    {"a fraction stays one",
     {"# TYPE a counter\na 0.5\n", "# TYPE a counter\na 1.25\n"},
     "# TYPE a counter\na 1.75\n"},
    {"a histogram keeps the order of its buckets",
     {"# TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
      "h_sum 0.4\nh_count 2\n",
      "# TYPE h histogram\nh_bucket{le=\"0.1\"} 0\nh_bucket{le=\"+Inf\"} 1\n"
      "h_sum 3\nh_count 1\n"},
     "# TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 3\n"
     "h_sum 3.3999999999999999\nh_count 3\n"},
    {"a brace and an escaped quote in a label end nothing",
     {"# TYPE a gauge\na{x=\"} \\\" {\"} 3\n", ""},
     "# TYPE a gauge\na{x=\"} \\\" {\"} 3\n"},
    {"a name that only begins like the family is another one",
     {"# TYPE a gauge\na_b 1\na 2\n", ""},
     "# TYPE a gauge\na 2\na_b 1\n"},
    {"a family without series is left out",
     {"# HELP a A\n# TYPE a counter\n", "# TYPE b gauge\nb 1\n"},
     "# TYPE b gauge\nb 1\n"},
    {"nonsense is dropped",
     {"what\n{\na{x=\"1\n# \n#\nb one\n", "# TYPE c gauge\nc 1"},
     "# TYPE c gauge\nc 1\n"},
    {"nothing makes nothing", {"", ""}, ""},
};

Test(metrics_merge, each_family_comes_once)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].label, cases[i].texts, 2, cases[i].expected);
}

Test(metrics_merge, ten_thousand_series_are_found_again)
{
    AUTO(metrics_merge_free) struct metrics_merge *merge = metrics_merge_new();
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf expected = STRBUF_INIT;

    strbuf_add_str(&text, "# TYPE a counter\n");
    strbuf_add_str(&expected, "# TYPE a counter\n");
    for (unsigned i = 0; i < 10000; i++) {
        strbuf_printf(&text, "a{app=\"%u\"} %u\n", i, i);
        strbuf_printf(&expected, "a{app=\"%u\"} %u\n", i, 2 * i);
    }
    metrics_merge_add(merge, strbuf_view(&text));
    metrics_merge_add(merge, strbuf_view(&text));
    metrics_merge_write(merge, METRICS_TEXT, &out);
    cr_assert(sv_eq(strbuf_view(&out), strbuf_view(&expected)));
}

Test(metrics_merge, open_metrics_names_counters_without_total_and_has_an_end)
{
    AUTO(metrics_merge_free) struct metrics_merge *merge = metrics_merge_new();
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    metrics_merge_add(merge, SV("# HELP a_total A\n# TYPE a_total counter\n"
                                "a_total{x=\"1\"} 2\n"
                                "# TYPE b_total gauge\nb_total 1\n"
                                "# TYPE c untyped\nc 3\n"));
    metrics_merge_write(merge, METRICS_OPEN, &out);
    cr_assert_str_eq(out.data, "# HELP a A\n# TYPE a counter\n"
                               "a_total{x=\"1\"} 2\n"
                               "# TYPE b_total gauge\nb_total 1\n"
                               "# TYPE c unknown\nc 3\n# EOF\n");
}
