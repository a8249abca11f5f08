/* config_reload_test.c - what a reload is refused, and how apps are updated. */
#include <criterion/criterion.h>

#include "conf/config.h"
#include "router/base/alloc.h"
#include "tests/support/config_cases.h"

Test(config_reload, a_reload_is_refused_what_is_fixed_and_says_where)
{
    static const struct config_case cases[] = {
        {"nothing", "user u; worker_threads 2;", ""},
        {"what may change", "user u; worker_threads 2; drain_timeout 1s;", ""},
        {"two things", "\nworker_threads 3; user v;",
         "t:2:1: a reload cannot change \"worker_threads\" (from 2 to 3): "
         "restart berth for that\n"
         "t:2:19: a reload cannot change \"user\" (from u to v): restart "
         "berth for that\n"},
        {"left out", "worker_threads 2;",
         "t: a reload cannot change \"user\" (from u to berth, or nobody where "
         "there is no such user): restart berth for that\n"},
        {"podman's", "user u; worker_threads 2; podman { namespace n; }",
         "t:1:36: a reload cannot change \"namespace\" of podman (from default "
         "to n): restart berth for that\n"},
    };
    AUTO(config_free)
    struct config *running = config_cases_good("user u; worker_threads 2;");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(config_free) struct config *next =
            config_cases_good(cases[i].text);
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;

        cr_expect_eq(config_check_reload(running, next, &errors),
                     cases[i].errors[0] == '\0', "%s", cases[i].label);
        cr_expect_str_eq(errors.data ? errors.data : "", cases[i].errors, "%s",
                         cases[i].label);
    }
}

Test(config_reload, threads_that_are_auto_before_and_after_are_no_change)
{
    AUTO(config_free) struct config *running = config_cases_good("");
    AUTO(config_free) struct config *next =
        config_cases_good("worker_threads auto;");
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;

    running->proxy->worker_count += 3; /* the host had more CPUs then */
    cr_expect(config_check_reload(running, next, &errors));
    cr_expect_eq(next->proxy->worker_count, running->proxy->worker_count);
}

Test(config_reload, update_says_how_one_revision_follows_another)
{
    static const struct config_case bad[] = {
        {"kind", APP("update slowly;"),
         "t:1:30: \"update\" takes rolling or recreate, not \"slowly\"\n"},
        {"option", APP("update rolling speed=2;"),
         "t:1:45: \"update\" takes surge=N, unavailable=N and rollback=on|off "
         "here, not \"speed=2\"\n"},
        {"neither", APP("update rolling surge=0;"),
         "t:1:30: \"update rolling\" with surge=0 and unavailable=0 could "
         "never begin: allow one of them\n"},
    };
    AUTO(config_free)
    struct config *config = config_cases_good(
        APP("update recreate surge=2 unavailable=1 rollback=off;"));
    const struct update_settings *update = &config->lifecycle->apps[0].update;

    config_cases_check(bad, sizeof bad / sizeof bad[0]);
    cr_expect(update->recreate);
    cr_expect_eq(update->surge, 2);
    cr_expect_eq(update->unavailable, 1);
    cr_expect_not(update->rollback);
}
