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
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}

if [ ! -e "$build/build.ninja" ]; then
    cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        >/dev/null
fi
for tool in upstream relay load; do
    ninja -C "$build" "$tool" >/dev/null
done
if grep -q '^build berth:' "$build/build.ninja"; then
    ninja -C "$build" berth >/dev/null
fi
exec python3 "$here/proxy.py" --build "$build" "$@"
