#!/usr/bin/env bash
# Ten minutes of a trace through the real binary, real Podman and the test app,
# beside what the simulator (build/tests/bench/autoscale_sim) predicts for them.
#
#   tests/bench/replay.sh [TRACE] [--minutes N] [--speed N] [--boot-ms N] …
#
# Takes minutes / speed, and a minute more; --help lists the options.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh
berth_deps build podman
if [ ! -x build/berth ] || [ ! -x build/tests/bench/autoscale_sim ]; then
    cmake --preset release >&2 && cmake --build build >&2
fi
work=$(mktemp -d /tmp/berth-replay.XXXX)
trap 'berth_deps_root conf/demo/podman_env.sh destroy "$work"' EXIT
berth_deps_root conf/demo/podman_env.sh serve "$work" >&2
berth_deps_root tests/apps/images.sh "$work" >&2
berth_deps_root env BERTH_TEST_PODMAN="$work" PYTHONDONTWRITEBYTECODE=1 \
    python3 tests/bench/replay.py "$@"
