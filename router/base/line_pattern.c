/* line_pattern.c - an extended regular expression for lines of text. */
#include "router/base/line_pattern.h"

#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

#define MAX_DEPTH 32U
/* The C library keeps what it has learned about an expression, in part for each
 * byte it has read: it forgets it after so many. */
#define RENEW_BYTES 65536U
/* Too many of anything; no sum of them overflows. */
#define TIMES_MAX (LINE_PATTERN_MAX_ATOMS + 1U)

struct line_pattern {
    char *text;
    regex_t regex;
    size_t read_bytes;
};

/* --- what it costs --- */

struct count {
    const char *at;
    unsigned depth;
    uint64_t sums[MAX_DEPTH]; /* of each group that is open */
    uint64_t last;            /* what a repetition would repeat */
};

/* Past a set that begins here: its first "]" is a member, as is one of
 * [:class:]. */
static const char *skip_set(const char *p)
{
    p++;
    if (*p == '^')
        p++;
    if (*p == ']')
        p++;
    while (*p && *p != ']') {
        char kind = p[1];

        if (*p == '[' && (kind == ':' || kind == '.' || kind == '=')) {
            for (p += 2; *p && !(*p == kind && p[1] == ']'); p++)
                continue;
            if (*p)
                p++;
        }
        if (*p)
            p++;
    }
    return *p ? p : p - 1;
}

/* How many times what stands before {…} is written out. */
static const char *read_repetition(const char *p, uint64_t *ret_times)
{
    uint64_t low = strtoul(p + 1, (char **)&p, 10);
    uint64_t high = low;

    if (*p == ',') { /* {m,} has one for all that come after */
        high = strtoul(p + 1, (char **)&p, 10);
        if (high <= low && low < TIMES_MAX)
            high = low + 1;
    }
    if (high < low || high > TIMES_MAX)
        high = TIMES_MAX;
    *ret_times = high > 0 ? high : 1;
    while (*p && *p != '}')
        p++;
    return *p ? p : p - 1;
}

static void add_atom(struct count *count, uint64_t cost)
{
    count->last = cost;
    count->sums[count->depth] += cost;
}

static void close_group(struct count *count)
{
    uint64_t cost = count->sums[count->depth--];

    add_atom(count, cost);
}

static bool count_one(struct count *count, struct err *err)
{
    uint64_t times;

    switch (*count->at) {
    case '\\':
        if (count->at[1] >= '1' && count->at[1] <= '9')
            return err_set(err, ERR_INVALID, "has a back-reference: \\%c",
                           count->at[1]);
        count->at += count->at[1] != '\0';
        add_atom(count, 1);
        break;
    case '[':
        count->at = skip_set(count->at);
        add_atom(count, 1);
        break;
    case '(':
        if (++count->depth == MAX_DEPTH)
            return err_set(err, ERR_INVALID, "has groups more than %u deep",
                           MAX_DEPTH - 1);
        count->sums[count->depth] = 1;
        break;
    case ')':
        if (count->depth > 0)
            close_group(count);
        break;
    case '{':
        count->at = read_repetition(count->at, &times);
        count->sums[count->depth] += count->last * (times - 1);
        count->last *= times;
        break;
    default:
        add_atom(count, 1);
        break;
    }
    if (count->sums[count->depth] > LINE_PATTERN_MAX_ATOMS)
        return err_set(err, ERR_INVALID,
                       "is too large: it has more than %u characters once its "
                       "repetitions are written out",
                       LINE_PATTERN_MAX_ATOMS);
    return true;
}

static bool is_affordable(const char *text, struct err *err)
{
    struct count count = {.at = text};

    if (strlen(text) > LINE_PATTERN_MAX_BYTES)
        return err_set(err, ERR_INVALID, "is longer than %u bytes",
                       LINE_PATTERN_MAX_BYTES);
    if (!*text)
        return err_set(err, ERR_INVALID, "is empty");
    for (; *count.at; count.at++) {
        if (!count_one(&count, err))
            return false;
    }
    return true;
}

/* --- life --- */

static bool compile(struct line_pattern *pattern, struct err *err)
{
    int error =
        regcomp(&pattern->regex, pattern->text, REG_EXTENDED | REG_NOSUB);
    char text[128];

    if (error == 0)
        return true;
    regerror(error, &pattern->regex, text, sizeof text);
    return err_set(err, ERR_INVALID, "is none: %s", text);
}

struct line_pattern *line_pattern_new(const char *text, struct err *err)
{
    struct line_pattern *pattern;

    if (!is_affordable(text, err))
        return NULL;
    pattern = xcalloc(1, sizeof *pattern);
    pattern->text = xstrdup(text);
    if (compile(pattern, err))
        return pattern;
    free(pattern->text);
    free(pattern);
    return NULL;
}

void line_pattern_free(struct line_pattern **pattern_ptr)
{
    struct line_pattern *pattern = TAKE(*pattern_ptr);

    if (!pattern)
        return;
    regfree(&pattern->regex);
    free(pattern->text);
    free(pattern);
}

bool line_pattern_matches(struct line_pattern *pattern, const char *line)
{
    struct err err;

    pattern->read_bytes += strlen(line) + 1;
    if (pattern->read_bytes > RENEW_BYTES) {
        regfree(&pattern->regex);
        if (!compile(pattern, &err))
            abort(); /* it was good before: out of memory */
        pattern->read_bytes = 0;
    }
    return regexec(&pattern->regex, line, 0, NULL, 0) == 0;
}
