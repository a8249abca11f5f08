/* tls_tickets.c - session ticket keys by a ratchet. */
#include "tls/tls_tickets.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "router/base/digest.h"

bool tls_tickets_secret(unsigned char *ret_secret)
{
    return RAND_bytes(ret_secret, TLS_TICKET_SECRET_BYTES) == 1;
}

/* SHA-256(secret, label): one-way, and one label a purpose. */
static void derive(const unsigned char *secret, const char *label,
                   unsigned char *ret_bytes)
{
    struct digest *digest = digest_new();

    digest_add(digest, secret, TLS_TICKET_SECRET_BYTES);
    digest_add(digest, label, strlen(label));
    digest_finish(digest, ret_bytes);
    digest_free(&digest);
}

static void make_key(const unsigned char *secret, struct tls_ticket_key *key)
{
    unsigned char bytes[DIGEST_BYTES];

    derive(secret, "name", bytes);
    memcpy(key->name, bytes, sizeof key->name);
    derive(secret, "aes", key->aes);
    derive(secret, "hmac", key->hmac);
    OPENSSL_cleanse(bytes, sizeof bytes);
}

void tls_tickets_init(struct tls_tickets *tickets, const unsigned char *secret,
                      uint64_t rotation_ms, uint64_t now_ms)
{
    assert(rotation_ms > 0);
    memset(tickets, 0, sizeof *tickets);
    memcpy(tickets->secret, secret, sizeof tickets->secret);
    tickets->rotation_ms = rotation_ms;
    tickets->epoch = now_ms / rotation_ms;
    make_key(tickets->secret, &tickets->current);
}

void tls_tickets_done(struct tls_tickets *tickets)
{
    OPENSSL_cleanse(tickets, sizeof *tickets);
}

static void advance(struct tls_tickets *tickets, uint64_t now_ms)
{
    uint64_t epoch = now_ms / tickets->rotation_ms;

    while (tickets->epoch < epoch) {
        unsigned char next[DIGEST_BYTES];

        derive(tickets->secret, "next", next);
        memcpy(tickets->secret, next, sizeof tickets->secret);
        OPENSSL_cleanse(next, sizeof next);
        tickets->previous = tickets->current;
        tickets->has_previous = true;
        make_key(tickets->secret, &tickets->current);
        tickets->epoch++;
    }
}

const struct tls_ticket_key *tls_tickets_current(struct tls_tickets *tickets,
                                                 uint64_t now_ms)
{
    advance(tickets, now_ms);
    return &tickets->current;
}

const struct tls_ticket_key *tls_tickets_find(struct tls_tickets *tickets,
                                              const unsigned char *name,
                                              uint64_t now_ms, bool *ret_renew)
{
    advance(tickets, now_ms);
    *ret_renew = false;
    if (memcmp(name, tickets->current.name, TLS_TICKET_NAME_BYTES) == 0)
        return &tickets->current;
    if (tickets->has_previous &&
        memcmp(name, tickets->previous.name, TLS_TICKET_NAME_BYTES) == 0) {
        *ret_renew = true;
        return &tickets->previous;
    }
    return NULL;
}
