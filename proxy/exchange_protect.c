/* exchange_protect.c - whether a request may use its route: by address, by how
 * often it comes, by what it shows.
 *
 * In that order: who is denied costs nothing, and who guesses passwords is
 * slowed down before one is hashed.
 */
#include <assert.h>
#include <string.h>

#include "proxy/client_address.h"
#include "proxy/credentials.h"
#include "proxy/exchange_private.h"
#include "proxy/generation.h"
#include "proxy/password_helper.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker_generation.h"
#include "router/base/metrics.h"
#include "router/rate_limit.h"

/* Retry-After where too many passwords wait. */
#define PASSWORDS_RETRY_MS 2000

static const struct protection_settings *protection_of(const struct exchange *x)
{
    return &x->route->settings->protection;
}

static const struct shared_settings *shared_of(const struct exchange *x)
{
    return &x->generation->shared->settings->shared;
}

/* --- by address
 * ----------------------------------------------------------------
 */

void exchange_find_client(struct exchange *x)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    if (x->server->trusted_count == 0)
        return;
    address = client_address_of(&x->client->peer);
    if (!client_address_resolve(&address, &x->request, x->server))
        return;
    address_format_host(&address, text);
    x->remote = sv_of(arena_copy(&x->arena, sv_of(text)));
}

static bool is_allowed(const struct exchange *x)
{
    const struct protection_settings *protection = protection_of(x);
    struct address address;

    if (protection->rule_count == 0)
        return true;
    address = client_address_of(&x->client->peer);
    (void)!client_address_resolve(&address, &x->request, x->server);
    for (uint32_t i = 0; i < protection->rule_count; i++) {
        const struct access_rule *rule = &protection->rules[i];

        if (rule->is_all || address_range_contains(&rule->range, &address))
            return rule->allows;
    }
    return true;
}

/* --- by how often ------------------------------------------------------------
 */

/* A request without the field counts for its address: to leave it out must not
 * be a way around the limit. */
static struct strview rate_key(const struct exchange *x)
{
    const char *name = protection_of(x)->rate.key_field;
    const struct http_field *field =
        name ? http_head_find_name(&x->request, sv_of(name)) : NULL;

    return field && field->value.len > 0 ? field->value : x->remote;
}

/* false: answered. */
static bool comes_not_too_often(struct exchange *x)
{
    static const struct rejection rejection = {REJECT_RATE_LIMITED, NULL};
    uint64_t wait_ms = 0;

    if (!x->route->rate_limit)
        return true;
    switch (rate_limit_take(x->route->rate_limit, rate_key(x),
                            worker_now_us(x->worker), &wait_ms)) {
    case RATE_ALLOWED:
        return true;
    case RATE_ALLOWED_EVICTED:
        metrics_add(x->worker->cell, METRIC_RATE_LIMIT_EVICTIONS, 1);
        return true;
    case RATE_REFUSED:
        break;
    }
    if (exchange_cell(x)) /* a route that `return`s is of no app */
        metrics_add(exchange_cell(x), METRIC_REJECTED_RATE_LIMITED, 1);
    exchange_reject_with(x, &rejection, sv_make(NULL, 0), wait_ms);
    return false;
}

/* --- by what it shows
 * ---------------------------------------------------------
 */

static void ask_for(struct exchange *x, struct strview challenge)
{
    static const struct rejection rejection = {REJECT_UNAUTHORIZED, NULL};

    exchange_reject_extra(x, &rejection, challenge);
}

/* false: answered. */
static bool shows_key(struct exchange *x)
{
    uint32_t number = protection_of(x)->api_keys;

    if (number == 0 ||
        credentials_take_key(&x->request, &shared_of(x)->key_files[number - 1]))
        return true;
    ask_for(x, SV("WWW-Authenticate: Bearer realm=\"berth\"\r\n"));
    return false;
}

static void ask_for_password(struct exchange *x)
{
    ask_for(x, SV("WWW-Authenticate: Basic realm=\"berth\", "
                  "charset=\"UTF-8\"\r\n"));
}

/* The name is known to be right: for the log; the app gets no password. */
static void let_in(struct exchange *x, const char *user)
{
    x->user = sv_of(arena_copy(&x->arena, sv_of(user)));
    credentials_remove(&x->request, SV("authorization"));
}

static void on_password(struct password_job *job)
{
    struct exchange *x = job->arg;

    if (x) {
        x->password_job = NULL;
        x->password_is_right = job->is_right;
        if (job->is_right)
            password_cache_add(x->worker->passwords, job->hash, job->password,
                               worker_now_us(x->worker));
    }
    password_job_free(&job);
    if (x)
        exchange_run(x);
}

void exchange_forget_password(struct exchange *x)
{
    if (x->password_job)
        x->password_job->arg = NULL;
    x->password_job = NULL;
}

/* A name that is not there costs the same as a wrong password: the hash of
 * another user is made for it. */
static enum protect ask_helper(struct exchange *x,
                               const struct basic_file *file,
                               const struct basic_user *user,
                               const char *password)
{
    static const struct rejection busy = {
        REJECT_RATE_LIMITED, "Too many passwords are being looked at."};
    struct password_job *job =
        password_job_new(user                   ? user->hash
                         : file->user_count > 0 ? file->users[0].hash
                                                : NULL,
                         password);

    job->loop = x->worker->loop;
    job->on_done = on_password;
    job->arg = x;
    job->is_known = user != NULL;
    if (!password_helper_ask(x->generation->shared->password_helper, job)) {
        password_job_free(&job);
        exchange_reject_with(x, &busy, sv_make(NULL, 0), PASSWORDS_RETRY_MS);
        return PROTECT_ANSWERED;
    }
    x->password_job = job;
    return PROTECT_WAITS;
}

static enum protect shows_password(struct exchange *x)
{
    uint32_t number = protection_of(x)->basic_auth;
    const struct basic_file *file;
    const struct basic_user *user;
    struct basic_credentials shown;
    enum protect result;

    if (number == 0)
        return PROTECT_PASSED;
    file = &shared_of(x)->basic_files[number - 1];
    if (!credentials_read_basic(&x->request, &shown)) {
        ask_for_password(x);
        result = PROTECT_ANSWERED;
    } else {
        user = credentials_find_user(file, shown.user);
        if (!x->worker->passwords)
            x->worker->passwords = password_cache_new();
        if (user &&
            password_cache_has(x->worker->passwords, user->hash, shown.password,
                               worker_now_us(x->worker))) {
            let_in(x, shown.user);
            result = PROTECT_PASSED;
        } else {
            result = ask_helper(x, file, user, shown.password);
        }
    }
    explicit_bzero(&shown, sizeof shown);
    return result;
}

enum protect exchange_protect(struct exchange *x)
{
    if (!is_allowed(x)) {
        exchange_reject(x, REJECT_FORBIDDEN);
        return PROTECT_ANSWERED;
    }
    if (!comes_not_too_often(x) || !shows_key(x))
        return PROTECT_ANSWERED;
    return shows_password(x);
}

enum protect exchange_protect_again(struct exchange *x)
{
    struct basic_credentials shown;

    if (x->password_job)
        return PROTECT_WAITS;
    if (!x->password_is_right || !credentials_read_basic(&x->request, &shown)) {
        ask_for_password(x);
        return PROTECT_ANSWERED;
    }
    let_in(x, shown.user);
    explicit_bzero(&shown, sizeof shown);
    return PROTECT_PASSED;
}
