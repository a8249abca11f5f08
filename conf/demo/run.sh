#!/usr/bin/env bash
# Try berth: build it, build four apps' images, serve them.
#
#   conf/demo/run.sh             serve until Ctrl-C
#   conf/demo/run.sh --check     walk through what berth does, and check it
#   conf/demo/run.sh --clean     remove the images that the demo keeps
#
# --port N and --admin-port N: other ports than 8080 and 9901.
#
# Starts from a bare Debian 12: packages are installed as needed, the apps'
# images are built from Debian's, npm's and PyPI's, and all containers run in a
# Podman of the demo's own. The images stay in /var/cache/berth-demo for the
# next time; nothing else stays.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh
# shellcheck source=conf/demo/podman_env.sh
. conf/demo/podman_env.sh

readonly store=/var/cache/berth-demo
readonly state=/run/berth-demo
readonly berth=${BERTH_BIN:-build/berth}

mode=serve port=8080 admin_port=9901
args=("$@")
usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
}
while [ $# -gt 0 ]; do
    case $1 in
    --check) mode=check ;;
    --clean) mode=clean ;;
    --port | --admin-port)
        if ! [ "${2:-}" -gt 0 ] 2>/dev/null; then
            echo "run.sh: $1 wants a number" >&2
            exit 2
        fi
        case $1 in
        --port) port=$2 ;;
        *) admin_port=$2 ;;
        esac
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        echo "run.sh: what is $1?" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done

# --- packages, and berth itself -------------------------------------------------

# Run quietly; show what was said when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "run.sh: failed: $*" >&2
        return 1
    fi
    rm -f "$log"
}

build_berth() {
    if [ -e build ] && [ ! -w build ]; then
        echo "run.sh: $PWD/build belongs to $(stat -c %U build): run this as" \
            "that user, or remove it" >&2
        return 1
    fi
    if [ ! -f build/build.ninja ]; then
        quietly cmake --preset release
    fi
    quietly cmake --build build --target berth
}

# Compiled by whoever called, so that the tree does not fill with root's files;
# the rest needs root.
if [ -z "${BERTH_DEMO_BUILT:-}" ] && [ $mode != clean ]; then
    berth_deps build podman images
    echo "Building berth"
    SECONDS=0
    build_berth
    echo "Built $berth in $SECONDS s"
fi
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "run.sh: berth and its containers need root here, and there is" \
            "no sudo: run it as root" >&2
        exit 1
    fi
    exec sudo -- env BERTH_DEMO_BUILT=1 "$PWD/conf/demo/run.sh" "${args[@]}"
fi

# --- one demo at a time -----------------------------------------------------------

mkdir -p "$state"
exec 9>"$state/demo.lock"
if ! flock -n 9; then
    echo "run.sh: another demo runs on this machine (it holds" \
        "$state/demo.lock); stop it first" >&2
    exit 1
fi
berth_podman_env "$store" "$state/podman"
if [ $mode = clean ]; then
    berth_podman_destroy
    rm -rf "$state"
    echo "The demo's images are gone."
    exit 0
fi

berth_pid=
clean_up() {
    local status=$?
    trap - EXIT INT TERM
    if [ -n "$berth_pid" ] && kill -0 "$berth_pid" 2>/dev/null; then
        kill -QUIT "$berth_pid" 2>/dev/null || true
        timeout 40 tail --pid="$berth_pid" -f /dev/null ||
            kill -KILL "$berth_pid" 2>/dev/null || true
    fi
    berth_podman_end 9>&-
    rm -rf "$state"
    exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- images, Podman, berth --------------------------------------------------------

# Descriptor 9 is the lock: nothing that we start may keep it.
conf/demo/images.sh "$store" "$state/podman" 9>&-
berth_podman_serve 9>&-

# A copy: the tour changes it, and so may whoever tries it out.
conf=$state/berth.conf
sed -e "s/127\.0\.0\.1:8080/127.0.0.1:$port/" \
    -e "s/127\.0\.0\.1:9901/127.0.0.1:$admin_port/" conf/demo/berth.conf >"$conf"
url=http://127.0.0.1:$port
admin=http://127.0.0.1:$admin_port

start_berth() {
    local tries
    if [ $mode = check ]; then
        # Away from the terminal's Ctrl-C: clean_up stops it.
        setsid "$berth" run -c "$conf" >"$state/berth.log" 2>&1 9>&- &
    else
        "$berth" run -c "$conf" 9>&- &
    fi
    berth_pid=$!
    for ((tries = 0; tries < 100; tries++)); do
        if curl -fs -o /dev/null "$admin/healthz"; then
            return 0
        fi
        kill -0 "$berth_pid" 2>/dev/null || break
        sleep 0.1
    done
    if [ -f "$state/berth.log" ]; then
        cat "$state/berth.log" >&2
    fi
    echo "run.sh: berth did not start; is a port taken? There are --port and" \
        "--admin-port." >&2
    return 1
}

if [ $mode = serve ]; then
    start_berth
    cat <<TRY

Nothing runs yet: each app starts with the first request for it, and is gone
again after 10 s without one. In another terminal:

  curl $url/hello                # a static C program
  curl -X POST $url/hello/crash  # … dies, and is back with the next request
  curl "$url/digits?sample=7"    # scikit-learn reads a handwritten digit
  curl $url/docs                 # Node with marked 4
  curl $url/blog                 # Node with marked 15
  sudo $berth status -c $conf
  sudo $berth freeze -c $conf digits   # … and the next request wakes it
  sudo $berth why -c $conf digits      # its last starts, phase by phase
  sudo $berth reload -c $conf          # after you have changed that file
  curl $admin/metrics

Ctrl-C stops everything.

TRY
    # A signal ends the first wait; berth's own end ends both.
    status=0
    wait "$berth_pid" || status=$?
    berth_pid=
    exit $status
fi

# shellcheck source=conf/demo/tour.sh
. conf/demo/tour.sh
start_berth
tour
