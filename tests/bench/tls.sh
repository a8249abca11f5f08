#!/bin/sh
# Compare berth with nginx and HAProxy as ends of TLS, in turn in one run: see
# tls.py --help for its options.
#
#   tests/bench/tls.sh [--quick] [--json FILE] …
#
# Builds what is missing (build/ by default, or BUILD=DIR), needs nginx, haproxy
# and openssl installed, leaves nothing behind.
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
quietly ninja -C "$build" berth upstream tls_load
exec python3 "$here/tls.py" --build "$build" "$@"
