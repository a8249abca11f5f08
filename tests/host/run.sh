#!/usr/bin/env bash
# berth on a real host: Debian 13 with systemd, cgroup v2, crun and Podman 5,
# in an emulated machine that is made anew for each run. README.md beside this
# file says what differs there from the machine of the other tests.
#
#   tests/host/run.sh [--keep DIR] [WORD…]
#
# Builds berth, makes the host's disk with mmdebstrap, installs berth there as
# a package would (cmake --install), boots it in qemu without KVM, and runs
# tests/host/guest.py inside. Nothing of the network is needed once the packages
# are in. Needs root; 15 minutes at most, of which the boot is half of one.
# --keep DIR: packages, disk and logs stay there, and the next run is quicker.
# WORD…: only steps whose names contain one of them, and those that prepare.
#
# The last line is "N passed, N failed"; the exit code is 1 if anything failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh

keep=
case ${1-} in
--keep)
    keep=${2:?--keep needs a directory}
    shift 2
    ;;
-*)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac

limit_s=900 # of the emulated machine
work=${keep:-$(mktemp -d)}
mkdir -p "$work"
clean_up() {
    [ -n "$keep" ] || rm -rf "$work"
}
trap clean_up EXIT

say() {
    printf '\n== %s\n' "$1"
}

say "packages"
berth_deps build images host

say "berth and the test app"
cmake --preset release >/dev/null
cmake --build build --target berth manuals
gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -pthread -I. -o "$work/testapp" tests/apps/*.c

say "the host's packages (Debian 13)"
packages=(
    systemd systemd-sysv dbus dbus-user-session libpam-systemd
    linux-image-cloud-amd64
    podman crun netavark aardvark-dns nftables conmon catatonit
    uidmap passt slirp4netns fuse-overlayfs
    ca-certificates curl iproute2 procps python3
    libevent-2.1-7t64 libevent-extra-2.1-7t64 libevent-openssl-2.1-7t64
    libssl3t64 libcurl4t64 libcjson1 libyaml-0-2 libcrypt1
)
names=$(printf '%s,' "${packages[@]}")
if [ ! -f "$work/root.tar" ] || [ "$names" != "$(cat "$work/names" 2>/dev/null)" ]; then
    mmdebstrap --quiet --variant=minbase \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        --include="$names" trixie "$work/new.tar"
    mv "$work/new.tar" "$work/root.tar"
    echo "$names" >"$work/names"
fi

say "its disk"
rm -rf "$work/root"
mkdir "$work/root"
tar -C "$work/root" -xpf "$work/root.tar"
DESTDIR=$work/root cmake --install build --prefix /usr >/dev/null
if chroot "$work/root" ldd /usr/bin/berth | grep 'not found'; then
    echo "this berth, built here, does not run on Debian 13" >&2
    exit 1
fi
install -D -m 755 -t "$work/root/root/host" "$work/testapp" tests/host/guest.py
install -m 644 -t "$work/root/root/host" tests/host/*.conf
[ $# -eq 0 ] || echo "$@" >"$work/root/root/host/only"
install -m 644 tests/host/guest.service "$work/root/etc/systemd/system/"
ln -sf /etc/systemd/system/guest.service \
    "$work/root/etc/systemd/system/multi-user.target.wants/guest.service"
# Nobody logs in, and nothing waits for a network that is not there.
echo berth-host >"$work/root/etc/hostname"
echo '127.0.0.1 localhost berth-host' >"$work/root/etc/hosts"
# What a container's names would be looked up with; there is none to ask.
echo 'nameserver 127.0.0.1' >"$work/root/etc/resolv.conf"
ln -sf /dev/null "$work/root/etc/systemd/system/systemd-networkd-wait-online.service"
rm -f "$work/disk"
mke2fs -q -t ext4 -d "$work/root" "$work/disk" 4G
kernel=$(printf '%s\n' "$work"/root/boot/vmlinuz-* | tail -n 1)
initrd=$(printf '%s\n' "$work"/root/boot/initrd.img-* | tail -n 1)
cp "$kernel" "$work/vmlinuz"
cp "$initrd" "$work/initrd"
rm -rf "$work/root"

say "the emulated machine"
: >"$work/results"
started=$SECONDS
# Two serial ports: the console, and what guest.py reports.
timeout --signal=KILL "$limit_s" qemu-system-x86_64 \
    -accel tcg,thread=multi -smp 2 -m 3G -cpu max \
    -kernel "$work/vmlinuz" -initrd "$work/initrd" \
    -append "root=/dev/vda rw console=ttyS0 quiet panic=-1" \
    -drive file="$work/disk",if=virtio,format=raw,cache=unsafe \
    -nic none -display none -no-reboot -monitor none \
    -serial file:"$work/console" -serial file:"$work/results" </dev/null &
qemu=$!
tail --pid=$qemu -n +1 -F "$work/results" 2>/dev/null | tr -d '\r' &
wait $qemu || echo "the emulated machine did not end by itself within $limit_s s"
sleep 1
echo "emulated machine: $((SECONDS - started)) s"

passed=$(grep -c '^PASS' "$work/results" || true)
failed=$(grep -c '^FAIL' "$work/results" || true)
if ! grep -q '^DONE' "$work/results"; then
    echo "guest.py did not come to its end; the console's last lines:"
    tail -n 60 "$work/console"
    failed=$((failed + 1))
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
