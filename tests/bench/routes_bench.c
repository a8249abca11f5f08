/* routes_bench.c - what finding a route costs with few and with many of them.
 *
 * usage: routes_bench [ROUNDS]. One line of JSON: nanoseconds a look-up (the
 * best of the rounds) by the number of routes and the kind of path. The routes
 * are asked for in an order that no cache foresees.
 */
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/route_table.h"

/* A round is shorter than a time slice: on a busy machine some are whole. */
#define LOOKUPS 20000
#define PATHS   4096

static const unsigned counts[] = {10, 100, 1000, 10000};

enum kind {
    KIND_ONE_HOST,   /* /app123/v1/predict: all on any host */
    KIND_MANY_HOSTS, /* app123.example, prefix / */
    KIND_NESTED,     /* /team7/app123/v1 */
    KIND_COUNT,
};
static const char *const kind_names[] = {"prefixes of one host", "hosts",
                                         "nested prefixes"};

struct question {
    char host[64];
    char path[96];
    size_t host_len;
    size_t path_len;
};

static uint32_t next_random(void)
{
    static uint32_t state = 2463534242U;

    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void name(enum kind kind, unsigned i, struct question *ret)
{
    int host = 0;
    int path;

    if (kind == KIND_MANY_HOSTS) {
        host = snprintf(ret->host, sizeof ret->host, "app%u.example", i);
        path = snprintf(ret->path, sizeof ret->path, "/");
    } else if (kind == KIND_NESTED) {
        path =
            snprintf(ret->path, sizeof ret->path, "/team%u/app%u", i % 10, i);
    } else {
        path = snprintf(ret->path, sizeof ret->path, "/app%u", i);
    }
    ret->host_len = (size_t)host;
    ret->path_len = (size_t)path;
}

static struct route_table *build(enum kind kind, unsigned count)
{
    struct route_table *table = route_table_new();

    for (unsigned i = 0; i < count; i++) {
        struct question q;
        struct err err = {0};

        name(kind, i, &q);
        if (!route_table_add(table, sv_make(q.host, q.host_len),
                             sv_make(q.path, q.path_len),
                             (void *)(uintptr_t)(i + 1), &err)) {
            fprintf(stderr, "routes_bench: %s\n", err.text);
            exit(1);
        }
    }
    route_table_seal(table);
    return table;
}

/* What clients ask for: below a route. */
static void ask_for(enum kind kind, unsigned count, struct question *questions)
{
    for (unsigned i = 0; i < PATHS; i++) {
        struct question *q = &questions[i];

        name(kind, next_random() % count, q);
        if (kind != KIND_MANY_HOSTS)
            q->host_len =
                (size_t)snprintf(q->host, sizeof q->host, "www.example.com");
        q->path_len += (size_t)snprintf(
            q->path + q->path_len, sizeof q->path - q->path_len, "%s",
            q->path_len > 1 ? "/v1/predict" : "v1/predict");
    }
}

static double time_ns(const struct route_table *table,
                      const struct question *questions)
{
    uint64_t begin = clock_now_us();
    uint64_t found = 0;

    for (unsigned i = 0; i < LOOKUPS; i++) {
        const struct question *q = &questions[i % PATHS];
        size_t prefix_len;

        found += route_table_find(table, sv_make(q->host, q->host_len),
                                  sv_make(q->path, q->path_len),
                                  &prefix_len) != NULL;
    }
    if (found != LOOKUPS) {
        fprintf(stderr, "routes_bench: a route was not found\n");
        exit(1);
    }
    return 1000.0 * (double)(clock_now_us() - begin) / LOOKUPS;
}

static void print_row(enum kind kind, unsigned rounds)
{
    struct question *questions = xcalloc(PATHS, sizeof *questions);

    printf("%s\"%s\":{", kind > 0 ? "," : "", kind_names[kind]);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct route_table *table = build(kind, counts[i]);
        double best = 1e9;

        ask_for(kind, counts[i], questions);
        for (unsigned round = 0; round < rounds; round++) {
            double ns = time_ns(table, questions);

            if (ns < best)
                best = ns;
        }
        printf("%s\"%u\":%.1f", i > 0 ? "," : "", counts[i], best);
        route_table_free(&table);
    }
    printf("}");
    free(questions);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 100;

    printf("{");
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        print_row((enum kind)kind, rounds);
    printf("}\n");
    return 0;
}
