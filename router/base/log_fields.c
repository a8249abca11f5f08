/* log_fields.c - the `key=value` pairs of a log line. */
#include "router/base/log_fields.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPEC_BYTES 32

/* One conversion, `%-*.3lu` say, with what its `*` stand for put in. */
struct spec {
    char text[SPEC_BYTES];
    size_t len;
    int precision;  /* -1: none */
    char length[2]; /* "", "h", "hh", "l", "ll", "z", "j" or "t" */
    char conversion;
};

/* A va_list that functions can hand on by its address. */
struct arguments {
    va_list list;
};

static void spec_add(struct spec *spec, const char *text, size_t len)
{
    if (spec->len + len >= sizeof spec->text)
        abort();
    memcpy(spec->text + spec->len, text, len);
    spec->len += len;
    spec->text[spec->len] = '\0';
}

/* A width or precision: digits, or `*` for an argument; -1: neither. */
static int take_number(struct spec *spec, const char **p,
                       struct arguments *arguments)
{
    char digits[12];
    int n = -1;

    if (**p == '*') {
        n = va_arg(arguments->list, int);
        spec_add(spec, digits,
                 (size_t)snprintf(digits, sizeof digits, "%d", n));
        ++*p;
    } else if (**p >= '0' && **p <= '9') {
        char *end;

        n = (int)strtol(*p, &end, 10);
        spec_add(spec, *p, (size_t)(end - *p));
        *p = end;
    }
    return n;
}

/* Read the conversion that begins at p; returns what follows it. */
static const char *parse_spec(const char *p, struct arguments *arguments,
                              struct spec *ret_spec)
{
    struct spec spec = {.precision = -1};
    size_t n = 1 + strspn(p + 1, "-+ #0");

    spec_add(&spec, p, n);
    p += n;
    take_number(&spec, &p, arguments);
    if (*p == '.') {
        spec_add(&spec, p++, 1);
        spec.precision = take_number(&spec, &p, arguments);
    }
    n = strspn(p, "hlzjt");
    if (n > sizeof spec.length || p[n] == '\0')
        abort();
    memcpy(spec.length, p, n);
    spec.conversion = p[n];
    spec_add(&spec, p, n + 1);
    *ret_spec = spec;
    return p + n + 1;
}

static void add_text(struct strbuf *fields, const char *text, int precision,
                     bool in_quotes)
{
    /* An empty view has no text at all. */
    size_t len = precision == 0  ? 0
                 : precision < 0 ? strlen(text)
                                 : strnlen(text, (size_t)precision);

    for (size_t i = 0; i < len; i++) {
        bool is_quote = text[i] == '"';

        if (in_quotes && (is_quote || text[i] == '\\'))
            strbuf_add_char(fields, '\\');
        if (!in_quotes && (is_quote || text[i] == ' '))
            strbuf_add_char(fields, '_');
        else
            strbuf_add_char(fields, text[i]);
    }
}

static void add_integer(struct strbuf *fields, const struct spec *spec,
                        struct arguments *arguments)
{
    bool is_double = spec->length[0] == spec->length[1];

    switch (spec->length[0]) {
    case 'l':
        if (is_double)
            strbuf_printf(fields, spec->text,
                          va_arg(arguments->list, long long));
        else
            strbuf_printf(fields, spec->text, va_arg(arguments->list, long));
        break;
    case 'z':
    case 't':
        strbuf_printf(fields, spec->text, va_arg(arguments->list, ptrdiff_t));
        break;
    case 'j':
        strbuf_printf(fields, spec->text, va_arg(arguments->list, intmax_t));
        break;
    default:
        strbuf_printf(fields, spec->text, va_arg(arguments->list, int));
    }
}

static void add_argument(struct strbuf *fields, const struct spec *spec,
                         struct arguments *arguments, bool in_quotes)
{
    switch (spec->conversion) {
    case '%':
        strbuf_add_char(fields, '%');
        break;
    case 's':
        add_text(fields, va_arg(arguments->list, const char *), spec->precision,
                 in_quotes);
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        add_integer(fields, spec, arguments);
        break;
    case 'c': {
        char text[2] = {(char)va_arg(arguments->list, int), '\0'};

        add_text(fields, text, -1, in_quotes);
        break;
    }
    case 'f':
    case 'g':
    case 'e':
        strbuf_printf(fields, spec->text, va_arg(arguments->list, double));
        break;
    case 'p':
        strbuf_printf(fields, spec->text, va_arg(arguments->list, void *));
        break;
    default:
        abort();
    }
}

void log_fields_format(struct strbuf *fields, const char *format, va_list args)
{
    struct arguments arguments;
    struct spec spec;
    bool in_quotes = false;

    va_copy(arguments.list, args);
    while (*format) {
        if (*format != '%') {
            in_quotes ^= *format == '"';
            strbuf_add_char(fields, *format++);
            continue;
        }
        format = parse_spec(format, &arguments, &spec);
        add_argument(fields, &spec, &arguments, in_quotes);
    }
    va_end(arguments.list);
}

/* Append what stands up to the closing quote, or to the end where a line was
 * cut; returns what follows it. */
static const char *take_quoted(const char *p, struct strbuf *value)
{
    while (*p && *p != '"') {
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
            p++;
        strbuf_add_char(value, *p++);
    }
    return *p ? p + 1 : p;
}

const char *log_fields_next(const char *fields, struct strview *ret_key,
                            struct strbuf *value)
{
    size_t key_len = strcspn(fields, "= ");
    const char *p = fields + key_len;

    *ret_key = sv_make(fields, key_len);
    strbuf_clear(value);
    if (*p == '=')
        p++;
    if (*p == '"') {
        p = take_quoted(p + 1, value);
    } else {
        size_t len = strcspn(p, " ");

        strbuf_add(value, p, len);
        p += len;
    }
    return p + strspn(p, " ");
}
