/* rejection.c - why berth answers by itself instead of an app. */
#include "proxy/rejection.h"

#include <assert.h>

static const struct {
    unsigned status;
    const char *name;
    const char *text;
} rows[REJECT_CODE_COUNT] = {
    [REJECT_NONE] = {0, "", ""},
#define REJECTION(id, status, code, text) [REJECT_##id] = {status, code, text},
#include "proxy/rejection.def"
#undef REJECTION
};

unsigned rejection_status(enum reject_code code)
{
    assert(code < REJECT_CODE_COUNT);
    return rows[code].status;
}

const char *rejection_name(enum reject_code code)
{
    assert(code < REJECT_CODE_COUNT);
    return rows[code].name;
}

const char *rejection_text(const struct rejection *rejection)
{
    assert(rejection->code < REJECT_CODE_COUNT);
    return rejection->text ? rejection->text : rows[rejection->code].text;
}
