/* image_store_test.c */
#include "lifecycle/image_store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/loop.h"
#include "router/base/timers.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench; /* for its loop and its engine */
static struct podman_settings settings;
static struct image_store *store;

static void init(void)
{
    bench_init(&bench, 0);
    settings =
        (struct podman_settings){.max_parallel_pulls = 2, .pull_retries = 1};
    store = image_store_new(bench.loop, bench.timers, &bench.engine->base,
                            &settings);
}

static void done(void)
{
    image_store_free(&store);
    bench_done(&bench);
}

TestSuite(image_store, .init = init, .fini = done);

struct asker {
    struct image_want want;
    unsigned answers;
    struct image_answer answer;
    enum err_code code;
    char text[128];
};

static void on_image(struct image_want *want, const struct image_answer *answer,
                     const struct err *err)
{
    struct asker *asker = container_of(want, struct asker, want);

    asker->answers++;
    asker->code = err ? err->code : ERR_NONE;
    if (answer)
        asker->answer = *answer;
    if (err)
        snprintf(asker->text, sizeof asker->text, "%.100s", err->text);
}

static void ask(struct asker *asker, char *image, enum pull_policy policy)
{
    struct container_settings container = {
        .image = image, .pull_policy = policy, .pull_timeout_ms = 60000};

    asker->want.on_image = on_image;
    image_store_ensure(store, &container, &asker->want);
}

static bool has_answer(void *arg)
{
    return ((const struct asker *)arg)->answers > 0;
}

static void await(struct asker *asker)
{
    cr_assert(bench_run_until(&bench, has_answer, asker, 5000), "%s",
              bench.engine->log.data);
    cr_assert_eq(asker->answers, 1U);
}

static char image_a[] = "localhost/a:1";
static char image_b[] = "localhost/b:1";
static char image_c[] = "localhost/c:1";

Test(image_store, one_that_is_there_is_not_pulled)
{
    struct asker asker = {0};

    ask(&asker, image_a, PULL_MISSING);
    cr_assert_eq(asker.answers, 0U, "never within the call");
    await(&asker);
    cr_expect_eq(asker.code, ERR_NONE);
    cr_expect_str_eq(asker.answer.image.id, "sha256:1");
    cr_expect_not(asker.answer.was_pulled);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 0U);
}

Test(image_store, however_many_ask_it_is_pulled_once)
{
    struct asker askers[10] = {0};

    bench.engine->image_is_there = false;
    bench.engine->hold[FAKE_PULL] = true;
    for (int i = 0; i < 5; i++)
        ask(&askers[i], image_a, PULL_MISSING);
    cr_assert(bench_engine_hears(&bench, "pull", 1));
    for (int i = 5; i < 10; i++)
        ask(&askers[i], image_a, PULL_MISSING);
    bench_run_ms(&bench, 20);
    fake_engine_release(bench.engine, FAKE_PULL);
    for (int i = 0; i < 10; i++) {
        await(&askers[i]);
        cr_expect(askers[i].answer.was_pulled);
    }
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 1U);
    cr_expect_eq(bench.engine->counts[FAKE_IMAGE], 1U);
}

Test(image_store, never_means_never)
{
    struct asker asker = {0};

    bench.engine->image_is_there = false;
    ask(&asker, image_a, PULL_NEVER);
    await(&asker);
    cr_expect_eq(asker.code, ERR_NOT_FOUND);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 0U);
}

Test(image_store, pulls_are_bounded)
{
    struct asker askers[3] = {0};
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    bench.engine->image_is_there = false;
    bench.engine->hold[FAKE_PULL] = true;
    ask(&askers[0], image_a, PULL_MISSING);
    ask(&askers[1], image_b, PULL_MISSING);
    ask(&askers[2], image_c, PULL_MISSING);
    cr_assert(bench_engine_hears(&bench, "pull", 2));
    bench_run_ms(&bench, 50);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 2U);
    image_store_describe(store, image_c, &text);
    cr_expect_str_eq(text.data, "waiting for other pulls to end");
    fake_engine_release(bench.engine, FAKE_PULL);
    for (int i = 0; i < 3; i++)
        await(&askers[i]);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 3U);
}

Test(image_store, what_may_pass_is_tried_again)
{
    struct asker asker = {0};
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    bench.engine->image_is_there = false;
    fake_engine_fail(bench.engine, FAKE_PULL, 1, ERR_FAILED,
                     "connection refused");
    ask(&asker, image_a, PULL_MISSING);
    cr_assert(bench_engine_hears(&bench, "pull", 1));
    bench_run_ms(&bench, 50);
    image_store_describe(store, image_a, &text);
    cr_expect_not_null(strstr(text.data, "connection refused"), "%s",
                       text.data);
    await(&asker);
    cr_expect_eq(asker.code, ERR_NONE);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 2U);
}

Test(image_store, gives_up_after_its_retries_with_the_last_reason)
{
    struct asker asker = {0};

    bench.engine->image_is_there = false;
    fake_engine_fail(bench.engine, FAKE_PULL, 9, ERR_FAILED,
                     "connection refused");
    ask(&asker, image_a, PULL_MISSING);
    await(&asker);
    cr_expect_eq(asker.code, ERR_FAILED);
    cr_expect_str_eq(asker.text, "connection refused");
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 2U, "pull_retries 1");
}

Test(image_store, what_cannot_pass_is_not_tried_again)
{
    static const enum err_code codes[] = {ERR_NOT_FOUND, ERR_DENIED,
                                          ERR_INVALID};

    settings.pull_retries = 3;
    bench.engine->image_is_there = false;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct asker asker = {0};

        fake_engine_fail(bench.engine, FAKE_PULL, 9, codes[i], "no");
        ask(&asker, image_a, PULL_MISSING);
        await(&asker);
        cr_expect_eq(asker.code, codes[i]);
        cr_expect_eq(bench.engine->counts[FAKE_PULL], i + 1);
    }
}

Test(image_store, who_does_not_wait_any_more_is_not_called)
{
    struct asker leaves = {0};
    struct asker stays = {0};

    ask(&leaves, image_a, PULL_MISSING);
    ask(&stays, image_a, PULL_MISSING);
    image_want_cancel(&leaves.want);
    await(&stays);
    cr_expect_eq(leaves.answers, 0U);
}

Test(image_store, a_new_question_looks_anew)
{
    struct asker first = {0};
    struct asker second = {0};

    ask(&first, image_a, PULL_MISSING);
    await(&first);
    strcpy(bench.engine->image_id, "sha256:2"); /* tagged anew */
    ask(&second, image_a, PULL_MISSING);
    await(&second);
    cr_expect_str_eq(second.answer.image.id, "sha256:2");
}

Test(image_store, looking_does_not_pull)
{
    struct asker asker = {.want = {.on_image = on_image}};

    bench.engine->image_is_there = false;
    image_store_look(store, image_a, &asker.want);
    await(&asker);
    cr_expect_eq(asker.code, ERR_NOT_FOUND);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 0U);
}
