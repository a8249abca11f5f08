/* route_table.c - longest-prefix map from (host, path) to a route.
 *
 * A trie whose edges are whole path segments, all in one hash table keyed by
 * parent and segment: a look-up is one probe a segment, however many routes
 * there are, and ends at the first segment that no route has. Hosts are edges
 * too, from two nodes of their own.
 */
#include "router/route_table.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/request_path.h"

/* The first nodes. Below the first two hang hosts, below hosts paths. */
enum { NODE_NONE, NODE_HOSTS, NODE_WILDCARDS, NODE_ANY_HOST, NODE_FIRST_FREE };

#define TEXT_INSIDE 32

#define CACHE_LINE 64

/* One cache line, unless its segment is long: where there are many, each line
 * that a look-up reads is a miss. */
struct node {
    union {
        char inside[TEXT_INSIDE];
        char *outside; /* owned */
    } text;            /* the segment or host that leads here */
    uint32_t len;      /* of it */
    uint32_t parent;
    void *exact;    /* of the prefix that ends here: "/api" */
    void *below;    /* of the same with a slash: "/api/", not for "/api" */
    bool has_edges; /* something hangs below it */
};
_Static_assert(sizeof(struct node) == CACHE_LINE, "see above");

struct edge {
    uint32_t hash;
    uint32_t child; /* NODE_NONE: there is none in this place */
};

struct route_table {
    struct node *nodes; /* begin at a cache line once it is sealed */
    uint32_t node_count;
    uint32_t node_capacity;
    struct edge *edges; /* open addressing */
    uint32_t edge_mask;
    bool is_sealed;
};

static struct strview text_of(const struct node *node)
{
    return sv_make(node->len > TEXT_INSIDE ? node->text.outside
                                           : node->text.inside,
                   node->len);
}

/* --- edges ---------------------------------------------------------------- */

/* FNV-1a; the keys come from the configuration, so no seed is needed. */
#define HASH_START UINT64_C(14695981039346656037)

static uint64_t hash_byte(uint64_t hash, char c)
{
    return (hash ^ (unsigned char)c) * UINT64_C(1099511628211);
}

/* Of an edge: its bytes' hash and the node it begins at. */
static uint32_t hash_edge(uint64_t hash, uint32_t parent)
{
    hash ^= parent * UINT64_C(0x9E3779B97F4A7C15);
    hash *= UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(hash >> 32);
}

static uint64_t hash_segment(struct strview segment)
{
    uint64_t hash = HASH_START;

    for (size_t i = 0; i < segment.len; i++)
        hash = hash_byte(hash, segment.ptr[i]);
    return hash;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* From the end, so that one pass over a host gives those of all its suffixes.
 */
static uint64_t hash_host(struct strview host)
{
    uint64_t hash = HASH_START;

    for (size_t i = host.len; i > 0; i--)
        hash = hash_byte(hash, lower(host.ptr[i - 1]));
    return hash;
}

static uint32_t find_edge(const struct route_table *table, uint32_t parent,
                          uint64_t text_hash, struct strview text)
{
    uint32_t hash = hash_edge(text_hash, parent);
    bool is_host = parent < NODE_ANY_HOST;
    uint32_t at = hash & table->edge_mask;

    /* Most requests go on below where routes end: no probe for those. */
    if (!table->nodes[parent].has_edges)
        return NODE_NONE;
    for (; table->edges[at].child != NODE_NONE;
         at = (at + 1) & table->edge_mask) {
        const struct node *node = &table->nodes[table->edges[at].child];

        if (table->edges[at].hash == hash && node->parent == parent &&
            (sv_eq(text_of(node), text) ||
             (is_host && sv_eq_nocase(text_of(node), text))))
            return table->edges[at].child;
    }
    return NODE_NONE;
}

static void put_edge(struct route_table *table, struct edge edge)
{
    uint32_t at = edge.hash & table->edge_mask;

    while (table->edges[at].child != NODE_NONE)
        at = (at + 1) & table->edge_mask;
    table->edges[at] = edge;
}

static void grow_edges(struct route_table *table)
{
    struct edge *old = table->edges;
    uint32_t old_size = table->edge_mask + 1;

    table->edges = xcalloc(old_size * 2UL, sizeof *table->edges);
    table->edge_mask = old_size * 2 - 1;
    for (uint32_t i = 0; i < old_size; i++) {
        if (old[i].child != NODE_NONE)
            put_edge(table, old[i]);
    }
    free(old);
}

static uint32_t add_node(struct route_table *table, uint32_t parent,
                         uint64_t text_hash, struct strview text)
{
    uint32_t index = table->node_count++;
    struct node *node;

    if (index == table->node_capacity) {
        table->node_capacity *= 2;
        table->nodes =
            xrealloc(table->nodes, table->node_capacity * sizeof *table->nodes);
    }
    node = &table->nodes[index];
    *node = (struct node){.len = (uint32_t)text.len, .parent = parent};
    if (text.len > TEXT_INSIDE)
        node->text.outside = xstrndup(text.ptr, text.len);
    else
        memcpy(node->text.inside, text.ptr, text.len);
    if (table->node_count * 2 > table->edge_mask + 1) /* at most half full */
        grow_edges(table);
    put_edge(table, (struct edge){hash_edge(text_hash, parent), index});
    table->nodes[parent].has_edges = true;
    return index;
}

static uint32_t find_or_add(struct route_table *table, uint32_t parent,
                            uint64_t text_hash, struct strview text)
{
    uint32_t child = find_edge(table, parent, text_hash, text);

    return child != NODE_NONE ? child
                              : add_node(table, parent, text_hash, text);
}

/* --- building ------------------------------------------------------------- */

struct route_table *route_table_new(void)
{
    struct route_table *table = xcalloc(1, sizeof *table);

    table->node_capacity = 16;
    table->nodes = xcalloc(table->node_capacity, sizeof *table->nodes);
    table->node_count = NODE_FIRST_FREE;
    table->edge_mask = 31;
    table->edges = xcalloc(table->edge_mask + 1, sizeof *table->edges);
    return table;
}

void route_table_free(struct route_table **table_ptr)
{
    struct route_table *table = *table_ptr;

    if (!table)
        return;
    for (uint32_t i = NODE_FIRST_FREE; i < table->node_count; i++) {
        if (table->nodes[i].len > TEXT_INSIDE)
            free(table->nodes[i].text.outside);
    }
    free(table->nodes);
    free(table->edges);
    free(table);
    *table_ptr = NULL;
}

static bool is_wildcard(struct strview host)
{
    return sv_starts(host, SV("*."));
}

static uint32_t host_node(struct route_table *table, struct strview host)
{
    if (host.len == 0)
        return NODE_ANY_HOST;
    if (!is_wildcard(host))
        return find_or_add(table, NODE_HOSTS, hash_host(host), host);
    host = sv_skip(host, 1); /* ".example.com" */
    return find_or_add(table, NODE_WILDCARDS, hash_host(host), host);
}

static bool check_host(struct strview host, struct err *err)
{
    struct strview rest = is_wildcard(host) ? sv_skip(host, 2) : host;

    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];

        if ((c >= 'A' && c <= 'Z') || c <= ' ' || c == 0x7F || c == '/' ||
            c == '*')
            return err_set(err, ERR_INVALID,
                           "the host \"%.*s\" has an invalid byte at %zu",
                           SV_ARG(host), host.len - rest.len + i + 1);
    }
    if (host.len > 0 &&
        (rest.len == 0 || rest.ptr[0] == '.' || rest.ptr[rest.len - 1] == '.'))
        return err_set(err, ERR_INVALID, "the host \"%.*s\" has an empty label",
                       SV_ARG(host));
    return true;
}

static bool check_prefix(struct strview prefix, struct err *err)
{
    AUTO(auto_free) char *normal = xcalloc(prefix.len + 1, 1);
    size_t len = 0;

    if (!request_path_normalise(prefix, normal, &len))
        return err_set(err, ERR_INVALID, "\"%.*s\" is not a path",
                       SV_ARG(prefix));
    if (!sv_eq(prefix, sv_make(normal, len)))
        return err_set(err, ERR_INVALID,
                       "\"%.*s\" is not normalised; write \"%.*s\"",
                       SV_ARG(prefix), (int)len, normal);
    return true;
}

bool route_table_add(struct route_table *table, struct strview host,
                     struct strview prefix, void *target, struct err *err)
{
    struct strview rest;
    struct strview segment;
    uint32_t at;
    void **place;

    assert(!table->is_sealed && target);
    if (!check_host(host, err) || !check_prefix(prefix, err))
        return false;
    rest = sv_skip(prefix, 1);
    at = host_node(table, host);
    while (sv_split(&rest, '/', &segment)) {
        /* An empty last one is the slash at the end. */
        if (rest.ptr || segment.len > 0)
            at = find_or_add(table, at, hash_segment(segment), segment);
    }
    place = prefix.ptr[prefix.len - 1] == '/' ? &table->nodes[at].below
                                              : &table->nodes[at].exact;
    if (*place)
        return err_set(err, ERR_EXISTS, "there is a route \"%.*s\" already",
                       SV_ARG(prefix));
    *place = target;
    return true;
}

void route_table_add_host(struct route_table *table, struct strview host)
{
    assert(!table->is_sealed);
    (void)host_node(table, host);
}

void route_table_seal(struct route_table *table)
{
    struct node *aligned =
        aligned_alloc(CACHE_LINE, table->node_count * sizeof *aligned);

    if (!aligned)
        abort(); /* out of memory, which style.md lets abort */
    memcpy(aligned, table->nodes, table->node_count * sizeof *aligned);
    free(table->nodes);
    table->nodes = aligned;
    table->node_capacity = table->node_count;
    table->is_sealed = true;
}

/* --- looking up ----------------------------------------------------------- */

static uint32_t find_host(const struct route_table *table, struct strview host)
{
    uint64_t hash = HASH_START;
    uint32_t best = NODE_ANY_HOST;
    uint32_t exact;

    /* "example.com." names the same host, rooted. */
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    for (size_t i = host.len; i > 0; i--) {
        hash = hash_byte(hash, lower(host.ptr[i - 1]));
        /* A longer suffix wins; it stands for one label or more. */
        if (host.ptr[i - 1] == '.' && i > 1) {
            uint32_t wildcard =
                find_edge(table, NODE_WILDCARDS, hash, sv_skip(host, i - 1));

            best = wildcard != NODE_NONE ? wildcard : best;
        }
    }
    exact = find_edge(table, NODE_HOSTS, hash, host);
    return exact != NODE_NONE ? exact : best;
}

/* What stands between the slash at `start` and the next one, or the end. */
static struct strview segment_behind(struct strview path, size_t start)
{
    struct strview rest = sv_skip(path, start + 1);
    const char *slash = memchr(rest.ptr, '/', rest.len);

    return slash ? sv_make(rest.ptr, (size_t)(slash - rest.ptr)) : rest;
}

void *route_table_find(const struct route_table *table, struct strview host,
                       struct strview path, size_t *ret_prefix_len)
{
    uint32_t at = find_host(table, host);
    void *best = NULL;
    size_t start = 0; /* of the slash before the next segment */

    assert(table->is_sealed);
    if (path.len == 0 || path.ptr[0] != '/')
        return NULL;
    while (at != NODE_NONE && start < path.len) {
        struct strview segment = segment_behind(path, start);

        if (table->nodes[at].below) {
            best = table->nodes[at].below;
            *ret_prefix_len = start + 1;
        }
        start += 1 + segment.len;
        at = find_edge(table, at, hash_segment(segment), segment);
        if (table->nodes[at].exact) { /* NODE_NONE has none */
            best = table->nodes[at].exact;
            *ret_prefix_len = start;
        }
    }
    return best;
}
