#!/usr/bin/env bash
# How the control side grows: 1,000 apps and 10,000 routes in one file, 200 live
# replicas, 5,000 waiting requests, 15,000 client connections, a burst that
# starts 100 containers. What one app or replica costs must not depend on how
# many there are.
#
#   tests/bench/scale.sh [--only PART,…] [--json FILE]
#   parts: apps live waiting connections burst
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh
berth_deps build podman
if [ ! -x build/tests/bench/load ] || [ ! -x build/berth ]; then
    cmake --preset release >&2 && cmake --build build --target berth load >&2
fi
work=$(mktemp -d /tmp/berth-scale.XXXX)
trap 'berth_deps_root conf/demo/podman_env.sh destroy "$work"' EXIT
berth_deps_root conf/demo/podman_env.sh serve "$work" >&2
berth_deps_root tests/apps/images.sh "$work" >&2
berth_deps_root env BERTH_TEST_PODMAN="$work" PYTHONDONTWRITEBYTECODE=1 \
    python3 tests/bench/scale.py "$@"
