/* progress.h - what goes on, while a command waits: one line that is rewritten
 * on a terminal, a line for each change elsewhere. On stderr, so that what is
 * printed can be read by a program.
 */
#ifndef PROXY_CLI_PROGRESS_H
#define PROXY_CLI_PROGRESS_H

#include <stdint.h>

struct progress {     /* zeroed, then name set */
    const char *name; /* what it is about */
    uint64_t since_us;
    char shown[256];
};

void progress_show(struct progress *progress, const char *text);
/* The line goes. May be called again. */
void progress_end(struct progress *progress);

#endif
