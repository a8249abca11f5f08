#!/usr/bin/env bash
# Install the Debian packages that a task needs, and only those that are missing.
#
#   conf/demo/deps.sh build podman images      as a command
#   . conf/demo/deps.sh; berth_deps build      as a library
#
# Sets: build podman images test host bench. Debian 12 and 13, Ubuntu 24.04.
# Nothing missing costs one dpkg-query; the network is only touched otherwise.

# The names of a set's packages, one a line. llhttp and clang-rt stand for
# packages whose real name depends on the release.
berth_deps_list() {
    case $1 in
    build)
        printf '%s\n' build-essential cmake ninja-build pkg-config ccache \
            libevent-dev libssl-dev libcurl4-openssl-dev libcjson-dev \
            libyaml-dev libcrypt-dev llhttp openssl
        ;;
    podman)
        # iptables: Debian 12's netavark calls it and fails without a word
        # about it. nftables: what newer ones use instead. runc and not crun:
        # Debian 12's crun refuses hosts with a hybrid cgroup hierarchy.
        printf '%s\n' podman runc netavark aardvark-dns iptables mount \
            nftables conmon catatonit ca-certificates util-linux iproute2 curl
        ;;
    images)
        printf '%s\n' mmdebstrap debian-archive-keyring ca-certificates \
            build-essential jq
        ;;
    test)
        printf '%s\n' libcriterion-dev clang clang-rt clang-format clang-tidy \
            python3 curl jq shellcheck openssl docker-registry apache2-utils \
            busybox-static zsh fish man-db groff \
            prometheus
        ;;
    host)
        printf '%s\n' mmdebstrap debian-archive-keyring e2fsprogs \
            qemu-system-x86
        ;;
    bench)
        printf '%s\n' nginx haproxy wrk
        ;;
    *)
        echo "deps: no set \"$1\"; there are: build podman images test host bench" >&2
        return 2
        ;;
    esac
}

# clang's sanitizer and fuzzer runtimes are a package of their own whose name
# carries clang's version.
berth_deps_clang_rt() {
    apt-cache depends clang |
        sed -n 's/^ *Depends: clang-\([0-9]*\)$/libclang-rt-\1-dev/p'
}

# llhttp: a library of its own from version 9 on, before that the C sources
# that Debian ships for Node.
berth_deps_llhttp() {
    local version
    version=$(apt-cache policy libllhttp-dev 2>/dev/null |
        sed -n 's/^ *Candidate: *//p')
    if [ -n "$version" ] && dpkg --compare-versions "$version" ge 9; then
        echo libllhttp-dev
    else
        echo node-llhttp
    fi
}

# The package that NAME stands for, once apt's lists are there.
berth_deps_resolve() {
    case $1 in
    llhttp) berth_deps_llhttp ;;
    clang-rt) berth_deps_clang_rt ;;
    *) echo "$1" ;;
    esac
}

# Read names, write those that are not installed. One dpkg-query for all.
berth_deps_missing() {
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null |
        awk 'NR == FNR { if ($2 == "installed") have[$1] = 1; next }
            $0 == "llhttp" {
                if (!("libllhttp-dev" in have) && !("node-llhttp" in have))
                    print
                next
            }
            $0 == "clang-rt" {
                for (name in have)
                    if (name ~ /^libclang-rt-[0-9]+-dev$/)
                        next
                print
                next
            }
            !($0 in have)' - "$1"
}

berth_deps_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        echo "deps: only root can run $1, and there is no sudo: run this as" \
            "root" >&2
        return 1
    fi
}

# Run apt-get quietly: its output is shown only if it fails.
berth_deps_apt() {
    local log
    log=$(mktemp)
    if ! berth_deps_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" \
        >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "deps: apt-get $* failed (its output stands above)" >&2
        return 1
    fi
    rm -f "$log"
}

# Debian starts a service when its package is installed. nginx, HAProxy and
# docker-registry are wanted as programs only: a policy that says no to these
# while we install keeps their ports free. A policy of the host's own stays as it is.
berth_deps_policy=/usr/sbin/policy-rc.d
berth_deps_hold_services() {
    [ ! -e "$berth_deps_policy" ] || return 0
    berth_deps_root tee "$berth_deps_policy" >/dev/null <<'POLICY'
#!/bin/sh
# Put here by berth's deps.sh for the length of one apt-get; safe to remove.
case $1 in nginx | haproxy | docker-registry) exit 101 ;; esac
exit 0
POLICY
    berth_deps_root chmod 755 "$berth_deps_policy"
}

berth_deps_release_services() {
    if grep -qs "^# Put here by berth's deps.sh" "$berth_deps_policy"; then
        berth_deps_root rm -f "$berth_deps_policy"
    fi
}

# Keep what we installed ourselves from starting at the next boot.
berth_deps_disable_services() {
    local name
    [ -d /run/systemd/system ] || return 0
    for name in "$@"; do
        case $name in
        nginx | haproxy | docker-registry)
            berth_deps_root systemctl disable --now "$name" >/dev/null 2>&1 ||
                echo "deps: could not disable the service $name" >&2
            ;;
        esac
    done
}

# Install what the named sets need.
berth_deps() {
    local sets=$* wanted missing name
    local -a packages=()

    if ! command -v dpkg-query >/dev/null; then
        echo "deps: this is not Debian or Ubuntu; install by hand what" \
            "conf/demo/deps.sh lists for: $sets" >&2
        return 1
    fi
    wanted=$(mktemp)
    for name in "$@"; do
        berth_deps_list "$name" >>"$wanted" || {
            rm -f "$wanted"
            return 2
        }
    done
    missing=$(berth_deps_missing "$wanted" | sort -u)
    rm -f "$wanted"
    [ -n "$missing" ] || return 0

    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        echo "deps: packages are missing, and only root can install them" \
            "(there is no sudo). As root: conf/demo/deps.sh $sets" >&2
        return 1
    fi
    echo "deps: updating the package lists"
    berth_deps_apt update || return 1
    for name in $missing; do
        packages+=("$(berth_deps_resolve "$name")")
    done
    echo "deps: installing for $sets: ${packages[*]}"
    (
        trap berth_deps_release_services EXIT
        case " ${packages[*]} " in
        *" nginx "* | *" haproxy "* | *" docker-registry "*)
            berth_deps_hold_services ;;
        esac
        berth_deps_apt install --no-install-recommends "${packages[@]}"
    ) || return 1
    berth_deps_disable_services "${packages[@]}"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    if [ $# -eq 0 ]; then
        echo "usage: conf/demo/deps.sh build|podman|images|test|bench…" >&2
        exit 2
    fi
    berth_deps "$@"
fi
