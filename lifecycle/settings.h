/* settings.h - the keeper's configuration: Podman, and each app's container.
 *
 * Filled by conf with all defaults resolved, never changed afterwards; the
 * struct owns what it points to.
 */
#ifndef LIFECYCLE_SETTINGS_H
#define LIFECYCLE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/container_settings.h"
#include "lifecycle/sidecar_settings.h"
#include "router/base/log.h"
#include "router/settings.h"

/* The log file that stands for the machine's syslog, /dev/log. */
#define LOG_PATH_SYSLOG "syslog"

/* How one revision takes the place of another. */
struct update_settings {
    bool recreate;  /* the old ones are stopped before the new ones start */
    uint32_t surge; /* replicas more than are wanted, meanwhile */
    uint32_t unavailable; /* replicas fewer */
    bool rollback;
};

struct keeper_app {
    const struct app_settings *app; /* borrowed from proxy_settings */
    struct container_settings container;
    /* Idle replicas may be stopped to make room for another app. */
    bool is_evictable;
    int32_t importance;
    struct update_settings update;
};

struct gpu_setting {
    char *name;            /* CDI: "nvidia.com/gpu=0" */
    uint64_t memory_bytes; /* 0: not said, or not in the block */
};

/* What berth may hand out. */
struct resource_settings {
    uint64_t cpu_millis;   /* 0: all of the host's */
    uint64_t memory_bytes; /* 0: 90 % of the host's */
    uint32_t gpu_count;    /* 0: every one in the CDI specifications */
    struct gpu_setting *gpus;
};

struct podman_settings {
    char *socket;      /* path; NULL: the standard one of this user */
    bool service_auto; /* start `podman system service` when nobody listens */
    char *namespace_name;
    char *runtime; /* NULL: Podman's own */
    uint32_t max_parallel_pulls;
    uint32_t max_parallel_starts;
    uint32_t pull_retries;
    char *auth_file; /* registry credentials; NULL: Podman's own */
};

enum exit_policy { EXIT_KEEP, EXIT_STOP };

struct lifecycle_settings {
    char *state_dir;
    char *user; /* whom the front runs as; NULL: berth, else nobody */
    enum exit_policy on_exit;
    uint64_t drain_timeout_ms;
    struct podman_settings podman;
    struct resource_settings resources;
    struct string_list log_files; /* paths; opened for the front, too */
    uint32_t error_log; /* number of berth's own among them; 0: stderr */
    uint32_t app_count;
    struct keeper_app *apps; /* same index as proxy_settings.apps */
};

/* Free *settings and all it holds; NULL is skipped. */
void lifecycle_settings_free(struct lifecycle_settings **settings);

#endif
