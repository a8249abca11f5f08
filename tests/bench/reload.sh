#!/bin/sh
# Reloads under load, with changes of all five kinds: see reload.py --help.
#
#   tests/bench/reload.sh [--reloads N] [--podman DIR] [--json FILE]
#
# Builds what is missing (build/ by default, or BUILD=DIR). The Podman in DIR
# (conf/demo/podman_env.sh) is made where it is not there, and kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/build.sh
. "$here/build.sh"
build_targets berth load
exec python3 "$here/reload.py" --build "$build" "$@"
