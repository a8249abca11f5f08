#!/bin/sh
# For the benchmarks' scripts, sourced after `here` is set to their folder:
# build_targets NAME… builds these below $build (BUILD, or build/), quietly.
# shellcheck disable=SC2154  # here: as said above
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}

# What was said is shown when it fails.
quietly() {
    if ! log=$("$@" 2>&1); then
        echo "$log" >&2
        exit 1
    fi
}

build_targets() {
    if [ ! -e "$build/build.ninja" ]; then
        quietly cmake -S "$root" -B "$build" -G Ninja \
            -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBERTH_PROFILE=ON
    fi
    quietly ninja -C "$build" "$@"
}
