/* config.h - a configuration file, checked and turned into settings. */
#ifndef CONF_CONFIG_H
#define CONF_CONFIG_H

#include <stdbool.h>

#include "lifecycle/settings.h"
#include "proxy/settings.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

struct fixed_place; /* config_reload.c's */

struct config {
    struct proxy_settings *proxy;
    struct lifecycle_settings *lifecycle;
    char *token_file; /* where the tokens came from, for config_print() */
    char *read_token_file;
    char *file;                 /* that was given to config_load() */
    bool workers_are_auto;      /* worker_threads auto */
    uint32_t place_count;       /* for config_check_reload(): */
    struct fixed_place *places; /* what was written, and where */
};

void config_free(struct config **config);

/* Read and check `path` and what it includes. NULL when anything is wrong;
 * all errors of all files stand in *ret_errors then, a line each
 * (`apps.conf:12:5: unknown directive "imge" …; did you mean "image"?`).
 * Warnings are put there too when it succeeds. Reads the files that the
 * configuration names (env_file, token_file); touches nothing else.
 * Thread: any. */
MUST_USE struct config *config_load(const char *path,
                                    struct strbuf *ret_errors);

/* As config_load(), for a machine that need not be the one it is for (`berth
 * check` in CI): an env_file or token_file that is not there is a warning, and
 * its values are missing in what is returned. */
MUST_USE struct config *config_check(const char *path,
                                     struct strbuf *ret_errors);

/* As config_load(), but none of the files that the configuration names is
 * looked at, and what is wrong is passed over: for who only asks where a berth
 * that runs can be reached, whatever became of its files meanwhile. NULL only
 * where `path` itself cannot be read. */
MUST_USE struct config *config_read(const char *path,
                                    struct strbuf *ret_errors);

/* Whether `next` may take the place of `running` without a restart. false when
 * it changes what a reload cannot (worker_threads, user, state_dir, Podman's
 * socket, service, namespace and runtime): a line each in *ret_errors, with its
 * place and both values. `worker_threads auto` in both is no change, whatever
 * number it means now: next takes the one that runs. Thread: any. */
MUST_USE bool config_check_reload(const struct config *running,
                                  struct config *next,
                                  struct strbuf *ret_errors);

/* The effective configuration as a file that config_load() reads again, every
 * default filled in, secrets (env, env_file, tokens) masked. */
void config_print(const struct config *config, struct strbuf *ret_text);

#endif
