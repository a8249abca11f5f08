/* password_helper.h - the thread that hashes passwords: a good hash takes 50 ms
 * and more, which no worker's loop can wait for.
 *
 * What waits for it is bounded. Workers remember what was found right, each for
 * itself (password_cache), so that a browser's many requests cost one hash.
 */
#ifndef PROXY_PASSWORD_HELPER_H
#define PROXY_PASSWORD_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/loop.h"

struct password_helper; /* opaque; defined in password_helper.c */

/* Passwords that may wait. */
#define PASSWORD_HELPER_QUEUE_MAX 64

/* One password to look at. */
struct password_job {
    struct loop_task task; /* the helper's */
    struct password_helper *helper;
    struct loop *loop; /* where on_done runs */
    /* Frees the job. arg may have been set NULL: nobody waits any more. */
    void (*on_done)(struct password_job *job);
    void *arg;
    bool is_right;
    bool is_known; /* false: of no user; found wrong, after the same time */
    char *hash;    /* as crypt(3) reads it */
    char *password;
};

/* Starts the thread. Thread: main. */
MUST_USE struct password_helper *password_helper_new(void);
/* After all that was asked is answered. The loops that are answered to must
 * still be there. NULL is skipped. Thread: main. */
void password_helper_free(struct password_helper **helper);

/* Copies the texts. hash NULL: there is nothing to compare with. */
MUST_USE struct password_job *password_job_new(const char *hash,
                                               const char *password);
/* Wipes the password. NULL is skipped. Thread: any. */
void password_job_free(struct password_job **job);

/* Takes the job. false: too many wait; the job is still the caller's.
 * Thread: any. */
MUST_USE bool password_helper_ask(struct password_helper *helper,
                                  struct password_job *job);

/* --- what was found right ----------------------------------------------------
 */

#define PASSWORD_CACHE_SLOTS 1024
#define PASSWORD_CACHE_US    (300 * 1000000ULL)

struct password_cache; /* opaque */

/* Thread: the owner's. */
MUST_USE struct password_cache *password_cache_new(void);
void password_cache_free(struct password_cache **cache);
/* Whether this password was right for this hash within the last five minutes.
 */
bool password_cache_has(const struct password_cache *cache, const char *hash,
                        const char *password, uint64_t now_us);
void password_cache_add(struct password_cache *cache, const char *hash,
                        const char *password, uint64_t now_us);

#endif
