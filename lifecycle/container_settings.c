/* container_settings.c - free what describes a container. */
#include "lifecycle/container_settings.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle/sidecar_settings.h"

void string_list_done(struct string_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

static void name_values_done(struct name_values *values)
{
    for (uint32_t i = 0; i < values->count; i++) {
        free(values->items[i].name);
        free(values->items[i].value);
    }
    free(values->items);
}

static void files_done(struct container_settings *container)
{
    for (uint32_t i = 0; i < container->volume_count; i++) {
        free(container->volumes[i].source);
        free(container->volumes[i].destination);
        free(container->volumes[i].options);
    }
    free(container->volumes);
    for (uint32_t i = 0; i < container->tmpfs_count; i++)
        free(container->tmpfs[i].destination);
    free(container->tmpfs);
    for (uint32_t i = 0; i < container->secret_count; i++) {
        free(container->secrets[i].name);
        free(container->secrets[i].target);
    }
    free(container->secrets);
}

static void setup_done(struct container_settings *container)
{
    for (uint32_t i = 0; i < container->setup_count; i++) {
        free(container->setup[i].source);
        free(container->setup[i].destination);
        string_list_done(&container->setup[i].command);
    }
    free(container->setup);
}

void container_settings_done(struct container_settings *container)
{
    free(container->image);
    free(container->socket);
    free(container->network_name);
    free(container->hostname);
    string_list_done(&container->command);
    string_list_done(&container->entrypoint);
    free(container->workdir);
    free(container->user);
    name_values_done(&container->env);
    name_values_done(&container->labels);
    name_values_done(&container->annotations);
    files_done(container);
    string_list_done(&container->devices);
    string_list_done(&container->cap_add);
    string_list_done(&container->cap_drop);
    string_list_done(&container->security_opts);
    for (uint32_t i = 0; i < container->ulimit_count; i++)
        free(container->ulimits[i].name);
    free(container->ulimits);
    free(container->stop_signal);
    setup_done(container);
    for (uint32_t i = 0; i < container->sidecar_count; i++)
        sidecar_settings_done(&container->sidecars[i]);
    free(container->sidecars);
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_same_step(const struct setup_step *a, const struct setup_step *b)
{
    if (a->kind != b->kind || !is_same_text(a->source, b->source) ||
        !is_same_text(a->destination, b->destination) ||
        a->command.count != b->command.count)
        return false;
    for (uint32_t i = 0; i < a->command.count; i++)
        if (strcmp(a->command.items[i], b->command.items[i]) != 0)
            return false;
    return true;
}

bool container_setup_is_same(const struct container_settings *a,
                             const struct container_settings *b)
{
    if (a->setup_count != b->setup_count ||
        a->sidecar_count != b->sidecar_count)
        return false;
    for (uint32_t i = 0; i < a->setup_count; i++)
        if (!is_same_step(&a->setup[i], &b->setup[i]))
            return false;
    for (uint32_t i = 0; i < a->sidecar_count; i++)
        if (!container_setup_is_same(&a->sidecars[i].container,
                                     &b->sidecars[i].container))
            return false;
    return true;
}
