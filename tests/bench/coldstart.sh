#!/usr/bin/env bash
# Starts from every rung of the warmth ladder: from a request's first byte to its
# answer's, for each network; beside the same Podman calls made by a small script,
# and beside `podman run`. Then frozen and ready by turns, 100 frozen apps at once, and
# a large one hibernated.
#
#   tests/bench/coldstart.sh [--quick] [--starts N] [--rungs R,R] [--pairs N] [--burst N]
#                            [--large MB] [--no-swap] [--json FILE]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh
berth_deps build podman
[ -x build/berth ] || {
    cmake --preset release && cmake --build build
} >&2
work=$(mktemp -d /tmp/berth-cold.XXXX)
trap 'berth_deps_root conf/demo/podman_env.sh destroy "$work"' EXIT
berth_deps_root conf/demo/podman_env.sh serve "$work" >&2
berth_deps_root tests/apps/images.sh "$work" >&2
berth_deps_root env BERTH_TEST_PODMAN="$work" PYTHONDONTWRITEBYTECODE=1 \
    python3 tests/bench/coldstart.py "$@"
