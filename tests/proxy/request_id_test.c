#include "proxy/request_id.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>

#include "router/base/alloc.h"

#define NOW UINT64_C(1795502580123)

Test(request_id, ids_are_uuids_of_version_7_with_the_time_in_front)
{
    char id[REQUEST_ID_SIZE];
    char want[14];

    request_id_make(NOW, id);
    cr_expect_eq(strlen(id), 36);
    for (int i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23)
            cr_expect_eq(id[i], '-', "%s", id);
        else
            cr_expect_not_null(strchr("0123456789abcdef", id[i]), "%s", id);
    }
    cr_expect_eq(id[14], '7', "%s", id);
    cr_expect_not_null(strchr("89ab", id[19]), "%s", id);
    snprintf(want, sizeof want, "%08lx-%04lx", (unsigned long)(NOW >> 16),
             (unsigned long)(NOW & 0xffff));
    cr_expect_eq(memcmp(id, want, 13), 0, "%s begins not with %s", id, want);
}

Test(request_id, ids_of_a_thread_grow_even_within_a_millisecond)
{
    char last[REQUEST_ID_SIZE] = "";

    /* More than the 4096 that fit into one millisecond, and time that goes
     * back. */
    for (uint64_t i = 0; i < 20000; i++) {
        char id[REQUEST_ID_SIZE];

        request_id_make(NOW - i / 10000, id);
        cr_assert_lt(strcmp(last, id), 0, "%s, then %s", last, id);
        memcpy(last, id, sizeof last);
    }
}

#define PER_THREAD 2000
#define THREADS    4

static void *make_many(void *arg)
{
    char(*ids)[REQUEST_ID_SIZE] = arg;

    for (int i = 0; i < PER_THREAD; i++)
        request_id_make(NOW, ids[i]);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

Test(request_id, threads_never_make_the_same)
{
    char(*ids)[REQUEST_ID_SIZE] =
        xcalloc(PER_THREAD * THREADS, REQUEST_ID_SIZE);
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(
            pthread_create(&threads[i], NULL, make_many, ids[i * PER_THREAD]),
            0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    qsort(ids, PER_THREAD * THREADS, REQUEST_ID_SIZE, compare);
    for (int i = 1; i < PER_THREAD * THREADS; i++)
        cr_assert_neq(strcmp(ids[i - 1], ids[i]), 0, "%s twice", ids[i]);
    free(ids);
}

Test(request_id, only_harmless_ids_are_taken_over)
{
    static const struct {
        const char *id;
        bool is_acceptable;
    } rows[] = {
        {"019dcf4e-1234-7abc-8def-0123456789ab", true},
        {"Root=1-67891233-abcdef012345678912345678", true},
        {"a.b_c:d+e/f=g@h", true},
        {"", false},
        {"a b", false},
        {"a\"b", false},
        {"a,b", false},
        {"a<b>", false},
        {"a\xc3\xa9", false},
    };
    char text[REQUEST_ID_MAX_BYTES + 1];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(request_id_is_acceptable(sv_of(rows[i].id)),
                     rows[i].is_acceptable, "%s", rows[i].id);
    memset(text, 'x', sizeof text);
    cr_expect(request_id_is_acceptable(sv_make(text, REQUEST_ID_MAX_BYTES)));
    cr_expect_not(request_id_is_acceptable(sv_make(text, sizeof text)));
    cr_expect_not(request_id_is_acceptable(sv_make("a\0b", 3)));
}
