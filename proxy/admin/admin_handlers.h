/* admin_handlers.h - what each row of admin_routes.def does. Thread: main. */
#ifndef PROXY_ADMIN_ADMIN_HANDLERS_H
#define PROXY_ADMIN_ADMIN_HANDLERS_H

struct admin_call;

#define ADMIN_ROUTE(METHOD, path, handler, OPEN, WRITES, help)                 \
    void admin_handle_##handler(struct admin_call *call);
#include "proxy/admin/admin_routes.def"
#undef ADMIN_ROUTE

#endif
