/* scalar.c - one value: its text, its range, its place in a struct. */
#include "conf/scalar.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/units.h"

typedef enum units_result (*parse_fn)(const char *text, uint64_t *ret_value);

static bool is_number(enum directive_type type)
{
    return type >= TYPE_TIME && type <= TYPE_COUNT_OR_OFF;
}

static bool is_time(enum directive_type type)
{
    return type == TYPE_TIME || type == TYPE_TIME_OR_OFF;
}

static bool has_off(enum directive_type type)
{
    return type == TYPE_TIME_OR_OFF || type == TYPE_COUNT_OR_OFF;
}

static void *member_of(const struct directive *row, void *owner)
{
    return (char *)owner + row->offset;
}

static uint64_t number_load(const struct directive *row, const void *owner)
{
    const char *at = (const char *)owner + row->offset;
    uint64_t wide = 0;
    uint32_t narrow = 0;

    if (row->size == sizeof(bool))
        return *(const bool *)at;
    if (row->size == sizeof narrow) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static void number_store(const struct directive *row, void *owner,
                         uint64_t value)
{
    uint32_t narrow = (uint32_t)value;

    if (row->size == sizeof(bool))
        *(bool *)member_of(row, owner) = value != 0;
    else if (row->size == sizeof narrow)
        memcpy(member_of(row, owner), &narrow, sizeof narrow);
    else
        memcpy(member_of(row, owner), &value, sizeof value);
}

static char **text_member(const struct directive *row, void *owner)
{
    return member_of(row, owner);
}

/* --- numbers ------------------------------------------------------------ */

static void number_format(enum directive_type type, uint64_t value,
                          char *ret_text)
{
    if (is_time(type))
        units_format_time(value, ret_text);
    else if (type == TYPE_SIZE)
        units_format_size(value, ret_text);
    else
        snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64, value);
}

static const char *number_example(enum directive_type type)
{
    if (is_time(type))
        return "a time such as 250ms, 30s, 5m or 1h";
    if (type == TYPE_SIZE)
        return "a size such as 512, 16k, 10m or 4g";
    return "a whole number";
}

static void error_number(struct builder *builder, const struct conf_node *node,
                         enum directive_type type, enum units_result why)
{
    const char *text = node->args[0].text;

    if (why == UNITS_NO_UNIT)
        builder_error(builder, node->args[0].place,
                      "\"%s\" takes %s%s; \"%.40s\" has no unit: is it %.40ss?",
                      node->name, number_example(type),
                      has_off(type) ? ", or off" : "", text, text);
    else
        builder_error(builder, node->args[0].place,
                      "\"%s\" takes %s%s, not \"%.80s\"", node->name,
                      number_example(type), has_off(type) ? ", or off" : "",
                      text);
}

static void error_range(struct builder *builder, const struct conf_node *node,
                        enum directive_type type, const uint64_t range[2])
{
    char min[UNITS_TEXT_SIZE];
    char max[UNITS_TEXT_SIZE];

    number_format(type, range[0], min);
    number_format(type, range[1], max);
    builder_error(builder, node->args[0].place,
                  "\"%s\" must be %s to %s%s, not %.80s", node->name, min, max,
                  has_off(type) ? ", or off" : "", node->args[0].text);
}

static void number_set(struct builder *builder, void *owner,
                       const struct conf_node *node)
{
    static const parse_fn parsers[] = {
        [TYPE_TIME] = units_parse_time,
        [TYPE_TIME_OR_OFF] = units_parse_time,
        [TYPE_SIZE] = units_parse_size,
        [TYPE_COUNT] = units_parse_count,
        [TYPE_COUNT_OR_OFF] = units_parse_count,
    };
    const struct directive *row = node->row;
    const uint64_t range[2] = {row->min, row->max};
    const char *text = node->args[0].text;
    enum units_result result;
    uint64_t value = 0;

    if (has_off(row->type) && strcmp(text, "off") == 0) {
        number_store(row, owner, 0);
        return;
    }
    result = parsers[row->type](text, &value);
    if (result == UNITS_MALFORMED || result == UNITS_NO_UNIT)
        error_number(builder, node, row->type, result);
    else if (result == UNITS_OVERFLOW || value < row->min || value > row->max)
        error_range(builder, node, row->type, range);
    else
        number_store(row, owner, value);
}

bool scalar_count(struct builder *builder, const struct conf_node *node,
                  const char *text, const uint64_t range[2],
                  uint64_t *ret_value)
{
    uint64_t value = 0;
    enum units_result result = units_parse_count(text, &value);

    if (result == UNITS_MALFORMED) {
        builder_error(builder, node->place,
                      "\"%s\" takes a whole number, not \"%.80s\"", node->name,
                      text);
        return false;
    }
    if (result == UNITS_OVERFLOW || value < range[0] || value > range[1]) {
        builder_error(builder, node->place,
                      "\"%s\" must be %" PRIu64 " to %" PRIu64 ", not %.80s",
                      node->name, range[0], range[1], text);
        return false;
    }
    *ret_value = value;
    return true;
}

/* --- words -------------------------------------------------------------- */

static const char *enum_words(const struct directive *row)
{
    /* In the order of the values: false is 0. */
    return row->type == TYPE_FLAG ? "off|on" : row->syntax;
}

static void enum_set(struct builder *builder, void *owner,
                     const struct conf_node *node)
{
    unsigned index;

    if (directive_word_index(enum_words(node->row), node->args[0].text, &index))
        number_store(node->row, owner, index);
    else
        builder_error_word(builder, node, node->args[0].text,
                           node->row->syntax);
}

/* --- texts -------------------------------------------------------------- */

static bool is_small(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool scalar_is_name(const char *text)
{
    if (!isalnum((unsigned char)text[0]) && text[0] != '_')
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("_.-", *text))
            return false;
    return true;
}

bool scalar_is_label(const char *text)
{
    if (!is_small(text[0]))
        return false;
    for (; *text; text++)
        if (!is_small(*text) && !strchr("_.-", *text))
            return false;
    return true;
}

bool scalar_is_path(const char *text)
{
    if (text[0] != '/')
        return false;
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return false;
    return true;
}

static bool text_fits(enum directive_type type, const char *text)
{
    switch (type) {
    case TYPE_NAME:
        return scalar_is_name(text);
    case TYPE_LABEL:
        return scalar_is_label(text);
    case TYPE_PATH:
        return scalar_is_path(text);
    default:
        return scalar_is_path(text) || scalar_is_name(text);
    }
}

static const char *text_example(enum directive_type type)
{
    switch (type) {
    case TYPE_NAME:
        return "a name of letters, digits, \"_\", \".\" and \"-\"";
    case TYPE_LABEL:
        return "a name of small letters, digits, \"_\", \".\" and \"-\"";
    case TYPE_PATH:
        return "an absolute path";
    default:
        return "a name or an absolute path";
    }
}

static void text_set(struct builder *builder, void *owner,
                     const struct conf_node *node)
{
    const struct directive *row = node->row;
    const char *text = node->args[0].text;

    if (!text_fits(row->type, text))
        builder_error(builder, node->args[0].place,
                      "\"%s\" takes %s, not \"%.80s\"", node->name,
                      text_example(row->type), text);
    else if (strlen(text) > row->max)
        builder_error(builder, node->args[0].place,
                      "\"%s\" may be %" PRIu64 " bytes long, not %zu",
                      node->name, row->max, strlen(text));
    else
        builder_set_text(text_member(row, owner), text);
}

/* --- all of them ---------------------------------------------------------- */

void scalar_set(struct builder *builder, struct block *block,
                const struct conf_node *node)
{
    void *owner = block->owner[node->row->owner];

    if (is_number(node->row->type))
        number_set(builder, owner, node);
    else if (node->row->type == TYPE_FLAG || node->row->type == TYPE_ENUM)
        enum_set(builder, owner, node);
    else
        text_set(builder, owner, node);
}

bool scalar_format(const struct directive *row, const void *owner,
                   struct strbuf *ret_text)
{
    char text[UNITS_TEXT_SIZE];

    if (is_number(row->type)) {
        uint64_t value = number_load(row, owner);

        number_format(row->type, value, text);
        strbuf_add_str(ret_text,
                       value == 0 && has_off(row->type) ? "off" : text);
        return true;
    }
    if (row->type == TYPE_FLAG || row->type == TYPE_ENUM) {
        strbuf_add_sv(
            ret_text,
            directive_word(enum_words(row), (unsigned)number_load(row, owner)));
        return true;
    }
    if (!*(char *const *)((const char *)owner + row->offset))
        return false;
    scalar_add_word(ret_text,
                    *(char *const *)((const char *)owner + row->offset));
    return true;
}

bool scalar_equal(const struct directive *row, const void *a, const void *b)
{
    return number_load(row, a) == number_load(row, b);
}

static bool is_bare(const char *word)
{
    if (!*word || *word == '#')
        return false;
    for (; *word; word++)
        if (!isgraph((unsigned char)*word) || strchr(";{}\"'\\", *word))
            return false;
    return true;
}

void scalar_add_word(struct strbuf *buf, const char *word)
{
    if (is_bare(word)) {
        strbuf_add_str(buf, word);
        return;
    }
    strbuf_add_char(buf, '"');
    for (; *word; word++) {
        if (*word == '\n')
            strbuf_add_str(buf, "\\n");
        else if (*word == '\t')
            strbuf_add_str(buf, "\\t");
        else if (*word == '\r')
            strbuf_add_str(buf, "\\r");
        else {
            if (*word == '"' || *word == '\\')
                strbuf_add_char(buf, '\\');
            strbuf_add_char(buf, *word);
        }
    }
    strbuf_add_char(buf, '"');
}
