/* Ticket keys: equal on all workers, rotated, forgotten. */
#include "tls/tls_tickets.h"

#include <criterion/criterion.h>
#include <string.h>

static const unsigned char secret[TLS_TICKET_SECRET_BYTES] = "a secret";

Test(tls_tickets, workers_that_start_from_one_secret_agree_on_every_key)
{
    struct tls_tickets a;
    struct tls_tickets b;

    tls_tickets_init(&a, secret, 1000, 500);
    tls_tickets_init(&b, secret, 1000, 500);
    for (uint64_t now = 500; now < 20000; now += 700) {
        const struct tls_ticket_key *key = tls_tickets_current(&a, now);

        /* b looks only now and then, and still agrees. */
        if (now % 3 == 0)
            cr_assert_eq(memcmp(key, tls_tickets_current(&b, now), sizeof *key),
                         0);
    }
}

Test(tls_tickets, a_key_is_good_for_its_own_rotation_and_the_next)
{
    struct tls_tickets t;
    unsigned char name[TLS_TICKET_NAME_BYTES];
    bool renew;

    tls_tickets_init(&t, secret, 1000, 0);
    memcpy(name, tls_tickets_current(&t, 0)->name, sizeof name);
    cr_assert_not_null(tls_tickets_find(&t, name, 999, &renew));
    cr_assert_not(renew);
    cr_assert_not_null(tls_tickets_find(&t, name, 1999, &renew));
    cr_assert(renew, "a ticket under the previous key is renewed");
    cr_assert_null(tls_tickets_find(&t, name, 2000, &renew));
}

Test(tls_tickets, a_secret_that_was_used_is_forgotten)
{
    struct tls_tickets t;

    tls_tickets_init(&t, secret, 1000, 0);
    tls_tickets_current(&t, 5000);
    cr_assert_neq(memcmp(t.secret, secret, sizeof secret), 0);
    tls_tickets_done(&t);
    for (size_t i = 0; i < sizeof t; i++)
        cr_assert_eq(((unsigned char *)&t)[i], 0);
}

Test(tls_tickets, secrets_are_random)
{
    unsigned char a[TLS_TICKET_SECRET_BYTES];
    unsigned char b[TLS_TICKET_SECRET_BYTES];

    cr_assert(tls_tickets_secret(a) && tls_tickets_secret(b));
    cr_assert_neq(memcmp(a, b, sizeof a), 0);
}
