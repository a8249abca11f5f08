/* settings.h - TLS of one server.
 *
 * conf fills in the paths; the keeper reads the files (tls_settings_load());
 * the front gets their contents in its configuration message and opens nothing
 * by itself. The struct owns what it points to.
 */
#ifndef TLS_SETTINGS_H
#define TLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"
#include "router/base/wire.h"

#define TLS_TICKET_SECRET_BYTES 32 /* tls_tickets.h */

struct tls_pair {
    char *certificate_path;
    char *key_path;
    char *certificate_pem; /* the chain, leaf first; NULL: not loaded */
    char *key_pem;         /* secret: cleansed when freed, never shown */
};

enum tls_verify { TLS_VERIFY_OFF, TLS_VERIFY_OPTIONAL, TLS_VERIFY_ON };
enum tls_version { TLS_VERSION_1_2 = 2, TLS_VERSION_1_3 = 3 };

struct tls_settings {
    uint32_t pair_count; /* 0: this server has no TLS */
    struct tls_pair *pairs;
    uint32_t min_version; /* enum tls_version */
    uint32_t max_version;
    char *ciphers; /* of TLS 1.2, OpenSSL's names; NULL: Mozilla intermediate */
    uint64_t session_timeout_ms;
    uint32_t verify;      /* enum tls_verify */
    char *client_ca_path; /* NULL: none */
    char *client_ca_pem;  /* NULL: none, or not loaded */
};

void tls_settings_done(struct tls_settings *settings);

/* Read all files that the paths name into the …_pem members. Fails with
 * ERR_NOT_FOUND, ERR_DENIED, ERR_LIMIT (a file above 1 MiB) or ERR_IO, naming
 * the file; what was loaded before stays. Blocks. Thread: any. */
MUST_USE bool tls_settings_load(struct tls_settings *settings, struct err *err);

/* Try what was loaded, as a front will (tls_context.c); nothing is kept.
 * ERR_INVALID, naming the file, as tls_context_new() has it. *ret_warning (code
 * ERR_NONE: none): a certificate that is expired or will be within two weeks.
 * pair_count > 0. Thread: any. */
MUST_USE bool tls_settings_check(const struct tls_settings *settings,
                                 struct err *ret_warning, struct err *err);

void tls_settings_encode(const struct tls_settings *settings,
                         struct strbuf *buf);
/* false, and nothing to free, when it is not whole or out of range. */
MUST_USE bool tls_settings_decode(struct wire_reader *reader,
                                  struct tls_settings *ret_settings);

#endif
