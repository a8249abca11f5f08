#!/usr/bin/env bash
# Build the images of the test app into a private Podman (podman_env.sh).
#
#   tests/apps/images.sh DIR       DIR as for conf/demo/podman_env.sh
#
# localhost/berth-test/app:1      the test app: see `testapp --help`
# localhost/berth-test/app:2      the same, as another version of the image
# localhost/berth-test/exit:1     prints two lines and exits with code 3
# localhost/berth-test/silent:1   runs, and never listens
# localhost/berth-test/expose:1   declares (EXPOSE) and uses port 9000
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=conf/demo/podman_env.sh
. conf/demo/podman_env.sh

if [ $# -ne 1 ]; then
    echo "usage: tests/apps/images.sh DIR" >&2
    exit 2
fi
berth_podman_env "$1"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Compiled once a run of the tests (tests/e2e/run_dir.py).
tar=${BERTH_TEST_RUN:-$work}/testapp.tar
if [ ! -e "$tar" ]; then
    mkdir -p "$work/root/tmp"
    chmod 1777 "$work/root/tmp"
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 -static -pthread -I. -Wall -Wextra \
        -o "$work/root/testapp" \
        tests/apps/testapp.c tests/apps/testapp_http.c \
        tests/apps/testapp_routes.c tests/apps/sha256.c
    strip "$work/root/testapp"
    tar -C "$work/root" --sort=name --mtime=@0 --owner=0 --group=0 \
        --numeric-owner -cf "$work/new.tar" .
    # Whole, or not there: others may look for it at this moment.
    cp "$work/new.tar" "$tar.$$"
    mv "$tar.$$" "$tar"
fi

# The layer is the same for all; an image more costs some 50 ms.
import_image() {
    local name=$1
    shift
    berth_podman import --quiet "$@" --change 'ENTRYPOINT ["/testapp"]' \
        "$tar" "localhost/berth-test/$name" >/dev/null
}
import_image app:1
import_image app:2 --change 'ENV TESTAPP_VERSION=2'
import_image exit:1 --change 'CMD ["--exit=3"]'
import_image silent:1 --change 'CMD ["--never-listen"]'
import_image expose:1 --change 'EXPOSE 9000/tcp' --change 'CMD ["--port=9000"]'
