/* err.h - why an operation failed: a code for the program, a text for people.
 *
 * A fixed-size value owned by the caller: no allocation, nothing to leak.
 * The text says what is wrong and, where it is known, what to do about it.
 */
#ifndef ROUTER_BASE_ERR_H
#define ROUTER_BASE_ERR_H

#include <stdbool.h>

#include "router/base/attr.h"

enum err_code {
    ERR_NONE = 0,
    ERR_INVALID,     /* the input is malformed or out of range */
    ERR_EXISTS,      /* there is one already */
    ERR_NOT_FOUND,   /* no such thing */
    ERR_LIMIT,       /* a configured or built-in limit is reached */
    ERR_IO,          /* a system call failed */
    ERR_TIMEOUT,     /* it took too long */
    ERR_DENIED,      /* not permitted */
    ERR_UNAVAILABLE, /* the other side is not there (for now) */
    ERR_PROTOCOL,    /* the other side answered with nonsense */
    ERR_CANCELLED,   /* called off by us */
    ERR_FAILED,      /* the other side refused or failed, see the text */
};

#define ERR_TEXT_SIZE 1024

struct err {
    enum err_code code;
    char text[ERR_TEXT_SIZE]; /* NUL-terminated, one line or more */
};

/* Fill *err (which may be NULL) and return false, so that a failing function
 * ends in `return err_set(err, ERR_X, "…")`. Too long a text is cut.
 * Thread: any. */
bool err_set(struct err *err, enum err_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* As err_set(), with ": " and the text of `errno_value` (strerror) added. */
bool err_set_errno(struct err *err, int errno_value, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Put "text: " in front of what *err says; keeps its code. Returns false. */
bool err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
