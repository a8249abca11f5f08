#!/usr/bin/env bash
# Build berth in all its variants and run all tests.
#
#   tests/run.sh                everything (minutes)
#   tests/run.sh STAGE…         only these: lint unit fuzz e2e
#
# lint   which folder may include which; the house style; shellcheck
# unit   Criterion's tests: gcc as it ships; clang, with AddressSanitizer and
#        UndefinedBehaviorSanitizer; ThreadSanitizer
# fuzz   each libFuzzer target for a few seconds, from its corpus on
# e2e    the real binary and real, private Podmans, two tests at a time; a part
#        of it also with the two sanitizers' builds. Needs root (sudo is used).
#
# The builds with sanitizers are made beside the first tests, at a lower
# priority. A run that is killed is cleared away after by the next one.
#
# Starts from a bare Debian 12: packages are installed as needed. The last line
# is "N passed, N failed" for all of it; the exit code is 1 if anything failed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=conf/demo/deps.sh
. conf/demo/deps.sh

# Configure and build a variant: all of it, or these targets.
build() {
    local preset=$1 dir
    shift
    dir=$(dir_of "$preset")
    cmake --preset "$preset" -DBERTH_WERROR=ON &&
        cmake --build "$dir" ${1:+--target "$@"} -- -k 0
}
dir_of() {
    case $1 in release) echo build ;; *) echo "build-$1" ;; esac
}

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

export PYTHONDONTWRITEBYTECODE=1
berth_deps build podman test
# What a killed run left, on this machine, goes first. (Its Podmans need root.)
if wants e2e || wants unit; then
    berth_deps_root tests/e2e/run_dir.py sweep
fi

# All that this run makes is there, and all that it starts knows it by this
# variable: see tests/e2e/run_dir.py.
work=$(mktemp -d /tmp/berth.XXXXXX)
export BERTH_TEST_RUN=$work
chmod 755 "$work" # for berth's front, which is another user
builder=
clean_up() {
    local dir
    if [ -n "$builder" ]; then
        kill -- "-$builder" 2>/dev/null || true
    fi
    for dir in "$work"/podman*; do
        if [ -d "$dir" ]; then
            berth_deps_root conf/demo/podman_env.sh destroy "$dir"
        fi
    done
    rm -rf "$work" 2>/dev/null || berth_deps_root rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tests/e2e/run_dir.py own "$work" $$ || exit 1
results=$work/results
: >"$results"

# A clone elsewhere finds what this one compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

# --- time -------------------------------------------------------------------

# Ticks of all processors: all, and those with nothing to do.
processor_ticks() {
    awk '/^cpu / { print $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9, $5 + $6 }' \
        /proc/stat
}

# From here on time counts for this phase, until the next.
phase_name=
phase() {
    local all idle
    read -r all idle < <(processor_ticks)
    if [ -n "$phase_name" ]; then
        awk -v name="$phase_name" -v s=$((SECONDS - phase_start)) \
            -v all=$((all - phase_all)) -v idle=$((idle - phase_idle)) 'BEGIN {
            printf "%5d s  %3d %% busy  %s\n", s,
                all ? 100 * (all - idle) / all : 0, name }' >>"$work/phases"
    fi
    phase_name=$1 phase_start=$SECONDS phase_all=$all phase_idle=$idle
}

heading() {
    printf '\n== %s\n' "$1"
}

# One pass or failure for a whole command, whose output is in $work/log.
report() {
    local status=$1 took=$2 name=$3
    printf '%s %4d s    %s\n' "$status" "$took" "$name"
    if [ "$status" = PASS ]; then
        echo "1 passed, 0 failed" >>"$results"
    else
        echo "0 passed, 1 failed" >>"$results"
        # Less what ninja says about each file that it got done.
        grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking) ' "$work/log" |
            tail -n 100 | sed 's/^/      | /'
    fi
}

one() {
    local name=$1 started=$SECONDS status=PASS
    shift
    "$@" >"$work/log" 2>&1 || status=FAIL
    report $status $((SECONDS - started)) "$name"
}

mapfile -t fuzz_targets < <(basename -a -s .c tests/fuzz/*_fuzz.c)

# Build these variants in the background, one after the other: what they say is
# in $work/build-PRESET.log, how it went in $work/build-PRESET.
build_ahead() {
    set -m # a process group of its own: clean_up ends all of it
    (
        trap - EXIT
        for preset in "$@"; do
            # Whoever clears away after us kills only what has our variable.
            kill -0 $$ 2>/dev/null || exit
            started=$SECONDS status=PASS
            # The first is waited for at once; the others come beside tests.
            if [ "$preset" = "${2:-}" ]; then
                renice -n 10 "$BASHPID" >/dev/null
            fi
            targets=()
            if [ "$preset" = fuzz ]; then
                targets=("${fuzz_targets[@]}")
            elif ! wants unit; then
                # It may be well where a unit test does not compile.
                targets=(berth)
            fi
            build "$preset" "${targets[@]}" >"$work/build-$preset.log" 2>&1 ||
                status=FAIL
            echo "$status $((SECONDS - started))" >"$work/build-$preset.new"
            mv "$work/build-$preset.new" "$work/build-$preset"
        done
    ) </dev/null &
    builder=$!
    set +m
}

# A variant, once: made ahead, or now. A later stage finds it built, or failed.
declare -A built=()
need_build() {
    local preset=$1 status took
    if [ -z "${built[$preset]:-}" ]; then
        phase "build $preset (what was left of it)"
        while [ ! -f "$work/build-$preset" ] && kill -0 "$builder" 2>/dev/null; do
            sleep 0.2
        done
        status=FAIL took=0 # the builder died
        if [ -f "$work/build-$preset" ]; then
            read -r status took <"$work/build-$preset"
        fi
        built[$preset]=$status
        touch "$work/build-$preset.log"
        cp "$work/build-$preset.log" "$work/log"
        report "$status" "$took" "build $preset"
    fi
    [ "${built[$preset]}" = PASS ]
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
    phase lint
    heading "lint"
    one "includes keep to tests/lint/include_rules.txt" \
        python3 tests/lint/check_includes.py .
    mapfile -t scripts < <(find conf tests -name '*.sh')
    one "style: tests/lint/check_style.py" \
        python3 tests/lint/check_style.py .
    one "shellcheck" shellcheck -x .ci/run "${scripts[@]}"
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

# One variant's unit tests. Many of them wait most of the time.
unit() {
    local preset=$1 dir log started status=PASS
    heading "unit tests: $preset"
    need_build "$preset" || return 0
    phase "unit tests: $preset"
    dir=$(dir_of "$preset")
    log=$dir/Testing/Temporary/LastTest.log
    rm -f "$log"
    local -a prefix=()
    if [ "$preset" != release ]; then
        prefix=("${unrandomized[@]}")
    fi
    started=$SECONDS
    "${prefix[@]}" ctest --test-dir "$dir" -j $((3 * $(nproc))) --timeout 300 \
        --output-on-failure >"$work/log" 2>&1 || status=FAIL
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
    printf '%s %4d s    %s: %s\n' $status $((SECONDS - started)) "$preset" \
        "$(head -n 1 "$work/count")"
    if [ $status = FAIL ]; then
        tail -n 200 "$work/log" | sed 's/^/      | /'
    fi
}

# One target, which is run beside others.
fuzz_one() {
    local name=$1 started=$SECONDS status=PASS
    mkdir "$work/$name"
    "${unrandomized[@]}" "build-fuzz/tests/$name" \
        -max_total_time="$BERTH_FUZZ_SECONDS" -timeout=10 \
        -artifact_prefix="build-fuzz/$name-" \
        "$work/$name" "tests/fuzz/corpus/$name" >"$work/$name.log" 2>&1 ||
        status=FAIL
    echo "$status $((SECONDS - started))" >"$work/$name.status"
}

fuzz() {
    local name status took
    heading "fuzzing, ${BERTH_FUZZ_SECONDS:=5} s each"
    need_build fuzz || return 0
    phase fuzzing
    for name in "${fuzz_targets[@]}"; do
        while [ "$(jobs -r -p | grep -vcxF "$builder")" -ge "$(nproc)" ]; do
            sleep 0.1
        done
        fuzz_one "$name" &
    done
    for name in "${fuzz_targets[@]}"; do
        while [ ! -s "$work/$name.status" ]; do
            sleep 0.1
        done
        read -r status took <"$work/$name.status"
        mv "$work/$name.log" "$work/log"
        report "$status" "$took" "$name"
    done
}

e2e() {
    local preset=$1 lines
    shift
    local -a prefix=()
    heading "end to end: $preset"
    need_build "$preset" || return 0
    phase "end to end: $preset"
    if [ "$preset" != release ]; then
        prefix=("${unrandomized[@]}")
    fi
    lines=$(wc -l <"$results")
    berth_deps_root env BERTH_BIN="$PWD/$(dir_of "$preset")/berth" \
        ASAN_OPTIONS="$ASAN_OPTIONS" UBSAN_OPTIONS="$UBSAN_OPTIONS" \
        TSAN_OPTIONS="$TSAN_OPTIONS" PYTHONDONTWRITEBYTECODE=1 \
        BERTH_TEST_RUN="$work" "${prefix[@]}" tests/e2e/run.py \
        --jobs "${BERTH_E2E_JOBS:-2}" --keep-podman "$work/podman" \
        --results "$results" "$@" || true
    # It did not even come to its end.
    if [ "$(wc -l <"$results")" -eq "$lines" ]; then
        echo "0 passed, 1 failed" >>"$results"
        echo "FAIL           run.py"
    fi
}

# --- all of it --------------------------------------------------------------

variants=()
if wants unit || wants e2e; then variants=(release asan tsan); fi
if wants fuzz; then variants+=(fuzz); fi
if [ ${#variants[@]} -gt 0 ]; then build_ahead "${variants[@]}"; fi
if wants lint; then lint; fi
if wants unit; then unit release; fi
if wants e2e; then e2e release; fi
if wants unit; then
    unit asan
    unit tsan
fi
if wants fuzz; then fuzz; fi
if wants e2e; then
    e2e asan --tag sanitizer
    e2e tsan --tag sanitizer
fi
phase ''

printf '\nin %d min %d s, of which\n' $((SECONDS / 60)) $((SECONDS % 60))
cat "$work/phases"
awk '{ passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' \
    "$results"
