#!/bin/sh
# What counting costs a request: see metrics.py --help.
#
#   tests/bench/metrics.sh [--rounds N] [--seconds S] [--json FILE]
#
# Builds what is missing (build/ by default, or BUILD=DIR), and beside it berth
# once more with its counters compiled out (BUILD-no-metrics).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/build.sh
. "$here/build.sh"
build_targets berth load upstream
without=$build-no-metrics
quietly cmake -S "$root" -B "$without" -G Ninja -DBERTH_METRICS=OFF \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBERTH_PROFILE=ON
quietly ninja -C "$without" berth
exec python3 "$here/metrics.py" --build "$build" --without "$without/berth" "$@"
