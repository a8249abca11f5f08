#!/bin/sh
# Swaps: requests by turns to two apps of which only one fits on the machine.
# From a request's first byte to its answer's first byte: the other app gives
# way, the container is made, started, ready.
#
#   tests/bench/swaps.sh [--swaps N] [--json FILE]
set -eu
exec "$(dirname "$0")/on_podman.sh" swaps "berth" "$@"
