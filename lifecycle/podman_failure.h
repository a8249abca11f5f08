/* podman_failure.h - what Podman's words of failure mean, and what helps.
 *
 * The same failure has another status from version to version: the words come
 * first. Thread: any.
 */
#ifndef LIFECYCLE_PODMAN_FAILURE_H
#define LIFECYCLE_PODMAN_FAILURE_H

#include <stdbool.h>

#include "router/base/err.h"

/* Of an answer of status 400 and more: the code by its cause, the text its
 * message, with a cure where it is a known one. Returns false. */
bool podman_failure_set(struct err *err, unsigned status, const char *message);

/* Of a pull that failed, by the words of the registry or of Podman. */
enum err_code podman_failure_pull_code(unsigned status, const char *message);

#endif
