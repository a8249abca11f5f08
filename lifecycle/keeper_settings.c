/* keeper_settings.c - counts who needs a configuration. */
#include "lifecycle/keeper_settings.h"

#include <assert.h>

#include "router/base/attr.h"

struct keeper_settings *keeper_settings_ref(struct keeper_settings *settings)
{
    if (settings)
        settings->refs++;
    return settings;
}

void keeper_settings_unref(struct keeper_settings **settings_ptr)
{
    struct keeper_settings *settings = TAKE(*settings_ptr);

    if (!settings)
        return;
    assert(settings->refs > 0);
    if (--settings->refs == 0)
        settings->ops->free(settings);
}
