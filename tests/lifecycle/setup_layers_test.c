#include "lifecycle/setup_layers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/loop.h"
#include "router/base/timers.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench; /* for its loop and its engine */
static char name[] = "n.s";
static struct podman_settings settings = {.namespace_name = name,
                                          .max_parallel_pulls = 2};
static struct setup_layers *layers;
static char path[] = "/tmp/setup_layers_test.XXXXXX";
static char destination[] = "/srv/x";
static struct setup_step step = {
    .kind = SETUP_COPY, .source = path, .destination = destination};
static struct container_settings container = {
    .setup_count = 1, .setup = &step, .pull_timeout_ms = 60000};

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static void init(void)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
    write_file("one");
    bench_init(&bench, 0);
    layers = setup_layers_new(bench.loop, bench.timers, &bench.engine->base,
                              &settings);
}

static void done(void)
{
    setup_layers_free(&layers);
    bench_run_ms(&bench, 1); /* a thread's last word */
    bench_done(&bench);
    unlink(path);
}

TestSuite(setup_layers, .init = init, .fini = done);

struct asker {
    struct setup_want want;
    unsigned answers;
    struct setup_answer answer;
    struct err err;
};

static void on_layer(struct setup_want *want, const struct setup_answer *answer,
                     const struct err *err)
{
    struct asker *asker = container_of(want, struct asker, want);

    asker->answers++;
    if (answer)
        asker->answer = *answer;
    asker->err = err ? *err : (struct err){.code = ERR_NONE};
}

static void ask(struct asker *asker, const char *base, enum setup_mode mode)
{
    *asker = (struct asker){.want = {.on_layer = on_layer}};
    setup_layers_ask(layers, &container, base, mode, &asker->want);
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

static unsigned builds(void)
{
    return bench.engine->counts[FAKE_BUILD];
}

Test(setup_layers, however_many_ask_it_is_built_once)
{
    struct asker askers[6];

    for (int i = 0; i < 3; i++)
        ask(&askers[i], "base", SETUP_ENSURE);
    for (int i = 0; i < 3; i++)
        await(&askers[i]);
    for (int i = 3; i < 6; i++) {
        ask(&askers[i], "base", SETUP_ENSURE);
        await(&askers[i]);
    }
    cr_expect_eq(builds(), 1U);
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(askers[i].err.code, ERR_NONE, "%s", askers[i].err.text);
        cr_expect_str_eq(askers[i].answer.tag, askers[0].answer.tag);
    }
    cr_expect_eq(strncmp(askers[0].answer.tag, "localhost/berth-setup/nxs:",
                         strlen("localhost/berth-setup/nxs:")),
                 0, "%s", askers[0].answer.tag);
    cr_expect_str_eq(askers[0].answer.tag +
                         strlen("localhost/berth-setup/nxs:"),
                     askers[0].answer.digest);
}

Test(setup_layers, one_that_is_there_is_taken)
{
    struct asker asker;

    bench.engine->layer_is_there = true;
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_eq(asker.err.code, ERR_NONE);
    cr_expect_eq(builds(), 0U);
}

Test(setup_layers, another_image_below_is_another_layer)
{
    struct asker first;
    struct asker second;

    ask(&first, "base", SETUP_ENSURE);
    await(&first);
    ask(&second, "other", SETUP_ENSURE);
    await(&second);
    cr_expect_str_neq(first.answer.digest, second.answer.digest);
}

/* As env_file: what is read at the start holds until a reload. */
Test(setup_layers, files_are_read_anew_after_a_reload)
{
    struct asker asker;
    char first[DIGEST_HEX_SIZE];

    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    memcpy(first, asker.answer.digest, sizeof first);
    write_file("two");
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_str_eq(asker.answer.digest, first);
    setup_layers_renew(layers, &settings);
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_str_neq(asker.answer.digest, first);
}

Test(setup_layers, looking_builds_nothing)
{
    struct asker looker;
    struct asker asker;

    ask(&looker, "base", SETUP_LOOK);
    await(&looker);
    cr_expect_eq(builds(), 0U);
    cr_expect_str_eq(looker.answer.tag, "");
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_str_eq(looker.answer.digest, asker.answer.digest);
}

/* A replica that is only primed waits for no build, and is not made of less. */
Test(setup_layers, who_wants_what_is_there_waits_for_no_build)
{
    struct asker finders[3];
    struct asker asker;

    bench.engine->hold[FAKE_BUILD] = true;
    ask(&finders[0], "base", SETUP_FIND);
    ask(&asker, "base", SETUP_ENSURE);
    await(&finders[0]);
    cr_expect_eq(finders[0].err.code, ERR_NOT_FOUND);
    cr_assert(bench_engine_hears(&bench, "build", 1));
    ask(&finders[1], "base", SETUP_FIND);
    await(&finders[1]);
    cr_expect_eq(finders[1].err.code, ERR_NOT_FOUND);
    cr_expect_eq(asker.answers, 0U);
    fake_engine_release(bench.engine, FAKE_BUILD);
    await(&asker);
    ask(&finders[2], "base", SETUP_FIND);
    await(&finders[2]);
    cr_expect_eq(finders[2].err.code, ERR_NONE);
    cr_expect_str_eq(finders[2].answer.tag, asker.answer.tag);
    cr_expect_eq(builds(), 1U);
}

Test(setup_layers, nothing_is_built_for_one_who_only_finds)
{
    struct asker finder;

    ask(&finder, "base", SETUP_FIND);
    await(&finder);
    cr_expect_eq(finder.err.code, ERR_NOT_FOUND);
    bench_run_ms(&bench, 20);
    cr_expect_eq(builds(), 0U);
}

Test(setup_layers, a_build_that_failed_is_tried_again_when_it_is_asked_for)
{
    struct asker asker;

    fake_engine_fail(bench.engine, FAKE_BUILD, 1, ERR_FAILED, "exit status 7");
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_eq(asker.err.code, ERR_FAILED);
    cr_expect_str_eq(asker.err.text, "exit status 7");
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_eq(asker.err.code, ERR_NONE);
    cr_expect_eq(builds(), 2U);
}

/* Its command goes on at Podman: no other is begun beside it. */
Test(setup_layers, one_that_took_too_long_waits_as_long_again)
{
    struct asker asker;

    container.pull_timeout_ms = 150;
    fake_engine_fail(bench.engine, FAKE_BUILD, 1, ERR_TIMEOUT, "too long");
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_eq(asker.err.code, ERR_TIMEOUT);
    cr_expect_eq(builds(), 1U);
    bench_run_ms(&bench, 200);
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_eq(asker.err.code, ERR_NONE);
    cr_expect_eq(builds(), 2U);
}

Test(setup_layers, a_file_that_is_not_there_fails_with_its_name)
{
    struct asker asker;

    unlink(path);
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_eq(asker.err.code, ERR_NOT_FOUND);
    cr_expect_not_null(strstr(asker.err.text, path), "%s", asker.err.text);
    write_file("there");
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_eq(asker.err.code, ERR_NONE);
}

Test(setup_layers, so_many_builds_at_a_time_as_pulls)
{
    struct asker askers[3];
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    bench.engine->hold[FAKE_BUILD] = true;
    ask(&askers[0], "a", SETUP_ENSURE);
    ask(&askers[1], "b", SETUP_ENSURE);
    ask(&askers[2], "c", SETUP_ENSURE);
    cr_assert(bench_engine_hears(&bench, "build", 2));
    bench_run_ms(&bench, 50);
    cr_expect_eq(builds(), 2U);
    setup_layers_describe(layers, &container, &text);
    cr_expect(text.len > 0);
    fake_engine_release(bench.engine, FAKE_BUILD);
    for (int i = 0; i < 3; i++)
        await(&askers[i]);
    cr_expect_eq(builds(), 3U);
}

static bool has_swept(void *arg)
{
    (void)arg;
    return bench.engine->counts[FAKE_PRUNE_LAYERS] > 0;
}

Test(setup_layers, what_was_asked_for_is_kept_when_the_rest_goes)
{
    struct asker asker;
    AUTO(auto_free) char *expected = NULL;

    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    expected = xasprintf("%s\n", asker.answer.tag);
    cr_assert(bench_run_until(&bench, has_swept, NULL, 15000));
    cr_expect_str_eq(bench.engine->kept_layers.data, expected);
}

static bool has_build(void *arg)
{
    (void)arg;
    return builds() > 0;
}

/* A replica of the configuration before waits for its layer when the reload
 * comes: nobody needs that one after. */
Test(setup_layers, what_was_asked_for_before_a_reload_is_not_kept)
{
    struct asker before;
    struct asker after;
    AUTO(auto_free) char *expected = NULL;

    bench.engine->hold[FAKE_BUILD] = true;
    ask(&before, "base", SETUP_ENSURE);
    cr_assert(bench_run_until(&bench, has_build, NULL, 5000));
    setup_layers_renew(layers, &settings);
    write_file("two");
    ask(&after, "base", SETUP_ENSURE);
    fake_engine_release(bench.engine, FAKE_BUILD);
    await(&before);
    await(&after);
    cr_expect_str_neq(before.answer.tag, after.answer.tag);
    expected = xasprintf("%s\n", after.answer.tag);
    cr_assert(bench_run_until(&bench, has_swept, NULL, 15000));
    cr_expect_str_eq(bench.engine->kept_layers.data, expected);
}

Test(setup_layers, files_that_are_being_read_at_a_reload_are_read_anew)
{
    struct asker fresh;
    struct asker asker;

    write_file("two");
    ask(&fresh, "base", SETUP_LOOK);
    await(&fresh);
    setup_layers_renew(layers, &settings);
    write_file("one");
    ask(&asker, "base", SETUP_LOOK);
    usleep(50000); /* the thread has read it, and nobody has heard yet */
    write_file("two");
    setup_layers_renew(layers, &settings);
    await(&asker);
    cr_expect_str_eq(asker.answer.digest, fresh.answer.digest);
}

/* Where all apps are upstreams there is no engine until a reload brings one. */
Test(setup_layers, without_an_engine_nothing_is_swept)
{
    struct asker asker;

    setup_layers_free(&layers);
    layers = setup_layers_new(bench.loop, bench.timers, NULL, &settings);
    bench_run_ms(&bench, 5200);
    setup_layers_set_engine(layers, &bench.engine->base);
    ask(&asker, "base", SETUP_ENSURE);
    await(&asker);
    cr_expect_eq(asker.err.code, ERR_NONE, "%s", asker.err.text);
    cr_expect_eq(builds(), 1U);
}

Test(setup_layers, may_be_freed_while_a_thread_reads)
{
    struct asker asker;

    ask(&asker, "base", SETUP_ENSURE);
    setup_want_cancel(&asker.want);
    setup_layers_free(&layers);
    bench_run_ms(&bench, 20);
    cr_expect_eq(asker.answers, 0U);
}
