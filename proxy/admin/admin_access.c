/* admin_access.c - who may ask the admin API for what. */
#include "proxy/admin/admin_access.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/settings.h"
#include "router/base/address.h"
#include "router/base/digest.h"

/* "[::1]:80" → "::1", "localhost:80" → "localhost". The port does not matter:
 * it is another one behind a forwarding, and rebinding is about names. */
static struct strview host_without_port(struct strview host)
{
    const char *end;

    if (host.len > 0 && host.ptr[0] == '[') {
        end = memchr(host.ptr, ']', host.len);
        return end ? sv_make(host.ptr + 1, (size_t)(end - host.ptr - 1)) : host;
    }
    end = memchr(host.ptr, ':', host.len);
    return end ? sv_make(host.ptr, (size_t)(end - host.ptr)) : host;
}

static bool is_ip_literal(struct strview host)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr bits;

    if (host.len == 0 || host.len >= sizeof copy)
        return false;
    memcpy(copy, host.ptr, host.len);
    copy[host.len] = '\0';
    return inet_pton(AF_INET, copy, &bits) == 1 ||
           inet_pton(AF_INET6, copy, &bits) == 1;
}

static bool is_server_name(const struct admin_settings *settings,
                           struct strview host)
{
    for (uint32_t i = 0; i < settings->name_count; i++) {
        struct strview name = sv_of(settings->names[i]);

        /* "*.example.com" */
        if (name.ptr[0] == '*') {
            name = sv_skip(name, 1);
            if (host.len <= name.len)
                continue;
            if (sv_eq_nocase(sv_skip(host, host.len - name.len), name))
                return true;
        } else if (sv_eq_nocase(host, name)) {
            return true;
        }
    }
    return false;
}

static bool host_is_ours(const struct admin_settings *settings,
                         const struct admin_ask *ask)
{
    char own[ADDRESS_TEXT_SIZE];
    struct strview host;

    /* Browsers always send Host; what does not (HTTP/1.0 checks of a load
     * balancer) cannot be rebound. */
    if (!ask->has_host)
        return true;
    if (ask->host.len == 0)
        return false;
    host = host_without_port(ask->host);
    address_format_host(ask->listener, own);
    /* On all addresses: no DNS leads to one that is written as numbers. */
    if (address_is_any(ask->listener) && is_ip_literal(host))
        return true;
    return sv_eq_nocase(host, SV("localhost")) ||
           sv_eq_nocase(host, sv_of(own)) || is_server_name(settings, host);
}

bool admin_secret_equal(struct strview a, struct strview b)
{
    unsigned char hashes[2][DIGEST_BYTES];
    struct strview both[2] = {a, b};
    unsigned char difference = 0;

    for (int i = 0; i < 2; i++) {
        struct digest *digest = digest_new();

        digest_add(digest, both[i].ptr, both[i].len);
        digest_finish(digest, hashes[i]);
        digest_free(&digest);
    }
    for (int i = 0; i < DIGEST_BYTES; i++)
        difference |= (unsigned char)(hashes[0][i] ^ hashes[1][i]);
    return difference == 0;
}

static struct strview bearer_of(struct strview authorization)
{
    struct strview scheme = SV("bearer ");

    if (authorization.len < scheme.len ||
        !sv_eq_nocase(sv_make(authorization.ptr, scheme.len), scheme))
        return sv_make(NULL, 0);
    return sv_trim(sv_skip(authorization, scheme.len));
}

enum admin_verdict admin_access_check(const struct admin_settings *settings,
                                      const struct admin_ask *ask)
{
    struct strview bearer;

    if (ask->listener->any.sa_family == AF_UNIX)
        return ADMIN_ALLOWED;
    if (!host_is_ours(settings, ask))
        return ADMIN_MISDIRECTED;
    if (ask->is_open)
        return ADMIN_ALLOWED;
    bearer = bearer_of(ask->authorization);
    if (bearer.len == 0)
        return ADMIN_UNAUTHORIZED;
    if (settings->token && admin_secret_equal(bearer, sv_of(settings->token)))
        return ADMIN_ALLOWED;
    if (settings->read_token &&
        admin_secret_equal(bearer, sv_of(settings->read_token)))
        return ask->writes ? ADMIN_FORBIDDEN : ADMIN_ALLOWED;
    return ADMIN_UNAUTHORIZED;
}
