/* err.c - why an operation failed. */
#include "router/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;

    if (!err)
        return false;
    err->code = code;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return false;
}

static enum err_code code_of_errno(int value)
{
    switch (value) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
    case EADDRINUSE:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EMFILE:
    case ENFILE:
    case ENOSPC:
        return ERR_LIMIT;
    case ECONNREFUSED:
        return ERR_UNAVAILABLE;
    default:
        return ERR_IO;
    }
}

bool err_set_errno(struct err *err, int errno_value, const char *format, ...)
{
    char reason[128];
    size_t used;
    va_list args;

    if (!err)
        return false;
    err->code = code_of_errno(errno_value);
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s",
             strerror_r(errno_value, reason, sizeof reason));
    return false;
}

bool err_prefix(struct err *err, const char *format, ...)
{
    char old[ERR_TEXT_SIZE];
    size_t used;
    va_list args;

    if (!err)
        return false;
    memcpy(old, err->text, sizeof old);
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", old);
    return false;
}
