/* credentials.h - what a request shows to be let in, and whether it is known:
 * API keys, and names with passwords. What takes long (the hash of a password)
 * is password_helper's. Thread: any.
 */
#ifndef PROXY_CREDENTIALS_H
#define PROXY_CREDENTIALS_H

#include <stdbool.h>

#include "proxy/protection_settings.h"
#include "router/base/attr.h"
#include "router/base/strview.h"

struct http_head;

/* Whether Authorization: Bearer or X-API-Key shows a key of the file. The
 * field that does is taken out of the head. */
MUST_USE bool credentials_take_key(struct http_head *head,
                                   const struct key_file *file);

#define CREDENTIALS_TEXT_MAX 512

struct basic_credentials {
    char text[CREDENTIALS_TEXT_MAX + 1];
    const char *user; /* into text */
    const char *password;
};

/* Authorization: Basic. false: there is none that could be read. Wipe it
 * after use. */
MUST_USE bool credentials_read_basic(const struct http_head *head,
                                     struct basic_credentials *ret);
/* NULL: there is no such user. */
const struct basic_user *credentials_find_user(const struct basic_file *file,
                                               const char *name);

/* Take all fields of that name (lower case) out of the head. */
void credentials_remove(struct http_head *head, struct strview name);

#endif
