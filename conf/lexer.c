/* lexer.c - one token at a time, straight from the bytes of a file. */
#include "conf/lexer.h"

struct lexer lexer_of(struct strview text, const char *file, uint32_t order,
                      struct report *report)
{
    static const char bom[] = "\xef\xbb\xbf";
    const char *begin = text.len > 0 ? text.ptr : "";
    struct lexer lexer = {
        .at = begin,
        .end = begin + text.len,
        .line_start = begin,
        .place = {.file = file, .order = order, .line = 1, .column = 1},
        .arena = report->arena,
        .report = report,
    };

    if (sv_starts(text, SV("\xef\xbb\xbf")))
        lexer.at += sizeof bom - 1;
    return lexer;
}

static struct conf_place place_of(const struct lexer *lexer, const char *at)
{
    struct conf_place place = lexer->place;

    place.column = (uint32_t)(at - lexer->line_start) + 1;
    return place;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 || c == 0x7f) && !is_space(c);
}

static bool ends_word(char c)
{
    return is_space(c) || c == ';' || c == '{' || c == '}';
}

static void newline(struct lexer *lexer, const char *after)
{
    lexer->place.line++;
    lexer->line_start = after;
    lexer->line_has_token = false;
}

static void tell_control(struct lexer *lexer, const char *at)
{
    if (lexer->told_control)
        return;
    lexer->told_control = true;
    report_error(lexer->report, place_of(lexer, at),
                 "a control character (0x%02x) may not stand in a "
                 "configuration; is this a text file?",
                 (unsigned char)*at);
}

/* Over white space, comments and, once they were reported, controls. */
static void skip_space(struct lexer *lexer)
{
    bool in_comment = false;

    for (; lexer->at < lexer->end; lexer->at++) {
        char c = *lexer->at;

        if (c == '\n') {
            newline(lexer, lexer->at + 1);
            in_comment = false;
        } else if (is_control(c)) {
            tell_control(lexer, lexer->at);
        } else if (c == '#') {
            in_comment = true;
        } else if (!in_comment && !is_space(c)) {
            return;
        }
    }
}

/* A word that is too long is cut, so that it cannot be mistaken for a value
 * that was checked; the error refuses the file anyway. */
static void word_finish(struct lexer *lexer, struct token *token,
                        struct strview word)
{
    if (word.len > LEXER_WORD_MAX) {
        report_error(lexer->report, token->place,
                     "this word is %zu bytes long; %d are the most", word.len,
                     LEXER_WORD_MAX);
        word.len = LEXER_WORD_MAX;
    }
    token->text = arena_copy(lexer->arena, word);
}

static void bare_word(struct lexer *lexer, struct token *token)
{
    const char *begin = lexer->at;
    const char *quote = NULL;

    while (lexer->at < lexer->end && !ends_word(*lexer->at) &&
           !is_control(*lexer->at)) {
        if (!quote && (*lexer->at == '"' || *lexer->at == '\''))
            quote = lexer->at;
        lexer->at++;
    }
    if (quote)
        report_error(lexer->report, place_of(lexer, quote),
                     "a quote inside a bare word; quote the whole word");
    else if (lexer->at[-1] == '\\' && lexer->at < lexer->end)
        report_error(lexer->report, place_of(lexer, lexer->at - 1),
                     "a backslash escapes only in quotes; quote the word");
    word_finish(lexer, token, sv_make(begin, (size_t)(lexer->at - begin)));
}

/* What \c stands for, or 0. */
static char escape_of(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case '\\':
    case '"':
    case '\'':
        return c;
    default:
        return 0;
    }
}

/* One character of a quoted word; lexer->at moves behind it. */
static char quoted_char(struct lexer *lexer)
{
    const char *at = lexer->at;
    char c = *lexer->at++;
    char escaped;

    if (c == '\n')
        newline(lexer, lexer->at);
    if (is_control(c))
        tell_control(lexer, at);
    if (c != '\\' || lexer->at == lexer->end)
        return is_control(c) ? ' ' : c;
    escaped = escape_of(*lexer->at);
    if (escaped) {
        lexer->at++;
        return escaped;
    }
    report_error(lexer->report, place_of(lexer, at),
                 "unknown escape; there are \\\\ \\\" \\' \\n \\t \\r");
    return c;
}

/* Bytes up to the closing quote, or to the end. */
static size_t quoted_len(const struct lexer *lexer, char quote)
{
    const char *at = lexer->at;

    while (at < lexer->end && *at != quote)
        at += *at == '\\' && at + 1 < lexer->end ? 2 : 1;
    return (size_t)(at - lexer->at);
}

static void quoted_word(struct lexer *lexer, struct token *token)
{
    char quote = *lexer->at++;
    char *out = arena_alloc(lexer->arena, quoted_len(lexer, quote) + 1);
    size_t len = 0;

    token->is_quoted = true;
    while (lexer->at < lexer->end && *lexer->at != quote)
        out[len++] = quoted_char(lexer);
    if (lexer->at == lexer->end)
        report_error(lexer->report, token->place,
                     "the %c that begins here is not closed", quote);
    else
        lexer->at++;
    if (lexer->at < lexer->end && !ends_word(*lexer->at))
        report_error(lexer->report, place_of(lexer, lexer->at),
                     "a space or \";\" must follow a closing quote");
    lexer->line_has_token = true; /* also where it went over several lines */
    word_finish(lexer, token, sv_make(out, len));
}

struct token lexer_next(struct lexer *lexer)
{
    struct token token = {.kind = TOKEN_END};

    skip_space(lexer);
    token.place = place_of(lexer, lexer->at);
    token.is_first_on_line = !lexer->line_has_token;
    lexer->line_has_token = true;
    if (lexer->at == lexer->end)
        return token;
    switch (*lexer->at) {
    case ';':
        token.kind = TOKEN_SEMICOLON;
        lexer->at++;
        break;
    case '{':
        token.kind = TOKEN_OPEN;
        lexer->at++;
        break;
    case '}':
        token.kind = TOKEN_CLOSE;
        lexer->at++;
        break;
    case '"':
    case '\'':
        token.kind = TOKEN_WORD;
        quoted_word(lexer, &token);
        break;
    default:
        token.kind = TOKEN_WORD;
        bare_word(lexer, &token);
    }
    return token;
}
