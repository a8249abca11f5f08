/* rejection.h - why berth answers by itself instead of an app.
 * A value; nothing to free. Thread: any. */
#ifndef PROXY_REJECTION_H
#define PROXY_REJECTION_H

#include "router/base/attr.h"

enum reject_code {
    REJECT_NONE = 0,
#define REJECTION(id, status, code, text) REJECT_##id,
#include "proxy/rejection.def"
#undef REJECTION
    REJECT_CODE_COUNT
};

struct rejection {
    enum reject_code code;
    const char *text; /* a literal, for the client; NULL: the row's text */
};

/* 400 to 505; 0 for REJECT_NONE. */
unsigned rejection_status(enum reject_code code);
/* "bad_request", as in X-Berth-Error, metrics and logs. */
const char *rejection_name(enum reject_code code);
/* What the client is told: rejection->text or the row's text. */
const char *rejection_text(const struct rejection *rejection);

#endif
