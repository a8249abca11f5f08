#!/bin/sh
# How the control side grows: 1,000 apps and 10,000 routes in one file, 200 live
# replicas, 5,000 waiting requests, 15,000 client connections, a burst that
# starts 100 containers. What one app or replica costs must not depend on how
# many there are.
#
#   tests/bench/scale.sh [--only PART,…] [--json FILE]
#   parts: apps live waiting connections burst
set -eu
exec "$(dirname "$0")/on_podman.sh" scale "berth load" "$@"
