/* lexer.h - text into words, semicolons and braces.
 *
 * A word is bare, 'single' or "double" quoted; in quotes a backslash makes
 * \\ \' \" \n \t \r; `#` begins a comment where a word could begin. Whatever
 * could be read in two ways (a quote inside a bare word, an escape that is
 * none) is an error. Thread: any, one at a time.
 */
#ifndef CONF_LEXER_H
#define CONF_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/report.h"
#include "router/base/arena.h"
#include "router/base/strview.h"

/* Bytes of one word: a certificate or a script fits, a slip does not. */
#define LEXER_WORD_MAX 65536

enum token_kind {
    TOKEN_WORD,
    TOKEN_SEMICOLON, /* ; */
    TOKEN_OPEN,      /* { */
    TOKEN_CLOSE,     /* } */
    TOKEN_END,
};

struct token {
    enum token_kind kind;
    const char *text; /* TOKEN_WORD: no NUL inside; in the arena */
    bool is_quoted;
    bool is_first_on_line;
    struct conf_place place;
};

struct lexer {
    const char *at;
    const char *end;
    const char *line_start;
    struct conf_place place; /* its file and line */
    bool line_has_token;
    bool told_control; /* one complaint a file is enough */
    struct arena *arena;
    struct report *report;
};

/* Borrows all. file and order: what places say. */
struct lexer lexer_of(struct strview text, const char *file, uint32_t order,
                      struct report *report);

/* The next token. What is wrong is reported, and the rest is still read:
 * TOKEN_END comes in any case. */
struct token lexer_next(struct lexer *lexer);

#endif
