#!/bin/sh
# Compare berth with nginx and HAProxy as reverse proxies to the same upstream,
# in turn in one run: see proxy.py --help for its options.
#
#   tests/bench/proxy.sh [--quick] [--json FILE] …
#
# Builds what is missing (build/ by default, or BUILD=DIR), needs nginx and
# haproxy installed, leaves nothing behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/build.sh
. "$here/build.sh"
build_targets berth upstream relay load
exec python3 "$here/proxy.py" --build "$build" "$@"
