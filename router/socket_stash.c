/* socket_stash.c - sockets that the keeper made ahead of need. */
#include "router/socket_stash.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "router/app_sockets.h"

void socket_stash_init(struct socket_stash *stash, enum connect_kind connect)
{
    *stash = (struct socket_stash){.connect = connect};
    list_init(&stash->waiters);
}

int socket_stash_take(struct socket_stash *stash, struct socket_waiter *waiter)
{
    assert(stash->connect != CONNECT_DIRECT);
    stash->is_low = stash->count <= SOCKET_STASH_LOW;
    if (stash->count > 0)
        return stash->fds[--stash->count];
    waiter->is_waiting = true;
    list_add_tail(&stash->waiters, &waiter->node);
    stash->waiter_count++;
    if (stash->connect == CONNECT_KEEPER)
        stash->unasked++;
    return -1;
}

void socket_stash_leave(struct socket_stash *stash,
                        struct socket_waiter *waiter)
{
    assert(waiter->is_waiting);
    waiter->is_waiting = false;
    list_remove(&waiter->node);
    stash->waiter_count--;
    if (stash->unasked > stash->waiter_count)
        stash->unasked = stash->waiter_count;
}

uint32_t socket_stash_wanted(const struct socket_stash *stash)
{
    uint32_t wanted;

    if (stash->connect == CONNECT_KEEPER) {
        wanted = stash->unasked;
    } else {
        if (stash->is_asking || !stash->is_low)
            return 0;
        wanted = SOCKET_STASH_TARGET + stash->waiter_count - stash->count;
    }
    return wanted < SOCKET_ASK_MAX ? wanted : SOCKET_ASK_MAX;
}

uint32_t socket_stash_ask(struct socket_stash *stash)
{
    uint32_t wanted = socket_stash_wanted(stash);

    if (wanted == 0)
        return 0;
    if (stash->connect == CONNECT_KEEPER)
        stash->unasked -= wanted;
    else
        stash->is_asking = true;
    return wanted;
}

static void resolve_first(struct socket_stash *stash, int fd, int errno_value,
                          void (*resolve)(struct socket_waiter *waiter))
{
    struct socket_waiter *waiter =
        container_of(stash->waiters.next, struct socket_waiter, node);

    socket_stash_leave(stash, waiter);
    waiter->fd = fd;
    waiter->errno_value = errno_value;
    resolve(waiter);
}

void socket_stash_add(struct socket_stash *stash, const int *fds,
                      unsigned fd_count, int errno_value,
                      void (*resolve)(struct socket_waiter *waiter))
{
    bool is_inside = stash->connect == CONNECT_INSIDE;

    stash->is_asking = false;
    for (unsigned i = 0; i < fd_count; i++) {
        if (stash->waiter_count > 0)
            resolve_first(stash, fds[i], 0, resolve);
        else if (is_inside && stash->count < SOCKET_STASH_MAX)
            stash->fds[stash->count++] = fds[i];
        else
            close(fds[i]);
    }
    /* After a failure the next one who takes asks again. */
    stash->is_low = is_inside && fd_count > 0 && stash->waiter_count > 0;
    if (fd_count == 0 && is_inside)
        socket_stash_fail(stash, errno_value, resolve);
    else if (fd_count == 0 && stash->waiter_count > 0)
        resolve_first(stash, -1, errno_value, resolve);
}

void socket_stash_fail(struct socket_stash *stash, int errno_value,
                       void (*resolve)(struct socket_waiter *waiter))
{
    while (stash->waiter_count > 0)
        resolve_first(stash, -1, errno_value, resolve);
}

unsigned socket_stash_empty(struct socket_stash *stash, int *ret_fds)
{
    unsigned count = stash->count;

    memcpy(ret_fds, stash->fds, count * sizeof ret_fds[0]);
    stash->count = 0;
    return count;
}

void socket_stash_close(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}
