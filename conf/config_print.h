/* config_print.h - what the printers of single directives share. Internal to
 * conf. */
#ifndef CONF_CONFIG_PRINT_H
#define CONF_CONFIG_PRINT_H

#include <stdbool.h>

#include "conf/config.h"
#include "conf/directives.h"
#include "router/base/strbuf.h"

struct printer {
    const struct config *config;
    struct strbuf *out;
    unsigned depth;
    const void *owner[OWNER_COUNT];      /* what is being printed */
    const struct setup_step *setup_step; /* in setup: the line */
    bool in_http[DIRECTIVE_COUNT]; /* one value for all servers and routes */
};

/* "    name", then " word" as often as there are words, then ";\n". */
void printer_begin(struct printer *p, const char *name);
void printer_word(struct printer *p, const char *word);
void printer_end(struct printer *p);

/* A comment with the row's default, where no directive can say it. */
void printer_default(struct printer *p, const struct directive *row);

/* One function a row that is not printed by its type: any number of lines. */
#define SCALAR(id, ...)
#define SPECIAL(id, ...)                                                       \
    void directive_print_##id(struct printer *p, const struct directive *row);
#define BLOCK(id, ...)
#include "conf/directives.def"
#undef SCALAR
#undef SPECIAL
#undef BLOCK

#endif
