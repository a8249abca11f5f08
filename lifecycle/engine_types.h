/* engine_types.h - the values that engine.h's calls take and give.
 * Plain data; texts end with NUL and are never cut where they name something. A
 * little long: with engine.h it is all that another engine has to know.
 */
#ifndef LIFECYCLE_ENGINE_TYPES_H
#define LIFECYCLE_ENGINE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/err.h"
#include "router/base/strview.h"

struct container_settings;

/* What this engine can do on this host. */
struct engine_capabilities {
    char name[32];         /* "podman" */
    char version[32];      /* "4.3.1" */
    bool sockets_inside;   /* engine_sockets() works: `port inside` */
    bool can_raise_limits; /* of resources, above this process's hard ones */
    bool rootless;
    /* Where the engine keeps what lasts until the next boot (Podman's run
     * root), as a place for a lock; "": none on this host. */
    char run_dir[256];
    /* Where the engine collects what it pulls; "": not known. */
    char pull_dir[256];
    char runtime[32]; /* that makes the containers: "crun"; "": unknown */
    /* engine_freeze() writes to the cgroup itself; else the engine's own pause
     * does it, slower, and freeze_text says why. */
    bool freezes_by_cgroup;
    char freeze_text[160];
    /* engine_hibernate() can work; else hibernate_text says why not and what
     * to do. Looked at again every few seconds: swap comes and goes. */
    bool can_hibernate;
    char hibernate_text[160];
};

/* The labels that make a container berth's; the only record there is. */
struct engine_labels {
    struct strview namespace_name;
    struct strview app;
    struct strview revision; /* hex */
    struct strview replica;  /* decimal id, unique in the namespace */
};

/* What is made from an app's settings: a container, or with sidecars a pod,
 * that goes by the id of the app's container from then on. All borrowed for the
 * call. At most one of inside, publish and socket_dir; with `network host` none
 * is needed. */
struct engine_spec {
    const struct container_settings *container;
    const char *image; /* what it is made from; NULL: container->image */
    /* Likewise for each of container->sidecars; NULL: their own, for all. */
    const char *const *sidecar_images;
    uint64_t ready_timeout_ms; /* of the sidecars together, at a start */
    struct engine_labels labels;
    const char *name;       /* of the container: berth-NS-APP-ID */
    uint32_t port;          /* resolved: what the app shall listen on */
    bool inside;            /* by engine_sockets(); a label for adoption */
    bool publish;           /* on a free port of 127.0.0.1 */
    const char *socket_dir; /* host directory to mount, or NULL */
    /* What the replica has reserved, as a label for adoption; NULL: nothing. */
    const char *reserved;
    const char *const *devices; /* CDI names; NULL ends them; NULL: none */
};

struct engine_image {
    char id[80];
    uint32_t exposed_port; /* the one EXPOSE (TCP); 0: none or several */
};

struct engine_pull {
    const char *image;
    const char *auth_file; /* registry credentials; NULL: the engine's own */
    uint64_t timeout_ms;
};

/* An image that is built on this host. */
struct engine_build {
    const char *tag;
    struct strview namespace_name; /* a label, for engine_prune_layers() */
    int context_fd;                /* a tar archive with a Containerfile */
    uint64_t context_bytes;
    uint64_t timeout_ms;
};

struct engine_progress { /* of a pull; of a build: its steps */
    unsigned layers_done;
    unsigned layers_known; /* grows while the pull runs */
    uint64_t bytes;        /* that have come, as far as it can be known here */
};

/* What a container may have, as the kernel enforces it; 0: as much as there is,
 * ENGINE_LIMIT_UNKNOWN: it is not to be seen from here. */
#define ENGINE_LIMIT_UNKNOWN UINT64_MAX
struct engine_limits {
    uint64_t cpu_millis;
    uint64_t memory_bytes;
    uint64_t pids;
};

/* A container as it is now. */
struct engine_container {
    char id[80];
    char name[128];
    char app[128]; /* from its labels, as the rest that says so */
    char revision[80];
    uint64_t replica; /* 0: label missing */
    bool is_running;
    bool is_created; /* created or initialised, never started */
    bool is_primed;  /* created, and initialised: its process waits */
    bool is_frozen;  /* running, and frozen by whomever */
    bool is_paused;  /* frozen, by the engine's own pause */
    int pid;         /* 0: neither running nor primed */
    int exit_code;
    uint32_t port;         /* label: what the app listens on inside */
    uint32_t host_port;    /* published on 127.0.0.1; 0: none */
    bool inside;           /* label: reached inside its network namespace */
    char socket_path[108]; /* label: Unix socket on the host; "": none */
    char image_id[80];
    char reserved[4096];         /* label: what it has reserved; "": nothing */
    struct engine_limits limits; /* of one that is listed, and has a process */

    /* The engine's own. */
    char pod_id[80];  /* "": in none */
    char sidecar[40]; /* label: its name in the pod; "": it is none */
    bool is_infra;    /* of the pod: it holds the network, no more */
    char check[512];  /* label: a sidecar's ready_check; "": none */
};

/* What of a container's memory is where. */
struct engine_memory {
    uint64_t resident_bytes; /* its processes' and the files it has read */
    uint64_t swapped_bytes;
};

/* Who follows a container's output. */
struct engine_log_reader {
    /* Some bytes of one of its two streams, however they are cut. */
    void (*on_text)(void *arg, bool is_stderr, struct strview text);
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

typedef void (*engine_done_fn)(void *arg, const struct err *err);
typedef void (*engine_id_fn)(void *arg, const char *id, const struct err *err);
typedef void (*engine_image_fn)(void *arg, const struct engine_image *image,
                                const struct err *err);
typedef void (*engine_container_fn)(void *arg,
                                    const struct engine_container *container,
                                    const struct err *err);
typedef void (*engine_list_fn)(void *arg,
                               const struct engine_container *containers,
                               unsigned count, const struct err *err);
typedef void (*engine_text_fn)(void *arg, struct strview text,
                               const struct err *err);
typedef void (*engine_progress_fn)(void *arg,
                                   const struct engine_progress *progress);

#endif
