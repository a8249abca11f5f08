/* progress.c - what goes on, while a command waits. */
#include "proxy/cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/cli/table.h"
#include "router/base/clock.h"

void progress_show(struct progress *progress, const char *text)
{
    AUTO(strbuf_done) struct strbuf line = STRBUF_INIT;
    char time[32];

    if (progress->since_us == 0)
        progress->since_us = clock_now_us();
    if (!isatty(STDERR_FILENO) && strcmp(text, progress->shown) == 0)
        return;
    snprintf(progress->shown, sizeof progress->shown, "%s", text);
    colour_text(&line, false, COLOUR_NONE, sv_of(text));
    if (isatty(STDERR_FILENO)) {
        clock_format_duration((clock_now_us() - progress->since_us) / 1000,
                              time, sizeof time);
        fprintf(stderr, "\r\x1b[K%s: %s (%s)", progress->name, line.data, time);
        fflush(stderr);
    } else {
        fprintf(stderr, "%s: %s\n", progress->name, line.data);
    }
}

void progress_end(struct progress *progress)
{
    if (progress->shown[0] && isatty(STDERR_FILENO))
        fputs("\r\x1b[K", stderr);
    progress->shown[0] = '\0';
}
