#!/usr/bin/env bash
# Make the profile that build/berth is optimised by: build a berth that counts
# what it runs, have it serve for some seconds, and keep the counts.
#
#   tests/bench/profile.sh DIR [CMAKE-OPTION…]
#
# Called by the build where BERTH_PROFILE is on (CMakeLists.txt), whenever the
# sources of what serves requests changed: DIR is profile/ in the build
# directory, the options are those by which the code differs. Where it cannot be
# made, that is said, and berth is built without.
#
# Loopback only; ends by itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=$1
options=("${@:2}")
cc=${CC:-cc}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
rm -rf "$dir/counts"
mkdir "$dir/counts"

# As root's, the front runs as a user who cannot enter the build directory.
work=$(mktemp -d /tmp/berth-profile.XXXXXX)
chmod 755 "$work"
mkdir -m 700 "$work/counts"
user=
if [ "$(id -u)" -eq 0 ]; then
    user="user nobody;"
    chown nobody "$work/counts"
fi
pids=()
cleanup() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
}
trap cleanup EXIT

# What it was built with is said where it fails.
logged() {
    "$@" >>"$dir/log" 2>&1
}

build() {
    logged cmake -S "$root" -B "$dir/build" -G Ninja -DBERTH_TESTS=OFF \
        -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER="$cc" \
        -DBERTH_PROFILE=OFF -DBERTH_PROFILE_WRITE="$work/counts" \
        "${options[@]}" &&
        logged cmake --build "$dir/build" --target berth || return
    local tool libs
    for tool in upstream load tls_load; do
        libs=()
        [ $tool != tls_load ] || libs=(-lssl -lcrypto)
        logged "$cc" -std=gnu11 -D_GNU_SOURCE -O2 -I"$root" -o "$work/$tool" \
            "$here/$tool.c" "$root"/router/base/{address,alloc,clock,err}.c \
            "$root"/router/base/{strbuf,strview}.c "${libs[@]}" || return
    done
    logged openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
        -nodes -days 2 -subj /CN=bench.example \
        -keyout "$work/key.pem" -out "$work/cert.pem"
}

is_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Until somebody accepts there; $2 must not end before.
await_port() {
    for _ in {1..100}; do
        ! is_open "$1" || return 0
        kill -0 "$2" 2>/dev/null || return
        sleep 0.05
    done
    return 1
}

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 20000))
        is_open $port || break
    done
    echo $port
}

start() {
    local app
    app=$(free_port)
    plain=$(free_port)
    tls=$(free_port)
    cat >"$work/berth.conf" <<CONF
worker_threads 1;
$user
state_dir $work/state;
http {
    access_log $work/access.log combined;
    keepalive_requests 1000000000;
    server { listen 127.0.0.1:$plain; route / { app up; } }
    server {
        listen 127.0.0.1:$tls tls;
        tls_certificate $work/cert.pem;
        tls_certificate_key $work/key.pem;
        access_log off;
        route / { app up; }
    }
}
app up { upstream 127.0.0.1:$app; concurrency 64; }
CONF
    "$work/upstream" "127.0.0.1:$app" &
    pids+=($!)
    await_port "$app" $! || return
    "$dir/build/berth" run -c "$work/berth.conf" >>"$dir/log" 2>&1 &
    berth=$!
    pids+=("$berth")
    await_port "$plain" $berth && await_port "$tls" $berth
}

# Requests with bodies, one behind the other, on a connection of their own.
post() {
    local i head
    head=$'POST /100 HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n'
    exec 3<>"/dev/tcp/127.0.0.1/$plain" || return
    for ((i = 0; i < 300; i++)); do
        printf '%sContent-Length: 5\r\n\r\nhello' "$head" >&3
        printf '%sTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' \
            "$head" >&3
    done
    printf '%sConnection: close\r\nContent-Length: 0\r\n\r\n' "$head" >&3
    timeout 10 cat <&3 >/dev/null
    exec 3>&-
}

# A bit of all that it does all day.
serve() {
    local body mode
    for body in 100 10240 1048576; do
        logged timeout 20 "$work/load" -c 64 -d 1.5 -w 0.1 \
            "127.0.0.1:$plain" /$body || return
    done
    post || return
    for mode in requests full resumed; do
        logged timeout 20 "$work/tls_load" -c 32 -d 1 -w 0.1 -m $mode \
            "127.0.0.1:$tls" /10240 || return
    done
}

# The counts are written when it ends.
finish() {
    kill "$berth" && wait "$berth" || return
    unset "pids[-1]" # its number may be another's by now
    find "$work/counts" -name '*exchange.c.gcda' | grep -q . || {
        echo "the front wrote no counts" >>"$dir/log"
        return 1
    }
    cp "$work/counts"/*.gcda "$dir/counts/"
}

echo "Making the profile that berth is optimised by (half a minute)"
: >"$dir/log"
if ! { build && start && serve && finish; }; then
    echo "profile.sh: there will be none (see $dir/log): berth is built" \
        "without, and costs some 6 % more CPU" >&2
fi
touch "$dir/made"
