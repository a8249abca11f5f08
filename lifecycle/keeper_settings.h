/* keeper_settings.h - one configuration as the keeper holds it: what it reads
 * itself, and, unread, what it passes on to its fronts.
 *
 * Counted: a replica may outlive the reload that replaced the settings it was
 * made from. Whoever loads configurations embeds it. Thread: keeper main.
 */
#ifndef LIFECYCLE_KEEPER_SETTINGS_H
#define LIFECYCLE_KEEPER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/listen_sockets.h"
#include "lifecycle/settings.h"
#include "router/base/log.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

struct channel;
struct keeper_settings;

typedef void (*keeper_broken_file_fn)(void *arg, const char *file,
                                      const char *reason,
                                      uint64_t since_unix_ms);

struct keeper_settings_ops {
    /* CHANNEL_CONFIG's settings, for a front that starts or reloads. Borrowed
     * until the next call. */
    struct strview (*encode)(struct keeper_settings *settings);
    /* Something that they were made of may have changed (a certificate file):
     * look, and tell the front. channel NULL: there is none now. */
    void (*poll)(struct keeper_settings *settings, struct channel *channel);
    /* Call fn(arg, file, reason, since_unix_ms) for each certificate whose
     * changed files cannot be used, so that the one before stays. NULL: there
     * are none. */
    void (*broken_files)(const struct keeper_settings *settings,
                         keeper_broken_file_fn fn, void *arg);
    /* The whole configuration as text, secrets masked: GET /api/v1/config. */
    void (*print)(const struct keeper_settings *settings,
                  struct strbuf *ret_text);
    void (*free)(struct keeper_settings *settings);
};

struct keeper_settings {
    const struct keeper_settings_ops *ops;
    unsigned refs; /* the first is the maker's */
    const struct lifecycle_settings *lifecycle;
    enum log_level log_level;
    bool log_json;
    /* What the front listens on; LISTENER messages name them by index. */
    unsigned listener_count;
    const struct listen_request *listeners;
};

/* NULL is passed through. */
struct keeper_settings *keeper_settings_ref(struct keeper_settings *settings);
/* *settings is NULL afterwards; NULL is skipped. */
void keeper_settings_unref(struct keeper_settings **settings);

#endif
