#include "router/base/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void put_all(struct strbuf *buf)
{
    wire_put_u32(buf, 0xFEDCBA98);
    wire_put_u64(buf, UINT64_MAX - 1);
    wire_put_sv(buf, SV("bytes"));
    wire_put_sv(buf, SV(""));
    wire_put_sv(buf, (struct strview){NULL, 0});
    wire_put_str(buf, "text");
    wire_put_str(buf, "");
    wire_put_str(buf, NULL);
}

Test(wire, everything_comes_out_as_it_was_put)
{
    struct strbuf buf = STRBUF_INIT;
    struct wire_reader reader;
    struct strview sv;
    char *text;

    put_all(&buf);
    reader = wire_reader_of(strbuf_view(&buf));
    cr_assert_eq(wire_get_u32(&reader), 0xFEDCBA98);
    cr_assert_eq(wire_get_u64(&reader), UINT64_MAX - 1);
    sv = wire_get_sv(&reader);
    cr_assert(sv_eq(sv, SV("bytes")));
    cr_assert(sv.ptr > buf.data && sv.ptr < buf.data + buf.len);
    sv = wire_get_sv(&reader);
    cr_assert(sv.ptr && sv.len == 0);
    cr_assert_null(wire_get_sv(&reader).ptr);
    text = wire_get_str(&reader);
    cr_assert_str_eq(text, "text");
    free(text);
    cr_assert_not(wire_reader_is_done(&reader));
    text = wire_get_str(&reader);
    cr_assert_str_eq(text, "");
    free(text);
    cr_assert_null(wire_get_str(&reader));
    cr_assert(wire_reader_is_done(&reader));
    cr_assert_not(reader.failed);
    strbuf_done(&buf);
}

static void get_all(struct wire_reader *reader)
{
    (void)wire_get_u32(reader);
    (void)wire_get_u64(reader);
    for (unsigned i = 0; i < 3; i++)
        (void)wire_get_sv(reader);
    for (unsigned i = 0; i < 3; i++)
        free(wire_get_str(reader));
}

Test(wire, a_message_cut_anywhere_fails_and_stays_failed)
{
    struct strbuf buf = STRBUF_INIT;

    put_all(&buf);
    for (size_t len = 0; len < buf.len; len++) {
        struct wire_reader reader = wire_reader_of(sv_make(buf.data, len));

        get_all(&reader);
        cr_assert(reader.failed, "cut to %zu bytes", len);
        cr_assert_not(wire_reader_is_done(&reader));
        cr_assert_eq(wire_get_u32(&reader), 0);
        cr_assert_null(wire_get_sv(&reader).ptr);
    }
    strbuf_done(&buf);
}

Test(wire, a_length_beyond_the_end_fails)
{
    struct wire_reader reader =
        wire_reader_of(sv_make("\xFE\xFF\xFF\xFFxy", 6));

    cr_assert_null(wire_get_sv(&reader).ptr);
    cr_assert(reader.failed);
}

Test(wire, a_c_string_with_a_nul_inside_fails)
{
    struct strbuf buf = STRBUF_INIT;
    struct wire_reader reader;

    wire_put_sv(&buf, sv_make("a\0b", 3));
    reader = wire_reader_of(strbuf_view(&buf));
    cr_assert_null(wire_get_str(&reader));
    cr_assert(reader.failed);
    strbuf_done(&buf);
}

Test(wire, a_count_that_cannot_follow_is_refused)
{
    struct strbuf buf = STRBUF_INIT;
    struct wire_reader reader;

    wire_put_u32(&buf, 3);
    wire_put_u64(&buf, 0);
    wire_put_u32(&buf, 0);
    reader = wire_reader_of(strbuf_view(&buf));
    cr_assert_eq(wire_get_count(&reader, 4), 3);
    reader = wire_reader_of(strbuf_view(&buf));
    cr_assert_eq(wire_get_count(&reader, 5), 0);
    cr_assert(reader.failed);
    strbuf_done(&buf);
}

Test(wire, an_empty_payload_is_done_at_once)
{
    struct wire_reader reader = wire_reader_of((struct strview){NULL, 0});

    cr_assert(wire_reader_is_done(&reader));
    cr_assert_eq(wire_get_u32(&reader), 0);
    cr_assert(reader.failed);
}
