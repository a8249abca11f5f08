#!/bin/sh
# Starts from every rung of the warmth ladder: from a request's first byte to its
# answer's, for each network; beside the same Podman calls made by a small script,
# and beside `podman run`. Then frozen and ready by turns, 100 frozen apps at once, and
# a large one hibernated.
#
#   tests/bench/coldstart.sh [--quick] [--starts N] [--rungs R,R] [--pairs N] [--burst N]
#                            [--large MB] [--no-swap] [--json FILE]
set -eu
exec "$(dirname "$0")/on_podman.sh" coldstart "berth" "$@"
