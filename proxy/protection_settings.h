/* protection_settings.h - who may use a route and how often; what is logged of
 * it; the pages that berth's own answers have. Part of proxy/settings.h.
 *
 * What several routes name (a file of users, of keys, a log, a page) stands
 * once in proxy_settings; routes hold its number, counted from 1: 0 is none.
 */
#ifndef PROXY_PROTECTION_SETTINGS_H
#define PROXY_PROTECTION_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/address.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/wire.h"

#define KEY_DIGEST_BYTES    32 /* SHA-256 */
#define RATE_REQUESTS_MAX   1000000U
#define RATE_PERIOD_MAX_S   3600U
#define RATE_BURST_MAX      1000000U
#define ERROR_PAGE_SIZE_MAX (64U << 10)

/* allow, deny: the first that fits decides; none: allowed. */
struct access_rule {
    bool allows;
    bool is_all; /* range is of no meaning */
    struct address_range range;
};

struct rate_settings { /* requests == 0: no limit */
    uint32_t requests; /* in period_s */
    uint32_t period_s; /* 1, 60 or 3600 */
    uint32_t burst;
    char *key_field; /* lower case: its value is the key; NULL: the address */
};

struct protection_settings { /* of a route */
    uint32_t rule_count;
    struct access_rule *rules;
    uint32_t basic_auth; /* number in basic_files */
    uint32_t api_keys;   /* number in key_files */
    struct rate_settings rate;
};

/* basic_auth_file. */
struct basic_user {
    char *name;
    char *hash; /* as crypt(3) reads it. Never shown */
};
struct basic_file {
    char *path;
    uint32_t user_count;
    struct basic_user *users; /* sorted by name, no two the same */
};

/* api_keys_file. */
struct key_file {
    char *path;
    uint32_t key_count;
    unsigned char (*digests)[KEY_DIGEST_BYTES]; /* sorted. Never shown */
};

struct access_log_settings {
    uint32_t file; /* index: which of the keeper's log files */
    char *format;  /* as log_format_parse() reads it */
};

struct error_page {
    uint32_t code; /* 400 to 599 */
    char *path;
    char *html; /* what is in the file */
};

/* Which of proxy_settings.error_pages, by number. */
struct page_numbers {
    uint32_t count;
    uint32_t *numbers;
};

/* All that several routes share. */
struct shared_settings {
    uint32_t log_file_count; /* LOG_FILE messages have an index below it */
    char **log_files;        /* paths: over a reload the same file by name */
    uint32_t error_log;      /* number of the log file; 0: stderr */
    uint32_t access_log_count;
    struct access_log_settings *access_logs;
    uint32_t error_page_count;
    struct error_page *error_pages;
    uint32_t basic_file_count;
    struct basic_file *basic_files;
    uint32_t key_file_count;
    struct key_file *key_files;
};

void protection_settings_done(struct protection_settings *settings);
void protection_settings_encode(const struct protection_settings *settings,
                                struct strbuf *buf);
/* Fails as wire does; what was read is freed by protection_settings_done(). */
void protection_settings_decode(struct wire_reader *reader,
                                struct protection_settings *ret_settings);

void page_numbers_encode(const struct page_numbers *pages, struct strbuf *buf);
void page_numbers_decode(struct wire_reader *reader,
                         struct page_numbers *ret_pages);

void shared_settings_done(struct shared_settings *settings);
void shared_settings_encode(const struct shared_settings *settings,
                            struct strbuf *buf);
void shared_settings_decode(struct wire_reader *reader,
                            struct shared_settings *ret_settings);

#endif
