#!/bin/sh
# berth beside Ray Serve, before the same app in Python: see ray.py --help.
#
#   tests/bench/ray.sh [--rounds N] [--seconds S] [--connections N] [--json FILE]
#
# Needs pip's index: Ray (400 MB) goes to a virtual environment of its own,
# RAY_VENV or ~/.cache/berth-bench-ray, which stays for the next time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/build.sh
. "$here/build.sh"
build_targets berth load
venv=${RAY_VENV:-$HOME/.cache/berth-bench-ray}
if [ ! -x "$venv/bin/uvicorn" ]; then
    echo "ray.sh: installing Ray Serve to $venv (a minute or two)"
    python3 -m venv "$venv"
    quietly "$venv/bin/pip" install "ray[serve]==${RAY_VERSION:-2.60.0}"
fi
exec python3 "$here/ray.py" --build "$build" --venv "$venv" "$@"
