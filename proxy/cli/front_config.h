/* front_config.h - what the keeper tells its fronts: the configuration, kept up
 * to date with the certificate files that it names, and what session tickets
 * are sealed with. Thread: keeper main.
 */
#ifndef PROXY_CLI_FRONT_CONFIG_H
#define PROXY_CLI_FRONT_CONFIG_H

#include <stdint.h>

#include "proxy/settings.h"
#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strview.h"

/* How often files are looked at; a changed one is used at the second look that
 * finds it the same, so that a certificate and its key are both written. */
#define FRONT_CONFIG_POLL_MS 1000

struct channel;
struct front_config; /* opaque; defined in front_config.c */

/* Borrows settings, whose certificates are loaded, and keeps them up to date.
 * before: of the configuration that this one is to follow, whose session
 * tickets stay good; NULL: there is none. NULL with ERR_FAILED when the system
 * has no randomness. */
MUST_USE struct front_config *
front_config_new(struct proxy_settings *settings,
                 const struct front_config *before, struct err *err);
void front_config_free(struct front_config **config);

/* CHANNEL_CONFIG's settings for a front that starts now. Borrowed until the
 * next call. Fits keeper_config. */
struct strview front_config_encode(void *config);

/* Look at the files: load and try those that changed, and tell the front
 * (NULL: there is none now) of new certificates by TLS_UPDATE. Those that
 * cannot be used are logged once, and the old ones stay. Fits keeper_config. */
void front_config_poll(void *config, struct channel *channel);
/* Call fn for each certificate whose files cannot be used as they are now: its
 * first file, why, and since when. */
void front_config_broken_files(const struct front_config *config,
                               void (*fn)(void *arg, const char *file,
                                          const char *reason,
                                          uint64_t since_unix_ms),
                               void *arg);

#endif
