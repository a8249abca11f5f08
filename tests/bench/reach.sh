#!/bin/sh
# What a request to a container costs the proxy: by a socket made inside the
# container's network namespace, by a Unix socket, by a published port; beside
# nginx, which needs the published port. See reach.py.
#
#   tests/bench/reach.sh [--rounds N] [--json FILE] …
set -eu
exec "$(dirname "$0")/on_podman.sh" reach "berth load upstream" "$@"
