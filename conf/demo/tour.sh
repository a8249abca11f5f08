# shellcheck shell=bash
# The tour of run.sh --check: what berth does for the demo's apps, step by step,
# each step with what was seen and whether it is as it should be. Sourced by
# run.sh, which sets:
: "${url:?}" "${admin:?}" "${conf:?}" "${berth:?}" "${state:?}"

readonly apps=(hello digits docs blog)
readonly body=$state/body
passed=0 failed=0

heading() {
    printf '\n%s\n' "$1"
}

# One checked fact: its words, and a command that succeeds if it is so.
check() {
    local words=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        printf '  ok    %s\n' "$words"
    else
        failed=$((failed + 1))
        printf '  FAIL  %s\n' "$words"
        if [ -s "$body" ]; then
            printf '        the last answer was: %.300s\n' "$(tr '\n' ' ' <"$body")"
        fi
    fi
}

# Ask for a path, with more words for curl if need be. Leaves the answer in
# $body, its code in $code and the time to its first byte in $ms.
ask() {
    local seen
    : >"$body"
    seen=$(curl -s -o "$body" --max-time 60 "${@:2}" \
        -w '%{http_code} %{time_starttransfer}' "$url$1") || true
    code=${seen%% *}
    ms=$(awk -v s="${seen##* }" 'BEGIN { printf "%.1f", s * 1000 }')
}

# The median, in milliseconds, of 100 requests over one connection; fails unless
# all are answered with 200.
warm_ms() {
    curl -s -o /dev/null -w '%{http_code} %{time_total}\n' \
        "$url/$1?[1-100]" | sort -k 2 -n | awk '
        $1 != 200 { bad++ }
        NR == 50 { printf "%.2f\n", $2 * 1000 }
        END { exit bad > 0 || NR != 100 }'
}

# How many containers run, of one app or of all.
running() {
    berth_podman ps --format '{{.Image}}' |
        awk -v want="${1:+localhost/berth-demo/$1:1}" \
            'want == "" || $0 == want { n++ } END { print n + 0 }'
}

# The state of an app as `berth status --json` gives it.
state_of() {
    "$berth" status -c "$conf" --json | jq -r --arg app "$1" '
        [.. | objects | select(.state? and (.app? // .name?) == $app) | .state][0]'
}

all_asleep() {
    local app
    [ "$(running)" -eq 0 ] || return 1
    for app in "${apps[@]}"; do
        [ "$(state_of "$app")" = asleep ] || return 1
    done
}

# Wait up to N seconds for a command to succeed.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

answer_has() {
    grep -qF -- "$1" "$body"
}

answer_is() {
    jq -e "$1" "$body" >/dev/null 2>&1
}

# The sum of a metric's samples with these labels, given as a regular expression.
metric() {
    curl -s "$admin/metrics" |
        awk -v want="^$1[{].*$2" '$0 ~ want { n += $NF } END { printf "%d\n", n }'
}

tour_cold() {
    local app
    heading "Nothing runs until somebody asks"
    check "all apps are asleep, no container runs" all_asleep

    heading "The first request starts an app (time to the first byte)"
    for app in "${apps[@]}"; do
        ask "/$app"
        check "$app: $code after $ms ms" [ "$code" = 200 ]
        check "$app: one container runs" [ "$(running "$app")" -eq 1 ]
        check "$app: ready" [ "$(state_of "$app")" = ready ]
    done
}

tour_warm() {
    local app median
    heading "The next ones are fast (median of 100)"
    for app in "${apps[@]}"; do
        median=failed
        median=$(warm_ms "$app") || true
        check "$app: $median ms" awk -v ms="$median" \
            'BEGIN { exit !(ms ~ /^[0-9.]+$/ && ms + 0 < 50) }'
    done
}

tour_apps() {
    heading "Each app has what it needs in its own image"
    ask "/docs"
    check "docs answers with marked 4: $(jq -r .marked "$body" 2>/dev/null)" \
        answer_has '"marked":"4.'
    check "… and its headings have ids" answer_has '<h1 id=\"berths\">'
    ask "/blog"
    check "blog answers with marked 15: $(jq -r .marked "$body" 2>/dev/null)" \
        answer_has '"marked":"15.'
    check "… and its headings have none" answer_has '<h1>Berths</h1>'
    ask "/digits?sample=7"
    jq -r '.picture[]' "$body" 2>/dev/null | sed 's/^/          /' || true
    check "digits reads this as $(jq -r .digit "$body" 2>/dev/null)" \
        answer_is '.digit == .label'
}

tour_crash() {
    heading "An app crashes and comes back"
    # A POST, for a GET may be tried again: idempotent, it could do no harm.
    ask "/hello/crash" -X POST
    check "the request that it dies of gets $code" [ "$code" = 502 ]
    check "… from berth: upstream_closed" answer_has upstream_closed
    ask "/hello"
    check "the next one gets $code after $ms ms" [ "$code" = 200 ]
    check "… from a new process" answer_is '.requests == 1'
}

tour_operator() {
    local app
    heading "What the operator sees"
    "$berth" status -c "$conf" | sed 's/^/        /'
    check "berth status names every app" status_names_all
    check "/healthz answers" curl -fs -o /dev/null "$admin/healthz"
    for app in "${apps[@]}"; do
        check "/metrics: $app had $(metric berth_requests_total "app=\"$app\"") requests" \
            [ "$(metric berth_requests_total "app=\"$app\"")" -ge 100 ]
    done
    check "/metrics: hello crashed $(metric berth_replica_crashes_total 'app="hello"') time" \
        [ "$(metric berth_replica_crashes_total 'app="hello"')" -eq 1 ]
    check "/metrics: hello was started $(metric berth_starts_total 'app="hello"') times" \
        [ "$(metric berth_starts_total 'app="hello"')" -eq 2 ]
    ask "/nowhere"
    check "a path without a route gets $code no_route" answer_has no_route
}

tour_warmth() {
    local app=digits
    heading "An idle app is frozen, and wakes for a request"
    ask "/$app"
    check "berth freeze $app" "$berth" freeze -c "$conf" "$app"
    check "$app: frozen, its process has no CPU" within 5 has_replica_in "$app" frozen
    ask "/$app"
    check "$app: $code after $ms ms, from the same process" [ "$code" = 200 ]
    check "/metrics: $app woke $(metric berth_starts_total "app=\"$app\",from=\"frozen\"") time" \
        [ "$(metric berth_starts_total "app=\"$app\",from=\"frozen\"")" -eq 1 ]
    "$berth" why -c "$conf" "$app" | sed 's/^/        /'
}

has_replica_in() {
    "$berth" status -c "$conf" "$1" --json |
        jq -e --arg state "$2" '[.. | objects | .state?] | index($state)' >/dev/null
}

tour_reload() {
    heading "The configuration changes while it runs"
    check "a file with a mistake is refused" refused_reload
    ask "/hello"
    check "… and all goes on as it was: $code" [ "$code" = 200 ]
    sed -i 's|route /hello  {|route /hi { app hello; } route /hello {|' "$conf"
    check "berth reload, with one route more" "$berth" reload -c "$conf"
    ask "/hi"
    check "the new route answers: $code" [ "$code" = 200 ]
}

# What the running berth has stays as it is; the file is put right again.
refused_reload() {
    local answer=0
    cp "$conf" "$conf.good"
    echo 'nonsense;' >>"$conf"
    "$berth" reload -c "$conf" >"$body" 2>&1 || answer=$?
    mv "$conf.good" "$conf"
    [ "$answer" -eq 1 ] && answer_has 'unknown directive "nonsense"'
}

status_names_all() {
    local app
    for app in "${apps[@]}"; do
        "$berth" status -c "$conf" | grep -q "^ *$app " || return 1
    done
}

tour_idle() {
    local started=$SECONDS codes
    heading "Idle apps go away (idle_timeout 10s)"
    check "all asleep again" within 40 all_asleep
    printf '        after %d s\n' $((SECONDS - started))

    heading "A crowd at the door of a stopped app"
    codes=$(for _ in {1..20}; do
        curl -s -o /dev/null --max-time 60 -w '%{http_code}\n' "$url/docs" &
    done | sort | uniq -c | tr -s ' \n' ' ')
    check "20 first requests at once:$codes" [ "$codes" = " 20 200 " ]
    check "… served by one container" [ "$(running docs)" -eq 1 ]
}

tour_stop() {
    local pid=$berth_pid
    heading "berth stop"
    check "berth stop succeeds" stop_berth
    check "berth has ended" within 30 berth_is_gone "$pid"
    berth_pid=
    check "no container is left" [ -z "$(berth_podman ps --all --quiet)" ]
    berth_podman_end 9>&-
    check "no process of Podman is left" [ -z "$(berth_podman_processes)" ]
}

stop_berth() {
    "$berth" stop -c "$conf" >"$body" 2>&1
}

berth_is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

tour() {
    tour_cold
    tour_warm
    tour_apps
    tour_crash
    tour_operator
    tour_warmth
    tour_reload
    tour_idle
    tour_stop
    printf '\n%d checks passed, %d failed\n' "$passed" "$failed"
    if [ "$failed" -gt 0 ]; then
        printf '\nberth said:\n' >&2
        tail -n 60 "$state/berth.log" >&2
        return 1
    fi
}
