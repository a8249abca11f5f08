/* mutex.h - a mutex that clang's thread safety analysis knows.
 *
 * For the very few places that share mutable state between threads
 * (style.md, "Threads"). Held for tens of nanoseconds, never across a call
 * back, never two at once.
 */
#ifndef ROUTER_BASE_MUTEX_H
#define ROUTER_BASE_MUTEX_H

#include <assert.h>
#include <pthread.h>

#include "router/base/attr.h"

struct CAPABILITY("mutex") mutex {
    pthread_mutex_t os;
};

static inline void mutex_init(struct mutex *mutex)
{
    int failed = pthread_mutex_init(&mutex->os, NULL);

    assert(!failed);
    (void)failed;
}

static inline void mutex_done(struct mutex *mutex)
{
    int failed = pthread_mutex_destroy(&mutex->os);

    assert(!failed); /* EBUSY: somebody still holds it */
    (void)failed;
}

static inline void mutex_lock(struct mutex *mutex)
    ACQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS
{
    int failed = pthread_mutex_lock(&mutex->os);

    assert(!failed);
    (void)failed;
}

static inline void mutex_unlock(struct mutex *mutex)
    RELEASES(mutex) NO_THREAD_SAFETY_ANALYSIS
{
    int failed = pthread_mutex_unlock(&mutex->os);

    assert(!failed);
    (void)failed;
}

#endif
