/* table.c - aligned columns for people. */
#include "proxy/cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define GAP       "  "
#define GAP_WIDTH 2
#define CUT_MARK  "\xe2\x80\xa6" /* … */
#define CUT_LEAST 8              /* never cut the last column below this */

struct cell {
    char *text; /* printable */
    enum colour colour;
};

struct table {
    const struct table_column *columns;
    unsigned column_count;
    struct cell *cells;
    size_t count;
    size_t capacity;
};

static const char *const colour_codes[] = {
    [COLOUR_NONE] = "",          [COLOUR_BOLD] = "\x1b[1m",
    [COLOUR_DIM] = "\x1b[2m",    [COLOUR_RED] = "\x1b[31m",
    [COLOUR_GREEN] = "\x1b[32m", [COLOUR_YELLOW] = "\x1b[33m",
};

/* C0, DEL, and C1 in UTF-8 (C2 80 to C2 9F): terminals act on all of them. */
static void add_printable(struct strbuf *buf, struct strview text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == 0xc2 && i + 1 < text.len &&
            (unsigned char)text.ptr[i + 1] < 0xa0) {
            strbuf_add_char(buf, '?');
            i++;
        } else if (c == '\n' || c == '\t') {
            strbuf_add_char(buf, ' ');
        } else {
            strbuf_add_char(buf, c < 0x20 || c == 0x7f ? '?' : (char)c);
        }
    }
}

void colour_text(struct strbuf *buf, bool has_colour, enum colour colour,
                 struct strview text)
{
    bool is_coloured = has_colour && colour != COLOUR_NONE && text.len > 0;

    if (is_coloured)
        strbuf_add_str(buf, colour_codes[colour]);
    add_printable(buf, text);
    if (is_coloured)
        strbuf_add_str(buf, "\x1b[0m");
}

struct table *table_new(const struct table_column *columns,
                        unsigned column_count)
{
    struct table *table = xcalloc(1, sizeof(*table));

    table->columns = columns;
    table->column_count = column_count;
    return table;
}

void table_free(struct table **table)
{
    if (!*table)
        return;
    for (size_t i = 0; i < (*table)->count; i++)
        free((*table)->cells[i].text);
    free((*table)->cells);
    free(*table);
    *table = NULL;
}

void table_cell(struct table *table, enum colour colour, const char *format,
                ...)
{
    struct strbuf printable = STRBUF_INIT;
    char *text;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort(); /* out of memory, as everywhere */
    va_end(args);
    add_printable(&printable, sv_of(text));
    free(text);
    if (table->count == table->capacity) {
        table->capacity = table->capacity * 2 + 64;
        table->cells =
            xrealloc(table->cells, table->capacity * sizeof(*table->cells));
    }
    table->cells[table->count++] =
        (struct cell){printable.data ? printable.data : xstrdup(""), colour};
}

/* Code points: what terminals show of the text that comes here. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* Bytes of the first `width` code points. */
static size_t bytes_of(const char *text, size_t width)
{
    const char *at = text;

    for (; *at; at++) {
        if (((unsigned char)*at & 0xc0) == 0x80)
            continue;
        if (width == 0)
            break;
        width--;
    }
    return (size_t)(at - text);
}

static void add_spaces(struct strbuf *buf, size_t count)
{
    memset(strbuf_reserve(buf, count), ' ', count);
    buf->len += count;
}

struct layout {
    size_t *widths;
    size_t last_max; /* of the last column; SIZE_MAX: no limit */
    bool has_colour;
};

static void format_cell(const struct table *table, const struct layout *layout,
                        unsigned column, const struct cell *cell,
                        struct strbuf *buf)
{
    bool is_last = column + 1 == table->column_count;
    size_t width = width_of(cell->text);
    size_t pad = layout->widths[column] - width;

    if (column > 0)
        strbuf_add_str(buf, GAP);
    if (table->columns[column].is_right)
        add_spaces(buf, pad);
    if (is_last && width > layout->last_max) {
        colour_text(
            buf, layout->has_colour, cell->colour,
            sv_make(cell->text, bytes_of(cell->text, layout->last_max - 1)));
        strbuf_add_str(buf, CUT_MARK);
    } else {
        colour_text(buf, layout->has_colour, cell->colour, sv_of(cell->text));
    }
    if (!table->columns[column].is_right && !is_last)
        add_spaces(buf, pad);
}

/* No line ends in spaces, whatever cells are empty. */
static void end_line(struct strbuf *buf)
{
    while (buf->len > 0 && buf->data[buf->len - 1] == ' ')
        buf->len--;
    strbuf_add_char(buf, '\n');
}

static void measure(const struct table *table, unsigned width,
                    struct layout *layout)
{
    size_t before = 0;
    unsigned last = table->column_count - 1;

    for (unsigned c = 0; c < table->column_count; c++)
        layout->widths[c] = width_of(table->columns[c].title);
    for (size_t i = 0; i < table->count; i++) {
        size_t *at = &layout->widths[i % table->column_count];
        size_t has = width_of(table->cells[i].text);

        *at = has > *at ? has : *at;
    }
    for (unsigned c = 0; c < last; c++)
        before += layout->widths[c] + GAP_WIDTH;
    layout->last_max = SIZE_MAX;
    if (width > 0)
        layout->last_max =
            width > before + CUT_LEAST ? width - before : CUT_LEAST;
}

void table_format(const struct table *table, bool has_colour, unsigned width,
                  struct strbuf *buf)
{
    AUTO(auto_free)
    size_t *widths = xcalloc(table->column_count, sizeof(*widths));
    struct layout layout = {.widths = widths, .has_colour = has_colour};

    measure(table, width, &layout);
    for (unsigned c = 0; c < table->column_count; c++) {
        char *title = xstrdup(table->columns[c].title);
        struct cell cell = {title, COLOUR_BOLD};

        format_cell(table, &layout, c, &cell, buf);
        free(title);
    }
    end_line(buf);
    for (size_t i = 0; i < table->count; i++) {
        unsigned column = (unsigned)(i % table->column_count);

        format_cell(table, &layout, column, &table->cells[i], buf);
        if (column + 1 == table->column_count || i + 1 == table->count)
            end_line(buf);
    }
}

void table_print(const struct table *table, FILE *out)
{
    AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;
    struct winsize size = {0};

    if (isatty(fileno(out)))
        ioctl(fileno(out), TIOCGWINSZ, &size);
    table_format(table, colour_is_wanted(out), size.ws_col, &buf);
    fwrite(buf.data, 1, buf.len, out);
}

bool colour_is_wanted(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && !(no_color && no_color[0]) &&
           !(term && strcmp(term, "dumb") == 0);
}
