/* admin_access.c - who may ask the admin API for what. */
#include "proxy/admin/admin_access.h"

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

static bool host_is_ours(const struct admin_ask *ask)
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
    return sv_eq_nocase(host, SV("localhost")) ||
           sv_eq_nocase(host, sv_of(own));
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
    if (!host_is_ours(ask))
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
