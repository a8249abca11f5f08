/* admin_openapi.h - the file that describes the admin API (openapi.json), as it
 * was when berth was built. Thread: any.
 */
#ifndef PROXY_ADMIN_ADMIN_OPENAPI_H
#define PROXY_ADMIN_ADMIN_OPENAPI_H

#include "router/base/strview.h"

struct strview admin_openapi(void);

#endif
