/* parser.c - recursive descent over blocks and included files, both bounded. */
#include "conf/parser.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

#include "conf/lexer.h"
#include "conf/source.h"

/* A file that is being parsed, linked to the one that includes it. */
struct open_file {
    const struct open_file *parent;
    const char *path;
    dev_t dev;
    ino_t ino;
    unsigned depth;
};

struct parser {
    struct report *report;
    struct arena *arena;
    bool may_include;
    uint32_t file_count;
    size_t byte_count;
};

/* Where one text of the tree is parsed. */
struct cursor {
    struct parser *parser;
    const struct open_file *file; /* NULL: a text in memory */
    struct lexer lexer;
    struct token token; /* the current one */
    unsigned depth;     /* of blocks */
    bool gave_up;       /* too deep: the rest is not read */
};

/* Where the next node is linked. */
struct tail {
    struct conf_node **link;
};

static void parse_include(struct cursor *cursor, const struct conf_node *node,
                          struct tail *tail);

static void advance(struct cursor *cursor)
{
    cursor->token = lexer_next(&cursor->lexer);
}

const char *parser_node_title(struct arena *arena, const struct conf_node *node)
{
    if (node->arg_count == 0)
        return arena_printf(arena, "%.60s", node->name);
    return arena_printf(arena, "%.60s %.60s", node->name, node->args[0].text);
}

/* What to say of the block around an error: " (in …, which began at …)". */
static const char *block_note(struct cursor *cursor,
                              const struct conf_node *block)
{
    struct arena *arena = cursor->parser->arena;

    if (!block)
        return "";
    return arena_printf(arena, " (in the block \"%s\", which began at %s)",
                        parser_node_title(arena, block),
                        report_place(arena, block->place));
}

/* The words up to ; { } or the end. */
static void parse_args(struct cursor *cursor, struct conf_node *node)
{
    struct arena *arena = cursor->parser->arena;
    unsigned capacity = 4;

    node->args = arena_alloc(arena, capacity * sizeof *node->args);
    for (; cursor->token.kind == TOKEN_WORD; advance(cursor)) {
        if (node->arg_count == PARSER_ARGS_MAX) {
            report_error(cursor->parser->report, node->place,
                         "\"%.60s\" has more than %d arguments; is a \";\" "
                         "missing?",
                         node->name, PARSER_ARGS_MAX);
            while (cursor->token.kind == TOKEN_WORD)
                advance(cursor);
            return;
        }
        if (node->arg_count == capacity) {
            struct conf_arg *more =
                arena_alloc(arena, 2 * capacity * sizeof *more);

            memcpy(more, node->args, capacity * sizeof *more);
            node->args = more;
            capacity *= 2;
        }
        node->args[node->arg_count++] = (struct conf_arg){
            .text = cursor->token.text,
            .is_quoted = cursor->token.is_quoted,
            .is_first_on_line = cursor->token.is_first_on_line,
            .place = cursor->token.place,
        };
    }
}

static void parse_block(struct cursor *cursor, struct conf_node *block,
                        struct tail *tail);

static void parse_braces(struct cursor *cursor, struct conf_node *node)
{
    struct tail inner = {&node->children};

    node->has_block = true;
    advance(cursor);
    if (cursor->depth == PARSER_BLOCKS_MAX) {
        report_error(cursor->parser->report, node->place,
                     "more than %d blocks within one another",
                     PARSER_BLOCKS_MAX);
        cursor->token.kind = TOKEN_END;
        cursor->gave_up = true;
        return;
    }
    cursor->depth++;
    parse_block(cursor, node, &inner);
    cursor->depth--;
}

/* One directive; the current token is its name. */
static void parse_directive(struct cursor *cursor, struct conf_node *block,
                            struct tail *tail)
{
    struct parser *parser = cursor->parser;
    struct conf_node *node = arena_alloc(parser->arena, sizeof *node);

    *node = (struct conf_node){
        .name = cursor->token.text,
        .place = cursor->token.place,
    };
    advance(cursor);
    parse_args(cursor, node);
    if (cursor->token.kind == TOKEN_SEMICOLON) {
        advance(cursor);
    } else if (cursor->token.kind == TOKEN_OPEN) {
        parse_braces(cursor, node);
    } else {
        report_error(
            parser->report, cursor->token.place,
            "%s where \";\" should end \"%.60s\" of %s%s",
            cursor->token.kind == TOKEN_END ? "the file ends" : "\"}\"",
            node->name, report_place(parser->arena, node->place),
            cursor->token.kind == TOKEN_END ? "" : block_note(cursor, block));
    }
    if (parser->may_include && strcmp(node->name, "include") == 0 &&
        !node->has_block && node->arg_count == 1) {
        parse_include(cursor, node, tail);
        return;
    }
    *tail->link = node;
    tail->link = &node->next;
}

/* Up to the } that closes `block`, or to the end of the file (NULL). */
static void parse_block(struct cursor *cursor, struct conf_node *block,
                        struct tail *tail)
{
    struct report *report = cursor->parser->report;

    for (;;) {
        struct conf_node ignored = {0};

        switch (cursor->token.kind) {
        case TOKEN_WORD:
            parse_directive(cursor, block, tail);
            break;
        case TOKEN_SEMICOLON:
            report_error(report, cursor->token.place,
                         "\";\" without a directive before it");
            advance(cursor);
            break;
        case TOKEN_OPEN:
            report_error(report, cursor->token.place,
                         "\"{\" without a directive before it");
            ignored.name = "{";
            ignored.place = cursor->token.place;
            parse_braces(cursor, &ignored);
            break;
        case TOKEN_CLOSE:
            if (!block)
                report_error(report, cursor->token.place,
                             "\"}\" closes nothing: no block is open here");
            advance(cursor);
            if (block)
                return;
            break;
        case TOKEN_END:
            if (block && !cursor->gave_up)
                report_error(report, cursor->token.place,
                             "the file ends, but a block is not closed%s",
                             block_note(cursor, block));
            return;
        }
    }
}

static void parse_text(struct parser *parser, struct strview text,
                       const struct open_file *file, const char *name,
                       struct tail *tail)
{
    struct cursor cursor = {.parser = parser, .file = file};

    cursor.lexer = lexer_of(text, name, parser->file_count++, parser->report);
    advance(&cursor);
    parse_block(&cursor, NULL, tail);
}

/* --- files ------------------------------------------------------------- */

static bool is_open(const struct open_file *file, const struct stat *st)
{
    for (; file; file = file->parent)
        if (file->dev == st->st_dev && file->ino == st->st_ino)
            return true;
    return false;
}

/* Read and parse one file. place: the include that names it. */
static void parse_file(struct parser *parser, const char *path,
                       const struct open_file *parent, struct conf_place place,
                       struct tail *tail)
{
    struct source_limits limits = {.may_be_pipe = !parent};
    struct open_file file = {.parent = parent, .path = path};
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct stat st;
    struct err err;

    file.depth = parent ? parent->depth + 1 : 0;
    limits.size_max = PARSER_BYTES_MAX - parser->byte_count;
    if (!source_read(path, &limits, &text, &st, &err)) {
        report_error(parser->report, place, "cannot read \"%s\": %s", path,
                     err.text);
        return;
    }
    parser->byte_count += text.len;
    if (is_open(parent, &st)) {
        report_error(parser->report, place,
                     "\"%s\" includes itself, directly or through others",
                     path);
        return;
    }
    file.dev = st.st_dev;
    file.ino = st.st_ino;
    parse_text(parser, strbuf_view(&text), &file, path, tail);
}

/* The pattern with the including file's folder before it, whose own name may
 * hold what glob() takes for a wildcard. */
static const char *include_pattern(struct arena *arena, const char *file,
                                   const char *pattern)
{
    const char *slash = strrchr(file, '/');
    size_t len = slash ? (size_t)(slash - file) + 1 : 0;
    char *out;
    char *at;

    if (pattern[0] == '/' || len == 0)
        return pattern;
    out = at = arena_alloc(arena, 2 * len + strlen(pattern) + 1);
    for (size_t i = 0; i < len; i++) {
        if (strchr("*?[\\", file[i]))
            *at++ = '\\';
        *at++ = file[i];
    }
    strcpy(at, pattern);
    return out;
}

static void parse_matches(struct cursor *cursor, const struct conf_node *node,
                          const glob_t *found, struct tail *tail)
{
    struct parser *parser = cursor->parser;

    for (size_t i = 0; i < found->gl_pathc; i++) {
        if (parser->file_count >= PARSER_FILES_MAX) {
            report_error(parser->report, node->place,
                         "more than %d files are included", PARSER_FILES_MAX);
            return;
        }
        parse_file(parser, arena_copy(parser->arena, sv_of(found->gl_pathv[i])),
                   cursor->file, node->place, tail);
    }
}

static void parse_include(struct cursor *cursor, const struct conf_node *node,
                          struct tail *tail)
{
    struct report *report = cursor->parser->report;
    const char *wanted = node->args[0].text;
    const char *pattern =
        include_pattern(cursor->parser->arena, cursor->file->path, wanted);
    glob_t found;
    int result;

    if (cursor->file->depth == PARSER_INCLUDES_MAX) {
        report_error(report, node->place,
                     "more than %d includes within one another",
                     PARSER_INCLUDES_MAX);
        return;
    }
    errno = 0;
    result = glob(pattern, GLOB_ERR, NULL, &found);
    if (result == GLOB_ABORTED && errno == ENOENT)
        result = GLOB_NOMATCH;
    /* A pattern may match nothing (an empty conf.d); a name must be there. */
    if (result == GLOB_NOMATCH && !strpbrk(wanted, "*?["))
        report_error(report, node->args[0].place, "there is no file \"%s\"",
                     pattern);
    else if (result != 0 && result != GLOB_NOMATCH)
        report_error(report, node->args[0].place, "cannot read \"%s\": %s",
                     pattern, strerror(errno));
    else if (result == 0)
        parse_matches(cursor, node, &found, tail);
    if (result == 0)
        globfree(&found);
}

/* --- entry points -------------------------------------------------------- */

struct conf_node *parser_parse_file(const char *path, struct report *report)
{
    struct parser parser = {
        .report = report, .arena = report->arena, .may_include = true};
    struct conf_node *root = NULL;
    struct tail tail = {&root};

    parse_file(&parser, path, NULL, (struct conf_place){.file = path}, &tail);
    return root;
}

struct conf_node *parser_parse_text(struct strview text, const char *name,
                                    struct report *report)
{
    struct parser parser = {.report = report, .arena = report->arena};
    struct conf_node *root = NULL;
    struct tail tail = {&root};

    parse_text(&parser, text, NULL, name, &tail);
    return root;
}
