#!/usr/bin/env bash
# A Podman of our own beside the host's: own storage, own networks, own API
# service. What the demo and the tests start in it shows in no `podman ps` of
# the host, and goes away without a trace.
#
#   podman_env.sh serve DIR [RUNDIR]         start its API service, print the socket
#   podman_env.sh podman DIR[:RUNDIR] ARG…   run the podman command in it
#   podman_env.sh end DIR [RUNDIR]           stop service and containers, keep images
#   podman_env.sh destroy DIR [RUNDIR]       end it, and remove DIR and RUNDIR
#   podman_env.sh sweep                      bridges and packet filter rules of
#                                            those that were killed
#
# or, sourced: berth_podman_env DIR [RUNDIR], then berth_podman_serve,
# berth_podman ARG…, berth_podman_end, berth_podman_destroy.
#
# DIR holds images, and may outlive a reboot. RUNDIR (DIR/run unless given)
# holds sockets and run-time state, and must not: put it below /run then.
# Needs root.

# Lay out DIR and RUNDIR, and point this shell's podman commands at them.
# Sets BERTH_PODMAN_DIR, BERTH_PODMAN_RUN, BERTH_PODMAN_SOCKET.
berth_podman_env() {
    mkdir -p "$1" "${2:-$1/run}"
    BERTH_PODMAN_DIR=$(realpath "$1")
    BERTH_PODMAN_RUN=$(realpath "${2:-$1/run}")
    BERTH_PODMAN_SOCKET=$BERTH_PODMAN_RUN/podman.sock
    # The kernel's limit for the path of a Unix socket.
    if [ ${#BERTH_PODMAN_SOCKET} -gt 107 ]; then
        echo "podman: $BERTH_PODMAN_SOCKET is too long for a socket's path" \
            "(107 bytes at most); choose a shorter directory" >&2
        return 1
    fi
    export CONTAINERS_CONF=$BERTH_PODMAN_DIR/containers.conf
    berth_podman_conf >"$CONTAINERS_CONF.$$" &&
        mv "$CONTAINERS_CONF.$$" "$CONTAINERS_CONF"
    berth_podman_network
}

# The default network. Podman would call its bridge podman0, as does every other
# Podman here: whoever comes second finds a bridge with the first one's address,
# and its containers are never reached.
berth_podman_network() {
    local slot range networks=$BERTH_PODMAN_DIR/networks
    slot=$(berth_podman_slot)
    range=$(berth_podman_range "$slot")
    [ ! -e "$networks/berth-$slot.json" ] || return 0
    mkdir -p "$networks"
    cat >"$networks/new.$$" <<JSON
{
  "name": "berth-$slot",
  "id": "$(printf 'berth-%s' "$slot" | sha256sum | cut -d ' ' -f 1)",
  "driver": "bridge",
  "network_interface": "berth-$slot",
  "created": "2026-01-01T00:00:00Z",
  "subnets": [{ "subnet": "$range.0/26", "gateway": "$range.1" }],
  "ipv6_enabled": false,
  "internal": false,
  "dns_enabled": false,
  "ipam_options": { "driver": "host-local" }
}
JSON
    mv "$networks/new.$$" "$networks/berth-$slot.json"
}

# What this host needs said, and no more.
berth_podman_conf() {
    local slot nproc pids
    echo '# Written by conf/demo/podman_env.sh.'
    echo '[containers]'
    # Podman asks for 1048576 open files and processes; without
    # CAP_SYS_RESOURCE the kernel refuses what is above the hard limits.
    if ! (ulimit -n 1048576 && ulimit -u 1048576) 2>/dev/null; then
        # Podman lowers its own limit of processes to pid_max as it starts.
        nproc=$(ulimit -Hu)
        pids=$(</proc/sys/kernel/pid_max)
        if [ "$nproc" = unlimited ] || [ "$nproc" -gt "$pids" ]; then
            nproc=$pids
        fi
        echo "default_ulimits = [\"nofile=$(ulimit -Hn):$(ulimit -Hn)\"," \
            "\"nproc=$nproc:$nproc\"]"
    fi

    echo '[engine]'
    echo "tmp_dir = \"$BERTH_PODMAN_RUN/libpod\""
    echo 'events_logger = "file"'
    [ -d /run/systemd/system ] || echo 'cgroup_manager = "cgroupfs"'
    # crun refuses a hybrid cgroup hierarchy ("cgroups in hybrid mode not
    # supported"); runc does not mind.
    if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ] &&
        command -v runc >/dev/null; then
        echo 'runtime = "runc"'
    fi

    echo '[network]'
    echo 'network_backend = "netavark"'
    echo "network_config_dir = \"$BERTH_PODMAN_DIR/networks\""
    slot=$(berth_podman_slot)
    echo "default_network = \"berth-$slot\""
    echo "default_subnet = \"$(berth_podman_range "$slot").0/26\""
    echo "default_subnet_pools = [{base = \"$(berth_podman_range "$slot").0/20\", size = 26}]"
}

# The kernel's bridges are shared by all Podmans of a host, while each hands out
# addresses by its own books: so a range, and a name for the default network
# (chains of the packet filter are named after it), that others hardly have: 1
# of 2400, drawn from the path.
berth_podman_slot() {
    local sum
    sum=$(printf %s "${1:-$BERTH_PODMAN_DIR}" | cksum)
    echo $((${sum%% *} % 2400))
}

# The first three numbers of a slot's /20 below 10.100.0.0 to 10.249.240.0.
berth_podman_range() {
    echo "10.$((100 + $1 / 16)).$(($1 % 16 * 16))"
}

berth_podman() {
    podman --root "$BERTH_PODMAN_DIR/storage" \
        --runroot "$BERTH_PODMAN_RUN/containers" "$@"
}

# The service's process, if it is alive and ours.
berth_podman_service_pid() {
    local pid
    read -r pid 2>/dev/null <"$BERTH_PODMAN_RUN/service.pid" || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" |
        grep -qF "unix://$BERTH_PODMAN_SOCKET" || return 1
    echo "$pid"
}

# Start the API service on BERTH_PODMAN_SOCKET and wait until it answers.
# One that runs already is used as it is.
berth_podman_serve() {
    local pid tries
    if ! berth_podman_service_pid >/dev/null; then
        rm -f "$BERTH_PODMAN_SOCKET"
        # A session of its own: Ctrl-C in the terminal is for berth, which
        # still wants to talk to Podman while it stops. And a folder: conmon
        # drops a file "oom" where it was started when a container runs out of
        # memory.
        (
            cd "$BERTH_PODMAN_RUN"
            exec setsid podman --root "$BERTH_PODMAN_DIR/storage" \
                --runroot "$BERTH_PODMAN_RUN/containers" \
                system service --time=0 "unix://$BERTH_PODMAN_SOCKET"
        ) </dev/null >"$BERTH_PODMAN_RUN/service.log" 2>&1 &
        echo $! >"$BERTH_PODMAN_RUN/service.pid"
    fi
    pid=$(<"$BERTH_PODMAN_RUN/service.pid")
    for ((tries = 0; tries < 300; tries++)); do
        if curl -fs -o /dev/null --max-time 5 --unix-socket \
            "$BERTH_PODMAN_SOCKET" http://podman/v4.0.0/libpod/_ping; then
            return 0
        fi
        [ -d "/proc/$pid" ] || break
        sleep 0.1
    done
    echo "podman: its API service does not answer; it said:" >&2
    tail -n 20 "$BERTH_PODMAN_RUN/service.log" >&2
    return 1
}

# Processes of Podman that work for this environment, service included.
berth_podman_processes() {
    local dir comm
    for dir in /proc/[0-9]*; do
        read -r comm 2>/dev/null <"$dir/comm" || continue
        case $comm in
        podman | conmon | netavark | aardvark-dns) ;;
        *) continue ;;
        esac
        if tr '\0' '\n' 2>/dev/null <"$dir/cmdline" |
            grep -qF -e "$BERTH_PODMAN_DIR/" -e "$BERTH_PODMAN_RUN/"; then
            echo "${dir#/proc/}"
        fi
    done
}

# Wait until none of these processes is left, or N tenths of a second.
berth_podman_wait_gone() {
    local tries
    for ((tries = 0; tries < $1; tries++)); do
        [ -n "$(berth_podman_processes)" ] || return 0
        sleep 0.1
    done
    return 1
}

# Stop the service, remove all containers, pods and networks; images stay.
berth_podman_end() {
    local pid mount tries
    if [ -d "$BERTH_PODMAN_DIR/storage" ]; then
        berth_podman pod rm --all --force --time 0 >/dev/null || true
        # A container whose conmon was killed is only found stopped by the
        # first attempt, which fails.
        for ((tries = 0; tries < 3; tries++)); do
            berth_podman rm --all --force --time 0 >/dev/null 2>&1 || true
            [ -n "$(berth_podman ps --all --quiet)" ] || break
        done
        berth_podman network prune --force >/dev/null || true
    fi
    if pid=$(berth_podman_service_pid); then
        kill "$pid" 2>/dev/null || true
    fi
    rm -f "$BERTH_PODMAN_RUN/service.pid" "$BERTH_PODMAN_SOCKET"
    # conmon and the clean-up that it calls end by themselves, but not at once.
    if ! berth_podman_wait_gone 50; then
        for pid in $(berth_podman_processes); do
            kill -KILL "$pid" 2>/dev/null || true
        done
        berth_podman_wait_gone 20 || true
    fi
    awk -v a="$BERTH_PODMAN_DIR/" -v b="$BERTH_PODMAN_RUN/" \
        'index($5, a) == 1 || index($5, b) == 1 { print $5 }' \
        /proc/self/mountinfo | sort -r | while read -r mount; do
        umount "$mount" 2>/dev/null || umount --lazy "$mount" || true
    done
    berth_podman_drop_bridges "$(berth_podman_slot)"
    berth_podman_drop_rules "$(berth_podman_slot)"
}

# A bridge outlives its network, and a container's end of the cable its
# container, when a container was killed half-way. Nothing of this slot may be
# running. Ours are known by their addresses; one that the host's Podman knows
# is not ours.
berth_podman_drop_bridges() {
    local bridge address port
    while read -r _ bridge _ address _; do
        if [ "$(berth_podman_slots_of <<<"$address")" != "$1" ] ||
            grep -qsF "\"$bridge\"" /etc/containers/networks/*.json; then
            continue
        fi
        for port in $(ip -o link show master "$bridge" |
            sed -n 's/^[0-9]*: \([^@:]*\).*/\1/p'); do
            ip link delete "$port" 2>/dev/null || true
        done
        ip link delete "$bridge" 2>/dev/null || true
    done < <(ip -o -4 address show type bridge)
}

# netavark's rules outlive a container that was killed half-way, and send its
# port on this host into the void. Nothing of these slots may be running: all
# that names an address of theirs goes.
berth_podman_drop_rules() {
    local table
    command -v iptables-save >/dev/null || return 0
    for table in nat filter; do
        iptables-save -t "$table" 2>/dev/null |
            berth_podman_rules_away "$table" "$@" |
            iptables-restore --noflush --wait 10 2>/dev/null || true
    done
}

# From a table as iptables-save writes it, what takes the slots' rules and
# chains out of it, for iptables-restore; nothing where there are none.
berth_podman_rules_away() {
    awk -v table="$1" -v slots="${*:2}" '
        function is_ours(rule, part) {
            if (!match(rule, /[ =]10\.[0-9]+\.[0-9]+\.[0-9]+/))
                return 0
            split(substr(rule, RSTART, RLENGTH), part, ".")
            return (((part[2] - 100) * 16 + int(part[3] / 16)) in ours)
        }
        BEGIN {
            n = split(slots, list, " ")
            for (i = 1; i <= n; i++)
                ours[list[i]] = 1
        }
        /^:NETAVARK-/ { there[substr($1, 2)] = 1 }
        # The chains of netavark alone, and what jumps to them.
        / NETAVARK[-_]/ && /^-A / { rules[++count] = $0 }
        END {
            # A network has two chains: NETAVARK-HASH and NETAVARK-DN-HASH.
            for (i = 1; i <= count; i++) {
                split(rules[i], word, " ")
                if (word[2] !~ /^NETAVARK-(DN-)?[0-9A-F]+$/ ||
                    !is_ours(rules[i]))
                    continue
                sub(/-DN-/, "-", word[2])
                chain[word[2]] = 1
                sub(/-/, "-DN-", word[2])
                chain[word[2]] = 1
            }
            for (i = 1; i <= count; i++) {
                n = split(rules[i], word, " ")
                if (!(word[2] in chain) &&
                    (is_ours(rules[i]) || word[n] in chain))
                    away = away "-D" substr(rules[i], 3) "\n"
            }
            for (name in chain)
                if (name in there) {
                    away = "-F " name "\n" away
                    gone = gone "-X " name "\n"
                }
            if (away != "")
                printf "*%s\n%s%sCOMMIT\n", table, away, gone
        }'
}

# The slots that Podmans which are alive draw from.
berth_podman_slots_alive() {
    local dir comm conf
    for dir in /proc/[0-9]*; do
        read -r comm 2>/dev/null <"$dir/comm" || continue
        case $comm in
        podman | conmon | netavark | aardvark-dns) ;;
        *) continue ;;
        esac
        # Each is told where its Podman is by an argument or a variable.
        while read -r conf; do
            berth_podman_slot "$conf"
        done < <(cat "$dir/cmdline" "$dir/environ" 2>/dev/null |
            tr '\0' '\n' |
            sed -n 's,^CONTAINERS_CONF=\(.*\)/containers\.conf$,\1,p
                s,^\(/.*\)/storage$,\1,p')
    done
}

# The slots that these addresses, as 10.B.C.D, are in.
berth_podman_slots_of() {
    awk -F. '$1 == 10 && $2 >= 100 && $2 < 250 {
        print ($2 - 100) * 16 + int($3 / 16) }' | sort -un
}

# After Podmans of ours that were killed, and of which nothing runs. Ours
# are known by the sizes and ranges of their networks; those that the host's
# own Podman has there are not ours.
berth_podman_sweep() {
    local slots slot others
    command -v iptables-save >/dev/null || return 0
    slots=$(iptables-save -t nat 2>/dev/null |
        sed -nE 's,^-A POSTROUTING -s (10\.[0-9.]+)/26 -j NETAVARK-.*,\1,p' |
        berth_podman_slots_of)
    [ -n "$slots" ] || return 0
    others=$(
        berth_podman_slots_alive
        { cat /etc/containers/networks/*.json 2>/dev/null || true; } |
            sed -n 's,.*"subnet": *"\([0-9.]*\)/.*,\1,p' |
            berth_podman_slots_of
    )
    for slot in $slots; do
        if ! grep -qxF "$slot" <<<"$others"; then
            berth_podman_drop_bridges "$slot"
            berth_podman_drop_rules "$slot"
        fi
    done
}

berth_podman_destroy() {
    berth_podman_end
    rm -rf --one-file-system "$BERTH_PODMAN_DIR" "$BERTH_PODMAN_RUN"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    if [ "$*" = sweep ]; then
        berth_podman_sweep
        exit
    fi
    if [ $# -lt 2 ]; then
        sed -n 's/^# \{0,1\}//; 2,/^Needs root/p' "$0" >&2
        exit 2
    fi
    command=$1 dir=$2
    shift 2
    case $command in
    podman)
        case $dir in
        *:*) berth_podman_env "${dir%%:*}" "${dir#*:}" ;;
        *) berth_podman_env "$dir" ;;
        esac
        berth_podman "$@"
        ;;
    serve)
        berth_podman_env "$dir" "$@"
        berth_podman_serve
        echo "$BERTH_PODMAN_SOCKET"
        ;;
    end | destroy)
        [ -d "$dir" ] || exit 0
        berth_podman_env "$dir" "$@"
        "berth_podman_$command"
        ;;
    *)
        echo "podman_env.sh: no command \"$command\"" >&2
        exit 2
        ;;
    esac
fi
