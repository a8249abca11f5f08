#include "lifecycle/reservation.h"

#include <criterion/criterion.h>
#include <stddef.h>

TestSuite(reservation);

Test(reservation, what_is_written_is_read)
{
    static const struct {
        struct placement_need need;
        const char *devices;
    } cases[] = {
        {{0}, ""},
        {{.cpu_millis = 500, .memory_bytes = UINT64_C(1) << 50}, ""},
        {{.gpu_millis = 250, .gpu_memory_bytes = 1}, "nvidia.com/gpu=0"},
        {{.cpu_millis = 1, .gpu_millis = 64000}, "a/b=0,a/b=1:2,c/d=e"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        struct placement_need need;
        struct strview devices;

        reservation_format(&cases[i].need, sv_of(cases[i].devices), &text);
        cr_assert(reservation_parse(strbuf_view(&text), &need, &devices), "%s",
                  text.data);
        cr_expect_eq(need.cpu_millis, cases[i].need.cpu_millis);
        cr_expect_eq(need.memory_bytes, cases[i].need.memory_bytes);
        cr_expect_eq(need.gpu_millis, cases[i].need.gpu_millis);
        cr_expect_eq(need.gpu_memory_bytes, cases[i].need.gpu_memory_bytes);
        cr_expect(sv_eq(devices, sv_of(cases[i].devices)), "%s", text.data);
    }
}

Test(reservation, other_texts_are_refused)
{
    static const char *const texts[] = {
        "",
        "cpu_millis=1",
        "memory=1 cpu_millis=1 gpu_millis=0 gpu_memory=0 devices=",
        "cpu_millis=-1 memory=0 gpu_millis=0 gpu_memory=0 devices=",
        "cpu_millis=1 memory= gpu_millis=0 gpu_memory=0 devices=",
        "cpu_millis=1 memory=99999999999999999999 gpu_millis=0 gpu_memory=0",
        "cpu_millis=1 memory=0 gpu_millis=64001 gpu_memory=0 devices=",
        "cpu_millis=1 memory=0 gpu_millis=0 gpu_memory=0",
        "cpu_millis=1 memory=0 gpu_millis=0 gpu_memory=0 devices=a b",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct placement_need need;
        struct strview devices;

        cr_expect_not(reservation_parse(sv_of(texts[i]), &need, &devices), "%s",
                      texts[i]);
    }
}
