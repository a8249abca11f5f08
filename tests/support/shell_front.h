/* shell_front.h - /bin/sh in the place of a front: a script that finds the
 * channel at descriptor 3, and can say READY.
 */
#ifndef TESTS_SUPPORT_SHELL_FRONT_H
#define TESTS_SUPPORT_SHELL_FRONT_H

#include "lifecycle/front_supervisor.h"

/* Fill exe, argv and identity of *options. script: READY in it stands for the
 * command that sends READY of generation 1. Until the next call. */
void shell_front_set(struct front_supervisor_options *options,
                     const char *script);

#endif
