/* Podman's answers, as hostile as can be: each reader by the first byte. What
 * is read must be what later code relies on: ends of text, ids that fit into
 * a path, counts. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/build_log.h"
#include "lifecycle/log_stream.h"
#include "lifecycle/podman_json.h"
#include "lifecycle/podman_pull.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(const char *id)
{
    assert(id[0] != '\0' && strlen(id) < 80);
    assert(id[strspn(id, "0123456789abcdef")] == '\0');
}

static void check_container(const struct engine_container *it)
{
    check_id(it->id);
    check_id(it->image_id);
    assert(memchr(it->name, '\0', sizeof it->name));
    assert(memchr(it->socket_path, '\0', sizeof it->socket_path));
    assert(it->port <= 65535 && it->host_port <= 65535);
    assert(!(it->is_running && it->is_created));
}

static void read_lists(struct strview body)
{
    struct engine_container *containers;
    struct podman_network *networks;
    struct podman_layer *layers;
    unsigned count;
    struct err err;

    if (podman_json_list(body, &containers, &count, &err)) {
        for (unsigned i = 0; i < count; i++)
            check_container(&containers[i]);
        free(containers);
    }
    if (podman_json_networks(body, &networks, &count, &err)) {
        for (unsigned i = 0; i < count; i++)
            assert(memchr(networks[i].name, '\0', sizeof networks[i].name));
        free(networks);
    }
    if (podman_json_layers(body, &layers, &count, &err)) {
        for (unsigned i = 0; i < count; i++)
            assert(strncmp(layers[i].tag, PODMAN_LAYER_PREFIX,
                           strlen(PODMAN_LAYER_PREFIX)) == 0);
        free(layers);
    }
    if (!podman_json_removed(body, &err))
        assert(err.code != ERR_NONE);
}

static void read_objects(struct strview body)
{
    struct engine_capabilities can = {0};
    struct engine_container container;
    struct engine_image image;
    struct err err;
    char id[80];

    if (podman_json_container(body, &container, &err))
        check_container(&container);
    if (podman_json_image(body, &image, &err))
        check_id(image.id);
    if (podman_json_id(body, id, &err))
        check_id(id);
    if (podman_json_secret(body, id, &err))
        check_id(id);
    if (podman_json_version(body, &can, &err))
        assert(can.version[0] != '\0');
    if (!podman_json_info(body, &can, &err))
        assert(err.code == ERR_PROTOCOL);
    podman_json_failure(500, body, &err);
    assert(err.code != ERR_NONE);
    assert(memchr(err.text, '\0', sizeof err.text));
}

static void read_lines(struct strview body)
{
    struct podman_pull *pull = podman_pull_new();
    struct build_log *build = build_log_new();
    struct strview line;
    struct err err;

    while (sv_split(&body, '\n', &line)) {
        struct podman_event event;

        if (line.len == 0)
            continue;
        if (podman_json_event(line, &event, &err)) {
            check_id(event.id);
            assert(event.exit_code >= -1 && event.exit_code <= 255);
        }
        podman_pull_line(pull, line);
        build_log_line(build, line);
    }
    assert(build_log_progress(build)->layers_done <=
           build_log_progress(build)->layers_known);
    if (!build_log_result(build, &err))
        assert(err.code != ERR_NONE && memchr(err.text, '\0', sizeof err.text));
    build_log_free(&build);
    assert(podman_pull_progress(pull)->layers_done <=
           podman_pull_progress(pull)->layers_known);
    if (!podman_pull_result(pull, &err))
        assert(err.code != ERR_NONE);
    podman_pull_free(&pull);
}

static void on_bytes(void *arg, enum log_source source, struct strview bytes)
{
    size_t *total = arg;

    assert(source == LOG_SOURCE_STDOUT || source == LOG_SOURCE_STDERR);
    assert(bytes.len > 0);
    *total += bytes.len;
}

/* In two pieces as in one. */
static void read_logs(struct strview body)
{
    size_t whole = 0;
    size_t pieces = 0;
    size_t cut = body.len / 3;
    struct log_stream a = {.on_bytes = on_bytes, .arg = &whole};
    struct log_stream b = {.on_bytes = on_bytes, .arg = &pieces};
    struct err err;
    bool ok = log_stream_feed(&a, body, &err);
    bool ok_pieces = log_stream_feed(&b, sv_make(body.ptr, cut), &err) &&
                     log_stream_feed(&b, sv_skip(body, cut), &err);

    assert(ok == ok_pieces && whole == pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct strview body) = {
        read_objects, read_lists, read_lines, read_logs};
    struct strview body;

    if (size == 0)
        return 0;
    body = sv_make((const char *)data + 1, size - 1);
    readers[data[0] % 4](body);
    return 0;
}
