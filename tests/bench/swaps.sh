#!/usr/bin/env bash
# Swaps: requests by turns to two apps of which only one fits on the machine.
# From a request's first byte to its answer's first byte: the other app gives
# way, the container is made, started, ready.
#
#   tests/bench/swaps.sh [--swaps N] [--json FILE]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh
berth_deps build podman
[ -x build/berth ] || {
    cmake --preset release && cmake --build build
} >&2
work=$(mktemp -d /tmp/berth-swaps.XXXX)
trap 'berth_deps_root conf/demo/podman_env.sh destroy "$work"' EXIT
berth_deps_root conf/demo/podman_env.sh serve "$work" >&2
berth_deps_root tests/apps/images.sh "$work" >&2
berth_deps_root env BERTH_TEST_PODMAN="$work" PYTHONDONTWRITEBYTECODE=1 \
    python3 tests/bench/swaps.py "$@"
