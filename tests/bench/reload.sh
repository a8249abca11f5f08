#!/bin/sh
# Reloads under load, with changes of all five kinds: see reload.py --help.
#
#   tests/bench/reload.sh [--reloads N] [--json FILE]
set -eu
exec "$(dirname "$0")/on_podman.sh" reload "berth load" "$@"
