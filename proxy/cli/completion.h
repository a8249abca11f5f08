/* completion.h - what completes berth's commands in a shell. Thread: any. */
#ifndef PROXY_CLI_COMPLETION_H
#define PROXY_CLI_COMPLETION_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"

/* Append the script for "bash", "zsh" or "fish"; false: another shell. */
MUST_USE bool completion_write(const char *shell, struct strbuf *buf);

#endif
