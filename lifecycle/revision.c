/* revision.c - the name of one version of an app's container. */
#include "lifecycle/revision.h"

#include "router/base/strbuf.h"
#include "router/base/wire.h"

/* What is not set adds nothing, so that a berth that knows one directive more
 * names the containers of an older one as that did. Each part begins with its
 * own name: no two settings can give the same bytes. */
static void add_text(struct strbuf *buf, const char *name, const char *value)
{
    if (!value)
        return;
    wire_put_str(buf, name);
    wire_put_str(buf, value);
}

static void add_number(struct strbuf *buf, const char *name, uint64_t value)
{
    if (value == 0)
        return;
    wire_put_str(buf, name);
    wire_put_u64(buf, value);
}

static void add_list(struct strbuf *buf, const char *name,
                     const struct string_list *list)
{
    wire_put_str(buf, name);
    wire_put_u32(buf, list->count);
    for (uint32_t i = 0; i < list->count; i++)
        wire_put_str(buf, list->items[i]);
}

static void add_list_if_any(struct strbuf *buf, const char *name,
                            const struct string_list *list)
{
    if (list->count > 0)
        add_list(buf, name, list);
}

static void add_pairs(struct strbuf *buf, const char *name,
                      const struct name_values *pairs)
{
    if (pairs->count == 0)
        return;
    wire_put_str(buf, name);
    wire_put_u32(buf, pairs->count);
    for (uint32_t i = 0; i < pairs->count; i++) {
        wire_put_str(buf, pairs->items[i].name);
        wire_put_str(buf, pairs->items[i].value);
    }
}

static void add_process(struct strbuf *buf,
                        const struct container_settings *container)
{
    add_number(buf, "port", container->port);
    add_number(buf, "port_mode", container->port_mode);
    add_text(buf, "socket", container->socket);
    add_number(buf, "network", container->network);
    add_text(buf, "network_name", container->network_name);
    add_text(buf, "hostname", container->hostname);
    if (container->has_command)
        add_list(buf, "command", &container->command);
    if (container->has_entrypoint)
        add_list(buf, "entrypoint", &container->entrypoint);
    add_text(buf, "workdir", container->workdir);
    add_text(buf, "user", container->user);
    add_pairs(buf, "env", &container->env);
    add_pairs(buf, "labels", &container->labels);
    add_pairs(buf, "annotations", &container->annotations);
    add_text(buf, "stop_signal", container->stop_signal);
    if (container->log_bytes != CONTAINER_LOG_BYTES_DEFAULT)
        add_number(buf, "log_size", container->log_bytes);
}

static void add_files(struct strbuf *buf,
                      const struct container_settings *container)
{
    for (uint32_t i = 0; i < container->volume_count; i++) {
        add_text(buf, "volume", container->volumes[i].source);
        wire_put_str(buf, container->volumes[i].destination);
        wire_put_str(buf, container->volumes[i].options);
    }
    for (uint32_t i = 0; i < container->tmpfs_count; i++) {
        add_text(buf, "tmpfs", container->tmpfs[i].destination);
        wire_put_u64(buf, container->tmpfs[i].size_bytes);
    }
    for (uint32_t i = 0; i < container->secret_count; i++) {
        add_text(buf, "secret", container->secrets[i].name);
        wire_put_u32(buf, container->secrets[i].is_env);
        wire_put_str(buf, container->secrets[i].target);
    }
    add_number(buf, "shm_size", container->shm_bytes);
    add_list_if_any(buf, "devices", &container->devices);
    add_number(buf, "read_only", container->read_only);
}

static void add_limits(struct strbuf *buf,
                       const struct container_settings *container)
{
    add_list_if_any(buf, "cap_add", &container->cap_add);
    add_list_if_any(buf, "cap_drop", &container->cap_drop);
    add_list_if_any(buf, "security_opt", &container->security_opts);
    for (uint32_t i = 0; i < container->ulimit_count; i++) {
        add_text(buf, "ulimit", container->ulimits[i].name);
        wire_put_u64(buf, container->ulimits[i].soft);
        wire_put_u64(buf, container->ulimits[i].hard);
    }
    add_number(buf, "gpus", container->gpu_millis);
    add_number(buf, "gpu_memory", container->gpu_memory_bytes);
}

static void add_container(struct strbuf *buf,
                          const struct container_settings *container)
{
    add_process(buf, container);
    add_files(buf, container);
    add_limits(buf, container);
}

/* Their images too, which the caller's content_id does not cover. */
static void add_sidecars(struct strbuf *buf,
                         const struct container_settings *container)
{
    for (uint32_t i = 0; i < container->sidecar_count; i++) {
        const struct sidecar_settings *it = &container->sidecars[i];

        add_text(buf, "sidecar", it->name);
        add_text(buf, "image", it->container.image);
        add_container(buf, &it->container);
        /* Theirs are not changed in place. */
        add_number(buf, "cpus", it->container.cpu_millis);
        add_number(buf, "memory", it->container.memory_bytes);
        add_number(buf, "pids", it->container.pids);
    }
}

/* The pull policy, time-outs of the pull and of the stop are no part of it:
 * they change nothing in the container. Nor are cpus, memory and pids, which
 * are changed while it runs. */
void revision_compute(const struct container_settings *container,
                      const char *content_id, char *ret_hex)
{
    AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;
    struct digest *digest = digest_new();

    wire_put_str(&buf, content_id);
    add_container(&buf, container);
    add_sidecars(&buf, container);
    digest_add(digest, buf.data, buf.len);
    digest_finish_hex(digest, ret_hex);
    digest_free(&digest);
}
