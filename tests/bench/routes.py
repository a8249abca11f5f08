#!/usr/bin/env python3
"""Routes: 10 against 10,000 of them.

First the look-up alone, in nanoseconds (routes_bench.c). Then whole requests
that the proxy answers by itself, in CPU per request, by berth and nginx with
10 and with 10,000 routes (nginx: prefix locations), interleaved; the request
goes to the last of them. HAProxy keeps routes in maps, and answers by itself
only through further rules: it is left out.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import benchlib
from benchlib import BenchError, median, number_text, ratio

COUNTS = (10, 10000)
KEEP = 1_000_000_000


def berth_config(bench, count, port):
    routes = "\n".join(f'route /app{i} {{ return 200 "ok"; }}'
                       for i in range(count))
    return f"""
worker_threads 1;
error_log stderr warn;
state_dir {bench.dir}/berth-{count};
http {{
    keepalive_requests {KEEP};
    server {{
        listen 127.0.0.1:{port};
        {routes}
    }}
}}
"""


def nginx_config(bench, count, port):
    routes = "\n".join(f'location /app{i}/ {{ return 200 "ok"; }}'
                       for i in range(count))
    return f"""
daemon off;
user nobody nogroup;
worker_processes 1;
error_log stderr error;
pid {bench.dir}/nginx-{count}.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests {KEEP};
    client_body_temp_path {bench.dir}/nginx-body;
    proxy_temp_path {bench.dir}/nginx-proxy;
    fastcgi_temp_path {bench.dir}/nginx-fastcgi;
    uwsgi_temp_path {bench.dir}/nginx-uwsgi;
    scgi_temp_path {bench.dir}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port};
        {routes}
    }}
}}
"""


def start(bench, name, count, args, cores):
    port = benchlib.free_port()
    path = bench.dir / f"{name}-{count}.conf"
    if name == "berth":
        path.write_text(berth_config(bench, count, port))
        command = [args.berth, "run", "-c", path]
    else:
        path.write_text(nginx_config(bench, count, port))
        command = ["nginx", "-c", path, "-p", bench.dir]
    process = bench.start(f"{name}-{count}", command, cores)
    benchlib.wait_for_port(port, process, 30)
    return port, process


def measure_whole(bench, args):
    cpus = sorted(os.sched_getaffinity(0))
    names = ["berth"] + (["nginx"] if shutil.which("nginx") else [])
    proxies = {(name, count): start(bench, name, count, args, {cpus[0]})
               for name in names for count in COUNTS}
    found = {key: [] for key in proxies}
    for _ in range(args.rounds):
        for key, (port, process) in proxies.items():
            raw = bench.load(port, f"/app{key[1] - 1}/v1/predict", {cpus[-1]},
                             64, args.seconds, pids=process.tree())
            if raw["errors"]:
                raise BenchError(f"{key}: {raw['first_error']}")
            found[key].append(ratio(raw["user_us"] + raw["system_us"],
                                    raw["requests"]))
    return {key: median(values) for key, values in found.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--berth")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    args.berth = args.berth or pathlib.Path(args.build) / "berth"
    tool = pathlib.Path(args.build) / "tests" / "bench" / "routes_bench"
    done = subprocess.run([tool], capture_output=True, text=True, check=True)
    alone = json.loads(done.stdout)
    counts = list(next(iter(alone.values())))
    print("look-up alone, ns")
    print(benchlib.table_text(
        ["routes", *counts, f"{counts[-1]} / {counts[0]}"],
        [[kind, *(number_text(row[count]) for count in counts),
          number_text(ratio(row[counts[-1]], row[counts[0]]), 2)]
         for kind, row in alone.items()]))
    with benchlib.Bench(args.build, in_own_network=True) as bench:
        whole = measure_whole(bench, args)
    few, many = COUNTS
    print(f"\nanswered by the proxy, CPU us a request, medians of {args.rounds}")
    print(benchlib.table_text(
        ["", f"{few} routes", f"{many} routes", "ratio"],
        [[name, number_text(whole[name, few], 2),
          number_text(whole[name, many], 2),
          number_text(ratio(whole[name, many], whole[name, few]), 2)]
         for name in dict.fromkeys(name for name, _ in whole)]))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(
            {"alone_ns": alone, "whole_us": {f"{name} {count}": value
             for (name, count), value in whole.items()}}, indent=1) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
