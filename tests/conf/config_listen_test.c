#include "conf/config_listen.h"

#include <criterion/criterion.h>

#include "conf/config.h"
#include "conf/config_text.h"

#define ROUTE "route / { return 200; } "

/* config.md's `listen … [default]` and `server_name`, default "any". */
Test(config_listen, only_one_server_is_for_hosts_that_none_names)
{
    static const struct {
        const char *label;
        const char *text;
        const char *errors; /* "": it is good */
    } cases[] = {
        {"a default with names, all named",
         "http { server { listen 80; server_name a; " ROUTE "}\n"
         "server { listen 80 default; server_name b; " ROUTE "} }",
         ""},
        {"the one without a name is the default",
         "http { server { listen 80; server_name a; " ROUTE "}\n"
         "server { listen 80 default; " ROUTE "} }",
         ""},
        {"the one without a name, and no default",
         "http { server { listen 80; server_name a; " ROUTE "}\n"
         "server { listen 80; server_name _; " ROUTE "} }",
         ""},
        {"a default with a name, and one without a name",
         "http { server { listen 80 default; server_name a; " ROUTE "}\n"
         "server { listen 80; " ROUTE "} }",
         "t:1:17: \"listen 80 default\" is for hosts that no server names, but "
         "so is the server at t:2:1: give that one a server_name\n"},
        {"the same, the other way round",
         "http { server { listen 80; " ROUTE "}\n"
         "server { listen 80 default; server_name a; " ROUTE "} }",
         "t:2:10: \"listen 80 default\" is for hosts that no server names, but "
         "so is the server at t:1:8: give that one a server_name\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(config_free)
        struct config *config =
            config_parse_text(sv_of(cases[i].text), "t", &errors);

        cr_expect_eq(config == NULL, cases[i].errors[0] != '\0', "%s",
                     cases[i].label);
        cr_expect_str_eq(errors.data ? errors.data : "", cases[i].errors, "%s",
                         cases[i].label);
    }
}

/* What is over before it is known whom the client wants. */
Test(config_listen, a_time_out_that_cannot_take_effect_is_told)
{
    static const struct {
        const char *label;
        const char *text;
        const char *warnings;
    } cases[] = {
        {"the same in all",
         "http { client_header_timeout 5s; server { listen 80; server_name "
         "a; " ROUTE "} server { listen 80; server_name b; " ROUTE "} }",
         ""},
        {"a listener of its own",
         "http { server { listen 80; " ROUTE "}\n"
         "server { listen 81; client_header_timeout 5s; " ROUTE "} }",
         ""},
        {"no handshake",
         "http { server { listen 80; server_name a; " ROUTE "}\n"
         "server { listen 80; handshake_timeout 5s; " ROUTE "} }",
         ""},
        {"the head is read before its Host",
         "http { server { listen 80; server_name a; " ROUTE "}\n"
         "server { listen 80; server_name b; client_header_timeout 5s; " ROUTE
         "} }",
         "t:2:1: warning: \"client_header_timeout\" of this server has no "
         "effect on \"listen 80\": it is over before a client says whom it "
         "wants, so that of the server at t:1:8 holds\n"},
        {"the PROXY header is before it, too; any host's holds",
         "http { server { listen 80 proxy_protocol; server_name a; "
         "handshake_timeout 5s; " ROUTE "}\n"
         "server { listen 80 proxy_protocol; " ROUTE "} }",
         "t:1:8: warning: \"handshake_timeout\" of this server has no effect "
         "on \"listen 80\": it is over before a client says whom it wants, so "
         "that of the server at t:2:1 holds\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(config_free)
        struct config *config =
            config_parse_text(sv_of(cases[i].text), "t", &errors);

        cr_expect_not_null(config, "%s", cases[i].label);
        cr_expect_str_eq(errors.data ? errors.data : "", cases[i].warnings,
                         "%s", cases[i].label);
    }
}
