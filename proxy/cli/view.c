/* view.c - what the views of the admin API's answers share. */
#include "proxy/cli/view.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "router/base/attr.h"
#include "router/base/clock.h"

struct view view_of(FILE *out)
{
    struct view view = {.has_colour = colour_is_wanted(out)};
    struct winsize size = {0};

    if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
        view.width = size.ws_col;
    return view;
}

const char *view_format_us(uint64_t us, char *text)
{
    if (us == 0)
        snprintf(text, VIEW_TIME_SIZE, "-");
    else if (us < 10000)
        snprintf(text, VIEW_TIME_SIZE, "%.1fms", (double)us / 1000);
    else
        clock_format_duration(us / 1000, text, VIEW_TIME_SIZE);
    return text;
}

enum colour view_state_colour(const char *state)
{
    static const struct {
        const char *state;
        enum colour colour;
    } colours[] = {
        {"ready", COLOUR_GREEN},     {"serving", COLOUR_GREEN},
        {"pulling", COLOUR_YELLOW},  {"creating", COLOUR_YELLOW},
        {"starting", COLOUR_YELLOW}, {"probing", COLOUR_YELLOW},
        {"draining", COLOUR_YELLOW}, {"stopping", COLOUR_YELLOW},
        {"failed", COLOUR_RED},      {"asleep", COLOUR_DIM},
        {"frozen", COLOUR_DIM},      {"hibernated", COLOUR_DIM},
        {"primed", COLOUR_DIM},      {"down", COLOUR_RED},
        {"up", COLOUR_GREEN},        {"done", COLOUR_GREEN},
    };

    for (size_t i = 0; i < ARRAY_LEN(colours); i++)
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    return COLOUR_NONE;
}
