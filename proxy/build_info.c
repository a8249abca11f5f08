/* build_info.c - which berth this is. The commit is given to this file alone,
 * so that a new commit rebuilds nothing else. */
#include "proxy/build_info.h"

const char *build_version(void)
{
    return BERTH_VERSION;
}

const char *build_commit(void)
{
    return BERTH_COMMIT;
}
