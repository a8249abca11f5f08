/* print_protect.c - logs, pages and protection as they are written in a file.
 */
#include <arpa/inet.h>

#include "conf/config_print.h"

/* Of the server that is printed where it is not one of its routes. */
static uint32_t access_log_of(const struct printer *p)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];
    const struct server_settings *server = p->owner[OWNER_server_settings];

    return route ? route->access_log : server->access_log;
}

static const struct page_numbers *pages_of(const struct printer *p)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];
    const struct server_settings *server = p->owner[OWNER_server_settings];

    return route ? &route->error_pages : &server->error_pages;
}

static const struct protection_settings *
protection_of_printer(const struct printer *p)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];

    return &route->protection;
}

void directive_print_error_log(struct printer *p, const struct directive *row)
{
    const struct proxy_settings *s = p->config->proxy;
    const struct string_list *files = &p->config->lifecycle->log_files;

    printer_begin(p, row->name);
    printer_word(p, s->shared.error_log ? files->items[s->shared.error_log - 1]
                                        : "stderr");
    printer_word(p, log_level_name(s->log_level));
    if (s->log_json)
        printer_word(p, "json");
    printer_end(p);
}

void directive_print_access_log(struct printer *p, const struct directive *row)
{
    const struct shared_settings *shared = &p->config->proxy->shared;
    const struct string_list *files = &p->config->lifecycle->log_files;
    uint32_t number = access_log_of(p);

    printer_begin(p, row->name);
    if (number == 0) {
        printer_word(p, "off");
    } else {
        const struct access_log_settings *log =
            &shared->access_logs[number - 1];

        printer_word(p, files->items[log->file]);
        printer_word(p, log->format);
    }
    printer_end(p);
}

void directive_print_error_page(struct printer *p, const struct directive *row)
{
    const struct page_numbers *pages = pages_of(p);

    for (uint32_t i = 0; i < pages->count; i++) {
        const struct error_page *page =
            &p->config->proxy->shared.error_pages[pages->numbers[i] - 1];

        printer_begin(p, row->name);
        strbuf_printf(p->out, " %u", page->code);
        printer_word(p, page->path);
        printer_end(p);
    }
}

/* Both words, in the order that decides. */
void directive_print_allow(struct printer *p, const struct directive *row)
{
    const struct protection_settings *protection = protection_of_printer(p);

    (void)row;
    for (uint32_t i = 0; i < protection->rule_count; i++) {
        const struct access_rule *rule = &protection->rules[i];
        char text[INET6_ADDRSTRLEN] = "";

        printer_begin(p, rule->allows ? "allow" : "deny");
        if (rule->is_all) {
            printer_word(p, "all");
        } else if (rule->range.family == AF_UNIX) {
            printer_word(p, "unix:");
        } else {
            inet_ntop(rule->range.family, rule->range.bits, text, sizeof text);
            strbuf_printf(p->out, " %s/%u", text, rule->range.prefix_len);
        }
        printer_end(p);
    }
}

/* directive_print_allow() has done both. */
void directive_print_deny(struct printer *p, const struct directive *row)
{
    (void)p;
    (void)row;
}

static void print_path(struct printer *p, const struct directive *row,
                       const char *path)
{
    printer_begin(p, row->name);
    printer_word(p, path);
    printer_end(p);
}

/* The paths; what is in the files is never printed. */
void directive_print_basic_auth_file(struct printer *p,
                                     const struct directive *row)
{
    uint32_t number = protection_of_printer(p)->basic_auth;

    if (number > 0)
        print_path(p, row,
                   p->config->proxy->shared.basic_files[number - 1].path);
}

void directive_print_api_keys_file(struct printer *p,
                                   const struct directive *row)
{
    uint32_t number = protection_of_printer(p)->api_keys;

    if (number > 0)
        print_path(p, row, p->config->proxy->shared.key_files[number - 1].path);
}

void directive_print_rate_limit(struct printer *p, const struct directive *row)
{
    const struct rate_settings *rate = &protection_of_printer(p)->rate;

    if (rate->requests == 0)
        return;
    printer_begin(p, row->name);
    strbuf_printf(p->out, " %ur/%s burst=%u key=$", rate->requests,
                  rate->period_s == 1    ? "s"
                  : rate->period_s == 60 ? "m"
                                         : "h",
                  rate->burst);
    if (rate->key_field) {
        strbuf_add_str(p->out, "http_");
        for (const char *c = rate->key_field; *c; c++)
            strbuf_add_char(p->out, *c == '-' ? '_' : *c);
    } else {
        strbuf_add_str(p->out, "remote_addr");
    }
    printer_end(p);
}
