#!/bin/sh
# Memory of idle keep-alive connections, plain or (--tls) with TLS:
# see idle.py --help for its options.
#
#   tests/bench/idle.sh [--json FILE] …
#
# Builds what is missing (build/ by default, or BUILD=DIR), needs nginx and
# haproxy installed, leaves nothing behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/build.sh
. "$here/build.sh"
build_targets berth upstream load
exec python3 "$here/idle.py" --build "$build" "$@"
