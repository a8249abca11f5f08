/* admin.h - the admin API, as main.c plugs it into the front. */
#ifndef PROXY_ADMIN_ADMIN_H
#define PROXY_ADMIN_ADMIN_H

#include "proxy/front.h"

/* front_main(fd, &admin_api). Thread: main. */
extern const struct front_admin admin_api;

#endif
