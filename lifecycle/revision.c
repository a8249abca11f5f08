/* revision.c - the name of one version of an app's container. */
#include "lifecycle/revision.h"

#include "router/base/strbuf.h"
#include "router/base/wire.h"

static void add_strings(struct strbuf *buf, bool is_set,
                        const struct string_list *list)
{
    wire_put_u32(buf, is_set);
    wire_put_u32(buf, list->count);
    for (uint32_t i = 0; i < list->count; i++)
        wire_put_str(buf, list->items[i]);
}

static void add_pairs(struct strbuf *buf, const struct name_values *pairs)
{
    wire_put_u32(buf, pairs->count);
    for (uint32_t i = 0; i < pairs->count; i++) {
        wire_put_str(buf, pairs->items[i].name);
        wire_put_str(buf, pairs->items[i].value);
    }
}

/* The pull policy, time-outs of the pull and of the stop are no part of it:
 * they change nothing in the container. */
void revision_compute(const struct container_settings *container,
                      const char *image_id, char *ret_hex)
{
    AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;
    struct digest *digest = digest_new();

    wire_put_str(&buf, image_id);
    wire_put_u32(&buf, container->port);
    wire_put_u32(&buf, container->port_mode);
    wire_put_str(&buf, container->socket);
    wire_put_u32(&buf, container->network);
    wire_put_str(&buf, container->network_name);
    add_strings(&buf, container->has_command, &container->command);
    add_strings(&buf, container->has_entrypoint, &container->entrypoint);
    wire_put_str(&buf, container->workdir);
    wire_put_str(&buf, container->user);
    add_pairs(&buf, &container->env);
    add_pairs(&buf, &container->labels);
    wire_put_u32(&buf, container->volume_count);
    for (uint32_t i = 0; i < container->volume_count; i++) {
        wire_put_str(&buf, container->volumes[i].source);
        wire_put_str(&buf, container->volumes[i].destination);
        wire_put_str(&buf, container->volumes[i].options);
    }
    wire_put_u32(&buf, container->ulimit_count);
    for (uint32_t i = 0; i < container->ulimit_count; i++) {
        wire_put_str(&buf, container->ulimits[i].name);
        wire_put_u64(&buf, container->ulimits[i].soft);
        wire_put_u64(&buf, container->ulimits[i].hard);
    }
    /* In here for as long as they are not changed in place. */
    wire_put_u64(&buf, container->cpu_millis);
    wire_put_u64(&buf, container->memory_bytes);
    wire_put_u64(&buf, container->pids);
    wire_put_str(&buf, container->stop_signal);
    digest_add(digest, buf.data, buf.len);
    digest_finish_hex(digest, ret_hex);
    digest_free(&digest);
}
