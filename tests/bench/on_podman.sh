#!/usr/bin/env bash
# What the benchmarks on real containers share: builds what is measured, makes a
# Podman for them alone with the tests' images, runs the measuring part there as
# root, and takes that Podman away again, whatever the end is.
#
#   tests/bench/on_podman.sh NAME "TARGET…" [ARGUMENT…]
#
# runs NAME.py, which finds BUILD (build/ by default), BERTH_BIN and
# BERTH_TEST_PODMAN in its environment.
set -euo pipefail
name=$1
read -ra targets <<<"$2"
shift 2
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/build.sh
. "$here/build.sh"
cd "$root"
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh
berth_deps build podman
build_targets "${targets[@]}"
work=$(mktemp -d "/tmp/berth-$name.XXXX")
trap 'berth_deps_root conf/demo/podman_env.sh destroy "$work"' EXIT
berth_deps_root conf/demo/podman_env.sh serve "$work" >&2
berth_deps_root tests/apps/images.sh "$work" >&2
berth_deps_root env BUILD="$build" BERTH_BIN="${BERTH_BIN:-$build/berth}" \
    BERTH_TEST_PODMAN="$work" PYTHONDONTWRITEBYTECODE=1 \
    python3 "$here/$name.py" "$@"
