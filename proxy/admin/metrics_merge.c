/* metrics_merge.c - several expositions made one. */
#include "proxy/admin/metrics_merge.h"

#include <ctype.h>
#include <stdlib.h>

#include "router/base/alloc.h"

#define NONE        UINT32_MAX
#define BUCKETS_MIN 256

struct series {
    struct strview key;   /* name and labels, as written */
    struct strview value; /* of the first text that had it */
    double sum;
    bool is_summed; /* two texts had it: print sum, not value */
    uint32_t hash;
    uint32_t next_in_family;
    uint32_t next_in_bucket;
};

struct family {
    struct strview name;
    struct strview help;
    struct strview type;
    uint32_t first;
    uint32_t last;
};

struct metrics_merge {
    struct family *families; /* found by a walk: there are some dozens */
    uint32_t family_count;
    uint32_t family_capacity;
    struct series *series; /* found by hash: an app has some hundred */
    uint32_t series_count;
    uint32_t series_capacity;
    uint32_t *buckets;
    uint32_t bucket_count; /* a power of two */
};

static uint32_t hash_of(struct strview text)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619U;
    return hash;
}

static void make_buckets(struct metrics_merge *merge, uint32_t count)
{
    free(merge->buckets);
    merge->bucket_count = count;
    merge->buckets = xcalloc(count, sizeof(*merge->buckets));
    for (uint32_t i = 0; i < count; i++)
        merge->buckets[i] = NONE;
    for (uint32_t i = 0; i < merge->series_count; i++) {
        uint32_t *head = &merge->buckets[merge->series[i].hash & (count - 1)];

        merge->series[i].next_in_bucket = *head;
        *head = i;
    }
}

struct metrics_merge *metrics_merge_new(void)
{
    struct metrics_merge *merge = xcalloc(1, sizeof(*merge));

    make_buckets(merge, BUCKETS_MIN);
    return merge;
}

void metrics_merge_free(struct metrics_merge **merge)
{
    if (!*merge)
        return;
    free((*merge)->families);
    free((*merge)->series);
    free((*merge)->buckets);
    free(*merge);
    *merge = NULL;
}

static struct family *find_family(struct metrics_merge *merge,
                                  struct strview name)
{
    struct family *family;

    for (uint32_t i = 0; i < merge->family_count; i++)
        if (sv_eq(merge->families[i].name, name))
            return &merge->families[i];
    if (merge->family_count == merge->family_capacity) {
        merge->family_capacity = merge->family_capacity * 2 + 32;
        merge->families = xrealloc(
            merge->families, merge->family_capacity * sizeof(*merge->families));
    }
    family = &merge->families[merge->family_count++];
    *family = (struct family){.name = name, .first = NONE, .last = NONE};
    return family;
}

static struct series *find_series(struct metrics_merge *merge,
                                  struct strview key, uint32_t hash)
{
    uint32_t i = merge->buckets[hash & (merge->bucket_count - 1)];

    while (i != NONE && !sv_eq(merge->series[i].key, key))
        i = merge->series[i].next_in_bucket;
    return i == NONE ? NULL : &merge->series[i];
}

static void append_series(struct metrics_merge *merge, struct family *family,
                          const struct series *series)
{
    uint32_t at = merge->series_count;

    if (at == merge->series_capacity) {
        merge->series_capacity = merge->series_capacity * 2 + 256;
        merge->series = xrealloc(merge->series, merge->series_capacity *
                                                    sizeof(*merge->series));
    }
    merge->series[at] = *series;
    merge->series_count++;
    if (family->last == NONE)
        family->first = at;
    else
        merge->series[family->last].next_in_family = at;
    family->last = at;
    if (merge->series_count > merge->bucket_count) {
        make_buckets(merge, merge->bucket_count * 2);
    } else {
        uint32_t *head =
            &merge->buckets[series->hash & (merge->bucket_count - 1)];

        merge->series[at].next_in_bucket = *head;
        *head = at;
    }
}

static size_t name_length(struct strview text)
{
    size_t i = 0;

    while (i < text.len && (isalnum((unsigned char)text.ptr[i]) ||
                            text.ptr[i] == '_' || text.ptr[i] == ':'))
        i++;
    return i;
}

/* Where name and labels end; 0 when the line is no series. */
static size_t key_length(struct strview line)
{
    size_t i = name_length(line);
    bool in_quotes = false;

    if (i == 0 || i == line.len || (line.ptr[i] != '{' && line.ptr[i] != ' '))
        return 0;
    if (line.ptr[i] == ' ')
        return i;
    for (; i < line.len; i++) {
        if (in_quotes && line.ptr[i] == '\\')
            i++;
        else if (line.ptr[i] == '"')
            in_quotes = !in_quotes;
        else if (line.ptr[i] == '}' && !in_quotes)
            return i + 1;
    }
    return 0;
}

static bool parse_value(struct strview text, double *ret_value)
{
    char copy[64];
    char *end;

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *ret_value = strtod(copy, &end);
    return *end == '\0';
}

/* The family that the lines at hand belong to. */
struct group {
    struct strview family;
    bool is_declared; /* by HELP or TYPE; else by a series of that name */
};

/* name_bucket, name_sum and name_count belong to the histogram `name`, where
 * it is declared. */
static bool is_of_group(struct strview key, const struct group *group)
{
    static const char *const ends[] = {"", "_bucket", "_sum", "_count"};
    size_t end_count = group->is_declared ? ARRAY_LEN(ends) : 1;
    struct strview rest;

    if (group->family.len == 0 || !sv_starts(key, group->family))
        return false;
    rest = sv_skip(key, group->family.len);
    for (size_t i = 0; i < end_count; i++) {
        struct strview end = sv_of(ends[i]);

        if (sv_starts(rest, end) &&
            (rest.len == end.len || rest.ptr[end.len] == '{'))
            return true;
    }
    return false;
}

/* A series of another family ends the group: what comes later does not belong
 * to it any more, whatever its name. */
static void add_series(struct metrics_merge *merge, struct strview line,
                       struct group *group)
{
    size_t length = key_length(line);
    struct series fresh = {.next_in_family = NONE, .next_in_bucket = NONE};
    struct series *known;

    if (length == 0)
        return;
    fresh.key = sv_make(line.ptr, length);
    fresh.value = sv_trim(sv_skip(line, length));
    if (!parse_value(fresh.value, &fresh.sum))
        return;
    fresh.hash = hash_of(fresh.key);
    if (!is_of_group(fresh.key, group)) {
        const char *brace = memchr(fresh.key.ptr, '{', fresh.key.len);

        *group = (struct group){.family = fresh.key};
        if (brace)
            group->family.len = (size_t)(brace - fresh.key.ptr);
    }
    known = find_series(merge, fresh.key, fresh.hash);
    if (known) {
        known->sum += fresh.sum;
        known->is_summed = true;
        return;
    }
    append_series(merge, find_family(merge, group->family), &fresh);
}

/* "# HELP name text", "# TYPE name kind"; other comments are dropped. */
static void add_comment(struct metrics_merge *merge, struct strview line,
                        struct group *group)
{
    struct strview rest = line;
    struct strview word;
    struct strview what;
    struct strview name;
    struct family *family;

    if (!sv_split(&rest, ' ', &word) || !sv_split(&rest, ' ', &what) ||
        !sv_split(&rest, ' ', &name) || !rest.ptr || name.len == 0 ||
        name_length(name) < name.len)
        return;
    if (!sv_eq(what, SV("HELP")) && !sv_eq(what, SV("TYPE")))
        return;
    family = find_family(merge, name);
    if (sv_eq(what, SV("HELP")) && !family->help.ptr)
        family->help = rest;
    if (sv_eq(what, SV("TYPE")) && !family->type.ptr)
        family->type = rest;
    *group = (struct group){.family = name, .is_declared = true};
}

void metrics_merge_add(struct metrics_merge *merge, struct strview text)
{
    struct strview rest = text;
    struct strview line;
    struct group group = {.is_declared = false};

    while (sv_split(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        if (line.ptr[0] == '#')
            add_comment(merge, line, &group);
        else
            add_series(merge, line, &group);
    }
}

static void write_series(const struct series *series, struct strbuf *buf)
{
    strbuf_add_sv(buf, series->key);
    strbuf_add_char(buf, ' ');
    if (!series->is_summed)
        strbuf_add_sv(buf, series->value);
    else if (series->sum > -1e15 && series->sum < 1e15 &&
             series->sum == (double)(int64_t)series->sum)
        strbuf_printf(buf, "%.0f", series->sum);
    else
        strbuf_printf(buf, "%.17g", series->sum);
    strbuf_add_char(buf, '\n');
}

#define TOTAL SV("_total")

/* OpenMetrics names the family of a counter without its "_total", and what has
 * no type "unknown". */
static void write_header(const struct family *family,
                         enum metrics_format format, struct strbuf *buf)
{
    struct strview name = family->name;
    struct strview type = family->type;

    if (format == METRICS_OPEN && sv_eq(type, SV("counter")) &&
        name.len > TOTAL.len &&
        sv_eq(sv_skip(name, name.len - TOTAL.len), TOTAL))
        name.len -= TOTAL.len;
    if (format == METRICS_OPEN && sv_eq(type, SV("untyped")))
        type = SV("unknown");
    if (family->help.ptr)
        strbuf_printf(buf, "# HELP %.*s %.*s\n", SV_ARG(name),
                      SV_ARG(family->help));
    if (type.ptr)
        strbuf_printf(buf, "# TYPE %.*s %.*s\n", SV_ARG(name), SV_ARG(type));
}

void metrics_merge_write(const struct metrics_merge *merge,
                         enum metrics_format format, struct strbuf *buf)
{
    for (uint32_t f = 0; f < merge->family_count; f++) {
        const struct family *family = &merge->families[f];

        if (family->first == NONE)
            continue;
        write_header(family, format, buf);
        for (uint32_t i = family->first; i != NONE;
             i = merge->series[i].next_in_family)
            write_series(&merge->series[i], buf);
    }
    if (format == METRICS_OPEN)
        strbuf_add_str(buf, "# EOF\n");
}
