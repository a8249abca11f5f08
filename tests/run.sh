#!/usr/bin/env bash
# Build berth in all its variants and run all tests.
#
#   tests/run.sh                everything (minutes)
#   tests/run.sh STAGE…         only these: lint unit fuzz e2e
#
# lint   which folder may include which; the house style; shellcheck
# unit   Criterion's tests: gcc, clang, AddressSanitizer and ThreadSanitizer
# fuzz   each libFuzzer target for a few seconds, from its corpus on
# e2e    the real binary and a real, private Podman; a part of it also with
#        the two sanitizers' builds. Needs root (sudo is used).
#
# Starts from a bare Debian 12: packages are installed as needed. The last line
# is "N passed, N failed" for all of it; the exit code is 1 if anything failed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh

stages="$*"
for stage in $stages; do
    case $stage in
    lint | unit | fuzz | e2e) ;;
    *)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
        exit 2
        ;;
    esac
done
wants() {
    case " ${stages:-$1} " in *" $1 "*) ;; *) return 1 ;; esac
}

work=$(mktemp -d)
podman=
clean_up() {
    rm -rf "$work"
    if [ -n "$podman" ]; then
        berth_deps_root conf/demo/podman_env.sh destroy "$podman"
    fi
}
trap clean_up EXIT
results=$work/results
: >"$results"

heading() {
    printf '\n== %s\n' "$1"
}

# One pass or failure for a whole command, whose output is shown if it fails.
one() {
    local name=$1 started=$SECONDS
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "1 passed, 0 failed" >>"$results"
        printf 'PASS %4d s    %s\n' $((SECONDS - started)) "$name"
    else
        echo "0 passed, 1 failed" >>"$results"
        printf 'FAIL %4d s    %s\n' $((SECONDS - started)) "$name"
        # Less what ninja says about each file that it got done.
        grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking) ' "$work/log" |
            tail -n 100 | sed 's/^/      | /'
        return 1
    fi
}

# Configure and build a variant: all of it, or only some targets.
build() {
    local preset=$1 dir
    shift
    dir=$(dir_of "$preset")
    cmake --preset "$preset" -DBERTH_WERROR=ON &&
        cmake --build "$dir" ${1:+--target "$@"} -- -k 0
}
mapfile -t fuzz_targets < <(basename -a -s .c tests/fuzz/*_fuzz.c)
dir_of() {
    case $1 in release) echo build ;; *) echo "build-$1" ;; esac
}

# Build a variant's targets, once; a later stage finds them built, or failed.
declare -A built=()
need_build() {
    local preset=$1 key="$*"
    if [ -z "${built[$key]:-}" ]; then
        built[$key]=no
        if one "build $preset${2:+: ${*:2}}" build "$@"; then
            built[$key]=yes
        fi
    fi
    [ "${built[$key]}" = yes ]
}

# ThreadSanitizer of older compilers knows no address space that is laid out as
# randomly as some kernels do it.
unrandomized=()
if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ]; then
    unrandomized=(setarch "$(uname -m)" -R)
fi
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

# --- stages -----------------------------------------------------------------

lint() {
    local -a scripts
    heading "lint"
    one "includes keep to tests/lint/include_rules.txt" \
        python3 tests/lint/check_includes.py . || true
    mapfile -t scripts < <(find conf tests -name '*.sh')
    one "style: tests/lint/check_style.py" \
        python3 tests/lint/check_style.py . || true
    one "shellcheck" shellcheck -x .ci/run "${scripts[@]}" || true
}

# Sum up what CTest's log says: Criterion's own counts where it gives them.
count_unit() {
    awk '
        / Testing: / { name = $3; counted = 0 }
        /^\[====\] Synthesis:/ {
            # Tested: 20 | Passing: 20 | Failing: 0 | Crashing: 0
            passed += $7; failed += $4 - $7; bad = $4 - $7; counted = 1
        }
        /^[0-9]+ passed, [0-9]+ failed$/ {
            passed += $1; failed += $3; bad = $3; counted = 1
        }
        /^Test Passed/ { if (!counted) passed++ }
        /^Test Failed|^Test (Timeout|time-out)|^Test Not Run/ {
            if (!counted || !bad) failed++
        }
        END { printf "%d passed, %d failed\n", passed, failed }' "$1"
}

unit() {
    local preset dir log started
    for preset in release dev asan tsan; do
        heading "unit tests: $preset"
        need_build $preset || continue
        dir=$(dir_of $preset)
        log=$dir/Testing/Temporary/LastTest.log
        rm -f "$log"
        local -a prefix=()
        if [ $preset = tsan ]; then
            prefix=("${unrandomized[@]}")
        fi
        started=$SECONDS
        if "${prefix[@]}" ctest --test-dir "$dir" -j "$(nproc)" --timeout 300 \
            --output-on-failure >"$work/log" 2>&1; then
            status=PASS
        else
            status=FAIL
        fi
        if [ -f "$log" ]; then
            count_unit "$log" >"$work/count"
        else
            echo "0 passed, 1 failed" >"$work/count"
        fi
        # What fails beside the tests themselves counts too.
        if [ $status = FAIL ] && grep -q ' 0 failed' "$work/count"; then
            echo "0 passed, 1 failed" >>"$work/count"
        fi
        cat "$work/count" >>"$results"
        printf '%s %4d s    %s: %s\n' $status $((SECONDS - started)) $preset \
            "$(head -n 1 "$work/count")"
        if [ $status = FAIL ]; then
            tail -n 200 "$work/log" | sed 's/^/      | /'
        fi
    done
}

fuzz() {
    local name
    heading "fuzzing, ${BERTH_FUZZ_SECONDS:=5} s each"
    need_build fuzz "${fuzz_targets[@]}" || return 0
    for name in "${fuzz_targets[@]}"; do
        mkdir "$work/$name"
        one "$name" "build-fuzz/tests/$name" \
            -max_total_time="$BERTH_FUZZ_SECONDS" -timeout=10 \
            -artifact_prefix="build-fuzz/$name-" \
            "$work/$name" "tests/fuzz/corpus/$name" || true
    done
}

run_e2e() {
    local preset=$1 lines
    shift
    local -a prefix=()
    if [ "$preset" = tsan ]; then
        prefix=("${unrandomized[@]}")
    fi
    lines=$(wc -l <"$results")
    berth_deps_root env BERTH_BIN="$PWD/$(dir_of "$preset")/berth" \
        ASAN_OPTIONS="$ASAN_OPTIONS" UBSAN_OPTIONS="$UBSAN_OPTIONS" \
        TSAN_OPTIONS="$TSAN_OPTIONS" PYTHONDONTWRITEBYTECODE=1 \
        "${prefix[@]}" tests/e2e/run.py --keep-podman "$podman" \
        --results "$results" "$@" || true
    # It did not even come to its end.
    if [ "$(wc -l <"$results")" -eq "$lines" ]; then
        echo "0 passed, 1 failed" >>"$results"
        echo "FAIL           run.py"
    fi
}

e2e() {
    local preset
    podman=$(mktemp -d /tmp/berth-e2e.XXXX)
    heading "end to end: release"
    # The binary alone: it may be well where a unit test does not compile.
    if need_build release berth; then
        run_e2e release
    fi
    for preset in asan tsan; do
        heading "end to end: $preset"
        if need_build $preset berth; then
            run_e2e $preset --tag sanitizer
        fi
    done
}

berth_deps build podman test
for stage in lint unit fuzz e2e; do
    if wants $stage; then
        $stage
    fi
done

printf '\nin %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
awk '{ passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' \
    "$results"
