#include "lifecycle/log_stream.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/strbuf.h"

/* "1:text" for each run of bytes of one stream, as it came. */
struct record {
    struct strbuf out;
    unsigned calls;
};

static void on_bytes(void *arg, enum log_source source, struct strview bytes)
{
    struct record *record = arg;

    cr_assert_gt(bytes.len, 0);
    strbuf_add_char(&record->out, (char)('0' + source));
    strbuf_add_sv(&record->out, bytes);
    record->calls++;
}

static const char frames[] = "\1\0\0\0\0\0\0\6one\r\n!"
                             "\2\0\0\0\0\0\0\4two\n"
                             "\1\0\0\0\0\0\0\0"
                             "\1\0\0\0\0\0\1\0"
                             "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef";

/* The streams' bytes one after the other, however they were cut. */
static void on_joined(void *arg, enum log_source source, struct strview bytes)
{
    struct strbuf *streams = arg;

    strbuf_add_sv(&streams[source], bytes);
}

Test(log_stream, frames_are_taken_apart)
{
    struct record record = {0};
    struct log_stream stream = {.on_bytes = on_bytes, .arg = &record};

    cr_assert(log_stream_feed(&stream, sv_make(frames, 8 + 6 + 8 + 4), NULL));
    cr_assert_str_eq(record.out.data, "1one\r\n!2two\n");
    cr_assert_eq(record.calls, 2);
    cr_assert(log_stream_is_whole(&stream));
    strbuf_done(&record.out);
}

Test(log_stream, frames_may_be_cut_anywhere_twice)
{
    const size_t len = sizeof frames - 1;

    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b++) {
            struct strbuf out[3] = {STRBUF_INIT, STRBUF_INIT, STRBUF_INIT};
            struct log_stream stream = {.on_bytes = on_joined, .arg = out};

            cr_assert(log_stream_feed(&stream, sv_make(frames, a), NULL));
            cr_assert(
                log_stream_feed(&stream, sv_make(frames + a, b - a), NULL));
            cr_assert(
                log_stream_feed(&stream, sv_make(frames + b, len - b), NULL));
            cr_assert(log_stream_is_whole(&stream), "cut at %zu, %zu", a, b);
            cr_assert_eq(out[1].len, 6 + 256, "cut at %zu, %zu", a, b);
            cr_assert_eq(memcmp(out[1].data, "one\r\n!0123", 10), 0);
            cr_assert_str_eq(out[2].data, "two\n");
            strbuf_done(&out[1]);
            strbuf_done(&out[2]);
        }
    }
}

Test(log_stream, an_end_within_a_frame_is_told)
{
    struct strbuf out[3] = {STRBUF_INIT, STRBUF_INIT, STRBUF_INIT};
    struct log_stream stream = {.on_bytes = on_joined, .arg = out};

    cr_assert(log_stream_feed(&stream, sv_make(frames, 3), NULL));
    cr_assert_not(log_stream_is_whole(&stream));
    cr_assert(log_stream_feed(&stream, sv_make(frames + 3, 7), NULL));
    cr_assert_not(log_stream_is_whole(&stream));
    strbuf_done(&out[1]);
}

Test(log_stream, what_is_no_header_is_refused)
{
    static const struct {
        const char *label;
        const char *bytes;
    } cases[] = {
        {"text", "Hello, w"},
        {"stdin", "\0\0\0\0\0\0\0\1"},
        {"a fourth stream", "\3\0\0\0\0\0\0\1"},
        {"no zeros", "\1\0\1\0\0\0\0\1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf out[3] = {STRBUF_INIT, STRBUF_INIT, STRBUF_INIT};
        struct log_stream stream = {.on_bytes = on_joined, .arg = out};
        struct err err;

        cr_assert_not(
            log_stream_feed(&stream, sv_make(cases[i].bytes, 8), &err), "%s",
            cases[i].label);
        cr_assert_eq(err.code, ERR_PROTOCOL);
    }
}

/* Four gigabytes announced cost nothing. */
Test(log_stream, a_huge_frame_is_passed_on_as_it_comes)
{
    struct record record = {0};
    struct log_stream stream = {.on_bytes = on_bytes, .arg = &record};

    cr_assert(log_stream_feed(&stream, SV("\1\0\0\0\xff\xff\xff\xff"), NULL));
    cr_assert(log_stream_feed(&stream, SV("abc"), NULL));
    cr_assert_str_eq(record.out.data, "1abc");
    cr_assert_eq(stream.left, 0xffffffffU - 3);
    strbuf_done(&record.out);
}
