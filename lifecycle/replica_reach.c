/* replica_reach.c - by which way the front reaches a replica. */
#include "lifecycle/replica_reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lifecycle/socket_dir.h"
#include "router/base/alloc.h"

static struct address loopback(uint32_t port)
{
    struct address address = {.len = sizeof(struct sockaddr_in)};

    address.v4.sin_family = AF_INET;
    address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.v4.sin_port = htons((uint16_t)port);
    return address;
}

/* A port of 127.0.0.1 that is free now. Whoever takes it before the app does
 * makes this start fail, and the next one gets another. */
static bool find_free_port(uint32_t *ret_port, struct err *err)
{
    struct address address = loopback(0);
    socklen_t len = sizeof address.v4;
    AUTO(auto_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, &address.any, address.len) != 0 ||
        getsockname(fd, &address.any, &len) != 0)
        return err_set_errno(err, errno, "cannot find a free port");
    *ret_port = ntohs(address.v4.sin_port);
    return true;
}

static bool choose_socket(const struct replica_host *host,
                          const struct container_settings *container,
                          struct engine_spec *spec, char **ret_socket_dir,
                          struct replica_reach *ret_reach, struct err *err)
{
    if (!socket_dir_make(host->state_dir, spec->name, container->socket,
                         ret_socket_dir, err))
        return false;
    spec->socket_dir = *ret_socket_dir;
    ret_reach->connect = CONNECT_KEEPER;
    ret_reach->socket_path =
        xasprintf("%s/%s", *ret_socket_dir, container->socket);
    return true;
}

bool replica_reach_choose(const struct replica_host *host,
                          const struct container_settings *container,
                          struct engine_spec *spec, char **ret_socket_dir,
                          struct replica_reach *ret_reach, struct err *err)
{
    const struct engine_capabilities *capabilities =
        engine_capabilities(host->engine);

    if (container->socket)
        return choose_socket(host, container, spec, ret_socket_dir, ret_reach,
                             err);
    if (container->network == NETWORK_HOST) {
        if (!find_free_port(&spec->port, err))
            return false;
        ret_reach->connect = CONNECT_DIRECT;
        ret_reach->address = loopback(spec->port);
        return true;
    }
    if (container->port_mode != PORT_PUBLISHED &&
        capabilities->sockets_inside) {
        spec->inside = true;
        ret_reach->connect = CONNECT_INSIDE;
        ret_reach->port = spec->port;
        return true;
    }
    if (container->port_mode == PORT_INSIDE)
        return err_set(err, ERR_DENIED,
                       "port inside: this berth may not enter the container's "
                       "network namespace; run it as root or by `podman "
                       "unshare`, or use: port N published;");
    if (container->network == NETWORK_NONE)
        return err_set(err, ERR_DENIED,
                       "network none: this berth may not enter the "
                       "container's network namespace, and nothing can be "
                       "published from it; run berth as root or by `podman "
                       "unshare`, or let the app listen on a Unix socket: "
                       "socket NAME;");
    spec->publish = true;
    ret_reach->connect = CONNECT_DIRECT;
    ret_reach->forwarded = capabilities->rootless;
    return true;
}

void replica_reach_complete(const struct engine_container *running,
                            struct replica_reach *reach)
{
    if (reach->connect == CONNECT_DIRECT && reach->address.len == 0)
        reach->address = loopback(running->host_port);
}

bool replica_reach_find(const struct replica_host *host,
                        const struct container_settings *container,
                        const struct engine_container *running,
                        struct replica_reach *ret_reach, struct err *err)
{
    const struct engine_capabilities *capabilities =
        engine_capabilities(host->engine);

    if (running->socket_path[0]) {
        ret_reach->connect = CONNECT_KEEPER;
        ret_reach->socket_path = xstrdup(running->socket_path);
    } else if (running->inside) {
        if (!capabilities->sockets_inside)
            return err_set(err, ERR_DENIED,
                           "it was started by a berth that could enter its "
                           "network namespace, and this one may not");
        ret_reach->connect = CONNECT_INSIDE;
        ret_reach->port = running->port;
    } else if (running->host_port) {
        ret_reach->connect = CONNECT_DIRECT;
        ret_reach->address = loopback(running->host_port);
        ret_reach->forwarded = capabilities->rootless;
    } else if (container->network == NETWORK_HOST && running->port) {
        ret_reach->connect = CONNECT_DIRECT;
        ret_reach->address = loopback(running->port);
    } else {
        return err_set(err, ERR_INVALID,
                       "its labels do not say how to reach it");
    }
    return true;
}
