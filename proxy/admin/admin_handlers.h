/* admin_handlers.h - what each row of admin_routes.def does. Thread: main. */
#ifndef PROXY_ADMIN_ADMIN_HANDLERS_H
#define PROXY_ADMIN_ADMIN_HANDLERS_H

struct admin_call;
struct cJSON;

#define ADMIN_ROUTE(METHOD, path, handler, OPEN, WRITES, help)                 \
    void admin_handle_##handler(struct admin_call *call);
#include "proxy/admin/admin_routes.def"
#undef ADMIN_ROUTE

/* The request's body: an object that has `member` (NULL: nothing) at most, or
 * nothing at all, which is an empty one. NULL: the call has been answered by
 * 400, "the body must be SHOULD_BE". For cJSON_Delete(). */
struct cJSON *admin_read_body(struct admin_call *call, const char *member,
                              const char *should_be);

#endif
