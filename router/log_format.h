/* log_format.h - the format of an access log: text and $variables, as a list
 * of what to write one after the other.
 *
 * `combined`, `json`, or a text of one's own with at least one $variable.
 * Values are escaped so that no byte of a peer can end a line or a field: in a
 * format that begins with '{' as in a JSON string, else as nginx does (\xHH).
 * Immutable once made. Thread: any.
 */
#ifndef ROUTER_LOG_FORMAT_H
#define ROUTER_LOG_FORMAT_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

enum log_variable {
    LOG_VARIABLE_TEXT, /* not a variable: what stands between them */
#define LOG_VARIABLE(id, name, of_head) LOG_VARIABLE_##id,
#include "router/log_variable.def"
#undef LOG_VARIABLE
    LOG_VARIABLE_COUNT
};

/* Bytes and variables of a format. */
#define LOG_FORMAT_MAX     4096
#define LOG_FORMAT_OPS_MAX 128

struct log_op {
    enum log_variable variable;
    struct strview text; /* TEXT; or the field ("user-agent") of HTTP and
                            SENT_HTTP */
};

struct log_format {
    bool is_json; /* how values are escaped */
    bool has_sent_fields;
    unsigned op_count;
    struct log_op *ops;
    char *storage; /* what the views point into */
};

/* Fails with ERR_INVALID (no variable, too long, a lone $) or ERR_NOT_FOUND: a
 * variable that there is not, its name in *ret_unknown (borrowed from text). */
MUST_USE bool log_format_parse(struct strview text,
                               struct log_format *ret_format,
                               struct strview *ret_unknown, struct err *err);
void log_format_done(struct log_format *format);

/* "remote_addr"; index: 1 to LOG_VARIABLE_COUNT - 1. */
const char *log_variable_name(enum log_variable variable);
/* Known only while the request's head is there. */
bool log_variable_is_of_head(enum log_variable variable);

/* Append a value, escaped. What is empty is "-" where it is not JSON. */
void log_format_add_value(const struct log_format *format, struct strview value,
                          struct strbuf *line);

#endif
