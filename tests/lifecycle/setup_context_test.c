#include "lifecycle/setup_context.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/strbuf.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static char dir[] = "/tmp/setup_context_test.XXXXXX";
static bool is_cancelled;
static struct err err;

static void shell(const char *format, ...) PRINTF_LIKE(1, 2);

/* In the test's folder. */
static void shell(const char *format, ...)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    char command[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    strbuf_printf(&text, "cd %s && { %s; }", dir, command);
    cr_assert_eq(system(text.data), 0, "%s", text.data);
}

static void init(void)
{
    cr_assert_not_null(mkdtemp(dir));
    shell("mkdir -p src/deep; echo one >src/a; echo two >src/deep/b;"
          "chmod 755 src/deep/b; ln -s /etc/passwd src/l; : >src/empty");
}

static void done(void)
{
    AUTO(auto_free) char *command = xasprintf("rm -rf %s", dir);

    cr_assert_eq(system(command), 0);
}

TestSuite(setup_context, .init = init, .fini = done);

static bool pack_steps(const struct setup_step *steps, uint32_t count, int fd,
                       char *ret_digest)
{
    struct setup_context context = {steps, count, "abc", &is_cancelled};

    return setup_context_pack(&context, fd, ret_digest, &err);
}

static bool pack(const char *destination, int fd, char *ret_digest)
{
    AUTO(auto_free) char *source = xasprintf("%s/src", dir);
    struct setup_step step = {
        .kind = SETUP_COPY, .source = source, .destination = TEXT(destination)};

    return pack_steps(&step, 1, fd, ret_digest);
}

static void expect_digest(const char *label, const char *first, bool is_same)
{
    char digest[DIGEST_HEX_SIZE];

    cr_assert(pack("/srv", -1, digest), "%s: %s", label, err.text);
    cr_expect_eq(strcmp(digest, first) == 0, is_same, "%s", label);
}

Test(setup_context, the_digest_is_of_contents_names_and_modes)
{
    static const struct {
        const char *label;
        const char *change;
        bool is_same;
    } cases[] = {
        {"nothing", ":", true},
        {"a time", "touch -d 2001-01-01 src/a src/deep src", true},
        {"contents", "echo ONE >src/a", false},
        {"put back", "echo one >src/a", true},
        {"a mode", "chmod 600 src/a", false},
        {"put back", "chmod 644 src/a", true},
        {"a name", "mv src/a src/c", false},
        {"put back", "mv src/c src/a", true},
        {"a link's target", "ln -sf /etc/group src/l", false},
        {"put back", "ln -sf /etc/passwd src/l", true},
        {"a folder more", "mkdir src/new", false},
        {"put back", "rmdir src/new", true},
        {"moved up", "mv src/deep/b src/b", false},
    };
    char first[DIGEST_HEX_SIZE];

    cr_assert(pack("/srv", -1, first), "%s", err.text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        shell("%s", cases[i].change);
        expect_digest(cases[i].label, first, cases[i].is_same);
    }
}

Test(setup_context, the_digest_is_of_what_the_steps_say)
{
    char *ab[] = {TEXT("a"), TEXT("b")};
    char *both[] = {TEXT("a b")};
    struct setup_step steps[] = {
        {.kind = SETUP_RUN, .command = {2, ab}},
        {.kind = SETUP_RUN, .command = {1, both}},
        {.kind = SETUP_RUN, .command = {1, ab}},
    };
    char digests[5][DIGEST_HEX_SIZE];

    cr_assert(pack_steps(&steps[0], 1, -1, digests[0]));
    cr_assert(pack_steps(&steps[1], 1, -1, digests[1]));
    cr_assert(pack_steps(&steps[0], 2, -1, digests[2]));
    cr_assert(pack("/srv", -1, digests[3]));
    cr_assert(pack("/srv2", -1, digests[4]));
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(digests[i], digests[j], "%zu %zu", i, j);
}

/* What the archive holds, as tar says. */
static void expect_archive(int fd, const char *options, const char *expected)
{
    AUTO(auto_free)
    char *command =
        xasprintf("tar %s /proc/%d/fd/%d 2>&1", options, (int)getpid(), fd);
    FILE *pipe = popen(command, "r");
    char text[8192];
    size_t n;

    cr_assert_not_null(pipe);
    n = fread(text, 1, sizeof text - 1, pipe);
    text[n] = '\0';
    cr_expect_eq(pclose(pipe), 0, "%s", text);
    cr_expect_str_eq(text, expected);
}

static int open_archive(void)
{
    int fd = open(dir, O_TMPFILE | O_RDWR, 0600);

    cr_assert_geq(fd, 0);
    return fd;
}

Test(setup_context, the_archive_has_what_was_digested)
{
    char digests[2][DIGEST_HEX_SIZE];
    int fd = open_archive();

    cr_assert(pack("/srv", -1, digests[0]));
    cr_assert(pack("/srv", fd, digests[1]), "%s", err.text);
    cr_expect_str_eq(digests[0], digests[1]);
    expect_archive(fd, "-tf",
                   "0\n0/a\n0/deep\n0/deep/b\n0/empty\n0/l\nContainerfile\n");
    expect_archive(fd, "-xO 0/a 0/deep/b -f", "one\ntwo\n");
    close(fd);
}

/* Nothing that stands in a command or a name is read by Podman's parser. */
Test(setup_context, the_containerfile_is_made_of_lists)
{
    AUTO(auto_free) char *folder = xasprintf("%s/src", dir);
    AUTO(auto_free) char *file = xasprintf("%s/src/a", dir);
    char *shell_words[] = {TEXT("echo \"$HOME\" \\\n && x # <<EOF")};
    char *plain_words[] = {TEXT("pip"), TEXT("install"), TEXT("-r x")};
    struct setup_step steps[] = {
        {.kind = SETUP_COPY, .source = folder, .destination = TEXT("/srv/")},
        {.kind = SETUP_COPY, .source = file, .destination = TEXT("/opt/")},
        {.kind = SETUP_COPY, .source = file, .destination = TEXT("/opt/b")},
        {.kind = SETUP_RUN, .command = {1, shell_words}},
        {.kind = SETUP_RUN, .command = {3, plain_words}},
    };
    char digest[DIGEST_HEX_SIZE];
    int fd = open_archive();

    cr_assert(pack_steps(steps, 5, fd, digest), "%s", err.text);
    expect_archive(
        fd, "-xO Containerfile -f",
        "FROM abc\n"
        "COPY [\"0\",\"/srv/\"]\n"
        "COPY [\"1\",\"/opt/a\"]\n"
        "COPY [\"2\",\"/opt/b\"]\n"
        "RUN [\"/bin/sh\",\"-c\",\"echo \\\"$HOME\\\" \\\\\\n && x # "
        "<<EOF\"]\n"
        "RUN [\"pip\",\"install\",\"-r x\"]\n");
    close(fd);
}

Test(setup_context, what_is_no_file_is_refused_and_links_are_not_followed)
{
    char digest[DIGEST_HEX_SIZE] = "as it was";

    shell("mkfifo src/pipe");
    cr_expect_not(pack("/srv", -1, digest));
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_not_null(strstr(err.text, "0/pipe is neither"), "%s", err.text);
    cr_expect_str_eq(digest, "as it was");
    shell("rm src/pipe; ln -s /proc src/proc; ln -s ../.. src/up;"
          "ln -s nowhere src/dangling");
    cr_expect(pack("/srv", -1, digest), "%s", err.text);
}

Test(setup_context, a_source_may_be_a_link_itself)
{
    AUTO(auto_free) char *link = xasprintf("%s/link", dir);
    struct setup_step step = {
        .kind = SETUP_COPY, .source = link, .destination = TEXT("/srv")};
    char digests[2][DIGEST_HEX_SIZE];

    shell("ln -s src link");
    cr_assert(pack("/srv", -1, digests[0]));
    cr_assert(pack_steps(&step, 1, -1, digests[1]), "%s", err.text);
    cr_expect_str_eq(digests[0], digests[1]);
    shell("rm link");
    cr_expect_not(pack_steps(&step, 1, -1, digests[1]));
    cr_expect_eq(err.code, ERR_NOT_FOUND);
    cr_expect_not_null(strstr(err.text, link), "%s", err.text);
}

Test(setup_context, bounds_hold)
{
    char digest[DIGEST_HEX_SIZE];

    is_cancelled = true;
    cr_expect_not(pack("/srv", -1, digest));
    cr_expect_eq(err.code, ERR_CANCELLED);
    is_cancelled = false;
    shell("d=src; i=0; while [ $i -lt 70 ]; do d=$d/x; i=$((i+1)); done;"
          "mkdir -p $d");
    cr_expect_not(pack("/srv", -1, digest));
    cr_expect_eq(err.code, ERR_LIMIT);
}
