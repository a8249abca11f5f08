#include "lifecycle/cdi.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define SPEC(kind, devices)                                                    \
    "{\"cdiVersion\":\"0.5.0\",\"kind\":\"" kind "\",\"devices\":[" devices "]}"
#define DEVICE(name, nodes)                                                    \
    "{\"name\":\"" name "\",\"containerEdits\":{\"deviceNodes\":[" nodes "]}}"
#define NODE(path) "{\"path\":\"" path "\"}"

static struct cdi *cdi;
static char root[64];

static void init(void)
{
    cdi = cdi_new();
    strcpy(root, "/tmp/berth-cdi-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void done(void)
{
    AUTO(auto_free) char *command = xasprintf("rm -r %s", root);

    cdi_free(&cdi);
    cr_expect_eq(system(command), 0);
}

TestSuite(cdi, .init = init, .fini = done);

static void add(const char *text, bool is_yaml)
{
    struct err err;

    cr_assert(cdi_add_text(cdi, sv_of(text), is_yaml, &err), "%s", err.text);
}

/* "a b c": the devices that count. */
static char *gpus(unsigned max, bool *ret_more)
{
    unsigned indices[64];
    struct strbuf text = STRBUF_INIT;
    unsigned count = cdi_gpus(cdi, indices, max, ret_more);

    strbuf_add_str(&text, "");
    for (unsigned i = 0; i < count; i++)
        strbuf_printf(&text, "%s%s", i ? " " : "", cdi_name(cdi, indices[i]));
    return text.data;
}

static void expect_gpus(const char *expected)
{
    bool has_more;
    AUTO(auto_free) char *found = gpus(64, &has_more);

    cr_expect_str_eq(found, expected);
    cr_expect_not(has_more);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    AUTO(auto_free) char *folder = xasprintf("%s/%s", root, dir);
    AUTO(auto_free) char *path = xasprintf("%s/%s", folder, name);
    FILE *file;

    mkdir(folder, 0755);
    file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    cr_assert_geq(fputs(text, file), 0);
    fclose(file);
}

/* What is said of the files. */
static char *read_dir(const char *dir)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", root, dir);
    struct strbuf notes = STRBUF_INIT;

    strbuf_add_str(&notes, "");
    cdi_read_dir(cdi, path, &notes);
    return notes.data;
}

/* --- devices --- */

Test(cdi, a_yaml_specification_as_nvidias_tool_writes_it)
{
    add("---\n"
        "cdiVersion: 0.5.0\n"
        "containerEdits:\n"
        "  deviceNodes:\n"
        "  - path: /dev/nvidiactl\n"
        "  - path: /dev/nvidia-uvm\n"
        "  env:\n"
        "  - NVIDIA_VISIBLE_DEVICES=void\n"
        "devices:\n"
        "- containerEdits:\n"
        "    deviceNodes:\n"
        "    - path: /dev/nvidia0\n"
        "    - path: /dev/dri/card1\n"
        "  name: \"0\"\n"
        "- containerEdits:\n"
        "    deviceNodes:\n"
        "    - path: /dev/nvidia0\n"
        "    - path: /dev/dri/card1\n"
        "  name: GPU-5c0f1d\n"
        "- containerEdits:\n"
        "    deviceNodes:\n"
        "    - path: /dev/nvidia1\n"
        "    - path: /dev/dri/card2\n"
        "  name: \"1\"\n"
        "- containerEdits:\n"
        "    deviceNodes:\n"
        "    - path: /dev/nvidia0\n"
        "    - path: /dev/dri/card1\n"
        "    - path: /dev/nvidia1\n"
        "    - path: /dev/dri/card2\n"
        "  name: all\n"
        "kind: nvidia.com/gpu\n",
        true);
    cr_expect_eq(cdi_count(cdi), 4U);
    expect_gpus("nvidia.com/gpu=0 nvidia.com/gpu=1");
    cr_expect_neq(cdi_find(cdi, "nvidia.com/gpu=all"), CDI_NONE,
                  "it can be named all the same");
}

Test(cdi, a_device_is_its_node_on_the_host)
{
    add(SPEC("a.b/gpu",
             DEVICE(
                 "x",
                 "{\"path\":\"/dev/g\",\"hostPath\":\"/dev/"
                 "null\"}") "," DEVICE("y",
                                       "{\"path\":\"/dev/g\",\"hostPath\":\"/"
                                       "dev/"
                                       "zero\"}") "," DEVICE("z",
                                                             "{\"path\":\"/dev/"
                                                             "h\",\"hostPath\":"
                                                             "\"/dev/zero\"}")),
        false);
    expect_gpus("a.b/gpu=x a.b/gpu=y");
    cr_expect_not(cdi_shares_node(cdi, 0, 1));
    cr_expect(cdi_shares_node(cdi, 1, 2));
}

Test(cdi, what_all_is_made_of_counts_wherever_it_stands)
{
    add(SPEC("a.b/gpu",
             DEVICE("all", NODE("/dev/a") "," NODE("/dev/b")) "," DEVICE(
                 "0", NODE("/dev/a")) "," DEVICE("1", NODE("/dev/b"))),
        false);
    expect_gpus("a.b/gpu=0 a.b/gpu=1");
}

Test(cdi, only_gpus_with_nodes_of_their_own_count_unasked)
{
    add(SPEC("a.b/net", DEVICE("0", NODE("/dev/net"))), false);
    add(SPEC("a.b/gpux", DEVICE("0", NODE("/dev/x"))), false);
    add(SPEC("a.b/gpu", DEVICE("env-only", "") "," DEVICE("1", NODE("/dev/1"))),
        false);
    expect_gpus("a.b/gpu=1");
    cr_expect_neq(cdi_find(cdi, "a.b/net=0"), CDI_NONE);
    cr_expect_neq(cdi_find(cdi, "a.b/gpu=env-only"), CDI_NONE);
}

Test(cdi, more_devices_than_there_is_room_for)
{
    bool has_more;

    add(SPEC("a.b/gpu",
             DEVICE("0", NODE("/dev/0")) "," DEVICE("1", NODE("/dev/1"))),
        false);
    {
        AUTO(auto_free) char *found = gpus(1, &has_more);

        cr_expect_str_eq(found, "a.b/gpu=0");
        cr_expect(has_more);
    }
}

/* --- directories --- */

Test(cdi, a_later_directory_goes_before_an_earlier_one)
{
    AUTO(auto_free) char *notes = NULL;
    AUTO(auto_free) char *more = NULL;

    write_file("etc", "a.json", SPEC("a.b/gpu", DEVICE("0", NODE("/dev/old"))));
    write_file("run", "b.yaml",
               "cdiVersion: 0.5.0\nkind: a.b/gpu\ndevices:\n"
               "- {name: 0, containerEdits: {deviceNodes: [{path: /dev/new}]}}"
               "\n- {name: 1, containerEdits: {deviceNodes: [{path: /dev/old}]"
               "}}\n");
    notes = read_dir("etc");
    more = read_dir("run");
    cr_expect_str_eq(notes, "");
    cr_expect_str_eq(more, "");
    expect_gpus("a.b/gpu=0 a.b/gpu=1");
}

Test(cdi, two_of_one_name_in_a_directory_cancel_each_other)
{
    AUTO(auto_free) char *notes = NULL;

    write_file("etc", "a.json", SPEC("a.b/gpu", DEVICE("0", NODE("/dev/a"))));
    write_file("etc", "b.json", SPEC("a.b/gpu", DEVICE("0", NODE("/dev/b"))));
    notes = read_dir("etc");
    cr_expect_eq(cdi_find(cdi, "a.b/gpu=0"), CDI_NONE);
    expect_gpus("");
}

Test(cdi, a_directory_that_is_not_there_has_none)
{
    AUTO(auto_free) char *notes = read_dir("none");

    cr_expect_str_eq(notes, "");
    cr_expect_eq(cdi_count(cdi), 0U);
}

Test(cdi, other_files_are_not_looked_at)
{
    AUTO(auto_free) char *notes = NULL;

    write_file("etc", "README", "not a specification");
    write_file("etc", ".a.json", "not a specification");
    write_file("etc", "a.json.bak", "not a specification");
    notes = read_dir("etc");
    cr_expect_str_eq(notes, "");
}

Test(cdi, a_hostile_file_is_refused_and_the_others_are_read)
{
    static const struct {
        const char *name;
        const char *note;
    } expected[] = {
        {"big.json", "larger than 4194304 bytes"},
        {"dir.json", "it is no plain file"},
        {"link.json", "it is a symbolic link, which is not followed"},
        {"pipe.json", "it is no plain file"},
    };
    AUTO(auto_free) char *big = xcalloc(1, CDI_FILE_MAX + 2);
    AUTO(auto_free) char *notes = NULL;
    char path[128];

    memset(big, ' ', CDI_FILE_MAX + 1);
    write_file("etc", "big.json", big);
    write_file("etc", "good.json",
               SPEC("a.b/gpu", DEVICE("0", NODE("/dev/0"))));
    snprintf(path, sizeof path, "%s/etc/dir.json", root);
    cr_assert_eq(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/etc/pipe.json", root);
    cr_assert_eq(mkfifo(path, 0644), 0);
    snprintf(path, sizeof path, "%s/etc/link.json", root);
    cr_assert_eq(symlink("good.json", path), 0);
    notes = read_dir("etc");
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        AUTO(auto_free)
        char *line = xasprintf("%s/etc/%s: %s\n", root, expected[i].name,
                               expected[i].note);

        cr_expect_not_null(strstr(notes, line), "%s is missing in\n%s", line,
                           notes);
    }
    expect_gpus("a.b/gpu=0");
}

/* --- texts --- */

Test(cdi, what_is_no_specification_is_refused_whole)
{
    static const struct {
        const char *text;
        bool is_yaml;
        const char *why;
    } cases[] = {
        {"", false, "it is no JSON"},
        {"{", false, "it is no JSON"},
        {"[]", false, "no cdiVersion"},
        {"{\"cdiVersion\":1}", false, "no cdiVersion"},
        {"{\"cdiVersion\":\"1\"}", false, "kind is missing"},
        {SPEC("gpu", ""), false, "not VENDOR/CLASS"},
        {SPEC("/gpu", ""), false, "not VENDOR/CLASS"},
        {SPEC("a/", ""), false, "not VENDOR/CLASS"},
        {SPEC("a/b/c", ""), false, "not VENDOR/CLASS"},
        {"{\"cdiVersion\":\"1\",\"kind\":\"a/b\"}", false,
         "no list of devices"},
        {SPEC("a/b", "1"), false, "no name"},
        {SPEC("a/b", DEVICE("x,y", "")), false, "no name"},
        {SPEC("a/b", DEVICE("ok", NODE("/dev/x")) "," DEVICE("", "")), false,
         "no name"},
        {SPEC("a/b", DEVICE("0", NODE("null"))), false, "no absolute path"},
        {SPEC("a/b", DEVICE("0", "7")), false, "no absolute path"},
        {"", true, "the file is empty"},
        {"a: [", true, "line 2"},
        {"a: &x 1\nb: *x\n", true, "line 2: an alias"},
        {"? [a]\n: b\n", true, "line 1: a key must be a word"},
        {"a: 1\n---\na: 2\n", true, "more than one document"},
        {"a: \"b\\0c\"\n", true, "a NUL in a text"},
        {"kind: a/b\n", true, "no cdiVersion"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {.text = ""};

        cr_expect_not(
            cdi_add_text(cdi, sv_of(cases[i].text), cases[i].is_yaml, &err),
            "%s", cases[i].text);
        cr_expect_not_null(strstr(err.text, cases[i].why), "\"%s\" for %s",
                           err.text, cases[i].text);
        cr_expect_eq(cdi_count(cdi), 0U, "%s", cases[i].text);
    }
}

Test(cdi, depth_is_bounded)
{
    static const struct {
        const char *open;
        bool is_yaml;
    } cases[] = {{"[", false}, {"{\"a\":", false}, {"[", true}, {"{a: ", true}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        struct err err = {.text = ""};

        /* As many as fit into the largest file. */
        for (size_t n = CDI_FILE_MAX / strlen(cases[i].open); n > 0; n--)
            strbuf_add_str(&text, cases[i].open);
        cr_expect_not(
            cdi_add_text(cdi, strbuf_view(&text), cases[i].is_yaml, &err));
        cr_expect_not_null(strstr(err.text, "nested too deep"), "%s: %s",
                           cases[i].open, err.text);
    }
    add(SPEC("a/b", "{\"name\":\"0\",\"x\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                    "[[\\\"[[[[[[[[[[\"}"),
        false);
}

Test(cdi, numbers_of_devices_and_nodes_are_bounded)
{
    AUTO(strbuf_done) struct strbuf devices = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf nodes = STRBUF_INIT;
    struct err err;

    strbuf_add_str(&devices, "cdiVersion: 1\nkind: a/gpu\ndevices:\n");
    for (unsigned i = 0; i <= CDI_DEVICES_MAX; i++)
        strbuf_printf(&devices, "- name: d%u\n", i);
    cr_expect_not(cdi_add_text(cdi, strbuf_view(&devices), true, &err));
    cr_expect_str_eq(err.text, "more than 4096 devices");
    strbuf_add_str(&nodes, "cdiVersion: 1\nkind: a/gpu\ndevices:\n- name: x\n"
                           "  containerEdits:\n    deviceNodes:\n");
    for (unsigned i = 0; i <= CDI_NODES_MAX; i++)
        strbuf_printf(&nodes, "    - path: /dev/%u\n", i);
    cr_expect_not(cdi_add_text(cdi, strbuf_view(&nodes), true, &err));
    cr_expect_str_eq(err.text, "more than 16384 device nodes");
    cr_expect_eq(cdi_count(cdi), 0U);
    add(SPEC("a/gpu", DEVICE("0", NODE("/dev/0"))), false);
    expect_gpus("a/gpu=0");
}
