#!/bin/sh
# Hibernation: one app whose memory goes to swap and comes back; then more apps
# than the machine's share holds, all kept warm, each answered when asked.
#
#   tests/bench/hibernate.sh [--apps N] [--size MB] [--memory SIZE] [--asked N]
#                            [--pause S] [--repeat N] [--swap MB] [--dir DIR]
#                            [--json FILE]
#
# --apps, --size: so many (40) of so much memory (512), incompressible, checked
# --memory: of `resources` (8g); --asked: so many (2 * apps) times at random
# --pause: seconds between two of these (4); in turn they go back to back
# --repeat: how often the one app comes back (10)
# --swap: of the swap file (what all apps take, and a quarter); --dir: where
#
# The swap file is made for the time of the run and removed at its end, whatever
# that is. Default sizes take 26 GB of disk, 8 GB of memory and some minutes: as
# long as the disk takes to write about 60 GB and to read as much.
set -eu
exec "$(dirname "$0")/on_podman.sh" hibernate "berth" "$@"
