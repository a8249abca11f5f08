/* config_live_check.c - live_check: whether a replica that serves is still
 * alive.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/builder.h"
#include "conf/config_shared.h"
#include "conf/units.h"
#include "router/base/alloc.h"

#define TIME_MAX_MS  (24 * 3600 * 1000ULL)
#define FAILURES_MAX 1000

/* "interval=10s": the time, 1 ms to a day. */
static bool take_time(const char *text, const char *name, uint64_t *ret_ms)
{
    size_t len = strlen(name);
    uint64_t ms;

    if (strncmp(text, name, len) != 0 || text[len] != '=' ||
        units_parse_time(text + len + 1, &ms) != UNITS_OK || ms == 0 ||
        ms > TIME_MAX_MS)
        return false;
    *ret_ms = ms;
    return true;
}

static bool take_failures(const char *text, uint32_t *ret_failures)
{
    static const char name[] = "failures=";
    uint64_t count;

    if (strncmp(text, name, strlen(name)) != 0 ||
        units_parse_count(text + strlen(name), &count) != UNITS_OK ||
        count == 0 || count > FAILURES_MAX)
        return false;
    *ret_failures = (uint32_t)count;
    return true;
}

static bool take_options(struct builder *builder, const struct conf_node *node,
                         unsigned at, struct live_check *check)
{
    for (; at < node->arg_count; at++) {
        const char *text = node->args[at].text;

        if (!take_time(text, "interval", &check->interval_ms) &&
            !take_time(text, "timeout", &check->timeout_ms) &&
            !take_failures(text, &check->failures)) {
            builder_error(builder, node->args[at].place,
                          "\"%s\" takes interval=10s, timeout=5s and "
                          "failures=3 here, not \"%.80s\"",
                          node->name, text);
            return false;
        }
    }
    return true;
}

void directive_set_live_check(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    struct app_settings *app = block->owner[OWNER_app_settings];
    const char *kind = node->args[0].text;
    struct live_check check = {
        .interval_ms = 10000, .timeout_ms = 5000, .failures = 3};
    const char *path = NULL;

    if (strcmp(kind, "tcp") == 0) {
        check.kind = LIVE_TCP;
    } else if (strcmp(kind, "http") != 0) {
        builder_error_word(builder, node, kind, "http|tcp");
        return;
    } else if (node->arg_count < 2 || !config_is_target(node->args[1].text)) {
        builder_error(builder, node->place,
                      "\"%s http\" takes a path that begins with /, such as "
                      "/health",
                      node->name);
        return;
    } else {
        check.kind = LIVE_HTTP;
        path = node->args[1].text;
    }
    if (!take_options(builder, node, path ? 2 : 1, &check))
        return;
    check.path = path ? xstrdup(path) : NULL;
    app->live_check = check;
}
