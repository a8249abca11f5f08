/* container_spec.c - an app's settings as Podman's create request. */
#include "lifecycle/container_spec.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lifecycle/json_put.h"
#include "lifecycle/rlimits.h"
#include "lifecycle/spec_files.h"
#include "lifecycle/settings.h"
#include "router/base/alloc.h"

#define CPU_PERIOD_US    100000
#define CPU_QUOTA_MIN_US 1000    /* the kernel's bound */
#define NOFILE_DEFAULT   1048576 /* Podman's own defaults */
#define NPROC_DEFAULT    4194304

int container_spec_signal(const char *name)
{
    uint64_t number;
    const char *abbreviation;

    if (sv_to_u64(sv_of(name), 64, &number))
        return (int)number;
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    if (strncmp(name, "RTMIN+", 6) == 0 &&
        sv_to_u64(sv_of(name + 6), (uint64_t)(SIGRTMAX - SIGRTMIN), &number))
        return SIGRTMIN + (int)number;
    for (int i = 1; i < SIGRTMIN; i++) {
        abbreviation = sigabbrev_np(i);
        if (abbreviation && strcmp(abbreviation, name) == 0)
            return i;
    }
    return 0;
}

/* --------------------------------------------------- what it runs and sees */

static void put_process(cJSON *json, const struct engine_spec *spec)
{
    const struct container_settings *container = spec->container;

    json_put_text(json, "image", spec->image ? spec->image : container->image);
    if (container->has_command)
        json_put_list(json, "command", &container->command);
    if (container->has_entrypoint)
        json_put_list(json, "entrypoint", &container->entrypoint);
    if (container->workdir)
        json_put_text(json, "work_dir", container->workdir);
    if (container->user)
        json_put_text(json, "user", container->user);
    if (container->hostname && container->sidecar_count == 0)
        json_put_text(json, "hostname", container->hostname);
}

/* The devices that are its own. */
static void put_gpus(cJSON *env, const char *const *devices)
{
    AUTO(strbuf_done) struct strbuf names = STRBUF_INIT;

    for (unsigned i = 0; devices[i]; i++)
        strbuf_printf(&names, "%s%s", i ? "," : "", devices[i]);
    json_put_text(env, "BERTH_GPUS", names.data);
}

/* Ours last: what berth relies on is not for an env_file to change. */
static void put_env(cJSON *json, const struct engine_spec *spec)
{
    const struct container_settings *container = spec->container;
    cJSON *env = json_put_object(json, "env");
    char port[16];

    for (uint32_t i = 0; i < container->env.count; i++)
        json_put_text(env, container->env.items[i].name,
                      container->env.items[i].value);
    snprintf(port, sizeof port, "%" PRIu32, spec->port);
    if (spec->port)
        json_put_text(env, "PORT", port);
    json_put_view(env, "BERTH_APP", spec->labels.app);
    json_put_view(env, "BERTH_REPLICA", spec->labels.replica);
    if (spec->devices)
        put_gpus(env, spec->devices);
    if (spec->socket_dir) {
        AUTO(auto_free)
        char *path = xasprintf(CONTAINER_SOCKET_DIR "/%s", container->socket);

        json_put_text(env, "BERTH_SOCKET", path);
    }
}

static void put_annotations(cJSON *json,
                            const struct container_settings *container)
{
    const struct name_values *pairs = &container->annotations;
    cJSON *annotations;

    if (pairs->count == 0)
        return;
    annotations = json_put_object(json, "annotations");
    for (uint32_t i = 0; i < pairs->count; i++)
        json_put_text(annotations, pairs->items[i].name, pairs->items[i].value);
}

static void put_identity(cJSON *json, const struct engine_labels *labels)
{
    json_put_view(json, "berth.namespace", labels->namespace_name);
    json_put_view(json, "berth.app", labels->app);
    json_put_view(json, "berth.revision", labels->revision);
    json_put_view(json, "berth.replica", labels->replica);
}

static void put_labels(cJSON *json, const struct engine_spec *spec)
{
    const struct container_settings *container = spec->container;
    cJSON *labels = json_put_object(json, "labels");
    char port[16];

    for (uint32_t i = 0; i < container->labels.count; i++)
        json_put_text(labels, container->labels.items[i].name,
                      container->labels.items[i].value);
    snprintf(port, sizeof port, "%" PRIu32, spec->port);
    put_identity(labels, &spec->labels);
    json_put_text(labels, "berth.port", port);
    json_put_text(labels, "berth.inside", spec->inside ? "true" : "false");
    if (spec->reserved)
        json_put_text(labels, "berth.reserved", spec->reserved);
    if (spec->socket_dir) {
        AUTO(auto_free)
        char *path = xasprintf("%s/%s", spec->socket_dir, container->socket);

        json_put_text(labels, "berth.socket", path);
    }
}

/* ----------------------------------------------------------------- network */

/* '-' is doubled in the namespace, so that it cannot be mistaken for the one
 * that ends it. */
char *container_spec_network_name(struct strview namespace_name,
                                  struct strview app)
{
    struct strbuf name = STRBUF_INIT;

    strbuf_add_str(&name, "berth-");
    for (size_t i = 0; i < namespace_name.len; i++) {
        strbuf_add_char(&name, namespace_name.ptr[i]);
        if (namespace_name.ptr[i] == '-')
            strbuf_add_char(&name, '-');
    }
    strbuf_add_char(&name, '-');
    strbuf_add_sv(&name, app);
    return name.data;
}

static void put_network(cJSON *json, const struct engine_spec *spec)
{
    const struct container_settings *container = spec->container;
    AUTO(auto_free) char *private_name = NULL;
    const char *name = NULL;
    cJSON *netns = json_put_object(json, "netns");

    switch (container->network) {
    case NETWORK_NONE:
        json_put_text(netns, "nsmode", "none");
        return;
    case NETWORK_HOST:
        json_put_text(netns, "nsmode", "host");
        return;
    case NETWORK_PRIVATE:
        private_name = container_spec_network_name(spec->labels.namespace_name,
                                                   spec->labels.app);
        name = private_name;
        break;
    case NETWORK_NAMED:
        name = container->network_name;
        break;
    case NETWORK_BRIDGE:
        break;
    }
    json_put_text(netns, "nsmode", "bridge");
    if (name)
        json_put_object(json_put_object(json, "networks"), name);
    if (spec->publish) {
        cJSON *port = json_append(json_put_array(json, "portmappings"),
                                  cJSON_CreateObject());

        json_put_number(port, "container_port", spec->port);
        json_put_text(port, "host_ip", "127.0.0.1");
        json_put_text(port, "protocol", "tcp");
    }
}

char *container_spec_network(const struct engine_labels *labels)
{
    AUTO(json_free) cJSON *json = json_object();
    AUTO(auto_free)
    char *name =
        container_spec_network_name(labels->namespace_name, labels->app);
    cJSON *own = json_put_object(json, "labels");

    json_put_text(json, "name", name);
    json_put_text(json, "driver", "bridge");
    json_put(json, "dns_enabled", cJSON_CreateFalse());
    json_put_text(json_put_object(json, "options"), "isolate", "true");
    json_put_view(own, "berth.namespace", labels->namespace_name);
    json_put_view(own, "berth.app", labels->app);
    return json_text(json);
}

/* ------------------------------------------------------------------ limits */

/* Microseconds of a period; 0: no limit. */
static uint64_t quota_of(const struct container_settings *container)
{
    uint64_t quota = container->cpu_millis * (CPU_PERIOD_US / 1000);

    return quota == 0 || quota > CPU_QUOTA_MIN_US ? quota : CPU_QUOTA_MIN_US;
}

static void put_resources(cJSON *json,
                          const struct container_settings *container)
{
    cJSON *limits;

    if (!container->cpu_millis && !container->memory_bytes && !container->pids)
        return;
    limits = json_put_object(json, "resource_limits");
    if (container->cpu_millis) {
        cJSON *cpu = json_put_object(limits, "cpu");

        json_put_number(cpu, "quota", quota_of(container));
        json_put_number(cpu, "period", CPU_PERIOD_US);
    }
    if (container->memory_bytes)
        json_put_number(json_put_object(limits, "memory"), "limit",
                        container->memory_bytes);
    if (container->pids)
        json_put_number(json_put_object(limits, "pids"), "limit",
                        container->pids);
}

/* json_put_number() has no sign. */
static void put_limit(cJSON *object, const char *name, uint64_t value)
{
    if (value > 0)
        json_put_number(object, name, value);
    else
        json_put(object, name, cJSON_CreateNumber(-1));
}

char *container_spec_limits(const struct container_settings *container)
{
    AUTO(json_free) cJSON *json = json_object();
    cJSON *cpu = json_put_object(json, "cpu");

    put_limit(cpu, "quota", quota_of(container));
    json_put_number(cpu, "period", CPU_PERIOD_US);
    put_limit(json_put_object(json, "memory"), "limit",
              container->memory_bytes);
    put_limit(json_put_object(json, "pids"), "limit", container->pids);
    return json_text(json);
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void append_limit(cJSON *array, const char *name, uint64_t soft,
                         uint64_t hard)
{
    cJSON *limit = json_append(array, cJSON_CreateObject());

    json_put_text(limit, "type", name);
    json_put_number(limit, "soft", soft);
    json_put_number(limit, "hard", hard);
}

static const struct ulimit_setting *
find_ulimit(const struct container_settings *container, const char *name)
{
    const struct ulimit_setting *found = NULL;

    for (uint32_t i = 0; i < container->ulimit_count; i++) {
        if (strcmp(container->ulimits[i].name, name) == 0)
            found = &container->ulimits[i];
    }
    return found;
}

/* nofile and nproc always: Podman 4.3 fills in the one that is missing with a
 * value that may not be settable here. */
static bool put_ulimits(cJSON *json, const struct container_settings *container,
                        const struct rlimits *limits, struct err *err)
{
    static const struct {
        const char *name;
        uint64_t value;
    } always[] = {{"nofile", NOFILE_DEFAULT}, {"nproc", NPROC_DEFAULT}};
    cJSON *array = json_put_array(json, "r_limits");

    for (size_t i = 0; i < 2; i++) {
        uint64_t most = rlimits_most(limits, rlimits_find(always[i].name));
        uint64_t value = lower(most, always[i].value);

        if (!find_ulimit(container, always[i].name))
            append_limit(array, always[i].name, value, value);
    }
    for (uint32_t i = 0; i < container->ulimit_count; i++) {
        const struct ulimit_setting *it = &container->ulimits[i];
        int resource = rlimits_find(it->name);
        uint64_t most;

        if (resource < 0)
            return err_set(err, ERR_INVALID,
                           "there is no resource limit \"%s\"", it->name);
        if (find_ulimit(container, it->name) != it)
            continue; /* a later one of the same name has won */
        most = rlimits_most(limits, resource);
        append_limit(array, it->name, lower(it->soft, most),
                     lower(it->hard, most));
    }
    return true;
}

void container_spec_check(const struct container_settings *container,
                          const struct rlimits *limits,
                          struct strbuf *ret_warnings)
{
    for (uint32_t i = 0; i < container->ulimit_count; i++) {
        const struct ulimit_setting *it = &container->ulimits[i];
        int resource = rlimits_find(it->name);
        uint64_t most =
            resource < 0 ? UINT64_MAX : rlimits_most(limits, resource);

        if (it->soft > most || it->hard > most)
            strbuf_printf(ret_warnings,
                          "ulimit %s %" PRIu64 ":%" PRIu64
                          " is lowered to %" PRIu64
                          ", the most that may be set here (raise berth's own "
                          "hard limit: LimitNOFILE= and the like in its unit, "
                          "or ulimit -H)\n",
                          it->name, it->soft, it->hard, most);
    }
}

static bool put_end(cJSON *json, const struct container_settings *container,
                    struct err *err)
{
    if (container->stop_signal) {
        int number = container_spec_signal(container->stop_signal);

        if (number == 0)
            return err_set(err, ERR_INVALID, "there is no signal \"%s\"",
                           container->stop_signal);
        json_put_number(json, "stop_signal", (uint64_t)number);
    }
    json_put_number(json, "stop_timeout",
                    (container->stop_timeout_ms + 999) / 1000);
    return true;
}

/* Podman's default (journald, where there is one) is not bounded, and its API
 * reads a file far quicker. */
static void put_log(cJSON *json, const struct container_settings *container)
{
    cJSON *log = json_put_object(json, "log_configuration");

    json_put_text(log, "driver", "k8s-file");
    json_put_number(log, "size",
                    container->log_bytes ? container->log_bytes
                                         : CONTAINER_LOG_BYTES_DEFAULT);
}

/* pod: its name; NULL: a network of its own. */
static bool put_all(cJSON *json, const struct engine_spec *spec,
                    const char *pod, const struct rlimits *limits,
                    struct err *err)
{
    json_put_text(json, "name", spec->name);
    put_process(json, spec);
    put_env(json, spec);
    put_labels(json, spec);
    put_annotations(json, spec->container);
    spec_put_files(json, spec);
    spec_put_privileges(json, spec->container);
    if (pod)
        json_put_text(json, "pod", pod);
    else
        put_network(json, spec);
    put_resources(json, spec->container);
    if (!put_ulimits(json, spec->container, limits, err) ||
        !put_end(json, spec->container, err))
        return false;
    /* It would hang on a frozen container; berth has checks of its own. */
    json_append_text(
        json_put_array(json_put_object(json, "healthconfig"), "Test"), "NONE");
    put_log(json, spec->container);
    return true;
}

bool container_spec_build(const struct engine_spec *spec,
                          const struct rlimits *limits, char **ret_json,
                          struct err *err)
{
    AUTO(json_free) cJSON *json = json_object();
    AUTO(auto_free)
    char *pod = spec->container->sidecar_count > 0
                    ? container_spec_pod_name(spec->name)
                    : NULL;

    if (!put_all(json, spec, pod, limits, err))
        return false;
    *ret_json = json_text(json);
    return true;
}

/* -------------------------------------------------------------------- pods */

/* An app's container is called ….-NUMBER, so none of these is one's name; and
 * no dot is in a sidecar's name, so no two sidecars have the same. */
char *container_spec_pod_name(const char *name)
{
    return xasprintf("%s.pod", name);
}

/* For whoever starts a primed pod that it found; read by podman_pod.c. */
static void put_check(cJSON *labels, const struct sidecar_settings *sidecar)
{
    const struct ready_check *check = &sidecar->ready_check;
    AUTO(auto_free)
    char *text =
        check->kind == CHECK_HTTP
            ? xasprintf("http %u %u %u %s", sidecar->container.port,
                        check->status_min, check->status_max, check->path)
        : check->kind == CHECK_LOG
            ? xasprintf("log %s", check->pattern)
            : xasprintf("tcp %u", sidecar->container.port);

    if (sidecar->has_check)
        json_put_text(labels, "berth.check", text);
}

bool container_spec_build_sidecar(const struct engine_spec *spec,
                                  uint32_t sidecar,
                                  const struct rlimits *limits, char **ret_json,
                                  struct err *err)
{
    const struct sidecar_settings *it = &spec->container->sidecars[sidecar];
    AUTO(auto_free) char *pod = container_spec_pod_name(spec->name);
    AUTO(auto_free)
    char *name = xasprintf("%s.%s.sidecar", spec->name, it->name);
    AUTO(json_free) cJSON *json = json_object();
    cJSON *labels;
    const struct engine_spec own = {
        .container = &it->container,
        .image = spec->sidecar_images ? spec->sidecar_images[sidecar] : NULL,
        .labels = spec->labels,
        .name = name,
        .port = it->container.port,
    };

    if (!put_all(json, &own, pod, limits, err))
        return err_prefix(err, "sidecar %s", it->name);
    labels = cJSON_GetObjectItemCaseSensitive(json, "labels");
    json_put_text(labels, "berth.sidecar", it->name);
    put_check(labels, it);
    *ret_json = json_text(json);
    return true;
}

char *container_spec_pod(const struct engine_spec *spec)
{
    AUTO(json_free) cJSON *json = json_object();
    AUTO(auto_free) char *pod = container_spec_pod_name(spec->name);
    AUTO(auto_free) char *infra = xasprintf("%s.infra", spec->name);
    static const char *const shared[] = {"net", "ipc", "uts"};
    cJSON *namespaces;

    json_put_text(json, "name", pod);
    json_put_text(json, "infra_name", infra);
    put_identity(json_put_object(json, "labels"), &spec->labels);
    namespaces = json_put_array(json, "shared_namespaces");
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        json_append_text(namespaces, shared[i]);
    if (spec->container->hostname)
        json_put_text(json, "hostname", spec->container->hostname);
    put_network(json, spec);
    return json_text(json);
}
