/* view.h - what the views of the admin API's answers share. Thread: any. */
#ifndef PROXY_CLI_VIEW_H
#define PROXY_CLI_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/cli/table.h"

/* How the output takes it. */
struct view {
    bool has_colour;
    unsigned width; /* columns of the terminal; 0: nothing is cut */
};
struct view view_of(FILE *out);

#define VIEW_TIME_SIZE 32

/* As a person reads a latency, into text[VIEW_TIME_SIZE], which it returns:
 * "-" when there is none. */
const char *view_format_us(uint64_t us, char *text);

/* Of a replica, an app or berth. */
enum colour view_state_colour(const char *state);

#endif
