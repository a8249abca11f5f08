/* suggest.c - Damerau's distance (optimal string alignment); nginx's names. */
#include "conf/suggest.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "router/base/attr.h"

#define WORD_MAX 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

unsigned suggest_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, WORD_MAX + 1);
    size_t b_len = strnlen(b, WORD_MAX + 1);
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0];
    unsigned *last = rows[1];
    unsigned *row = rows[2];

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return UINT_MAX;
    for (size_t j = 0; j <= b_len; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *free_row = before;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned differ = a[i - 1] != b[j - 1];

            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + differ);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_len];
}

struct suggestion suggestion_of(const char *word)
{
    return (struct suggestion){word, NULL, UINT_MAX};
}

void suggestion_offer(struct suggestion *suggestion, const char *name)
{
    size_t word_len = strnlen(suggestion->word, WORD_MAX + 1);
    /* A third of its letters wrong is a slip; more is another word. */
    unsigned most = word_len < 3 ? 1 : (unsigned)(word_len + 2) / 3;
    unsigned distance = suggest_distance(suggestion->word, name);

    if (distance > most || distance >= suggestion->distance)
        return;
    suggestion->best = name;
    suggestion->distance = distance;
}

/* Who comes from nginx writes these first. */
static const struct {
    const char *nginx;
    const char *berth;
} translations[] = {
    {"add_header", "response_header"},
    {"auth_basic_user_file", "basic_auth_file"},
    {"client_header_buffer_size", "client_max_header_size"},
    {"large_client_header_buffers", "client_max_header_size"},
    {"limit_req", "rate_limit"},
    {"location", "route"},
    {"proxy_buffer_size", "upstream_max_header_size"},
    {"proxy_connect_timeout", "upstream_connect_timeout"},
    {"proxy_next_upstream_tries", "retry"},
    {"proxy_pass", "app"},
    {"proxy_read_timeout", "upstream_read_timeout"},
    {"proxy_set_header", "request_header"},
    {"set_real_ip_from", "trusted_proxies"},
    {"ssl_certificate", "tls_certificate"},
    {"ssl_certificate_key", "tls_certificate_key"},
    {"ssl_ciphers", "tls_ciphers"},
    {"ssl_client_certificate", "tls_client_ca"},
    {"ssl_protocols", "tls_protocols"},
    {"ssl_session_timeout", "tls_session_timeout"},
    {"ssl_verify_client", "tls_verify_client"},
    {"worker_connections", "max_connections"},
    {"worker_processes", "worker_threads"},
};

const char *suggest_for_nginx(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(translations); i++)
        if (strcmp(translations[i].nginx, word) == 0)
            return translations[i].berth;
    return NULL;
}
