#!/usr/bin/env bash
# Build the demo's images into a private Podman (podman_env.sh), from Debian's,
# npm's and PyPI's packages; no image registry is needed.
#
#   conf/demo/images.sh DIR [RUNDIR]      as for podman_env.sh; needs root
#
# localhost/berth-demo/hello:1    C, static, FROM scratch
# localhost/berth-demo/digits:1   Python and scikit-learn, on the image python
# localhost/berth-demo/docs:1     Node and marked 4, on the image node
# localhost/berth-demo/blog:1     Node and marked 15, on the image node
#
# An image carries the digest of everything it was made from as a label, and is
# built again only when that changes.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=conf/demo/podman_env.sh
. ./podman_env.sh

readonly suite=bookworm
readonly label=io.berth.demo.inputs

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '2,/^$/{s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi
berth_podman_env "$@"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/berth-images.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

# --- what is to be done -----------------------------------------------------

# The digest of an image's inputs: these files, and anything named in words.
inputs_of() {
    local words=$1
    shift
    (
        echo "$words"
        sha256sum ./images.sh "$@"
    ) | sha256sum | cut -c 1-32
}

python_key=$(inputs_of $suite apps/digits/requirements.txt)
node_key=$(inputs_of $suite)
declare -A key=(
    [python]=$python_key
    [node]=$node_key
    [hello]=$(inputs_of "" apps/hello/*)
    [digits]=$(inputs_of "$python_key" apps/digits/*)
    [docs]=$(inputs_of "$node_key" apps/node/* apps/docs/*)
    [blog]=$(inputs_of "$node_key" apps/node/* apps/blog/*)
)
declare -A there=()
while read -r name inputs; do
    there[$name]=$inputs
done < <(berth_podman images --filter "label=$label" --format \
    "{{.Repository}} {{index .Labels \"$label\"}}" |
    sed -n 's,^localhost/berth-demo/,,p')

is_missing() {
    [ "${there[$1]:-}" != "${key[$1]}" ]
}
any_missing() {
    local name
    for name in "$@"; do
        if is_missing "$name"; then
            return 0
        fi
    done
    return 1
}

# --- progress: one line a step, its time at the end ---------------------------

steps=0 step=0
step_started=0
begin() {
    step=$((step + 1))
    step_started=${EPOCHREALTIME/[.,]/}
    printf '[%d/%d] %s … ' "$step" "$steps" "$1"
}
finish() {
    local ms=$(((${EPOCHREALTIME/[.,]/} - step_started) / 1000))
    printf '%d.%d s%s\n' $((ms / 1000)) $((ms % 1000 / 100)) "${1:+ ($1)}"
}

# Run quietly; show what was said when it fails.
quietly() {
    if ! "$@" >"$work/log" 2>&1; then
        echo failed
        cat "$work/log" >&2
        echo "images: failed: $*" >&2
        return 1
    fi
}

# --- trees of Debian packages ---------------------------------------------------

# Unpack packages and what they need into $work/NAME, without running their
# scripts: enough for a Python or Node that is only run, and quick.
unpack() {
    local name=$1 packages=$2 proxy=
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    mmdebstrap --quiet --mode=root --variant=extract --include="$packages" \
        ${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
        $suite "$work/$name"
}

# Three at a time would only share the two cores of a small machine.
unpack_all() {
    local -a jobs=()
    local job status=0
    for job in "$@"; do
        case $job in
        tools) unpack tools npm,python3-pip & ;;
        python) unpack python python3,libstdc++6,libgomp1,busybox-static & ;;
        node) unpack node nodejs,busybox-static & ;;
        esac
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || status=1
    done
    return $status
}

# Remove from a tree what a container never reads; give it a shell for
# `podman exec`, a user and the certificates of this host.
tidy() {
    local root=$1
    rm -rf "${root:?}"/usr/share/{doc,info,lintian,locale,man,perl5,gcc,bug} \
        "${root:?}"/usr/lib/*-linux-gnu/{gconv,perl,perl-base} \
        "${root:?}"/var/{lib/apt,lib/dpkg,cache/*} "${root:?}/boot" \
        "${root:?}"/usr/share/nodejs/@types "${root:?}"/dev/*
    mkdir -p "$root"/{bin,etc/ssl/certs,tmp,app}
    chmod 1777 "$root/tmp"
    ln -sf busybox "$root/bin/sh"
    printf '%s\n' 'root:x:0:0::/root:/bin/sh' 'app:x:1000:1000::/app:/bin/sh' \
        >"$root/etc/passwd"
    printf '%s\n' 'root:x:0:' 'app:x:1000:' >"$root/etc/group"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
}

# Run a program of $work/tools there, with the network and nothing else of
# this host's environment but how to reach a registry.
in_tools() {
    local name
    local -a env=(PATH=/usr/bin:/bin HOME=/root LANG=C.UTF-8
        SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
        NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY \
        NO_PROXY PIP_INDEX_URL npm_config_registry; do
        [ -z "${!name:-}" ] || env+=("$name=${!name}")
    done
    env -i "${env[@]}" "$(command -v chroot)" "$work/tools" "$@"
}

prepare_tools() {
    local bundle=$work/tools/etc/ssl/certs/ca-certificates.crt file
    mkdir -p "${bundle%/*}" "$work/tools/work"
    cp /etc/resolv.conf "$work/tools/etc/"
    # Whom this host trusts, and whom the caller's environment does.
    for file in /etc/ssl/certs/ca-certificates.crt "${SSL_CERT_FILE:-}" \
        "${PIP_CERT:-}" "${NODE_EXTRA_CA_CERTS:-}"; do
        if [ -f "$file" ]; then
            cat "$file"
        fi
    done >"$bundle"
}

# --- images -----------------------------------------------------------------

# A tree becomes a base image.
import_tree() {
    local name=$1
    shift
    tar -C "$work/$name" --sort=name --numeric-owner -cf "$work/$name.tar" .
    quietly berth_podman import --quiet \
        --change "LABEL $label=${key[$name]}" "$@" \
        "$work/$name.tar" "localhost/berth-demo/$name:latest"
    rm -rf "${work:?}/$name" "$work/$name.tar"
}

# A folder with a Containerfile becomes an app's image.
build_app() {
    local name=$1 context=$2
    shift 2
    quietly berth_podman build --quiet --pull=never --network=none \
        --label "$label=${key[$name]}" "$@" \
        --tag "localhost/berth-demo/$name:1" "$context"
}

size_of() {
    berth_podman images --format '{{.Size}}' "localhost/berth-demo/$1"
}

make_python() {
    local site=usr/local/lib/python3.11/dist-packages
    cp apps/digits/requirements.txt "$work/tools/work/"
    # The console scripts and the packages' own tests (30 MB) stay behind.
    quietly in_tools python3 -m pip install --quiet --root-user-action=ignore \
        --disable-pip-version-check --no-cache-dir --no-compile \
        --require-hashes --only-binary :all: --target /work/site \
        -r /work/requirements.txt
    tidy "$work/python"
    mkdir -p "$work/python/$site"
    mv "$work/tools/work/site"/* "$work/python/$site/"
    rm -rf "$work/python/$site/bin"
    find "$work/python/$site" -type d -name tests -prune -exec rm -rf {} +
    find "$work/python/$site" -name '*.py[ixd]' -delete
    # Byte code for what an app here imports: a second less at each start.
    quietly env -i "$(command -v chroot)" "$work/python" /usr/bin/python3 -c \
        'import sklearn.svm, sklearn.datasets, sklearn.model_selection, joblib, http.server'
    import_tree python
}

make_node() {
    tidy "$work/node"
    import_tree node
}

make_node_app() {
    local name=$1
    mkdir -p "$work/tools/work/$name"
    cp "apps/$name"/package*.json "$work/tools/work/$name/"
    # npm by its file: without coreutils there is no `env` for its first line.
    quietly in_tools node /usr/share/nodejs/npm/bin/npm-cli.js ci \
        --prefix "/work/$name" --omit=dev --ignore-scripts --no-audit \
        --no-fund --no-update-notifier
    cp "apps/$name/render.js" apps/node/* "$work/tools/work/$name/"
    build_app "$name" "$work/tools/work/$name" --build-arg "APP=$name"
}

make_hello() {
    mkdir "$work/hello"
    quietly gcc -std=gnu11 -O2 -static -pthread -s -Wall \
        -o "$work/hello/hello" apps/hello/hello.c
    cp apps/hello/Containerfile "$work/hello/"
    build_app hello "$work/hello"
}

# --- all of it ------------------------------------------------------------------

trees=()
if any_missing python docs blog; then
    trees+=(tools)
fi
for name in python node; do
    if is_missing $name; then
        trees+=("$name")
    fi
done
if [ ${#trees[@]} -gt 0 ]; then
    steps=1
fi
for name in python node hello digits docs blog; do
    if is_missing $name; then
        steps=$((steps + 1))
    fi
done
if [ $steps -eq 0 ]; then
    echo "images: all there"
    exit 0
fi

if [ ${#trees[@]} -gt 0 ]; then
    begin "Debian packages for ${trees[*]}"
    quietly unpack_all "${trees[@]}"
    if [ -d "$work/tools" ]; then
        prepare_tools
    fi
    finish
fi
make_image() {
    local name=$1 what=$2
    shift 2
    if is_missing "$name"; then
        begin "image $name: $what"
        "$@"
        finish "$(size_of "$name")"
    fi
}
make_image python "Python, scikit-learn from PyPI" make_python
make_image node "Node" make_node
make_image hello "a static C program" make_hello
make_image digits "a model, trained now" build_app digits apps/digits
make_image docs "Node, marked 4 from npm" make_node_app docs
make_image blog "Node, marked 15 from npm" make_node_app blog
# What a new version of an image has left without a name.
berth_podman image prune --force >/dev/null
