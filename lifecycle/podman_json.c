/* podman_json.c - what Podman answers, read with suspicion. */
#include "lifecycle/podman_json.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/podman_failure.h"
#include "router/base/alloc.h"

/* No host has more; an answer with more is not one of Podman's. */
#define CONTAINERS_MAX 100000

static void json_free(cJSON **json)
{
    cJSON_Delete(*json);
}

static cJSON *parse(struct strview body, const char *what, struct err *err)
{
    cJSON *json = cJSON_ParseWithLength(body.ptr ? body.ptr : "", body.len);

    if (!json)
        err_set(err, ERR_PROTOCOL, "Podman's answer (%s) is not JSON", what);
    return json;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* Text of a member, or NULL when it is missing or no string. */
static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(member(object, name));
}

/* Into ret[size]; too long a text is refused, never cut: half an id or a path
 * names something else. */
static bool copy_text(char *ret, size_t size, const char *text,
                      const char *what, struct err *err)
{
    if (!text)
        return err_set(err, ERR_PROTOCOL,
                       "Podman's answer has no \"%s\" (or no text there)",
                       what);
    if (strlen(text) >= size)
        return err_set(err, ERR_PROTOCOL,
                       "\"%s\" in Podman's answer is longer than %zu bytes",
                       what, size - 1);
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

/* Ids go into paths of requests: nothing but what ids are made of. */
static bool copy_id(char *ret, size_t size, const char *text, const char *what,
                    struct err *err)
{
    if (text && strncmp(text, "sha256:", 7) == 0)
        text += 7;
    if (text &&
        (text[0] == '\0' || text[strspn(text, "0123456789abcdef")] != '\0'))
        return err_set(err, ERR_PROTOCOL, "\"%s\" in Podman's answer is no id",
                       what);
    return copy_text(ret, size, text, what, err);
}

/* A label of ours, or "" where it is missing or does not fit. */
static void copy_label(char *ret, size_t size, const cJSON *labels,
                       const char *name)
{
    const char *text = text_of(labels, name);

    if (!text || strlen(text) >= size)
        text = "";
    memcpy(ret, text, strlen(text) + 1);
}

static uint64_t label_number(const cJSON *labels, const char *name,
                             uint64_t max)
{
    uint64_t value = 0;

    if (!sv_to_u64(sv_of(text_of(labels, name)), max, &value))
        return 0;
    return value;
}

static bool integer_of(const cJSON *object, const char *name, int *ret,
                       struct err *err)
{
    const cJSON *item = member(object, name);

    if (!cJSON_IsNumber(item) || item->valuedouble < -2147483648.0 ||
        item->valuedouble > 2147483647.0)
        return err_set(err, ERR_PROTOCOL,
                       "Podman's answer has no number \"%s\"", name);
    *ret = (int)item->valuedouble;
    return true;
}

/* ------------------------------------------------- version and information */

static bool is_new_enough(const char *version, bool *ret_is_readable)
{
    unsigned major;
    unsigned minor;

    *ret_is_readable = isdigit((unsigned char)version[0]) &&
                       sscanf(version, "%4u.%4u", &major, &minor) == 2;
    return *ret_is_readable &&
           (major > PODMAN_OLDEST_MAJOR ||
            (major == PODMAN_OLDEST_MAJOR && minor >= PODMAN_OLDEST_MINOR));
}

bool podman_json_version(struct strview body,
                         struct engine_capabilities *ret_capabilities,
                         struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "version", err);
    char version[sizeof ret_capabilities->version];
    bool is_readable;

    if (!json || !copy_text(version, sizeof version, text_of(json, "Version"),
                            "Version", err))
        return false;
    if (!is_new_enough(version, &is_readable)) {
        if (!is_readable)
            return err_set(err, ERR_PROTOCOL, "\"%s\" is no version of Podman",
                           version);
        return err_set(err, ERR_FAILED,
                       "Podman %s is too old: berth needs %d.%d or later; "
                       "upgrade Podman, or point `podman { socket … }` at a "
                       "newer one",
                       version, PODMAN_OLDEST_MAJOR, PODMAN_OLDEST_MINOR);
    }
    snprintf(ret_capabilities->name, sizeof ret_capabilities->name, "podman");
    memcpy(ret_capabilities->version, version, sizeof version);
    return true;
}

/* One that is not said, or too long, is none. */
static void copy_dir(char *ret, size_t size, const char *text)
{
    if (!text || strlen(text) >= size)
        text = "";
    memcpy(ret, text, strlen(text) + 1);
}

bool podman_json_info(struct strview body,
                      struct engine_capabilities *ret_capabilities,
                      struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "info", err);
    const cJSON *rootless;
    const char *runtime;

    if (!json)
        return false;
    rootless = member(member(member(json, "host"), "security"), "rootless");
    if (!cJSON_IsBool(rootless))
        return err_set(err, ERR_PROTOCOL,
                       "Podman's answer has no \"host.security.rootless\"");
    ret_capabilities->rootless = cJSON_IsTrue(rootless);
    /* Places for a lock, and to see a pull's bytes. */
    copy_dir(ret_capabilities->run_dir, sizeof ret_capabilities->run_dir,
             text_of(member(json, "store"), "runRoot"));
    copy_dir(ret_capabilities->pull_dir, sizeof ret_capabilities->pull_dir,
             text_of(member(json, "store"), "imageCopyTmpDir"));
    runtime = text_of(member(member(json, "host"), "ociRuntime"), "name");
    snprintf(ret_capabilities->runtime, sizeof ret_capabilities->runtime, "%s",
             runtime ? runtime : "");
    return true;
}

/* ------------------------------------------------------------------ images */

/* The one TCP port of {"8000/tcp": {}, …}; 0 for none or several. */
static uint32_t only_port(const cJSON *ports)
{
    const cJSON *item;
    uint32_t only = 0;

    cJSON_ArrayForEach(item, ports)
    {
        struct strview rest = sv_of(item->string);
        struct strview number;
        uint64_t port;

        if (!sv_split(&rest, '/', &number) ||
            (rest.ptr && !sv_eq(rest, SV("tcp"))) ||
            !sv_to_u64(number, 65535, &port) || port == 0)
            continue;
        if (only != 0)
            return 0;
        only = (uint32_t)port;
    }
    return only;
}

bool podman_json_image(struct strview body, struct engine_image *ret_image,
                       struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "image", err);
    struct engine_image image = {0};

    if (!json ||
        !copy_id(image.id, sizeof image.id, text_of(json, "Id"), "Id", err))
        return false;
    image.exposed_port =
        only_port(member(member(json, "Config"), "ExposedPorts"));
    *ret_image = image;
    return true;
}

/* -------------------------------------------------------------- containers */

bool podman_json_id(struct strview body, char *ret_id, struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "create", err);
    char id[80];

    if (!json || !copy_id(id, sizeof id, text_of(json, "Id"), "Id", err))
        return false;
    memcpy(ret_id, id, sizeof id);
    return true;
}

bool podman_json_secret(struct strview body, char *ret_id, struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "secret", err);
    char id[80];

    if (!json || !copy_id(id, sizeof id, text_of(json, "ID"), "ID", err))
        return false;
    memcpy(ret_id, id, sizeof id);
    return true;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

static void set_state(struct engine_container *container, const char *state)
{
    static const char *const running[] = {"running", "paused", "stopping",
                                          NULL};
    static const char *const created[] = {"created", "configured",
                                          "initialized", NULL};

    container->is_running = is_one_of(state, running);
    container->is_created = is_one_of(state, created);
    container->is_primed = strcmp(state, "initialized") == 0;
    container->is_paused = strcmp(state, "paused") == 0;
    container->is_frozen = container->is_paused;
    if (!container->is_running && !container->is_primed)
        container->pid = 0;
}

static void set_labels(struct engine_container *container, const cJSON *labels)
{
    char inside[8];

    copy_label(container->app, sizeof container->app, labels, "berth.app");
    copy_label(container->revision, sizeof container->revision, labels,
               "berth.revision");
    copy_label(container->socket_path, sizeof container->socket_path, labels,
               "berth.socket");
    copy_label(container->reserved, sizeof container->reserved, labels,
               "berth.reserved");
    copy_label(container->sidecar, sizeof container->sidecar, labels,
               "berth.sidecar");
    copy_label(container->check, sizeof container->check, labels,
               "berth.check");
    copy_label(inside, sizeof inside, labels, "berth.inside");
    container->inside = strcmp(inside, "true") == 0;
    container->replica = label_number(labels, "berth.replica", UINT64_MAX);
    container->port = (uint32_t)label_number(labels, "berth.port", 65535);
}

/* Absent or "" where it is in none. */
static bool set_pod(struct engine_container *container, const cJSON *json,
                    struct err *err)
{
    const char *pod = text_of(json, "Pod");

    container->is_infra = cJSON_IsTrue(member(json, "IsInfra"));
    return !pod || !pod[0] ||
           copy_id(container->pod_id, sizeof container->pod_id, pod, "Pod",
                   err);
}

/* {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40001"}]} */
static uint32_t inspected_port(const cJSON *ports, uint32_t port)
{
    char key[16];
    uint64_t host_port = 0;

    snprintf(key, sizeof key, "%u/tcp", port);
    if (!sv_to_u64(sv_of(text_of(cJSON_GetArrayItem(member(ports, key), 0),
                                 "HostPort")),
                   65535, &host_port))
        return 0;
    return (uint32_t)host_port;
}

bool podman_json_container(struct strview body,
                           struct engine_container *ret_container,
                           struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "container", err);
    struct engine_container it = {0};
    const cJSON *state = member(json, "State");
    const char *status = text_of(state, "Status");

    if (!json || !copy_id(it.id, sizeof it.id, text_of(json, "Id"), "Id", err))
        return false;
    if (!copy_text(it.name, sizeof it.name, text_of(json, "Name"), "Name",
                   err) ||
        !copy_id(it.image_id, sizeof it.image_id, text_of(json, "Image"),
                 "Image", err) ||
        !integer_of(state, "Pid", &it.pid, err) ||
        !integer_of(state, "ExitCode", &it.exit_code, err))
        return false;
    if (!status)
        return err_set(err, ERR_PROTOCOL,
                       "Podman's answer has no \"State.Status\"");
    set_state(&it, status);
    set_labels(&it, member(member(json, "Config"), "Labels"));
    if (!set_pod(&it, json, err))
        return false;
    it.host_port = inspected_port(
        member(member(json, "NetworkSettings"), "Ports"), it.port);
    *ret_container = it;
    return true;
}

/* [{"container_port": 8000, "host_port": 40001, "protocol": "tcp"}] */
static uint32_t listed_port(const cJSON *ports, uint32_t port)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, ports)
    {
        const cJSON *inner = member(item, "container_port");
        const cJSON *outer = member(item, "host_port");

        if (cJSON_IsNumber(inner) && cJSON_IsNumber(outer) &&
            inner->valuedouble == (double)port && outer->valuedouble > 0 &&
            outer->valuedouble <= 65535)
            return (uint32_t)outer->valuedouble;
    }
    return 0;
}

static bool listed_container(const cJSON *item, struct engine_container *it,
                             struct err *err)
{
    const char *name =
        cJSON_GetStringValue(cJSON_GetArrayItem(member(item, "Names"), 0));
    const char *state = text_of(item, "State");

    if (!copy_id(it->id, sizeof it->id, text_of(item, "Id"), "Id", err) ||
        !copy_text(it->name, sizeof it->name, name, "Names", err) ||
        !copy_id(it->image_id, sizeof it->image_id, text_of(item, "ImageID"),
                 "ImageID", err) ||
        !integer_of(item, "Pid", &it->pid, err) ||
        !integer_of(item, "ExitCode", &it->exit_code, err))
        return false;
    if (!state)
        return err_set(err, ERR_PROTOCOL, "Podman's answer has no \"State\"");
    set_state(it, state);
    set_labels(it, member(item, "Labels"));
    if (!set_pod(it, item, err))
        return false;
    it->host_port = listed_port(member(item, "Ports"), it->port);
    return true;
}

/* The number of elements, or false where it is no array or a huge one. An
 * empty list is null in some of Podman's answers. */
static bool count_of(const cJSON *json, unsigned *ret_count, struct err *err)
{
    int count = cJSON_IsNull(json) ? 0 : cJSON_GetArraySize(json);

    if ((!cJSON_IsArray(json) && !cJSON_IsNull(json)) || count > CONTAINERS_MAX)
        return err_set(err, ERR_PROTOCOL, "Podman's answer is no list");
    *ret_count = (unsigned)count;
    return true;
}

bool podman_json_list(struct strview body,
                      struct engine_container **ret_containers,
                      unsigned *ret_count, struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "containers", err);
    AUTO(auto_free) struct engine_container *containers = NULL;
    unsigned count;
    unsigned i = 0;
    const cJSON *item;

    if (!json || !count_of(json, &count, err))
        return false;
    containers = xcalloc(count, sizeof *containers);
    cJSON_ArrayForEach(item, json)
    {
        if (!listed_container(item, &containers[i++], err))
            return false;
    }
    *ret_containers = TAKE(containers);
    *ret_count = count;
    return true;
}

bool podman_json_removed(struct strview body, struct err *err)
{
    AUTO(json_free) cJSON *json = NULL;
    const char *text;

    /* Podman 4.9 and later answer 200 with a list; a 204 has no body. */
    if (body.len == 0)
        return true;
    json = parse(body, "remove", err);
    if (!json)
        return false;
    text = text_of(cJSON_GetArrayItem(json, 0), "Err");
    if (text && text[0] != '\0')
        return err_set(err, ERR_FAILED, "%s", text);
    return true;
}

/* ---------------------------------------------------------------- networks */

static bool read_network(const cJSON *item, struct podman_network *it,
                         struct err *err)
{
    const cJSON *labels = member(item, "labels");

    if (!copy_text(it->name, sizeof it->name, text_of(item, "name"), "name",
                   err))
        return false;
    copy_label(it->app, sizeof it->app, labels, "berth.app");
    copy_label(it->namespace_name, sizeof it->namespace_name, labels,
               "berth.namespace");
    return true;
}

bool podman_json_network(struct strview body,
                         struct podman_network *ret_network, struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "network", err);
    struct podman_network network = {0};
    const cJSON *item = json;

    if (!json)
        return false;
    if (cJSON_IsArray(json))
        item = cJSON_GetArrayItem(json, 0);
    if (!read_network(item, &network, err))
        return false;
    *ret_network = network;
    return true;
}

bool podman_json_networks(struct strview body,
                          struct podman_network **ret_networks,
                          unsigned *ret_count, struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "networks", err);
    AUTO(auto_free) struct podman_network *networks = NULL;
    unsigned count;
    unsigned i = 0;
    const cJSON *item;

    if (!json || !count_of(json, &count, err))
        return false;
    networks = xcalloc(count, sizeof *networks);
    cJSON_ArrayForEach(item, json)
    {
        if (!read_network(item, &networks[i++], err))
            return false;
    }
    *ret_networks = TAKE(networks);
    *ret_count = count;
    return true;
}

/* ------------------------------------------------------------------ layers */

/* Its tag of ours; NULL where it has none: it is not what berth built, but may
 * have been built upon that, with its labels. */
static const char *layer_tag(const cJSON *item)
{
    const cJSON *tag;

    cJSON_ArrayForEach(tag, member(item, "RepoTags"))
    {
        const char *text = cJSON_GetStringValue(tag);

        if (text && strncmp(text, PODMAN_LAYER_PREFIX,
                            strlen(PODMAN_LAYER_PREFIX)) == 0)
            return text;
    }
    return NULL;
}

bool podman_json_layers(struct strview body, struct podman_layer **ret_layers,
                        unsigned *ret_count, struct err *err)
{
    AUTO(json_free) cJSON *json = parse(body, "images", err);
    AUTO(auto_free) struct podman_layer *layers = NULL;
    unsigned count = 0;
    const cJSON *item;

    if (json && cJSON_IsNull(json)) {
        *ret_layers = NULL;
        *ret_count = 0;
        return true;
    }
    if (!json || !count_of(json, &count, err))
        return false;
    layers = xcalloc(count, sizeof *layers);
    count = 0;
    cJSON_ArrayForEach(item, json)
    {
        struct podman_layer *it = &layers[count];
        const char *tag = layer_tag(item);

        if (!tag)
            continue;
        if (!copy_text(it->tag, sizeof it->tag, tag, "RepoTags", err))
            return false;
        copy_label(it->namespace_name, sizeof it->namespace_name,
                   member(item, "Labels"), "berth.namespace");
        count++;
    }
    *ret_layers = TAKE(layers);
    *ret_count = count;
    return true;
}

/* ------------------------------------------------------------------ events */

bool podman_json_event(struct strview line, struct podman_event *ret_event,
                       struct err *err)
{
    AUTO(json_free) cJSON *json = parse(line, "event", err);
    struct podman_event event = {.exit_code = -1};
    const cJSON *actor = member(json, "Actor");
    const cJSON *when = member(json, "time");
    uint64_t code;

    if (!json)
        return false;
    if (!copy_text(event.action, sizeof event.action, text_of(json, "Action"),
                   "Action", err) ||
        !copy_id(event.id, sizeof event.id, text_of(actor, "ID"), "Actor.ID",
                 err))
        return false;
    if (cJSON_IsNumber(when) && when->valuedouble > 0 &&
        when->valuedouble < 1e15)
        event.time_s = (uint64_t)when->valuedouble;
    if (sv_to_u64(
            sv_of(text_of(member(actor, "Attributes"), "containerExitCode")),
            255, &code))
        event.exit_code = (int)code;
    *ret_event = event;
    return true;
}

/* ---------------------------------------------------------------- failures */

bool podman_json_failure(unsigned status, struct strview body, struct err *err)
{
    AUTO(json_free) cJSON *json =
        cJSON_ParseWithLength(body.ptr ? body.ptr : "", body.len);
    const char *message = text_of(json, "message");

    if (!message || message[0] == '\0')
        return err_set(err, ERR_PROTOCOL,
                       "Podman answered status %u without a message", status);
    return podman_failure_set(err, status, message);
}
