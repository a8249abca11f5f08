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
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}

# Quietly; what was said is shown when it fails.
quietly() {
    if ! log=$("$@" 2>&1); then
        echo "$log" >&2
        exit 1
    fi
}
if [ ! -e "$build/build.ninja" ]; then
    quietly cmake -S "$root" -B "$build" -G Ninja \
        -DCMAKE_BUILD_TYPE=RelWithDebInfo
fi
quietly ninja -C "$build" berth routes_bench load
exec python3 "$here/routes.py" --build "$build" "$@"
