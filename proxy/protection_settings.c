/* protection_settings.c - what protects routes, and what they share, over the
 * channel.
 */
#include "proxy/protection_settings.h"

#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

/* --- checked readers ------------------------------------------------------ */

static uint32_t get_u32_max(struct wire_reader *r, uint32_t max)
{
    uint32_t value = wire_get_u32(r);

    if (value > max)
        r->failed = true;
    return value;
}

static char *get_text(struct wire_reader *r)
{
    char *text = wire_get_str(r);

    if (!text)
        r->failed = true;
    return text;
}

static void *get_array(struct wire_reader *r, size_t min_size, size_t size,
                       uint32_t *ret_count)
{
    *ret_count = wire_get_count(r, min_size);
    return *ret_count ? xcalloc(*ret_count, size) : NULL;
}

/* --- of a route ----------------------------------------------------------- */

void protection_settings_done(struct protection_settings *settings)
{
    free(settings->rules);
    free(settings->rate.key_field);
}

static void put_rule(struct strbuf *buf, const struct access_rule *rule)
{
    const struct address_range *range = &rule->range;

    wire_put_u32(buf, rule->allows);
    wire_put_u32(buf, rule->is_all);
    wire_put_u32(buf, (uint32_t)range->family);
    wire_put_u32(buf, range->prefix_len);
    wire_put_sv(buf, sv_make((const char *)range->bits, sizeof range->bits));
}

static void get_rule(struct wire_reader *r, struct access_rule *ret)
{
    struct strview bits;
    uint32_t family;
    uint32_t most;

    ret->allows = get_u32_max(r, 1) == 1;
    ret->is_all = get_u32_max(r, 1) == 1;
    family = wire_get_u32(r);
    most = family == AF_INET ? 32 : family == AF_INET6 ? 128 : 0;
    ret->range.prefix_len = get_u32_max(r, most);
    bits = wire_get_sv(r);
    if (bits.len != sizeof ret->range.bits ||
        (!ret->is_all && most == 0 && family != AF_UNIX))
        r->failed = true;
    if (r->failed)
        return;
    ret->range.family = (int)family;
    memcpy(ret->range.bits, bits.ptr, bits.len);
}

void protection_settings_encode(const struct protection_settings *settings,
                                struct strbuf *buf)
{
    wire_put_u32(buf, settings->rule_count);
    for (uint32_t i = 0; i < settings->rule_count; i++)
        put_rule(buf, &settings->rules[i]);
    wire_put_u32(buf, settings->basic_auth);
    wire_put_u32(buf, settings->api_keys);
    wire_put_u32(buf, settings->rate.requests);
    wire_put_u32(buf, settings->rate.period_s);
    wire_put_u32(buf, settings->rate.burst);
    wire_put_str(buf, settings->rate.key_field);
}

void protection_settings_decode(struct wire_reader *r,
                                struct protection_settings *ret)
{
    ret->rules = get_array(r, 36, sizeof *ret->rules, &ret->rule_count);
    for (uint32_t i = 0; i < ret->rule_count && !r->failed; i++)
        get_rule(r, &ret->rules[i]);
    ret->basic_auth = wire_get_u32(r);
    ret->api_keys = wire_get_u32(r);
    ret->rate.requests = get_u32_max(r, RATE_REQUESTS_MAX);
    ret->rate.period_s = get_u32_max(r, RATE_PERIOD_MAX_S);
    ret->rate.burst = get_u32_max(r, RATE_BURST_MAX);
    ret->rate.key_field = wire_get_str(r);
    if (ret->rate.requests > 0 && ret->rate.period_s == 0)
        r->failed = true;
}

void page_numbers_encode(const struct page_numbers *pages, struct strbuf *buf)
{
    wire_put_u32(buf, pages->count);
    for (uint32_t i = 0; i < pages->count; i++)
        wire_put_u32(buf, pages->numbers[i]);
}

void page_numbers_decode(struct wire_reader *r, struct page_numbers *ret)
{
    ret->numbers = get_array(r, 4, sizeof *ret->numbers, &ret->count);
    for (uint32_t i = 0; i < ret->count; i++)
        ret->numbers[i] = wire_get_u32(r);
}

/* --- files of users and keys -----------------------------------------------
 */

static void basic_file_done(struct basic_file *file)
{
    for (uint32_t i = 0; i < file->user_count; i++) {
        free(file->users[i].name);
        if (file->users[i].hash)
            explicit_bzero(file->users[i].hash, strlen(file->users[i].hash));
        free(file->users[i].hash);
    }
    free(file->users);
    free(file->path);
}

static void put_basic_file(struct strbuf *buf, const struct basic_file *file)
{
    wire_put_str(buf, file->path);
    wire_put_u32(buf, file->user_count);
    for (uint32_t i = 0; i < file->user_count; i++) {
        wire_put_str(buf, file->users[i].name);
        wire_put_str(buf, file->users[i].hash);
    }
}

static void get_basic_file(struct wire_reader *r, struct basic_file *ret)
{
    ret->path = get_text(r);
    ret->users = get_array(r, 8, sizeof *ret->users, &ret->user_count);
    for (uint32_t i = 0; i < ret->user_count && !r->failed; i++) {
        ret->users[i].name = get_text(r);
        ret->users[i].hash = get_text(r);
        if (!r->failed && i > 0 &&
            strcmp(ret->users[i - 1].name, ret->users[i].name) >= 0)
            r->failed = true;
    }
}

static void put_key_file(struct strbuf *buf, const struct key_file *file)
{
    wire_put_str(buf, file->path);
    wire_put_sv(buf, sv_make((const char *)file->digests,
                             (size_t)file->key_count * KEY_DIGEST_BYTES));
}

static void get_key_file(struct wire_reader *r, struct key_file *ret)
{
    struct strview digests;

    ret->path = get_text(r);
    digests = wire_get_sv(r);
    if (digests.len % KEY_DIGEST_BYTES != 0)
        r->failed = true;
    if (r->failed || digests.len == 0)
        return;
    ret->digests = xcalloc(1, digests.len);
    memcpy(ret->digests, digests.ptr, digests.len);
    ret->key_count = (uint32_t)(digests.len / KEY_DIGEST_BYTES);
}

/* --- all that routes share --------------------------------------------------
 */

void shared_settings_done(struct shared_settings *settings)
{
    for (uint32_t i = 0; i < settings->log_file_count; i++)
        free(settings->log_files[i]);
    free(settings->log_files);
    for (uint32_t i = 0; i < settings->access_log_count; i++)
        free(settings->access_logs[i].format);
    free(settings->access_logs);
    for (uint32_t i = 0; i < settings->error_page_count; i++) {
        free(settings->error_pages[i].path);
        free(settings->error_pages[i].html);
    }
    free(settings->error_pages);
    for (uint32_t i = 0; i < settings->basic_file_count; i++)
        basic_file_done(&settings->basic_files[i]);
    free(settings->basic_files);
    for (uint32_t i = 0; i < settings->key_file_count; i++) {
        free(settings->key_files[i].path);
        free(settings->key_files[i].digests);
    }
    free(settings->key_files);
}

void shared_settings_encode(const struct shared_settings *s, struct strbuf *buf)
{
    wire_put_u32(buf, s->log_file_count);
    for (uint32_t i = 0; i < s->log_file_count; i++)
        wire_put_str(buf, s->log_files[i]);
    wire_put_u32(buf, s->error_log);
    wire_put_u32(buf, s->access_log_count);
    for (uint32_t i = 0; i < s->access_log_count; i++) {
        wire_put_u32(buf, s->access_logs[i].file);
        wire_put_str(buf, s->access_logs[i].format);
    }
    wire_put_u32(buf, s->error_page_count);
    for (uint32_t i = 0; i < s->error_page_count; i++) {
        wire_put_u32(buf, s->error_pages[i].code);
        wire_put_str(buf, s->error_pages[i].path);
        wire_put_str(buf, s->error_pages[i].html);
    }
    wire_put_u32(buf, s->basic_file_count);
    for (uint32_t i = 0; i < s->basic_file_count; i++)
        put_basic_file(buf, &s->basic_files[i]);
    wire_put_u32(buf, s->key_file_count);
    for (uint32_t i = 0; i < s->key_file_count; i++)
        put_key_file(buf, &s->key_files[i]);
}

static void get_logs(struct wire_reader *r, struct shared_settings *ret)
{
    ret->log_files =
        get_array(r, 4, sizeof *ret->log_files, &ret->log_file_count);
    for (uint32_t i = 0; i < ret->log_file_count && !r->failed; i++)
        ret->log_files[i] = get_text(r);
    ret->error_log = get_u32_max(r, ret->log_file_count);
    ret->access_logs =
        get_array(r, 8, sizeof *ret->access_logs, &ret->access_log_count);
    for (uint32_t i = 0; i < ret->access_log_count && !r->failed; i++) {
        ret->access_logs[i].file = wire_get_u32(r);
        ret->access_logs[i].format = get_text(r);
        if (ret->access_logs[i].file >= ret->log_file_count)
            r->failed = true;
    }
}

void shared_settings_decode(struct wire_reader *r, struct shared_settings *ret)
{
    get_logs(r, ret);
    ret->error_pages =
        get_array(r, 12, sizeof *ret->error_pages, &ret->error_page_count);
    for (uint32_t i = 0; i < ret->error_page_count && !r->failed; i++) {
        ret->error_pages[i].code = get_u32_max(r, 599);
        ret->error_pages[i].path = get_text(r);
        ret->error_pages[i].html = get_text(r);
    }
    ret->basic_files =
        get_array(r, 8, sizeof *ret->basic_files, &ret->basic_file_count);
    for (uint32_t i = 0; i < ret->basic_file_count && !r->failed; i++)
        get_basic_file(r, &ret->basic_files[i]);
    ret->key_files =
        get_array(r, 8, sizeof *ret->key_files, &ret->key_file_count);
    for (uint32_t i = 0; i < ret->key_file_count && !r->failed; i++)
        get_key_file(r, &ret->key_files[i]);
}
