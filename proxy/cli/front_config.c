/* front_config.c - what the keeper tells its fronts. */
#include "proxy/cli/front_config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/channel.h"
#include "tls/settings.h"
#include "tls/tls_tickets.h"

/* A ticket key is used for so long at least; it opens tickets twice as long. */
#define ROTATION_MIN_MS (10 * 60 * 1000)

/* The files of one server, or of the admin listeners (server UINT32_MAX). */
struct watched {
    uint32_t server;
    struct tls_settings *settings;
    uint64_t used; /* what the files were like (print_of()) */
    uint64_t seen; /* at the last look */
    char *broken;  /* why those that are there now cannot be used; NULL */
    uint64_t broken_unix_ms;
};

struct front_config {
    struct proxy_settings *settings;
    struct tls_tickets tickets;
    struct strbuf encoded; /* holds keys */
    uint32_t watched_count;
    struct watched *watched;
};

/* --- what a file is like --- */

static uint64_t mix(uint64_t print, uint64_t value)
{
    return (print ^ value) * 0x100000001b3ULL; /* FNV */
}

/* Of a file that is there no more than that: it may come again. */
static uint64_t print_of_file(uint64_t print, const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return mix(print, 1);
    print = mix(print, st.st_dev);
    print = mix(print, st.st_ino);
    print = mix(print, (uint64_t)st.st_size);
    print = mix(print, (uint64_t)st.st_mtim.tv_sec);
    print = mix(print, (uint64_t)st.st_mtim.tv_nsec);
    print = mix(print, (uint64_t)st.st_ctim.tv_sec);
    return mix(print, (uint64_t)st.st_ctim.tv_nsec);
}

static uint64_t print_of(const struct tls_settings *settings)
{
    uint64_t print = 0xcbf29ce484222325ULL;

    for (uint32_t i = 0; i < settings->pair_count; i++) {
        print = print_of_file(print, settings->pairs[i].certificate_path);
        print = print_of_file(print, settings->pairs[i].key_path);
    }
    if (settings->client_ca_path)
        print = print_of_file(print, settings->client_ca_path);
    return print;
}

/* --- life --- */

static void watch(struct front_config *config, uint32_t server,
                  struct tls_settings *settings)
{
    struct watched *w = &config->watched[config->watched_count];

    if (settings->pair_count == 0)
        return;
    config->watched_count++;
    *w = (struct watched){.server = server, .settings = settings};
    w->used = w->seen = print_of(settings);
}

/* Long enough that a ticket is good for the whole of `tls_session_timeout`. */
static uint64_t rotation_ms(const struct proxy_settings *settings)
{
    uint64_t longest = 0;

    for (uint32_t i = 0; i < settings->server_count; i++) {
        const struct tls_settings *tls = &settings->servers[i].tls;

        if (tls->pair_count > 0 && tls->session_timeout_ms > longest)
            longest = tls->session_timeout_ms;
    }
    if (longest == 0)
        return 0;
    return longest > ROTATION_MIN_MS ? longest : ROTATION_MIN_MS;
}

static uint64_t now_ms(void)
{
    return clock_now_us() / 1000;
}

/* Sessions outlive a reload: from the same secret come the same keys. */
static bool make_tickets(struct front_config *config,
                         const struct front_config *before)
{
    uint64_t rotation = config->settings->tickets.rotation_ms;
    unsigned char secret[TLS_TICKET_SECRET_BYTES];

    if (rotation == 0)
        return true;
    if (before && before->tickets.rotation_ms == rotation) {
        config->tickets = before->tickets;
        return true;
    }
    if (before && before->tickets.rotation_ms > 0)
        memcpy(secret, before->tickets.secret, sizeof secret);
    else if (!tls_tickets_secret(secret))
        return false;
    tls_tickets_init(&config->tickets, secret, rotation, now_ms());
    explicit_bzero(secret, sizeof secret);
    return true;
}

struct front_config *front_config_new(struct proxy_settings *settings,
                                      const struct front_config *before,
                                      struct err *err)
{
    struct front_config *config = xcalloc(1, sizeof *config);

    config->settings = settings;
    settings->tickets.rotation_ms = rotation_ms(settings);
    if (!make_tickets(config, before)) {
        err_set(err, ERR_FAILED, "the system has no random bytes");
        front_config_free(&config);
        return NULL;
    }
    config->watched =
        xcalloc(settings->server_count + 1U, sizeof *config->watched);
    for (uint32_t i = 0; i < settings->server_count; i++)
        watch(config, i, &settings->servers[i].tls);
    watch(config, UINT32_MAX, &settings->admin.tls);
    return config;
}

static void forget_encoded(struct front_config *config)
{
    if (config->encoded.data)
        explicit_bzero(config->encoded.data, config->encoded.capacity);
    strbuf_done(&config->encoded);
}

void front_config_free(struct front_config **config_ptr)
{
    struct front_config *config = *config_ptr;

    if (!config)
        return;
    forget_encoded(config);
    tls_tickets_done(&config->tickets);
    for (uint32_t i = 0; i < config->watched_count; i++)
        free(config->watched[i].broken);
    free(config->watched);
    free(config);
    *config_ptr = NULL;
}

struct strview front_config_encode(void *arg)
{
    struct front_config *config = arg;
    struct ticket_seed *seed = &config->settings->tickets;

    if (seed->rotation_ms > 0) {
        seed->at_ms = now_ms();
        (void)tls_tickets_current(&config->tickets, seed->at_ms);
        memcpy(seed->secret, config->tickets.secret, sizeof seed->secret);
    }
    forget_encoded(config);
    proxy_settings_encode(config->settings, &config->encoded);
    return strbuf_view(&config->encoded);
}

/* --- new certificates --- */

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

/* The same paths and policy, nothing loaded. */
static struct tls_settings unloaded(const struct tls_settings *from)
{
    struct tls_settings to = *from;

    to.pairs = xcalloc(from->pair_count, sizeof *to.pairs);
    for (uint32_t i = 0; i < from->pair_count; i++) {
        to.pairs[i].certificate_path = copy(from->pairs[i].certificate_path);
        to.pairs[i].key_path = copy(from->pairs[i].key_path);
    }
    to.ciphers = copy(from->ciphers);
    to.client_ca_path = copy(from->client_ca_path);
    to.client_ca_pem = NULL;
    return to;
}

static void tell(struct channel *channel, const struct watched *w)
{
    AUTO(strbuf_done) struct strbuf encoded = STRBUF_INIT;
    struct channel_tls_update message = {.server = w->server};

    if (!channel)
        return;
    tls_settings_encode(w->settings, &encoded);
    message.settings = strbuf_view(&encoded);
    channel_send_tls_update(channel, &message, NULL, 0);
    explicit_bzero(encoded.data, encoded.capacity);
}

static void use(struct watched *w, struct channel *channel)
{
    struct tls_settings fresh = unloaded(w->settings);
    struct err warning = {.code = ERR_NONE};
    struct err err;

    free(w->broken);
    w->broken = NULL;
    if (!tls_settings_load(&fresh, &err) ||
        !tls_settings_check(&fresh, &warning, &err)) {
        log_error("tls",
                  "changed certificates cannot be used; the old ones stay",
                  "file=%s reason=\"%s\"", w->settings->pairs->certificate_path,
                  err.text);
        w->broken = xstrdup(err.text);
        w->broken_unix_ms = clock_unix_ms();
        tls_settings_done(&fresh);
        return;
    }
    if (warning.code != ERR_NONE)
        log_warn("tls", "a certificate ends soon", "reason=\"%s\"",
                 warning.text);
    tls_settings_done(w->settings);
    *w->settings = fresh;
    tell(channel, w);
    log_notice("tls", "new certificates", "file=%s",
               w->settings->pairs->certificate_path);
}

void front_config_poll(void *arg, struct channel *channel)
{
    struct front_config *config = arg;

    for (uint32_t i = 0; i < config->watched_count; i++) {
        struct watched *w = &config->watched[i];
        uint64_t print = print_of(w->settings);
        bool is_settled = print == w->seen;

        w->seen = print;
        if (print == w->used || !is_settled)
            continue;
        w->used = print;
        use(w, channel);
    }
}

void front_config_broken_files(const struct front_config *config,
                               void (*fn)(void *arg, const char *file,
                                          const char *reason,
                                          uint64_t since_unix_ms),
                               void *arg)
{
    for (uint32_t i = 0; i < config->watched_count; i++) {
        const struct watched *w = &config->watched[i];

        if (w->broken)
            fn(arg, w->settings->pairs->certificate_path, w->broken,
               w->broken_unix_ms);
    }
}
