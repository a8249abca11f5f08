#!/usr/bin/env bash
# What a request to a container costs the proxy: by a socket made inside the
# container's network namespace, by a Unix socket, by a published port; beside
# nginx, which needs the published port. See reach.py.
#
#   tests/bench/reach.sh [--rounds N] [--json FILE] …
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh
berth_deps build podman
{
    [ -e build/build.ninja ] || cmake --preset release
    ninja -C build berth load
} >&2
work=$(mktemp -d /tmp/berth-reach.XXXX)
trap 'berth_deps_root conf/demo/podman_env.sh destroy "$work"' EXIT
berth_deps_root conf/demo/podman_env.sh serve "$work" >&2
berth_deps_root tests/apps/images.sh "$work" >&2
berth_deps_root env BERTH_TEST_PODMAN="$work" PYTHONDONTWRITEBYTECODE=1 \
    python3 tests/bench/reach.py "$@"
