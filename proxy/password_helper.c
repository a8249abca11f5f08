/* password_helper.c - the thread that hashes passwords. */
#include "proxy/password_helper.h"

#include <crypt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "router/base/alloc.h"
#include "router/base/digest.h"

struct password_helper {
    struct loop *loop;
    pthread_t thread;
    unsigned waiting;        /* atomic */
    struct crypt_data *data; /* the thread's: 32 KB */
    struct loop_task stop_task;
};

/* --- jobs -------------------------------------------------------------------
 */

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

struct password_job *password_job_new(const char *hash, const char *password)
{
    struct password_job *job = xcalloc(1, sizeof *job);

    job->hash = hash ? xstrdup(hash) : NULL;
    job->password = xstrdup(password);
    return job;
}

void password_job_free(struct password_job **job_ptr)
{
    struct password_job *job = *job_ptr;

    if (!job)
        return;
    wipe(&job->hash);
    wipe(&job->password);
    free(job);
    *job_ptr = NULL;
}

/* In a time that does not tell where they differ. */
static bool is_same(const char *a, const char *b)
{
    size_t len = strlen(a);
    unsigned char difference = 0;

    if (strlen(b) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

static void deliver(struct loop_task *task)
{
    struct password_job *job = container_of(task, struct password_job, task);

    job->on_done(job);
}

static void look(struct loop_task *task)
{
    struct password_job *job = container_of(task, struct password_job, task);
    struct password_helper *helper = job->helper;
    const char *made;

    if (job->hash) {
        made = crypt_r(job->password, job->hash, helper->data);
        job->is_right =
            made && made[0] != '*' && is_same(made, job->hash) && job->is_known;
        explicit_bzero(helper->data, sizeof *helper->data);
    }
    __atomic_sub_fetch(&helper->waiting, 1, __ATOMIC_RELAXED);
    job->task.run = deliver;
    loop_post(job->loop, &job->task);
}

bool password_helper_ask(struct password_helper *helper,
                         struct password_job *job)
{
    if (__atomic_add_fetch(&helper->waiting, 1, __ATOMIC_RELAXED) >
        PASSWORD_HELPER_QUEUE_MAX) {
        __atomic_sub_fetch(&helper->waiting, 1, __ATOMIC_RELAXED);
        return false;
    }
    job->helper = helper;
    job->task.run = look;
    loop_post(helper->loop, &job->task);
    return true;
}

static void *run_thread(void *arg)
{
    struct password_helper *helper = arg;

    loop_run(helper->loop);
    return NULL;
}

static void run_stop(struct loop_task *task)
{
    struct password_helper *helper =
        container_of(task, struct password_helper, stop_task);

    loop_stop(helper->loop);
}

struct password_helper *password_helper_new(void)
{
    struct password_helper *helper = xcalloc(1, sizeof *helper);

    helper->loop = loop_new("passwords");
    helper->data = xcalloc(1, sizeof *helper->data);
    helper->stop_task.run = run_stop;
    if (pthread_create(&helper->thread, NULL, run_thread, helper) != 0)
        abort();
    return helper;
}

void password_helper_free(struct password_helper **helper_ptr)
{
    struct password_helper *helper = *helper_ptr;

    if (!helper)
        return;
    loop_post(helper->loop, &helper->stop_task);
    pthread_join(helper->thread, NULL);
    loop_free(&helper->loop); /* runs what is left */
    free(helper->data);
    free(helper);
    *helper_ptr = NULL;
}

/* --- the cache ---------------------------------------------------------------
 */

struct known {
    unsigned char digest[DIGEST_BYTES];
    uint64_t until_us; /* 0: free */
};

struct password_cache {
    unsigned char key[32]; /* so that what is kept here helps nobody guess */
    struct known slots[PASSWORD_CACHE_SLOTS];
};

struct password_cache *password_cache_new(void)
{
    struct password_cache *cache = xcalloc(1, sizeof *cache);

    if (getrandom(cache->key, sizeof cache->key, 0) !=
        (ssize_t)sizeof cache->key)
        abort();
    return cache;
}

void password_cache_free(struct password_cache **cache)
{
    if (*cache)
        explicit_bzero(*cache, sizeof **cache);
    free(*cache);
    *cache = NULL;
}

static unsigned digest_of(const struct password_cache *cache, const char *hash,
                          const char *password, unsigned char *ret_digest)
{
    struct digest *digest = digest_new();

    digest_add(digest, cache->key, sizeof cache->key);
    digest_add(digest, hash, strlen(hash) + 1);
    digest_add(digest, password, strlen(password));
    digest_finish(digest, ret_digest);
    digest_free(&digest);
    return (ret_digest[0] | (unsigned)ret_digest[1] << 8) %
           PASSWORD_CACHE_SLOTS;
}

bool password_cache_has(const struct password_cache *cache, const char *hash,
                        const char *password, uint64_t now_us)
{
    unsigned char digest[DIGEST_BYTES];
    const struct known *known =
        &cache->slots[digest_of(cache, hash, password, digest)];

    return known->until_us > now_us &&
           memcmp(known->digest, digest, sizeof digest) == 0;
}

void password_cache_add(struct password_cache *cache, const char *hash,
                        const char *password, uint64_t now_us)
{
    unsigned char digest[DIGEST_BYTES];
    struct known *known =
        &cache->slots[digest_of(cache, hash, password, digest)];

    memcpy(known->digest, digest, sizeof digest);
    known->until_us = now_us + PASSWORD_CACHE_US;
}
