/* client_address.c - who a client is. */
#include "proxy/client_address.h"

#include <arpa/inet.h>
#include <string.h>

#include "proxy/client.h"
#include "proxy/forwarded.h"
#include "proxy/http_head.h"
#include "proxy/settings.h"

struct address client_address_of(const struct client_peer *peer)
{
    struct address address = {.len = sizeof peer->v6};

    if (peer->any.sa_family == AF_INET)
        address.v4 = peer->v4;
    else if (peer->any.sa_family == AF_INET6)
        address.v6 = peer->v6;
    else
        address.any.sa_family = AF_UNIX;
    return address;
}

bool client_address_is_trusted(const struct address *address,
                               const struct server_settings *server)
{
    for (uint32_t i = 0; i < server->trusted_count; i++)
        if (address_range_contains(&server->trusted[i], address))
            return true;
    return false;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80" */
static bool parse_host(struct strview text, struct address *ret)
{
    char host[INET6_ADDRSTRLEN];
    struct address address = {.len = sizeof address.v6};
    const char *colon;

    text = sv_trim(text);
    if (text.len > 0 && text.ptr[0] == '[') {
        const char *close = memchr(text.ptr, ']', text.len);

        if (!close)
            return false;
        text = sv_make(text.ptr + 1, (size_t)(close - text.ptr) - 1);
    } else if ((colon = memchr(text.ptr ? text.ptr : "", ':', text.len)) &&
               !memchr(colon + 1, ':',
                       text.len - (size_t)(colon + 1 - text.ptr))) {
        text.len = (size_t)(colon - text.ptr);
    }
    if (text.len == 0 || text.len >= sizeof host)
        return false;
    memcpy(host, text.ptr, text.len);
    host[text.len] = '\0';
    if (inet_pton(AF_INET, host, &address.v4.sin_addr) == 1)
        address.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &address.v6.sin6_addr) == 1)
        address.any.sa_family = AF_INET6;
    else
        return false;
    *ret = address;
    return true;
}

/* The list's last element; *list is what stands before it. */
static struct strview take_last(struct strview *list)
{
    size_t begin = list->len;
    struct strview last;

    while (begin > 0 && list->ptr[begin - 1] != ',')
        begin--;
    last = sv_skip(*list, begin);
    list->len = begin > 0 ? begin - 1 : 0;
    return last;
}

/* Of X-Forwarded-For, from its end. */
static bool resolve_list(struct address *address, const struct http_head *head,
                         const struct server_settings *server)
{
    bool changed = false;

    for (uint32_t i = head->field_count; i-- > 0;) {
        struct strview list = head->fields[i].value;

        if (head->fields[i].id != FIELD_X_FORWARDED_FOR)
            continue;
        while (list.len > 0) {
            if (!parse_host(take_last(&list), address))
                return changed;
            changed = true;
            if (!client_address_is_trusted(address, server))
                return true;
        }
    }
    return changed;
}

/* Of Forwarded, from its end. *ret_element: what was said of that client; NULL:
 * it did not change. */
static bool resolve_forwarded(struct address *address,
                              const struct forwarded *list, size_t count,
                              const struct server_settings *server,
                              const struct forwarded **ret_element)
{
    *ret_element = NULL;
    while (count > 0 && parse_host(list[--count].node, address)) {
        *ret_element = &list[count];
        if (!client_address_is_trusted(address, server))
            break;
    }
    return *ret_element != NULL;
}

bool client_address_resolve(struct address *address,
                            const struct http_head *head,
                            const struct server_settings *server)
{
    struct forwarded list[FORWARDED_MAX];
    const struct forwarded *element;

    if (server->trusted_count == 0 ||
        !client_address_is_trusted(address, server))
        return false;
    if (http_head_has(head, FIELD_X_FORWARDED_FOR))
        return resolve_list(address, head, server);
    return resolve_forwarded(address, list, forwarded_read(head, list), server,
                             &element);
}

bool client_address_came_by_https(const struct address *peer,
                                  const struct http_head *head,
                                  const struct server_settings *server)
{
    const struct http_field *field =
        http_head_find(head, FIELD_X_FORWARDED_PROTO);
    struct forwarded list[FORWARDED_MAX];
    const struct forwarded *element;
    struct address address = *peer;

    if (server->trusted_count == 0 || !client_address_is_trusted(peer, server))
        return false;
    if (field)
        return sv_eq_nocase(field->value, SV("https"));
    return resolve_forwarded(&address, list, forwarded_read(head, list), server,
                             &element) &&
           sv_eq_nocase(element->proto, SV("https"));
}
