/* config_fuzz.c - any text as a configuration. What is accepted must survive
 * its own print, and the way to the front and back. */
#include <stdint.h>
#include <stdlib.h>

#include "conf/config_text.h"
#include "router/base/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct strview encode(const struct config *config, struct strbuf *wire)
{
    proxy_settings_encode(config->proxy, wire);
    return strbuf_view(wire);
}

/* Abort unless `wire` decodes, and `text` (what was printed of it) is read as
 * the same. */
static void check(struct strview wire, struct strview text)
{
    AUTO(proxy_settings_free)
    struct proxy_settings *decoded = proxy_settings_decode(wire);
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf wire_again = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf text_again = STRBUF_INIT;
    AUTO(config_free)
    struct config *again = config_parse_text(text, "fuzz", &errors);

    if (!decoded || !again || !sv_eq(encode(again, &wire_again), wire))
        abort();
    config_print(again, &text_again);
    if (!sv_eq(strbuf_view(&text_again), text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf wire = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    AUTO(config_free)
    struct config *config =
        config_parse_text(sv_make((const char *)data, size), "fuzz", &errors);

    if (!config) {
        if (errors.len == 0)
            abort(); /* refused, and nobody is told why */
        return 0;
    }
    config_print(config, &text);
    check(encode(config, &wire), strbuf_view(&text));
    return 0;
}
