/* container_settings.h - what a configuration says about one container: an
 * app's own, or one of its sidecars'.
 *
 * Filled by conf with all defaults resolved, never changed afterwards; the
 * struct owns what it points to.
 */
#ifndef LIFECYCLE_CONTAINER_SETTINGS_H
#define LIFECYCLE_CONTAINER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct sidecar_settings; /* sidecar_settings.h */

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

struct tmpfs_setting {
    char *destination;
    uint64_t size_bytes; /* 0: Podman's default, half of the memory */
};

struct ulimit_setting {
    char *name; /* "nofile" */
    uint64_t soft;
    uint64_t hard;
};

struct secret_setting {
    char *name;   /* of Podman's secret */
    bool is_env;  /* target is a variable */
    char *target; /* a variable, or a path; NULL: /run/secrets/NAME */
};

enum setup_step_kind { SETUP_COPY, SETUP_RUN };

/* One line of `setup { }`. */
struct setup_step {
    enum setup_step_kind kind;
    char *source;               /* COPY: path on this host */
    char *destination;          /* COPY: absolute path in the image */
    struct string_list command; /* RUN: one word: for a shell */
};

enum network_kind {
    NETWORK_PRIVATE,
    NETWORK_NONE,
    NETWORK_HOST,
    NETWORK_BRIDGE,
    NETWORK_NAMED,
};

enum port_mode { PORT_AUTO, PORT_INSIDE, PORT_PUBLISHED };

enum pull_policy { PULL_MISSING, PULL_ALWAYS, PULL_NEWER, PULL_NEVER };

struct container_settings {
    char *image; /* NULL: an upstream app, nothing to run */
    enum pull_policy pull_policy;
    uint32_t port; /* 0: the image's one EXPOSE, else 8000 */
    enum port_mode port_mode;
    char *socket; /* NULL: port. A plain file name */
    enum network_kind network;
    char *network_name; /* NETWORK_NAMED */
    char *hostname;     /* NULL: Podman's choice */
    bool has_command;
    struct string_list command;
    bool has_entrypoint;
    struct string_list entrypoint;
    char *workdir;          /* NULL: the image's */
    char *user;             /* NULL: the image's */
    struct name_values env; /* env_file's contents first, then env */
    uint32_t secret_count;
    struct secret_setting *secrets;
    struct name_values labels;
    struct name_values annotations;
    uint32_t volume_count;
    struct volume_setting *volumes;
    uint32_t tmpfs_count;
    struct tmpfs_setting *tmpfs;
    uint64_t shm_bytes;         /* 0: Podman's default */
    struct string_list devices; /* "PATH[:PATH[:rwm]]" */
    struct string_list cap_add; /* "CAP_NET_ADMIN", "ALL" */
    struct string_list cap_drop;
    struct string_list security_opts; /* "seccomp=unconfined" */
    bool read_only;                   /* the root file system */
    uint64_t log_bytes;               /* at most this much of its output is */
    uint32_t ulimit_count;            /* kept by Podman */
    struct ulimit_setting *ulimits;
    uint64_t cpu_millis;   /* 0: no limit */
    uint64_t memory_bytes; /* 0: no limit */
    uint64_t pids;         /* 0: no limit */
    /* A fraction of one device below 1000, else whole devices; 0: none. */
    uint32_t gpu_millis;
    uint64_t gpu_memory_bytes; /* on the device, or on each */
    uint64_t stop_timeout_ms;
    char *stop_signal; /* NULL: the image's */
    uint64_t pull_timeout_ms;
    uint32_t setup_count;
    struct setup_step *setup;          /* in the order of the file */
    uint32_t sidecar_count;            /* 0 for a sidecar itself */
    struct sidecar_settings *sidecars; /* in the order of their start */
};

#define CONTAINER_SIDECARS_MAX 16

/* What log_bytes is unless it is set. */
#define CONTAINER_LOG_BYTES_DEFAULT (10ULL << 20)

/* Whether the steps of both, and of their sidecars, say the same. */
bool container_setup_is_same(const struct container_settings *a,
                             const struct container_settings *b);

/* Free what these hold. */
void container_settings_done(struct container_settings *container);
void string_list_done(struct string_list *list);

#endif
