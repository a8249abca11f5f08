/* settings.h - the keeper's configuration: Podman, and each app's container.
 *
 * Filled by conf with all defaults resolved, never changed afterwards; the
 * struct owns what it points to.
 */
#ifndef LIFECYCLE_SETTINGS_H
#define LIFECYCLE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/log.h"
#include "router/settings.h"

struct string_list {
    uint32_t count;
    char **items;
};

struct name_value {
    char *name;
    char *value;
};

struct name_values {
    uint32_t count;
    struct name_value *items;
};

struct volume_setting {
    char *source; /* absolute path, or the name of a Podman volume */
    char *destination;
    char *options; /* "ro,z"; "" for none */
};

struct ulimit_setting {
    char *name; /* "nofile" */
    uint64_t soft;
    uint64_t hard;
};

enum network_kind {
    NETWORK_PRIVATE,
    NETWORK_NONE,
    NETWORK_HOST,
    NETWORK_BRIDGE,
    NETWORK_NAMED,
};

enum port_mode { PORT_AUTO, PORT_INSIDE, PORT_PUBLISHED };

enum pull_policy { PULL_MISSING, PULL_NEVER };

struct container_settings {
    char *image; /* NULL: an upstream app, nothing to run */
    enum pull_policy pull_policy;
    uint32_t port; /* 0: the image's one EXPOSE, else 8000 */
    enum port_mode port_mode;
    char *socket; /* NULL: port. A plain file name */
    enum network_kind network;
    char *network_name; /* NETWORK_NAMED */
    bool has_command;
    struct string_list command;
    bool has_entrypoint;
    struct string_list entrypoint;
    char *workdir;          /* NULL: the image's */
    char *user;             /* NULL: the image's */
    struct name_values env; /* env_file's contents first, then env */
    struct name_values labels;
    uint32_t volume_count;
    struct volume_setting *volumes;
    uint32_t ulimit_count;
    struct ulimit_setting *ulimits;
    uint64_t cpu_millis;   /* 0: no limit */
    uint64_t memory_bytes; /* 0: no limit */
    uint64_t pids;         /* 0: no limit */
    uint64_t stop_timeout_ms;
    char *stop_signal; /* NULL: the image's */
    uint64_t pull_timeout_ms;
};

struct keeper_app {
    const struct app_settings *app; /* borrowed from proxy_settings */
    struct container_settings container;
};

struct podman_settings {
    char *socket;      /* path; NULL: the standard one of this user */
    bool service_auto; /* start `podman system service` when nobody listens */
    char *namespace_name;
    char *runtime; /* NULL: Podman's own */
    uint32_t max_parallel_pulls;
    uint32_t max_parallel_starts;
    uint32_t pull_retries;
};

enum exit_policy { EXIT_KEEP, EXIT_STOP };

struct lifecycle_settings {
    char *state_dir;
    char *user; /* whom the front runs as; NULL: berth, else nobody */
    enum exit_policy on_exit;
    uint64_t drain_timeout_ms;
    struct podman_settings podman;
    struct string_list log_files; /* paths; opened for the front, too */
    uint32_t error_log; /* number of berth's own among them; 0: stderr */
    uint32_t app_count;
    struct keeper_app *apps; /* same index as proxy_settings.apps */
};

/* Free *settings and all it holds; NULL is skipped. */
void lifecycle_settings_free(struct lifecycle_settings **settings);

#endif
