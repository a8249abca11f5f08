/* host_check.c - whether this host can do what the configuration asks. */
#include "lifecycle/host_check.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lifecycle/engine.h"
#include "lifecycle/front_process.h"
#include "lifecycle/instance_lock.h"
#include "lifecycle/machine.h"
#include "lifecycle/podman.h"
#include "lifecycle/sidecar_settings.h"
#include "lifecycle/state_dir.h"
#include "router/base/alloc.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

struct host_check {
    const struct lifecycle_settings *settings;
    const struct listen_request *listeners;
    unsigned listener_count;
    struct strbuf *text;
    unsigned problems;
    /* while Podman is waited for */
    struct loop *loop;
    bool is_up;
    struct err down;
    struct err secret; /* ERR_NONE: it is there */
};

static void add(struct host_check *check, const char *kind, const char *format,
                va_list args)
{
    char line[2048];

    vsnprintf(line, sizeof line, format, args);
    strbuf_printf(check->text, "%s: %s\n", kind, line);
}

static void ok(struct host_check *check, const char *format, ...)
    PRINTF_LIKE(2, 3);
static void ok(struct host_check *check, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(check, "ok", format, args);
    va_end(args);
}

static void note(struct host_check *check, const char *format, ...)
    PRINTF_LIKE(2, 3);
static void note(struct host_check *check, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(check, "note", format, args);
    va_end(args);
}

static void problem(struct host_check *check, const char *format, ...)
    PRINTF_LIKE(2, 3);
static void problem(struct host_check *check, const char *format, ...)
{
    va_list args;

    check->problems++;
    va_start(args, format);
    add(check, "problem", format, args);
    va_end(args);
}

/* --- the process --- */

static void check_user(struct host_check *check)
{
    struct front_identity identity;
    struct err err;

    if (!front_identity_find(check->settings->user, &identity, &err))
        problem(check, "%s", err.text);
    else if (identity.changes_user)
        ok(check, "the front runs as uid %lu", (unsigned long)identity.uid);
    else
        note(check,
             "berth does not run as root here: the front runs as the "
             "same user (uid %lu)",
             (unsigned long)identity.uid);
}

static void check_state_dir(struct host_check *check)
{
    struct err err;

    if (state_dir_check(check->settings->state_dir, &err))
        ok(check, "state_dir %s", check->settings->state_dir);
    else
        problem(check, "%s", err.text);
}

static void check_listeners(struct host_check *check)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct listen_sockets *sockets;
    struct strview rest;
    struct strview line;
    long pid;

    if (instance_lock_is_taken(check->settings->state_dir,
                               check->settings->podman.namespace_name, &pid)) {
        note(check,
             "a berth of this namespace runs already (pid %ld): its "
             "ports are not looked at",
             pid);
        return;
    }
    sockets =
        listen_sockets_open(check->listeners, check->listener_count, &errors);
    if (sockets)
        ok(check, "all %u addresses can be listened on", check->listener_count);
    listen_sockets_free(&sockets);
    rest = strbuf_view(&errors);
    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            problem(check, "%.*s", SV_ARG(line));
    }
}

/* --- what there is to hand out --- */

static void check_machine(struct host_check *check)
{
    AUTO(strbuf_done) struct strbuf problems = STRBUF_INIT;
    AUTO(machine_free) struct machine *machine =
        machine_of(check->settings, &problems);
    const struct placement_machine *totals = &machine->totals;
    struct strview rest = strbuf_view(&problems);
    struct strview line;

    ok(check, "to hand out: %g CPUs, %.1f GiB of memory, %u devices",
       (double)totals->cpu_millis / 1e3,
       (double)totals->memory_bytes / (1 << 30), totals->device_count);
    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            problem(check, "%.*s", SV_ARG(line));
    }
}

/* --- each app --- */

static void check_volumes(struct host_check *check,
                          const struct keeper_app *app)
{
    const struct container_settings *container = &app->container;

    for (uint32_t i = 0; i < container->volume_count; i++) {
        const char *source = container->volumes[i].source;
        struct stat st;

        /* Others are Podman's own volumes, which it makes as needed. */
        if (source[0] == '/' && stat(source, &st) != 0)
            problem(check,
                    "app %s: volume %s: %s; make it, or change the "
                    "volume directive",
                    app->app->name, source, strerror(errno));
    }
}

static void check_reach(struct host_check *check, const struct keeper_app *app,
                        const struct engine_capabilities *capabilities)
{
    const struct container_settings *container = &app->container;

    if (capabilities->sockets_inside || container->socket ||
        container->network == NETWORK_HOST)
        return;
    if (container->port_mode == PORT_INSIDE)
        problem(check,
                "app %s: port inside: berth may not enter network "
                "namespaces here; run it as root or by `podman "
                "unshare`, or use: port N published;",
                app->app->name);
    else if (container->network == NETWORK_NONE)
        problem(check,
                "app %s: network none: berth may not enter network "
                "namespaces here, and nothing can be published from "
                "it; run berth as root or by `podman unshare`, or let "
                "the app listen on a Unix socket: socket NAME;",
                app->app->name);
    else if (capabilities->rootless && app->app->ready_check.kind == CHECK_TCP)
        note(check,
             "app %s: behind a published port of rootless Podman a "
             "connection is accepted before the app listens; better: "
             "ready_check http PATH;",
             app->app->name);
}

/* The pod's own container has limits that no request can lower; Podman 5 asks
 * for none that it may not have. */
static void check_sidecars(struct host_check *check,
                           const struct keeper_app *app,
                           const struct engine_capabilities *capabilities)
{
    if (app->container.sidecar_count > 0 && !capabilities->can_raise_limits &&
        capabilities->version[0] == '4')
        note(check,
             "app %s has sidecars, and limits may not be raised here: its pod "
             "starts only with default_ulimits under [containers] in "
             "containers.conf, such as [\"nofile=1024:1024\", "
             "\"nproc=1024:1024\"]",
             app->app->name);
}

static void check_limits(struct host_check *check, struct engine *engine,
                         const struct keeper_app *app)
{
    AUTO(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    struct strview rest;
    struct strview line;

    engine_check(engine, &app->container, &warnings);
    rest = strbuf_view(&warnings);
    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            note(check, "app %s: %.*s", app->app->name, SV_ARG(line));
    }
}

/* --- Podman --- */

static bool has_hybrid_cgroups(void)
{
    struct statfs fs;

    return statfs("/sys/fs/cgroup", &fs) == 0 &&
           fs.f_type != CGROUP2_SUPER_MAGIC &&
           access("/sys/fs/cgroup/unified", F_OK) == 0;
}

static void check_runtime(struct host_check *check,
                          const struct engine_capabilities *capabilities)
{
    if (strcmp(capabilities->runtime, "crun") == 0 && has_hybrid_cgroups())
        problem(check, "crun refuses this host's hybrid cgroups (\"cgroups in "
                       "hybrid mode not supported\"); install runc, and set "
                       "runtime = \"runc\" under [engine] in containers.conf, "
                       "or: podman { runtime runc; } where berth starts the "
                       "service");
}

static void check_warmth(struct host_check *check,
                         const struct engine_capabilities *capabilities)
{
    if (capabilities->freezes_by_cgroup)
        ok(check, "idle apps are frozen by the cgroup freezer");
    else
        note(check, "freezing: %s", capabilities->freeze_text);
    if (capabilities->can_hibernate)
        ok(check, "frozen apps can be hibernated: there is swap");
    else
        note(check, "hibernation: %s", capabilities->hibernate_text);
}

static void on_up(void *arg, const struct engine_capabilities *capabilities)
{
    struct host_check *check = arg;

    (void)capabilities;
    check->is_up = true;
    loop_stop(check->loop);
}

static void on_down(void *arg, const struct err *err)
{
    struct host_check *check = arg;

    check->down = *err;
    loop_stop(check->loop);
}

static void on_died(void *arg, const char *id, int exit_code)
{
    (void)arg;
    (void)id;
    (void)exit_code;
}

static void on_secret(void *arg, struct strview ids, const struct err *err)
{
    struct host_check *check = arg;

    (void)ids;
    check->secret = err ? *err : (struct err){.code = ERR_NONE};
    loop_stop(check->loop);
}

/* As a file and as a variable, say. */
static bool is_named_before(const struct container_settings *container,
                            uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(container->secrets[i].name,
                   container->secrets[index].name) == 0)
            return true;
    return false;
}

/* whose: an app's own, or one of its sidecars'. */
static void check_secrets(struct host_check *check, struct engine *engine,
                          const char *whose,
                          const struct container_settings *container)
{
    for (uint32_t i = 0; i < container->secret_count; i++) {
        const char *name = container->secrets[i].name;

        if (is_named_before(container, i))
            continue;
        /* Podman answers, or the call's own time-out ends it. */
        (void)engine_secrets(engine, &name, 1, on_secret, check);
        loop_run(check->loop);
        if (check->secret.code == ERR_NONE)
            ok(check, "%s: secret %s", whose, name);
        else if (check->secret.code == ERR_NOT_FOUND)
            problem(check,
                    "%s: Podman has no secret %s; make it: podman secret "
                    "create %s FILE",
                    whose, name, name);
        else
            problem(check, "%s: secret %s: %s", whose, name,
                    check->secret.text);
    }
}

static void check_all_secrets(struct host_check *check, struct engine *engine,
                              const struct keeper_app *app)
{
    AUTO(auto_free) char *whose = xasprintf("app %s", app->app->name);

    check_secrets(check, engine, whose, &app->container);
    for (uint32_t i = 0; i < app->container.sidecar_count; i++) {
        const struct sidecar_settings *sidecar = &app->container.sidecars[i];
        AUTO(auto_free)
        char *of = xasprintf("%s: sidecar %s", whose, sidecar->name);

        check_secrets(check, engine, of, &sidecar->container);
    }
}

static void check_engine(struct host_check *check, struct engine *engine)
{
    const struct engine_capabilities *capabilities =
        engine_capabilities(engine);

    if (!check->is_up) {
        problem(check, "Podman: %s", check->down.text);
        return;
    }
    ok(check, "%s %s%s%s%s", capabilities->name, capabilities->version,
       capabilities->rootless ? ", rootless" : ", as root",
       capabilities->runtime[0] ? ", runtime " : "", capabilities->runtime);
    if (capabilities->sockets_inside)
        ok(check, "apps are reached inside their network namespaces");
    else
        note(check, "berth may not enter network namespaces here: apps are "
                    "reached by published ports, which costs a third of the "
                    "speed; `podman unshare berth run …` may");
    check_runtime(check, capabilities);
    check_warmth(check, capabilities);
    for (uint32_t i = 0; i < check->settings->app_count; i++) {
        const struct keeper_app *app = &check->settings->apps[i];

        if (!app->container.image)
            continue;
        check_reach(check, app, capabilities);
        check_limits(check, engine, app);
        check_sidecars(check, app, capabilities);
        check_all_secrets(check, engine, app);
    }
}

/* Podman's service may have to be started for the check: then its socket is in
 * a directory of the check's own. */
static void check_podman(struct host_check *check)
{
    char dir[] = "/tmp/berth-check-XXXXXX";
    struct podman_options options = {
        .settings = &check->settings->podman,
        .state_dir = dir,
        .events = {.on_up = on_up,
                   .on_down = on_down,
                   .on_died = on_died,
                   .arg = check},
    };
    struct engine *engine;

    if (!mkdtemp(dir)) {
        problem(check, "%s: %s", dir, strerror(errno));
        return;
    }
    check->loop = loop_new("check");
    options.loop = check->loop;
    options.timers = timers_new(check->loop);
    engine = podman_new(&options);
    loop_run(check->loop);
    check_engine(check, engine);
    engine_free(&engine);
    timers_free(&options.timers);
    loop_free(&check->loop);
    rmdir(dir);
}

unsigned host_check(const struct lifecycle_settings *settings,
                    const struct listen_request *listeners,
                    unsigned listener_count, struct strbuf *ret_text)
{
    struct host_check check = {.settings = settings,
                               .listeners = listeners,
                               .listener_count = listener_count,
                               .text = ret_text};
    bool needs_podman = false;

    check_user(&check);
    check_state_dir(&check);
    check_listeners(&check);
    check_machine(&check);
    for (uint32_t i = 0; i < settings->app_count; i++) {
        check_volumes(&check, &settings->apps[i]);
        needs_podman |= settings->apps[i].container.image != NULL;
    }
    if (needs_podman)
        check_podman(&check);
    return check.problems;
}
