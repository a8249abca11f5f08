/* admin_client.h - the subcommands' way to a running berth: its admin API over
 * the Unix socket. Blocking.
 */
#ifndef PROXY_CLI_ADMIN_CLIENT_H
#define PROXY_CLI_ADMIN_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"

struct admin_client; /* opaque */

/* Find the socket: `socket` (--socket) as it is; else the Unix listener or
 * state_dir of the configuration file `config` (-c); else that of the default
 * state_dir. Either may be NULL. Then see who listens there. Fails with
 * ERR_INVALID (the file), ERR_UNAVAILABLE (nobody listens), ERR_DENIED. */
MUST_USE struct admin_client *
admin_client_new(const char *socket, const char *config, struct err *err);
void admin_client_free(struct admin_client **client);

const char *admin_client_path(const struct admin_client *client);

/* Who listens: berth's own process, the keeper. 0: not seen from here (another
 * pid namespace). */
pid_t admin_client_pid(const struct admin_client *client);

/* How long a request may take; 20 s unless told. */
void admin_client_set_timeout(struct admin_client *client, long timeout_ms);

/* One request. body NULL: a GET, else a POST of that JSON. Fails with what the
 * API answers as its error's message (ERR_FAILED, ERR_NOT_FOUND), or
 * ERR_UNAVAILABLE when berth went away, ERR_TIMEOUT. */
MUST_USE bool admin_client_request(struct admin_client *client,
                                   const char *path, const char *body,
                                   struct strbuf *ret_answer, struct err *err);

/* As admin_client_request(), for an answer that comes in lines and may have no
 * end: on_line gets each, without its end, as it comes, and says whether to go
 * on; false ends it well. accept: a media type, NULL: any. */
struct admin_follow {
    const char *path;
    const char *body;   /* NULL: a GET */
    const char *accept; /* NULL: any */
    bool (*on_line)(void *arg, struct strview line);
    void *arg;
};
MUST_USE bool admin_client_follow(struct admin_client *client,
                                  const struct admin_follow *follow,
                                  struct err *err);

#endif
