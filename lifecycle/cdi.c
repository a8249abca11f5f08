/* cdi.c - the devices that the host's CDI specifications describe. */
#include "lifecycle/cdi.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lifecycle/cdi_yaml.h"
#include "router/base/alloc.h"

struct device {
    char *name;
    unsigned level;    /* of the directory */
    bool is_ambiguous; /* two of that name in one directory */
    bool is_hidden;    /* a later directory has one of that name */
    unsigned node_count;
    char **nodes; /* paths on the host */
};

struct cdi {
    unsigned level;
    unsigned count;
    unsigned node_count;
    struct device *devices;
};

struct cdi *cdi_new(void)
{
    return xcalloc(1, sizeof(struct cdi));
}

static void device_done(struct device *device)
{
    for (unsigned i = 0; i < device->node_count; i++)
        free(device->nodes[i]);
    free(device->nodes);
    free(device->name);
}

/* Back to the first `count` devices. */
static void truncate_to(struct cdi *cdi, unsigned count)
{
    while (cdi->count > count) {
        struct device *last = &cdi->devices[--cdi->count];

        cdi->node_count -= last->node_count;
        device_done(last);
    }
}

void cdi_free(struct cdi **cdi_ptr)
{
    struct cdi *cdi = *cdi_ptr;

    if (!cdi)
        return;
    truncate_to(cdi, 0);
    free(cdi->devices);
    free(cdi);
    *cdi_ptr = NULL;
}

/* --- one specification --- */

static bool is_word(const char *text, const char *also)
{
    if (!isalnum((unsigned char)*text))
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(also, *text))
            return false;
    return true;
}

static bool is_kind(const char *kind)
{
    AUTO(auto_free) char *vendor = xstrdup(kind);
    char *class = strchr(vendor, '/');

    if (!class)
        return false;
    *class ++ = '\0';
    return is_word(vendor, "-_.") && is_word(class, "-_.");
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static bool add_nodes(struct cdi *cdi, struct device *device,
                      const cJSON *nodes, struct err *err)
{
    const cJSON *node;

    if (nodes && !cJSON_IsArray(nodes))
        return err_set(err, ERR_INVALID, "deviceNodes of %s are no list",
                       device->name);
    cJSON_ArrayForEach(node, nodes)
    {
        const char *path = text_of(node, "hostPath");

        if (!path)
            path = text_of(node, "path");
        if (!path || path[0] != '/')
            return err_set(err, ERR_INVALID,
                           "a device node of %s has no absolute path",
                           device->name);
        if (cdi->node_count == CDI_NODES_MAX)
            return err_set(err, ERR_LIMIT, "more than %u device nodes",
                           CDI_NODES_MAX);
        device->nodes = xrealloc(device->nodes, (device->node_count + 1) *
                                                    sizeof *device->nodes);
        device->nodes[device->node_count++] = xstrdup(path);
        cdi->node_count++;
    }
    return true;
}

static bool add_device(struct cdi *cdi, const char *kind, const cJSON *json,
                       struct err *err)
{
    const char *name = text_of(json, "name");
    struct device *device;

    if (!name || !is_word(name, "-_.:"))
        return err_set(err, ERR_INVALID,
                       "a device has no name, or one that is no word");
    if (strlen(kind) + 1 + strlen(name) > CDI_NAME_MAX)
        return err_set(err, ERR_LIMIT, "a name is longer than %u bytes",
                       CDI_NAME_MAX);
    if (cdi->count == CDI_DEVICES_MAX)
        return err_set(err, ERR_LIMIT, "more than %u devices", CDI_DEVICES_MAX);
    if (cdi->count % 64 == 0)
        cdi->devices =
            xrealloc(cdi->devices, (cdi->count + 64U) * sizeof *cdi->devices);
    device = &cdi->devices[cdi->count++];
    *device = (struct device){.name = xasprintf("%s=%s", kind, name),
                              .level = cdi->level};
    return add_nodes(
        cdi, device,
        cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(json, "containerEdits"),
            "deviceNodes"),
        err);
}

static bool add_devices(struct cdi *cdi, const cJSON *json, struct err *err)
{
    const char *kind = text_of(json, "kind");
    const cJSON *devices = cJSON_GetObjectItemCaseSensitive(json, "devices");
    const cJSON *device;

    if (!cJSON_IsObject(json) || !text_of(json, "cdiVersion"))
        return err_set(err, ERR_INVALID,
                       "no cdiVersion: it is no CDI "
                       "specification");
    if (!kind || !is_kind(kind))
        return err_set(err, ERR_INVALID,
                       "its kind is missing, or not VENDOR/CLASS");
    if (!cJSON_IsArray(devices))
        return err_set(err, ERR_INVALID, "it has no list of devices");
    cJSON_ArrayForEach(device, devices)
    {
        if (!add_device(cdi, kind, device, err))
            return false;
    }
    return true;
}

/* Before cJSON, which goes down by recursion, and says of all errors the same.
 */
static bool is_shallow(struct strview text)
{
    unsigned depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '{' || c == '['))
            depth++;
        else if (!in_text && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > CDI_DEPTH_MAX)
            return false;
    }
    return true;
}

static cJSON *parse_json(struct strview text, struct err *err)
{
    cJSON *json = NULL;

    if (!is_shallow(text))
        err_set(err, ERR_LIMIT, "nested too deep");
    else if (!(json = cJSON_ParseWithLength(text.ptr, text.len)))
        err_set(err, ERR_INVALID, "it is no JSON");
    return json;
}

/* Those from `first` on are new. */
static void hide_names(struct cdi *cdi, unsigned first)
{
    for (unsigned i = first; i < cdi->count; i++) {
        for (unsigned j = 0; j < i; j++) {
            struct device *newer = &cdi->devices[i];
            struct device *older = &cdi->devices[j];

            if (strcmp(newer->name, older->name) != 0)
                continue;
            if (newer->level > older->level)
                older->is_hidden = true;
            else
                newer->is_ambiguous = older->is_ambiguous = true;
        }
    }
}

bool cdi_add_text(struct cdi *cdi, struct strview text, bool is_yaml,
                  struct err *err)
{
    unsigned count = cdi->count;
    cJSON *json;
    bool ok;

    if (text.len > CDI_FILE_MAX)
        return err_set(err, ERR_LIMIT, "larger than %u bytes", CDI_FILE_MAX);
    json = is_yaml ? cdi_yaml_parse(text, CDI_DEPTH_MAX, err)
                   : parse_json(text, err);
    if (!json)
        return false;
    ok = add_devices(cdi, json, err);
    cJSON_Delete(json);
    if (ok)
        hide_names(cdi, count);
    else
        truncate_to(cdi, count);
    return ok;
}

/* --- a directory --- */

static bool read_file(int fd, struct strbuf *ret_text, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_set_errno(err, errno, "cannot be looked at");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "it is no plain file");
    while (ret_text->len <= CDI_FILE_MAX) {
        ssize_t got = read(fd, strbuf_reserve(ret_text, 65536), 65536);

        if (got < 0)
            return err_set_errno(err, errno, "cannot be read");
        if (got == 0)
            return true;
        ret_text->len += (size_t)got;
    }
    return true; /* cdi_add_text() refuses it */
}

static bool read_at(struct cdi *cdi, int dir_fd, const char *name, bool is_yaml,
                    struct err *err)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    /* Not to be led elsewhere, nor held up by a pipe. */
    int fd = openat(dir_fd, name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool ok;

    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_INVALID,
                       "it is a symbolic link, which is not followed");
    if (fd < 0)
        return err_set_errno(err, errno, "cannot be opened");
    ok = read_file(fd, &text, err);
    close(fd);
    return ok && cdi_add_text(cdi, strbuf_view(&text), is_yaml, err);
}

static bool ends_in(const char *name, const char *end)
{
    size_t len = strlen(name);

    return len > strlen(end) && strcmp(name + len - strlen(end), end) == 0;
}

static bool is_yaml_name(const char *name)
{
    return ends_in(name, ".yaml") || ends_in(name, ".yml");
}

static int is_specification(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           (ends_in(entry->d_name, ".json") || is_yaml_name(entry->d_name));
}

void cdi_read_dir(struct cdi *cdi, const char *dir, struct strbuf *ret_notes)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent **entries = NULL;
    struct err err;
    int count;

    if (dir_fd < 0 && errno != ENOENT)
        strbuf_printf(ret_notes, "%s: %s\n", dir, strerror(errno));
    if (dir_fd < 0)
        return;
    cdi->level++;
    count = scandirat(dir_fd, ".", &entries, is_specification, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (i == (int)CDI_FILES_MAX)
            strbuf_printf(ret_notes,
                          "%s: more than %u files; the rest is not "
                          "read\n",
                          dir, CDI_FILES_MAX);
        if (i < (int)CDI_FILES_MAX &&
            !read_at(cdi, dir_fd, name, is_yaml_name(name), &err))
            strbuf_printf(ret_notes, "%s/%s: %s\n", dir, name, err.text);
        free(entries[i]);
    }
    free(entries);
    close(dir_fd);
}

/* --- what there is --- */

unsigned cdi_count(const struct cdi *cdi)
{
    return cdi->count;
}

const char *cdi_name(const struct cdi *cdi, unsigned index)
{
    return cdi->devices[index].name;
}

static bool can_be_had(const struct device *device)
{
    return !device->is_hidden && !device->is_ambiguous;
}

unsigned cdi_find(const struct cdi *cdi, const char *name)
{
    for (unsigned i = 0; i < cdi->count; i++) {
        if (can_be_had(&cdi->devices[i]) &&
            strcmp(cdi->devices[i].name, name) == 0)
            return i;
    }
    return CDI_NONE;
}

static bool has_node(const struct device *device, const char *path)
{
    for (unsigned i = 0; i < device->node_count; i++) {
        if (strcmp(device->nodes[i], path) == 0)
            return true;
    }
    return false;
}

bool cdi_shares_node(const struct cdi *cdi, unsigned a, unsigned b)
{
    const struct device *one = &cdi->devices[a];

    for (unsigned i = 0; i < one->node_count; i++) {
        if (has_node(&cdi->devices[b], one->nodes[i]))
            return true;
    }
    return false;
}

/* --- each device once --- */

struct known_node {
    const char *path;
    bool is_taken; /* by a device that counts */
};

static int compare_nodes(const void *a, const void *b)
{
    return strcmp(((const struct known_node *)a)->path,
                  ((const struct known_node *)b)->path);
}

struct candidate {
    unsigned node_count;
    unsigned index;
};

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    if (x->node_count != y->node_count)
        return x->node_count < y->node_count ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int compare_indices(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a;
    unsigned y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

static bool is_gpu(const struct device *device)
{
    const char *class = strchr(device->name, '/') + 1;

    return strncmp(class, "gpu=", 4) == 0;
}

/* Take its nodes; false: all of them were taken before. */
static bool take_nodes(const struct device *device, struct known_node *nodes,
                       unsigned count)
{
    bool is_new = false;

    for (unsigned i = 0; i < device->node_count; i++) {
        const struct known_node key = {device->nodes[i], false};
        struct known_node *node =
            bsearch(&key, nodes, count, sizeof *nodes, compare_nodes);

        is_new |= !node->is_taken;
        node->is_taken = true;
    }
    return is_new;
}

/* Sorted, each once. */
static unsigned list_nodes(const struct cdi *cdi, struct known_node *ret_nodes)
{
    unsigned count = 0;
    unsigned kept = 0;

    for (unsigned i = 0; i < cdi->count; i++) {
        for (unsigned j = 0; j < cdi->devices[i].node_count; j++)
            ret_nodes[count++].path = cdi->devices[i].nodes[j];
    }
    if (count == 0)
        return 0;
    qsort(ret_nodes, count, sizeof *ret_nodes, compare_nodes);
    for (unsigned i = 1; i < count; i++) {
        if (strcmp(ret_nodes[i].path, ret_nodes[kept].path) != 0)
            ret_nodes[++kept] = ret_nodes[i];
    }
    return kept + 1;
}

unsigned cdi_gpus(const struct cdi *cdi, unsigned *ret_indices, unsigned max,
                  bool *ret_more)
{
    struct known_node *nodes = xcalloc(cdi->node_count + 1U, sizeof *nodes);
    struct candidate *candidates = xcalloc(cdi->count + 1U, sizeof *candidates);
    unsigned node_count = list_nodes(cdi, nodes);
    unsigned candidate_count = 0;
    unsigned count = 0;

    *ret_more = false;
    for (unsigned i = 0; i < cdi->count; i++) {
        if (can_be_had(&cdi->devices[i]) && is_gpu(&cdi->devices[i]))
            candidates[candidate_count++] =
                (struct candidate){cdi->devices[i].node_count, i};
    }
    /* The smallest first: what is made of others finds nothing left. */
    qsort(candidates, candidate_count, sizeof *candidates, compare_candidates);
    for (unsigned i = 0; i < candidate_count; i++) {
        unsigned index = candidates[i].index;

        if (!take_nodes(&cdi->devices[index], nodes, node_count))
            continue;
        if (count < max)
            ret_indices[count++] = index;
        else
            *ret_more = true;
    }
    qsort(ret_indices, count, sizeof *ret_indices, compare_indices);
    free(candidates);
    free(nodes);
    return count;
}
