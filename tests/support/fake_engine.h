/* fake_engine.h - an engine without containers, for tests of the fleet.
 *
 * Every call is answered in the next loop turn, with success unless told
 * otherwise, and written down. Thread: owner loop.
 */
#ifndef TESTS_SUPPORT_FAKE_ENGINE_H
#define TESTS_SUPPORT_FAKE_ENGINE_H

#include "lifecycle/engine_ops.h"
#include "router/base/list.h"
#include "router/base/strbuf.h"

struct loop;

enum fake_kind {
    FAKE_IMAGE,
    FAKE_PULL,
    FAKE_SECRETS,
    FAKE_BUILD,
    FAKE_PRUNE_LAYERS,
    FAKE_CREATE,
    FAKE_INIT,
    FAKE_START,
    FAKE_UPDATE,
    FAKE_STOP,
    FAKE_REMOVE,
    FAKE_INSPECT,
    FAKE_WAIT,
    FAKE_LIST,
    FAKE_LOGS,
    FAKE_FOLLOW, /* not answered until fake_engine_end_logs() */
    FAKE_PRUNE,
    FAKE_FREEZE,
    FAKE_THAW,
    FAKE_HIBERNATE,
    FAKE_KIND_COUNT
};

#define FAKE_CONTAINERS 32

struct fake_container {
    struct engine_container container; /* id "": no container */
    struct engine_handle *handle;      /* held by the fleet */
    struct engine_memory memory;       /* all swapped once hibernated */
    unsigned oom_kills;
    char devices[256]; /* that it was made with, a blank between two */
};

struct fake_engine {
    struct engine base;
    struct loop *loop;
    struct strbuf log; /* "create berth-t-a-1\n", one line a call */
    unsigned counts[FAKE_KIND_COUNT];
    /* The next fail_count calls of a kind fail with fail_with. */
    unsigned fail_count[FAKE_KIND_COUNT];
    struct err fail_with[FAKE_KIND_COUNT];
    bool hold[FAKE_KIND_COUNT]; /* not answered while true */
    bool no_handles;            /* containers cannot be held, only published */
    uint64_t resident_bytes;    /* of each container that starts */
    bool image_is_there;        /* locally; a pull makes it so */
    char image_id[80];          /* what images' names mean */
    char pruned_id[80];         /* one that is not there any more */
    const char *secret_ids;     /* of all that are asked for */
    bool layer_is_there; /* what a build would make; a build makes it so */
    struct strbuf kept_layers; /* of the last prune, "TAG\n" each */
    int exit_at_start;         /* >= 0: containers end at once with it */
    const char *container_log;
    struct fake_container containers[FAKE_CONTAINERS];
    unsigned next_id;
    struct list calls; /* under way */
};

struct fake_engine *fake_engine_new(struct loop *loop);

/* Let `count` calls of a kind fail from now on. */
void fake_engine_fail(struct fake_engine *fake, enum fake_kind kind,
                      unsigned count, enum err_code code, const char *text);
/* Answer those that were held. */
void fake_engine_release(struct fake_engine *fake, enum fake_kind kind);

/* The container says something to all who follow it and are not held (what it
 * says to those is kept by nobody). Returns how many heard it. */
unsigned fake_engine_say(struct fake_engine *fake, const char *id,
                         bool is_stderr, const char *text);
/* Its output ends for all who follow it; err NULL: well. */
void fake_engine_end_logs(struct fake_engine *fake, const char *id,
                          const struct err *err);

/* A container that was there before. */
struct fake_container *fake_engine_add(struct fake_engine *fake,
                                       const char *app, uint64_t replica,
                                       const char *revision, bool is_running);
/* The container's process ends. */
void fake_engine_exit(struct fake_engine *fake, const char *id, int exit_code);
/* NULL: there is none of that id. */
struct fake_container *fake_engine_find(struct fake_engine *fake,
                                        const char *id);
/* Containers that exist. */
unsigned fake_engine_count(const struct fake_engine *fake);

#endif
