#!/usr/bin/env python3
"""berth, nginx and HAProxy as reverse proxies to the same upstream.

All of them run at once, idle but for the one that is measured; they are
measured in turn, in several rounds, and medians are compared. With one worker
the proxy has core 0 and upstream and load share core 1; with two workers all
share both cores. CPU per request is utime + stime of all the proxy's processes
over the requests that were completed in exactly that time: the robust figure
where load and proxy share a machine. `relay` is the floor: a loop that moves
bytes between two connections and looks at nothing.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

import benchlib
from benchlib import BenchError, median, number_text, ratio, size_text

KEEP = 1_000_000_000  # requests a connection: no proxy shall close any

NGINX = """
daemon off;
user {user};
worker_processes {workers};
error_log stderr error;
pid {dir}/nginx-{workers}.pid;
events {{ worker_connections 8192; use epoll; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_timeout 75s;
    keepalive_requests {keep};
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    upstream app {{
        server 127.0.0.1:{upstream};
        keepalive 1024;
        keepalive_requests {keep};
        keepalive_timeout 75s;
    }}
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffers 8 {buffer};
            proxy_buffer_size 16k;
            proxy_busy_buffers_size {busy};
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread {workers}
    maxconn 4096
    {splice}
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    timeout http-keep-alive 75s
    http-reuse always
    {splice_option}
frontend in
    bind 127.0.0.1:{port} backlog 4096 shards by-thread
    default_backend app
backend app
    server app 127.0.0.1:{upstream} pool-max-conn -1 pool-purge-delay 75s
"""

BERTH = """
worker_threads {workers};
error_log stderr warn;
state_dir {dir}/berth-{workers};
http {{
    keepalive_requests {keep};
    server {{
        listen 127.0.0.1:{port};
        route / {{ app up; }}
    }}
}}
app up {{ upstream 127.0.0.1:{upstream}; concurrency 1024; }}
"""


def start_nginx(bench, workers, cores, upstream, _args):
    port = benchlib.free_port()
    config = bench.dir / f"nginx-{workers}.conf"
    config.write_text(NGINX.format(
        workers=workers, dir=bench.dir, port=port, upstream=upstream,
        keep=KEEP, user="nobody nogroup" if os.getuid() == 0 else "nobody",
        buffer="32k", busy="64k"))
    return port, bench.start(f"nginx-{workers}",
                             ["nginx", "-c", config, "-p", bench.dir], cores)


def start_haproxy(bench, workers, cores, upstream, _args):
    port = benchlib.free_port()
    config = bench.dir / f"haproxy-{workers}.cfg"
    config.write_text(HAPROXY.format(
        workers=workers, port=port, upstream=upstream,
        splice="tune.pipesize 262144", splice_option="option splice-response"))
    return port, bench.start(f"haproxy-{workers}",
                             ["haproxy", "-db", "-f", config], cores)


def start_berth(bench, workers, cores, upstream, args):
    port = benchlib.free_port()
    config = bench.dir / f"berth-{workers}.conf"
    config.write_text(BERTH.format(workers=workers, dir=bench.dir, port=port,
                                   upstream=upstream, keep=KEEP))
    return port, bench.start(f"berth-{workers}",
                             [args.berth, "run", "-c", config], cores)


def start_relay(bench, workers, cores, upstream, _args):
    if workers != 1:  # one loop is the floor of one worker only
        return None, None
    port = benchlib.free_port()
    return port, bench.start(f"relay-{workers}",
                             [bench.tools / "relay", f"127.0.0.1:{port}",
                              f"127.0.0.1:{upstream}"], cores)


STARTERS = {"berth": start_berth, "nginx": start_nginx,
            "haproxy": start_haproxy, "relay": start_relay}


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser.add_argument("--build", default="build", help="build directory")
    parser.add_argument("--berth", help="berth's binary (default: BUILD/berth)")
    parser.add_argument("--quick", action="store_true",
                        help="one worker, 64 connections, 2 rounds of 1 s")
    parser.add_argument("--proxies", default="berth,nginx,haproxy,relay")
    parser.add_argument("--workers", type=numbers, default=None, metavar="1,2")
    parser.add_argument("--connections", type=numbers, default=None,
                        metavar="64,512")
    parser.add_argument("--bodies", type=numbers, default=None,
                        metavar="100,10240,1048576")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=None,
                        help="of each measurement")
    parser.add_argument("--no-rate", action="store_true",
                        help="leave out latency at a fixed rate")
    parser.add_argument("--prefer", action="store_true",
                        help="before whatever else runs on the machine (root; "
                        "Linux with autogroups): for one that is not quiet")
    parser.add_argument("--json", metavar="FILE", help="all figures, raw")
    args = parser.parse_args()
    quick = args.quick
    args.workers = args.workers or ([1] if quick else [1, 2])
    args.connections = args.connections or ([64] if quick else [64, 512])
    args.bodies = args.bodies or [100, 10240, 1 << 20]
    args.rounds = args.rounds or (2 if quick else 5)
    args.seconds = args.seconds or (1 if quick else 3)
    args.berth = pathlib.Path(args.berth or pathlib.Path(args.build) / "berth")
    args.proxies = args.proxies.split(",")
    return args


def present(args):
    """The proxies that there are; says which are not."""
    found = []
    for name in args.proxies:
        if name not in STARTERS:
            raise BenchError(f"there is no proxy {name!r}")
        binary = args.berth if name == "berth" else name
        if name != "relay" and not shutil.which(binary):
            print(f"{name} is not there ({binary}): left out", file=sys.stderr)
        else:
            found.append(name)
    return found


def measure(bench, proxy, path, cores, connections, seconds, rate=None):
    raw = bench.load(proxy["port"], path, cores, connections, seconds,
                     rate=rate, pids=proxy["process"].tree())
    cpu_us = raw["user_us"] + raw["system_us"]
    return {
        "rps": raw["requests"] / raw["seconds"],
        "cpu_us": ratio(cpu_us, raw["requests"]),
        "user_us": ratio(raw["user_us"], raw["requests"]),
        "busy": cpu_us / raw["seconds"] / 1e6,
        "p50_us": raw["p50_us"],
        "p99_us": raw["p99_us"],
        "errors": raw["errors"],
        "first_error": raw["first_error"],
    }


def measure_rounds(bench, proxies, path, cores, connections, args, rate=None):
    """{name: [measurement of each round]}, the order turned by one a round."""
    names = list(proxies)
    results = {name: [] for name in names}
    for number in range(args.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            results[name].append(measure(bench, proxies[name], path, cores,
                                         connections, args.seconds, rate))
    return results


def summary(results):
    """Medians of each proxy's rounds; errors are summed."""
    sums = {}
    for name, rounds in results.items():
        sums[name] = {key: median([one[key] for one in rounds])
                      for key in rounds[0] if key not in ("errors", "first_error")}
        sums[name]["errors"] = sum(one["errors"] for one in rounds)
        sums[name]["first_error"] = next(
            (one["first_error"] for one in rounds if one["first_error"]), "")
    return sums


def start_proxies(bench, workers, cores, upstream, names, args):
    proxies = {}
    for name in names:
        port, process = STARTERS[name](bench, workers, cores, upstream, args)
        if process:
            benchlib.wait_for_port(port, process)
            proxies[name] = {"port": port, "process": process}
    return proxies


def print_peak(row, names):
    others = [row["sums"][name]["rps"] for name in ("nginx", "haproxy")
              if name in row["sums"]]
    lines = []
    for name in names:
        if name not in row["sums"]:
            continue
        one = row["sums"][name]
        nginx = row["sums"].get("nginx", {})
        floor = row["sums"].get("relay", {})
        lines.append([
            name, number_text(one["cpu_us"], 2), number_text(one["user_us"], 2),
            number_text(ratio(one["cpu_us"], nginx.get("cpu_us")), 2),
            number_text(ratio(one["cpu_us"], floor.get("cpu_us")), 2),
            number_text(one["rps"], 0),
            number_text(ratio(one["rps"], max(others, default=None)), 2),
            number_text(one["p50_us"] / 1000, 2),
            number_text(one["p99_us"] / 1000, 2),
            number_text(one["busy"], 2), str(one["errors"])])
    print(f"\n{row['workers']} worker{'s' * (row['workers'] > 1)}, "
          f"{row['connections']} connections, {size_text(row['body'])}")
    print(benchlib.table_text(
        ["", "CPU us/req", "user", "/nginx", "/relay", "req/s", "/best",
         "p50 ms", "p99 ms", "busy", "errors"], lines))
    for name in names:
        error = row["sums"].get(name, {}).get("first_error")
        if error:
            print(f"{name}: first error: {error}")
    sys.stdout.flush()


def print_rate(row, names):
    print(f"\nat {row['rate']:.0f} requests/s (half of nginx's peak): "
          f"{row['workers']} worker{'s' * (row['workers'] > 1)}, "
          f"{row['connections']} connections, {size_text(row['body'])}")
    print(benchlib.table_text(
        ["", "CPU us/req", "req/s", "p50 ms", "p99 ms", "errors"],
        [[name, number_text(row["sums"][name]["cpu_us"], 2),
          number_text(row["sums"][name]["rps"], 0),
          number_text(row["sums"][name]["p50_us"] / 1000, 2),
          number_text(row["sums"][name]["p99_us"] / 1000, 2),
          str(row["sums"][name]["errors"])]
         for name in names if name in row["sums"]]))
    sys.stdout.flush()


def run_workers(bench, workers, names, args, report):
    cpus = sorted(os.sched_getaffinity(0))
    proxy_cores = set(cpus[:1]) if workers == 1 else set(cpus[:2])
    load_cores = set(cpus[1:2]) if workers == 1 else set(cpus[:2])
    upstream = bench.upstream(load_cores)
    proxies = start_proxies(bench, workers, proxy_cores, upstream, names, args)
    if args.prefer:
        bench.prefer()
    for connections in args.connections:
        for body in args.bodies:
            row = {"workers": workers, "connections": connections, "body": body}
            row["rounds"] = measure_rounds(bench, proxies, f"/{body}",
                                           load_cores, connections, args)
            row["sums"] = summary(row["rounds"])
            report["peak"].append(row)
            print_peak(row, names)
            if args.no_rate or "nginx" not in proxies or body > 10240:
                continue
            rate = {key: row[key] for key in ("workers", "connections", "body")}
            rate["rate"] = round(row["sums"]["nginx"]["rps"] / 2)
            rate["rounds"] = measure_rounds(bench, proxies, f"/{body}",
                                            load_cores, connections, args,
                                            rate["rate"])
            rate["sums"] = summary(rate["rounds"])
            report["rate"].append(rate)
            print_rate(rate, names)
    for process in bench.processes:
        process.end()


def main():
    args = parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise BenchError("two cores are needed: one for the proxy, one for the load")
    names = present(args)
    busy = benchlib.busy_before()
    report = {
        "busy_before": busy,
        "machine": benchlib.machine_text(),
        "versions": {
            "berth": benchlib.version_of([str(args.berth), "--version"], "berth "),
            "nginx": benchlib.version_of(["nginx", "-v"], "nginx/"),
            "haproxy": benchlib.version_of(["haproxy", "-v"], "version "),
        },
        "rounds": args.rounds, "seconds": args.seconds, "peak": [], "rate": [],
    }
    print(f"{report['machine']}; nginx {report['versions']['nginx']}, "
          f"HAProxy {report['versions']['haproxy']}; medians of {args.rounds} "
          f"rounds of {args.seconds:g} s")
    if busy > 0.05:
        print(f"others use {busy:.0%} of this machine: requests/s and latencies "
              "say little now; CPU per request is some percent too high for all")
    with benchlib.Bench(args.build, in_own_network=True) as bench:
        for workers in args.workers:
            run_workers(bench, workers, names, args, report)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    return any(one["errors"] for row in report["peak"] + report["rate"]
               for one in row["sums"].values())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
