/* log_line.c - a line of a container's output, as a terminal may have it. */
#include "proxy/cli/log_line.h"

#include <string.h>

#include "proxy/cli/view.h"

#define RESET "\x1b[0m"

/* Length of the SGR sequence (ESC [ digits and ; m) at the beginning; 0: there
 * is none. */
static size_t sgr_length(struct strview text)
{
    size_t n = 2;

    if (text.len < 3 || text.ptr[0] != '\x1b' || text.ptr[1] != '[')
        return 0;
    while (n < text.len &&
           ((text.ptr[n] >= '0' && text.ptr[n] <= '9') || text.ptr[n] == ';'))
        n++;
    return n < text.len && text.ptr[n] == 'm' ? n + 1 : 0;
}

/* Bytes of a control at the beginning, C1 in UTF-8 (C2 80 to C2 9F) included;
 * 0: what is there is shown. */
static size_t control_length(struct strview text)
{
    unsigned char c = (unsigned char)text.ptr[0];

    if (c == 0xc2 && text.len > 1 && (unsigned char)text.ptr[1] < 0xa0)
        return 2;
    return c < 0x20 || c == 0x7f ? 1 : 0;
}

static void add_safe(struct strview text, struct strbuf *buf)
{
    bool is_coloured = false;

    while (text.len > 0) {
        size_t sgr = sgr_length(text);
        size_t control = sgr == 0 ? control_length(text) : 0;

        if (sgr > 0) {
            strbuf_add(buf, text.ptr, sgr);
            is_coloured = true;
        } else if (control > 0) {
            strbuf_add_char(buf, text.ptr[0] == '\t' ? '\t' : '?');
        } else {
            strbuf_add_char(buf, text.ptr[0]);
        }
        text = sv_skip(text, sgr + control > 0 ? sgr + control : 1);
    }
    if (is_coloured)
        strbuf_add_str(buf, RESET);
}

/* One of a few, the same for the same replica. */
static enum colour colour_of(struct strview name)
{
    static const enum colour colours[] = {COLOUR_GREEN, COLOUR_YELLOW,
                                          COLOUR_BOLD};
    unsigned sum = 0;

    for (size_t i = 0; i < name.len; i++)
        sum = sum * 31 + (unsigned char)name.ptr[i];
    return colours[sum % ARRAY_LEN(colours)];
}

void log_line_view(struct strview line, const struct view *view,
                   struct strbuf *buf)
{
    const char *space = memchr(line.ptr, ' ', line.len);
    size_t name = space ? (size_t)(space - line.ptr) : 0;

    if (!view->has_colour) {
        strbuf_add_sv(buf, line);
    } else {
        colour_text(buf, true, colour_of(sv_make(line.ptr, name)),
                    sv_make(line.ptr, name));
        add_safe(sv_skip(line, name), buf);
    }
    strbuf_add_char(buf, '\n');
}
