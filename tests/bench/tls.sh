#!/bin/sh
# Compare berth with nginx and HAProxy as ends of TLS, in turn in one run: see
# tls.py --help for its options.
#
#   tests/bench/tls.sh [--quick] [--json FILE] …
#
# Builds what is missing (build/ by default, or BUILD=DIR), needs nginx, haproxy
# and openssl installed, leaves nothing behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/build.sh
. "$here/build.sh"
build_targets berth upstream tls_load
exec python3 "$here/tls.py" --build "$build" "$@"
