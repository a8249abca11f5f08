#!/usr/bin/env bash
# Mixed load on berth for as long as told: see soak.py for its options.
#
#   tests/bench/soak.sh --seconds 600                        ASan and UBSan
#   BERTH_BIN=build-tsan/berth tests/bench/soak.sh --seconds 60
#   BERTH_BIN=build/berth tests/bench/soak.sh --connections 100000
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${BERTH_BIN:-}" ]; then
    cmake --preset asan >/dev/null
    cmake --build build-asan --target berth
    BERTH_BIN=$PWD/build-asan/berth
fi
export BERTH_BIN
prefix=()
# ThreadSanitizer of older compilers knows no address space that is laid out as
# randomly as some kernels do it.
if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ]; then
    prefix=(setarch "$(uname -m)" -R)
fi
exec "${prefix[@]}" python3 tests/bench/soak.py "$@"
