/* exchange_split.c - which app of its route gets a request. */
#include "proxy/exchange_split.h"

#include "proxy/exchange_private.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "router/app.h"
#include "router/split.h"

/* The value of a cookie; empty: it has none. RFC 6265, 4.2.1: pairs with "; "
 * between them. */
static struct strview cookie_of(const struct http_head *head,
                                struct strview name)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct strview rest = head->fields[i].value;
        struct strview pair;

        if (head->fields[i].id != FIELD_COOKIE)
            continue;
        while (sv_split(&rest, ';', &pair)) {
            pair = sv_trim(pair);
            if (pair.len > name.len && sv_starts(pair, name) &&
                pair.ptr[name.len] == '=')
                return sv_skip(pair, name.len + 1);
        }
    }
    return sv_make(NULL, 0);
}

/* Empty: in turn, since all who have none are not one client. */
static struct strview key_of(const struct exchange *x)
{
    const struct split_settings *settings = &x->route->settings->split;
    const struct http_field *field;

    switch (settings->key) {
    case SPLIT_BY_COOKIE:
        return cookie_of(&x->request, sv_of(settings->key_name));
    case SPLIT_BY_FIELD:
        field = http_head_find_name(&x->request, sv_of(settings->key_name));
        return field ? field->value : sv_make(NULL, 0);
    case SPLIT_BY_ADDRESS:
        return x->remote;
    case SPLIT_IN_TURN:
        break;
    }
    return sv_make(NULL, 0);
}

static unsigned choose(const struct route *route, struct strview key,
                       uint64_t out)
{
    return key.len > 0 ? split_by_key(route->split, key, out)
                       : split_in_turn(route->split, out);
}

static void take(struct exchange *x, unsigned target)
{
    x->app_index = x->route->settings->split.targets[target].app;
    x->app = x->route->split_apps[target];
    x->counter = x->route->counter + 1 + target;
}

/* Where all have failed, the one that it would have been says why. */
void exchange_choose_app(struct exchange *x)
{
    const struct route *route = x->route;
    struct strview key;
    uint64_t out = 0;
    unsigned first;
    unsigned target;

    if (!route->split)
        return;
    key = key_of(x);
    first = choose(route, key, 0);
    target = first;
    while (app_is_left_out(route->split_apps[target])) {
        out |= UINT64_C(1) << target;
        if (split_is_exhausted(route->split, out)) {
            target = first;
            break;
        }
        target = choose(route, key, out);
    }
    take(x, target);
}

enum app_state exchange_route_state(const struct exchange *x)
{
    const struct route *route = x->route;
    enum app_state best = APP_FAILED;
    struct app_counts counts;

    if (!route->split) {
        app_count(route->app, worker_now_us(x->worker), &counts);
        return counts.state;
    }
    for (uint32_t i = 0; i < route->settings->split.count; i++) {
        if (route->settings->split.targets[i].weight == 0)
            continue;
        app_count(route->split_apps[i], worker_now_us(x->worker), &counts);
        if (counts.state != APP_FAILED &&
            (best == APP_FAILED || counts.state > best))
            best = counts.state;
    }
    return best;
}
