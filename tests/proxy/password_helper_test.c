#include "proxy/password_helper.h"

#include <crypt.h>
#include <criterion/criterion.h>
#include <string.h>

static struct {
    unsigned done;
    unsigned right;
    unsigned wanted;
} seen;

static void on_done(struct password_job *job)
{
    struct loop *loop = job->loop;

    seen.done++;
    seen.right += job->is_right;
    password_job_free(&job);
    if (seen.done == seen.wanted)
        loop_stop(loop);
}

static struct password_job *job_of(struct loop *loop, const char *hash,
                                   const char *password, bool is_known)
{
    struct password_job *job = password_job_new(hash, password);

    job->loop = loop;
    job->on_done = on_done;
    job->is_known = is_known;
    return job;
}

Test(password_helper, it_tells_right_from_wrong)
{
    struct crypt_data data = {0};
    char *hash = strdup(crypt_r("pw", "$6$rounds=1000$saltsalt", &data));
    struct loop *loop = loop_new("test");
    struct password_helper *helper = password_helper_new();

    seen.wanted = 5;
    cr_assert(password_helper_ask(helper, job_of(loop, hash, "pw", true)));
    cr_assert(password_helper_ask(helper, job_of(loop, hash, "pW", true)));
    cr_assert(password_helper_ask(helper, job_of(loop, hash, "", true)));
    cr_assert(password_helper_ask(helper, job_of(loop, hash, "pw", false)),
              "of a user that there is not");
    cr_assert(password_helper_ask(helper, job_of(loop, "broken", "pw", true)));
    loop_run(loop);
    cr_expect_eq(seen.done, 5);
    cr_expect_eq(seen.right, 1);
    password_helper_free(&helper);
    loop_free(&loop);
    free(hash);
}

Test(password_helper, what_may_wait_is_bounded_and_all_is_answered)
{
    struct loop *loop = loop_new("test");
    struct password_helper *helper = password_helper_new();
    unsigned taken = 0;
    bool refused = false;

    seen.wanted = UINT32_MAX;
    /* Some are looked at meanwhile. */
    for (int i = 0; i < 1000 && !refused; i++) {
        struct password_job *job = job_of(
            loop,
            "$2b$08$abcdefghijklmnopqrstuuWcPp9K1Zcd3xC1kM6iWlKb5N0sQdH9m", "x",
            true);

        if (password_helper_ask(helper, job)) {
            taken++;
        } else {
            refused = true;
            password_job_free(&job);
        }
    }
    cr_expect(refused);
    cr_expect_geq(taken, PASSWORD_HELPER_QUEUE_MAX);
    password_helper_free(&helper);
    loop_free(&loop); /* runs what was posted to it */
    cr_expect_eq(seen.done, taken);
    cr_expect_eq(seen.right, 0);
}

Test(password_helper, what_was_right_is_remembered_for_a_while)
{
    struct password_cache *cache = password_cache_new();

    cr_expect_not(password_cache_has(cache, "h", "pw", 1000));
    password_cache_add(cache, "h", "pw", 1000);
    cr_expect(password_cache_has(cache, "h", "pw", 2000));
    cr_expect_not(password_cache_has(cache, "h", "pw2", 2000));
    cr_expect_not(password_cache_has(cache, "h2", "pw", 2000));
    cr_expect_not(password_cache_has(cache, "hp", "w", 2000));
    cr_expect_not(
        password_cache_has(cache, "h", "pw", 1000 + PASSWORD_CACHE_US));
    password_cache_free(&cache);
}
