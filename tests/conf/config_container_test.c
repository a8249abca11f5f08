#include <criterion/criterion.h>

#include "conf/config.h"
#include "router/base/alloc.h"
#include "tests/support/config_cases.h"

Test(config_container, what_a_container_finds_and_may_do)
{
    AUTO(config_free) struct config *config = config_cases_good(
        APP("pull_policy newer; hostname web-1; secret plain; secret key "
            "env=KEY; secret file target=/etc/f; secret file target=f2;"
            "tmpfs /cache:64m; tmpfs /tmp; shm_size 1g; device /dev/fuse;"
            "device /dev/null:/dev/x:rw; cap_add net_admin CAP_SYS_TIME;"
            "cap_add SYS_NICE; cap_drop ALL; security_opt no-new-privileges;"
            "security_opt seccomp=unconfined; read_only on; annotation a.b c;"
            "log_size 64k; volume /a:/b:ro,z,U;"
            "setup { copy f.txt /srv/; run pip install -r /srv/f.txt; run"
            " 'a && b'; }"));
    const struct container_settings *c = &config->lifecycle->apps[0].container;

    cr_expect_eq(c->pull_policy, PULL_NEWER);
    cr_expect_str_eq(c->hostname, "web-1");
    cr_assert_eq(c->secret_count, 4);
    cr_expect_str_eq(c->secrets[0].name, "plain");
    cr_expect_null(c->secrets[0].target);
    cr_expect(c->secrets[1].is_env);
    cr_expect_str_eq(c->secrets[1].target, "KEY");
    cr_expect_not(c->secrets[2].is_env);
    cr_expect_str_eq(c->secrets[2].target, "/etc/f");
    cr_expect_str_eq(c->secrets[3].target, "f2");
    cr_assert_eq(c->tmpfs_count, 2);
    cr_expect_str_eq(c->tmpfs[0].destination, "/cache");
    cr_expect_eq(c->tmpfs[0].size_bytes, 64U << 20);
    cr_expect_eq(c->tmpfs[1].size_bytes, 0);
    cr_expect_eq(c->shm_bytes, 1U << 30);
    cr_assert_eq(c->devices.count, 2);
    cr_expect_str_eq(c->devices.items[1], "/dev/null:/dev/x:rw");
    cr_assert_eq(c->cap_add.count, 3);
    cr_expect_str_eq(c->cap_add.items[0], "CAP_NET_ADMIN");
    cr_expect_str_eq(c->cap_add.items[1], "CAP_SYS_TIME");
    cr_expect_str_eq(c->cap_add.items[2], "CAP_SYS_NICE");
    cr_expect_str_eq(c->cap_drop.items[0], "ALL");
    cr_assert_eq(c->security_opts.count, 2);
    cr_expect(c->read_only);
    cr_expect_str_eq(c->annotations.items[0].value, "c");
    cr_expect_eq(c->log_bytes, 65536);
    cr_assert_eq(c->setup_count, 3);
    cr_expect_eq(c->setup[0].kind, SETUP_COPY);
    cr_expect_str_eq(c->setup[0].source, "f.txt");
    cr_expect_str_eq(c->setup[0].destination, "/srv/");
    cr_expect_eq(c->setup[1].kind, SETUP_RUN);
    cr_expect_eq(c->setup[1].command.count, 4);
    cr_expect_eq(c->setup[2].command.count, 1);
}

Test(config_container, what_no_container_can_have)
{
    static const struct config_case cases[] = {
        {"policy", APP("pull_policy newest;"),
         "t:1:30: \"pull_policy\" takes missing, always, newer or never, not "
         "\"newest\"; did you mean \"newer\"?\n"},
        {"secret's name", APP("secret /x;"),
         "t:1:37: \"secret\" begins with the name of a secret of Podman's, "
         "not \"/x\"\n"},
        {"secret's place", APP("secret x as=Y;"),
         "t:1:39: \"secret\" takes env=VAR or target=PATH here, not "
         "\"as=Y\"\n"},
        {"secret's variable", APP("secret x env=PORT;"),
         "t:1:39: env \"PORT\" is set by berth itself\n"},
        {"secret's file", APP("secret x target=a/b;"),
         "t:1:39: target= takes an absolute path, or the name of a file in "
         "/run/secrets, not \"a/b\"\n"},
        {"two secrets in one place", APP("secret x env=A;\nsecret y env=A;"),
         "t:2:1: duplicate secret \"env=A\"; the first is at t:1:30\n"},
        {"tmpfs on /", APP("tmpfs /;"),
         "t:1:36: \"tmpfs\" takes DST[:SIZE] with an absolute DST below /, "
         "not \"/\"\n"},
        {"tmpfs without a size", APP("tmpfs /a:;"),
         "t:1:36: the size of a tmpfs is 4k or more, such as 64m, not \"\"\n"},
        {"device", APP("device fuse;"),
         "t:1:37: \"device\" takes PATH[:PATH[:rwm]], such as /dev/fuse, not "
         "\"fuse\"\n"},
        {"device's rights", APP("device /dev/a:/dev/b:x;"),
         "t:1:37: \"device\" takes PATH[:PATH[:rwm]], such as /dev/fuse, not "
         "\"/dev/a:/dev/b:x\"\n"},
        {"capability", APP("cap_add net_admn;"),
         "t:1:38: there is no capability \"net_admn\"; did you mean "
         "\"net_admin\"?\n"},
        {"capability twice", APP("cap_drop mknod CAP_MKNOD;"),
         "t:1:30: duplicate cap_drop \"CAP_MKNOD\"; the first is at "
         "t:1:30\n"},
        {"security_opt", APP("security_opt seccomp;"),
         "t:1:43: security_opt \"seccomp\" is none of no-new-privileges, "
         "seccomp=, apparmor=, label=, mask= and unmask=\n"},
        {"seccomp", APP("security_opt seccomp=off;"),
         "t:1:43: security_opt \"seccomp=off\" takes unconfined, or the "
         "absolute path of a profile\n"},
        {"log_size", APP("log_size 0;"),
         "t:1:39: \"log_size\" must be 4k to 1t, not 0\n"},
        {"empty setup", APP("setup { }"),
         "t:1:30: \"setup\" is empty: say what to copy or to run\n"},
        {"copy to nowhere", APP("setup { copy a b; }"),
         "t:1:45: \"copy\" takes a path here and an absolute path in the "
         "image, of plain characters, not \"a\" \"b\"\n"},
        {"a variable", APP("setup { copy a /b$c; }"),
         "t:1:45: \"copy\" takes a path here and an absolute path in the "
         "image, of plain characters, not \"a\" \"/b$c\"\n"},
        {"for a shell", APP("setup { run a && b; }"),
         "t:1:44: \"&&\" means something to a shell only: quote the whole "
         "command, and it is given to one\n"},
        {"elsewhere", APP("copy a /b;"),
         "t:1:30: \"copy\" may not stand in app \"a\", only in setup\n"},
    };

    config_cases_check(cases, ARRAY_LEN(cases));
}
