#!/bin/sh
# Route look-up with 10 and with 10,000 routes, by itself and through the proxy:
# see routes.py --help for its options.
#
#   tests/bench/routes.sh [--json FILE] …
#
# Builds what is missing (build/ by default, or BUILD=DIR), needs nginx and
# haproxy installed, leaves nothing behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/build.sh
. "$here/build.sh"
build_targets berth routes_bench load
exec python3 "$here/routes.py" --build "$build" "$@"
