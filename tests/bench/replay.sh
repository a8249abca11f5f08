#!/bin/sh
# Ten minutes of a trace through the real binary, real Podman and the test app,
# beside what the simulator (build/tests/bench/autoscale_sim) predicts for them.
#
#   tests/bench/replay.sh [TRACE] [--minutes N] [--speed N] [--boot-ms N] …
#
# Takes minutes / speed, and a minute more; --help lists the options.
set -eu
exec "$(dirname "$0")/on_podman.sh" replay "berth autoscale_sim" "$@"
