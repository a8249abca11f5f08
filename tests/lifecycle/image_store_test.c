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
                            &settings, NULL);
}

static void done(void)
{
    image_store_free(&store);
    bench_done(&bench);
}

TestSuite(image_store, .init = init, .fini = done);

struct asker {
    struct image_want want;
    struct container_settings container;
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
    asker->container.image = image;
    asker->container.pull_policy = policy;
    asker->container.pull_timeout_ms = 60000;
    asker->want.on_image = on_image;
    image_store_ensure(store, &asker->container, &asker->want);
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
    image_store_describe(store, &askers[2].container, &text);
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
    image_store_describe(store, &asker.container, &text);
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
    cr_expect_str_eq(asker.text, "image localhost/a:1: connection refused");
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

/* Only what is really in a registry is pulled by policy. */
static char remote[] = "registry.example.com/a:1";

static void look(struct asker *asker, char *image)
{
    asker->container.image = image;
    asker->want.on_image = on_image;
    image_store_look(store, &asker->container, &asker->want);
}

Test(image_store, looking_does_not_pull)
{
    struct asker asker = {0};

    bench.engine->image_is_there = false;
    look(&asker, image_a);
    await(&asker);
    cr_expect_eq(asker.code, ERR_NOT_FOUND);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 0U);
}

/* A container that runs is adopted at once, whatever is pulled meanwhile. */
Test(image_store, looking_waits_for_no_pull)
{
    struct asker puller = {0};
    struct asker looker = {0};

    bench.engine->hold[FAKE_PULL] = true;
    ask(&puller, remote, PULL_ALWAYS);
    cr_assert(bench_engine_hears(&bench, "pull", 1));
    look(&looker, remote);
    await(&looker);
    cr_expect_eq(looker.code, ERR_NONE);
    cr_expect_eq(puller.answers, 0U);
    fake_engine_release(bench.engine, FAKE_PULL);
    await(&puller);
}

Test(image_store, policies_ask_the_registry_once_until_a_reload)
{
    static const struct {
        const char *label;
        enum pull_policy policy;
        bool is_there;
        unsigned pulls[3]; /* first, again, after image_store_renew() */
    } cases[] = {
        {"missing, there", PULL_MISSING, true, {0, 0, 0}},
        {"missing, not there", PULL_MISSING, false, {1, 1, 1}},
        {"never", PULL_NEVER, true, {0, 0, 0}},
        {"newer, there", PULL_NEWER, true, {1, 1, 2}},
        {"newer, not there", PULL_NEWER, false, {1, 1, 2}},
        {"always", PULL_ALWAYS, true, {1, 1, 2}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned before = bench.engine->counts[FAKE_PULL];

        image_store_renew(store, &settings);
        bench.engine->image_is_there = cases[i].is_there;
        for (unsigned j = 0; j < 3; j++) {
            struct asker asker = {0};

            if (j == 2)
                image_store_renew(store, &settings);
            ask(&asker, remote, cases[i].policy);
            await(&asker);
            cr_expect_eq(asker.code, ERR_NONE, "%s", cases[i].label);
            cr_expect_eq(bench.engine->counts[FAKE_PULL] - before,
                         cases[i].pulls[j], "%s, %u: %u", cases[i].label, j,
                         bench.engine->counts[FAKE_PULL] - before);
        }
    }
}

Test(image_store, what_is_local_alone_is_never_sought_elsewhere)
{
    struct asker askers[2] = {0};

    ask(&askers[0], image_a, PULL_ALWAYS);
    await(&askers[0]);
    ask(&askers[1], image_a, PULL_NEWER);
    await(&askers[1]);
    cr_expect_eq(askers[0].code, ERR_NONE);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 0U);
}

Test(image_store, newer_takes_what_is_there_when_the_registry_is_down)
{
    struct asker newer = {0};
    struct asker always = {0};

    settings.pull_retries = 0;
    fake_engine_fail(bench.engine, FAKE_PULL, 2, ERR_UNAVAILABLE, "down");
    ask(&newer, remote, PULL_NEWER);
    await(&newer);
    cr_expect_eq(newer.code, ERR_NONE);
    cr_expect_not(newer.answer.was_pulled);
    image_store_renew(store, &settings);
    ask(&always, remote, PULL_ALWAYS);
    await(&always);
    cr_expect_eq(always.code, ERR_UNAVAILABLE);
    cr_expect_str_eq(always.text, "image registry.example.com/a:1: down");
}

Test(image_store, a_pull_that_is_asked_for_is_made_whatever_the_policy)
{
    struct asker asker = {
        .container = {.image = remote, .pull_policy = PULL_NEVER},
        .want = {.on_image = on_image}};

    image_store_pull(store, &asker.container, &asker.want);
    await(&asker);
    cr_expect_eq(asker.code, ERR_NONE);
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 1U);
    cr_expect_not(asker.answer.was_pulled, "it is the same as before");
}

Test(image_store, secrets_make_another_content)
{
    struct secret_setting secret = {.name = image_a};
    struct asker askers[4] = {0};

    ask(&askers[0], image_a, PULL_MISSING);
    for (int i = 1; i < 4; i++) {
        bench.engine->secret_ids = i == 2 ? "id-2\n" : "id-1\n";
        askers[i].container.secrets = &secret;
        askers[i].container.secret_count = 1;
        ask(&askers[i], image_a, PULL_MISSING);
        await(&askers[i]);
        cr_expect_str_neq(askers[i].answer.content_id,
                          askers[0].answer.content_id);
    }
    await(&askers[0]);
    cr_expect_str_eq(askers[0].answer.content_id, "sha256:1");
    cr_expect_str_neq(askers[1].answer.content_id, askers[2].answer.content_id);
    cr_expect_str_eq(askers[1].answer.content_id, askers[3].answer.content_id);
}

/* It is in the container that runs; a new one could not be made. */
Test(image_store, a_secret_that_is_gone_fails_a_start_and_not_a_look)
{
    struct secret_setting secret = {.name = image_a};
    struct asker askers[2] = {0};

    fake_engine_fail(bench.engine, FAKE_SECRETS, 2, ERR_NOT_FOUND,
                     "there is no secret");
    for (int i = 0; i < 2; i++) {
        askers[i].container.secrets = &secret;
        askers[i].container.secret_count = 1;
    }
    ask(&askers[0], image_a, PULL_MISSING);
    await(&askers[0]);
    cr_expect_eq(askers[0].code, ERR_NOT_FOUND);
    look(&askers[1], image_a);
    await(&askers[1]);
    cr_expect_eq(askers[1].code, ERR_NONE);
}

/* --- sidecars --- */

static void ask_with_sidecars(struct asker *asker,
                              struct sidecar_settings *sidecars)
{
    sidecars[0] = (struct sidecar_settings){
        .name = (char *)(uintptr_t) "log",
        .container = {.image = image_b, .pull_timeout_ms = 60000}};
    sidecars[1] = (struct sidecar_settings){
        .name = (char *)(uintptr_t) "cache",
        .container = {.image = image_c, .pull_timeout_ms = 60000}};
    asker->container.sidecar_count = 2;
    asker->container.sidecars = sidecars;
    ask(asker, image_a, PULL_MISSING);
}

Test(image_store, the_images_of_sidecars_are_asked_for_too)
{
    struct sidecar_settings sidecars[2];
    struct asker plain = {0};
    struct asker asker = {0};

    ask(&plain, image_a, PULL_MISSING);
    await(&plain);
    bench.engine->image_is_there = false;
    ask_with_sidecars(&asker, sidecars);
    await(&asker);
    cr_expect_eq(asker.code, ERR_NONE, "%s", asker.text);
    cr_expect(asker.answer.was_pulled);
    cr_expect_not_null(strstr(bench.engine->log.data, "pull localhost/a:1"));
    cr_expect_not_null(strstr(bench.engine->log.data, "image localhost/b:1"));
    cr_expect_not_null(strstr(bench.engine->log.data, "image localhost/c:1"));
    cr_expect_str_neq(asker.answer.content_id, plain.answer.content_id,
                      "the revision is that of all of them");
}

Test(image_store, what_a_sidecar_lacks_is_told_with_its_name)
{
    struct secret_setting secret = {.name = (char *)(uintptr_t) "token"};
    struct sidecar_settings sidecars[2];
    struct asker asker = {0};

    fake_engine_fail(bench.engine, FAKE_SECRETS, 1, ERR_NOT_FOUND, "no such");
    ask_with_sidecars(&asker, sidecars);
    sidecars[1].container.secret_count = 1;
    sidecars[1].container.secrets = &secret;
    await(&asker);
    cr_expect_eq(asker.code, ERR_NOT_FOUND);
    cr_expect_not_null(strstr(asker.text, "sidecar cache"), "%s", asker.text);
}

Test(image_store, a_want_is_cancelled_while_a_sidecar_is_asked_for)
{
    struct sidecar_settings sidecars[2];
    struct asker asker = {0};

    bench.engine->image_is_there = false;
    bench.engine->hold[FAKE_PULL] = true;
    ask_with_sidecars(&asker, sidecars);
    bench_run_ms(&bench, 50);
    fake_engine_release(bench.engine, FAKE_PULL); /* the app's */
    bench.engine->image_is_there = true;
    bench.engine->hold[FAKE_IMAGE] = true;
    bench_run_ms(&bench, 50);
    cr_assert_eq(asker.answers, 0U);
    image_want_cancel(&asker.want);
    fake_engine_release(bench.engine, FAKE_IMAGE);
    bench_run_ms(&bench, 50);
    cr_assert_eq(asker.answers, 0U);
}
