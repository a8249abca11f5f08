/* listen_requests.h - what the keeper shall listen on, from the front's
 * settings. Thread: any.
 */
#ifndef PROXY_CLI_LISTEN_REQUESTS_H
#define PROXY_CLI_LISTEN_REQUESTS_H

#include "router/base/attr.h"

struct listen_request;
struct proxy_settings;

/* One for each of settings->listeners, in their order; borrows from settings.
 * The caller frees it with free(). */
MUST_USE struct listen_request *
cli_listen_requests(const struct proxy_settings *settings);

#endif
