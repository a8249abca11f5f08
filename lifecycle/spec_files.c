/* spec_files.c - what a container finds in its file system, and what it may do.
 */
#include "lifecycle/spec_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/container_spec.h"
#include "lifecycle/json_put.h"
#include "lifecycle/settings.h"
#include "router/base/alloc.h"

#define SECRET_MODE 0444 /* as podman run has it */

/* "ro,z" as an array; the empty text as an empty one. */
static void put_options(cJSON *object, const char *name, const char *options)
{
    cJSON *array = json_put_array(object, name);
    struct strview rest = sv_of(options);
    struct strview option;

    while (rest.len > 0 && sv_split(&rest, ',', &option)) {
        AUTO(auto_free) char *text = xstrndup(option.ptr, option.len);

        if (option.len > 0)
            json_append_text(array, text);
    }
}

static void append_bind(cJSON *mounts, const char *source,
                        const char *destination, const char *options)
{
    cJSON *mount = json_append(mounts, cJSON_CreateObject());

    json_put_text(mount, "type", "bind");
    json_put_text(mount, "source", source);
    json_put_text(mount, "destination", destination);
    put_options(mount, "options", options);
}

/* O: what the app writes there is its own, and goes with the container. */
static bool is_overlay(const char *options)
{
    struct strview rest = sv_of(options);
    struct strview option;

    while (rest.len > 0 && sv_split(&rest, ',', &option))
        if (sv_eq(option, SV("O")))
            return true;
    return false;
}

static void append_overlay(cJSON *json, const struct volume_setting *volume)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "overlay_volumes");
    cJSON *item;

    if (!list)
        list = json_put_array(json, "overlay_volumes");
    item = json_append(list, json_object());
    json_put_text(item, "source", volume->source);
    json_put_text(item, "destination", volume->destination);
    put_options(item, "options", volume->options);
}

static void append_named(cJSON *volumes, const struct volume_setting *volume)
{
    cJSON *item = json_append(volumes, cJSON_CreateObject());

    json_put_text(item, "Name", volume->source);
    json_put_text(item, "Dest", volume->destination);
    put_options(item, "Options", volume->options);
}

static void append_tmpfs(cJSON *mounts, const char *destination, uint64_t bytes)
{
    cJSON *mount = json_append(mounts, cJSON_CreateObject());
    char size[32];

    json_put_text(mount, "type", "tmpfs");
    json_put_text(mount, "source", "tmpfs");
    json_put_text(mount, "destination", destination);
    snprintf(size, sizeof size, "size=%" PRIu64, bytes);
    put_options(mount, "options", bytes ? size : "");
}

static bool has_mount(const struct container_settings *container,
                      const char *destination)
{
    for (uint32_t i = 0; i < container->volume_count; i++)
        if (strcmp(container->volumes[i].destination, destination) == 0)
            return true;
    for (uint32_t i = 0; i < container->tmpfs_count; i++)
        if (strcmp(container->tmpfs[i].destination, destination) == 0)
            return true;
    return false;
}

/* What `podman run --read-only` leaves writable; its API does not. */
static void append_writable(cJSON *mounts,
                            const struct container_settings *container)
{
    static const char *const folders[] = {"/tmp", "/var/tmp", "/run"};

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (!has_mount(container, folders[i]))
            append_tmpfs(mounts, folders[i], 0);
}

static void put_mounts(cJSON *json, const struct engine_spec *spec)
{
    const struct container_settings *container = spec->container;
    cJSON *mounts = json_put_array(json, "mounts");
    cJSON *volumes = json_put_array(json, "volumes");

    for (uint32_t i = 0; i < container->volume_count; i++) {
        const struct volume_setting *volume = &container->volumes[i];

        if (volume->source[0] == '/' && is_overlay(volume->options))
            append_overlay(json, volume);
        else if (volume->source[0] == '/')
            append_bind(mounts, volume->source, volume->destination,
                        volume->options);
        else
            append_named(volumes, volume);
    }
    for (uint32_t i = 0; i < container->tmpfs_count; i++)
        append_tmpfs(mounts, container->tmpfs[i].destination,
                     container->tmpfs[i].size_bytes);
    if (container->read_only) {
        append_writable(mounts, container);
        json_put(json, "read_only_filesystem", cJSON_CreateTrue());
    }
    /* Z: on a host with SELinux the app could not write there without. */
    if (spec->socket_dir)
        append_bind(mounts, spec->socket_dir, CONTAINER_SOCKET_DIR,
                    "rw,Z,nosuid,nodev,noexec");
}

/* A CDI name stands where a path does; Podman knows the one from the other. */
static void put_devices(cJSON *json, const struct engine_spec *spec)
{
    const struct container_settings *container = spec->container;
    const char *const *reserved = spec->devices;
    cJSON *devices;

    if (container->shm_bytes)
        json_put_number(json, "shm_size", container->shm_bytes);
    if (container->devices.count == 0 && !reserved)
        return;
    devices = json_put_array(json, "devices");
    for (; reserved && *reserved; reserved++)
        json_put_text(json_append(devices, cJSON_CreateObject()), "path",
                      *reserved);
    for (uint32_t i = 0; i < container->devices.count; i++)
        json_put_text(json_append(devices, cJSON_CreateObject()), "path",
                      container->devices.items[i]);
}

static void put_secrets(cJSON *json, const struct container_settings *container)
{
    cJSON *files = NULL;
    cJSON *variables = NULL;

    for (uint32_t i = 0; i < container->secret_count; i++) {
        const struct secret_setting *secret = &container->secrets[i];
        cJSON *file;

        if (secret->is_env) {
            if (!variables)
                variables = json_put_object(json, "secret_env");
            json_put_text(variables, secret->target, secret->name);
            continue;
        }
        if (!files)
            files = json_put_array(json, "secrets");
        file = json_append(files, cJSON_CreateObject());
        json_put_text(file, "Source", secret->name);
        if (secret->target)
            json_put_text(file, "Target", secret->target);
        json_put_number(file, "Mode", SECRET_MODE);
    }
}

void spec_put_files(cJSON *json, const struct engine_spec *spec)
{
    put_secrets(json, spec->container);
    put_mounts(json, spec);
    put_devices(json, spec);
}

/* -------------------------------------------------------------- privileges */

/* One of podman run's --security-opt, each a member of its own here. */
static void put_security_opt(cJSON *json, const char *option)
{
    static const struct {
        const char *prefix;
        const char *list;
        const char *member;
    } kinds[] = {
        {"seccomp=", NULL, "seccomp_profile_path"},
        {"apparmor=", NULL, "apparmor_profile"},
        {"label=", "selinux_opts", NULL},
        {"mask=", "mask", NULL},
        {"unmask=", "unmask", NULL},
    };

    if (strncmp(option, "no-new-privileges", 17) == 0) {
        json_put(json, "no_new_privileges",
                 cJSON_CreateBool(!strstr(option, "=false")));
        return;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *value = option + strlen(kinds[i].prefix);
        cJSON *list;

        if (strncmp(option, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
            continue;
        if (kinds[i].member) {
            json_put_text(json, kinds[i].member, value);
            return;
        }
        list = cJSON_GetObjectItemCaseSensitive(json, kinds[i].list);
        json_append_text(list ? list : json_put_array(json, kinds[i].list),
                         value);
    }
}

void spec_put_privileges(cJSON *json,
                         const struct container_settings *container)
{
    if (container->cap_add.count > 0)
        json_put_list(json, "cap_add", &container->cap_add);
    if (container->cap_drop.count > 0)
        json_put_list(json, "cap_drop", &container->cap_drop);
    for (uint32_t i = 0; i < container->security_opts.count; i++)
        put_security_opt(json, container->security_opts.items[i]);
}
