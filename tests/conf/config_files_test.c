/* A configuration and the files that it names: other files, secrets. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/config.h"
#include "router/base/alloc.h"

#define APP(directives) "app a { image localhost/a:1; " directives " }"

static char folder[64];

static void folder_make(void)
{
    strcpy(folder, "/tmp/berth-config-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void folder_remove(void)
{
    AUTO(auto_free) char *command = xasprintf("rm -rf %s", folder);

    cr_expect_eq(system(command), 0);
}

TestSuite(config_files, .init = folder_make, .fini = folder_remove);

static void put(const char *name, mode_t mode, const char *text)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
}

/* The folder's name is cut out of the errors. */
static struct config *load(struct config *(*how)(const char *path,
                                                 struct strbuf *ret_errors),
                           struct strbuf *ret_errors)
{
    AUTO(auto_free) char *path = xasprintf("%s/main", folder);
    AUTO(strbuf_done) struct strbuf raw = STRBUF_INIT;
    struct config *config = how(path, &raw);
    const char *at = raw.data ? raw.data : "";
    const char *found;

    strbuf_add_str(ret_errors, "");
    for (; (found = strstr(at, folder)); at = found + strlen(folder) + 1)
        strbuf_add(ret_errors, at, (size_t)(found - at));
    strbuf_add_str(ret_errors, at);
    return config;
}

Test(config_files, env_has_the_last_word_over_env_files)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;
    const struct name_values *env;

    put("main", 0644,
        APP("env B env; env_file one.env; env_file two.env; env D env;"));
    put("one.env", 0600, "# comment\n\nA=1\r\nB=1\nC= x=y \"z\" \n");
    put("two.env", 0600, "A=2");
    config = load(config_load, &errors);
    cr_assert_not_null(config, "%s", errors.data);
    env = &config->lifecycle->apps[0].container.env;
    cr_assert_eq(env->count, 4);
    cr_expect_str_eq(env->items[0].name, "A");
    cr_expect_str_eq(env->items[0].value, "2");
    cr_expect_str_eq(env->items[1].value, "env");
    cr_expect_str_eq(env->items[2].value, " x=y \"z\" ");
    cr_expect_str_eq(env->items[3].name, "D");
}

Test(config_files, env_files_are_checked)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;

    put("main", 0644,
        APP("env_file one;\nenv_file two;\nenv_file three;\nenv_file dir;"));
    put("one", 0600, "A=1\nexport B=2\n");
    put("two", 0600, "A=1\n\nB\n");
    put("three", 0600, "PORT=80\n");
    config = load(config_load, &errors);
    cr_expect_null(config);
    cr_expect_str_eq(
        errors.data,
        "main:1:30: env_file \"one\", line 2: \"export B\" is no name of a "
        "variable\n"
        "main:2:1: env_file \"two\", line 3: expected NAME=VALUE\n"
        "main:3:1: env_file \"three\", line 1: \"PORT\" is set by berth "
        "itself\n"
        "main:4:1: env_file \"dir\": No such file or directory\n",
        "%s", errors.data);
}

Test(config_files, a_check_needs_no_file_of_the_host)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;

    put("main", 0644,
        "http { server { listen 80; route / { app a; } } }\n"
        "admin { token_file t; }\n" APP("env_file e;"));
    config = load(config_load, &errors);
    cr_expect_null(config);
    cr_expect_str_eq(errors.data,
                     "main:2:9: token_file \"t\": No such file or directory\n"
                     "main:3:30: env_file \"e\": No such file or directory\n",
                     "%s", errors.data);
    strbuf_clear(&errors);
    config = load(config_check, &errors);
    cr_expect_not_null(config);
    cr_expect_str_eq(
        errors.data,
        "main:2:9: warning: token_file \"t\": No such file or directory\n"
        "main:3:30: warning: env_file \"e\": No such file or directory\n",
        "%s", errors.data);
}

Test(config_files, tokens_come_from_files_that_others_cannot_read)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;

    put("main", 0644,
        "http { server { listen 80; route / { return 200; } } }\n"
        "admin { token_file t; token_file r read; }\n");
    put("t", 0600, "secret-1\n");
    put("r", 0640, "secret-2");
    config = load(config_load, &errors);
    cr_assert_not_null(config, "%s", errors.data);
    cr_expect_str_eq(config->proxy->admin.token, "secret-1");
    cr_expect_str_eq(config->proxy->admin.read_token, "secret-2");
    config_free(&config);
    put("t", 0644, "secret");
    put("r", 0600, "two words");
    config = load(config_check, &errors);
    cr_expect_null(config);
    cr_expect_str_eq(errors.data,
                     "main:2:9: token_file \"t\": every user may read it; its "
                     "mode should be 0600\n"
                     "main:2:23: token_file \"r\" must hold one line of "
                     "visible ASCII characters\n",
                     "%s", errors.data);
    strbuf_clear(&errors);
    put("t", 0600, "\n");
    put("r", 0602, "x");
    config = load(config_load, &errors);
    cr_expect_str_eq(errors.data,
                     "main:2:9: token_file \"t\" is empty\n"
                     "main:2:23: token_file \"r\": every user may write it; "
                     "its mode should be 0600\n",
                     "%s", errors.data);
}

Test(config_files, errors_of_included_files_name_them)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;

    put("main", 0644, "include apps;\nworker_threads 0;\n");
    put("apps", 0644, "app a {\n    imge x;\n}\n");
    cr_expect_null(load(config_load, &errors));
    cr_expect_str_eq(errors.data,
                     "main:2:1: \"worker_threads\" must be 1 to 1024, not 0\n"
                     "apps:1:1: app \"a\" has neither \"image\" nor "
                     "\"upstream\"\n"
                     "apps:2:5: unknown directive \"imge\" in app \"a\"; did "
                     "you mean \"image\"?\n",
                     "%s", errors.data);
}
