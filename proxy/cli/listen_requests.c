/* listen_requests.c - what the keeper shall listen on. */
#include "proxy/cli/listen_requests.h"

#include "lifecycle/listen_sockets.h"
#include "proxy/settings.h"
#include "router/base/alloc.h"

struct listen_request *
cli_listen_requests(const struct proxy_settings *settings)
{
    struct listen_request *requests =
        xcalloc(settings->listener_count + 1U, sizeof *requests);

    for (uint32_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        /* Admin listeners are served by the front's main thread alone. */
        bool is_shared =
            listener->is_admin || listener->address.any.sa_family == AF_UNIX;

        requests[i] = (struct listen_request){
            .address = listener->address,
            .text = listener->text,
            .socket_count = is_shared ? 1 : settings->worker_count,
            .unix_mode = listener->unix_mode,
            .is_admin = listener->is_admin,
        };
    }
    return requests;
}
