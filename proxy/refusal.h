/* refusal.h - why berth answers by itself instead of an app.
 * A value; nothing to free. Thread: any. */
#ifndef PROXY_REFUSAL_H
#define PROXY_REFUSAL_H

#include "router/base/attr.h"

enum refusal_code {
    REFUSAL_NONE = 0,
#define REFUSAL(id, status, code, text) REFUSAL_##id,
#include "proxy/refusal.def"
#undef REFUSAL
    REFUSAL_CODE_COUNT
};

struct refusal {
    enum refusal_code code;
    const char *text; /* a literal, for the client; NULL: the row's text */
};

/* 400 to 505; 0 for REFUSAL_NONE. */
unsigned refusal_status(enum refusal_code code);
/* "bad_request", as in X-Berth-Error, metrics and logs. */
const char *refusal_name(enum refusal_code code);
/* What the client is told: refusal->text or the row's text. */
const char *refusal_text(const struct refusal *refusal);

#endif
