#!/usr/bin/env python3
"""berth, nginx and HAProxy as ends of TLS 1.3, before the same upstream.

All of them run at once with one worker on core 0, the load on core 1; they are
measured in turn, in several rounds. CPU each is utime + stime of all the
proxy's processes over what was done in exactly that time; a ratio is the median
of the rounds' ratios. --before adds an older berth, for what a change brought. Same certificate (P-256), same protocol (1.3). Ciphers are what client and
server agree on by default: nginx and HAProxy take the client's first
(AES-256-GCM), berth prefers AES-128-GCM; --suites TLS_AES_256_GCM_SHA384 holds
all to the same one, which compares the code alone. Memory: what is resident and the
processes' own, with so many connections held that had one answer each, less
what it was before; what the kernel holds for sockets is not in it.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import benchlib
import proxy as plain
from benchlib import BenchError, median, number_text, ratio, size_text

NGINX = plain.NGINX.replace(
    "listen 127.0.0.1:{port} reuseport backlog=4096;",
    """listen 127.0.0.1:{port} ssl reuseport backlog=4096;
        ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
        ssl_protocols TLSv1.3;""").replace(
    "worker_connections 8192", "worker_connections 16384")
HAPROXY = plain.HAPROXY.replace(
    "shards by-thread", "shards by-thread ssl crt {dir}/both.pem ssl-min-ver TLSv1.3"
).replace("maxconn 4096", "maxconn 9000").replace(
    "    {splice}\n", "").replace("    {splice_option}\n", "")
BERTH = plain.BERTH.replace(
    "listen 127.0.0.1:{port};",
    """listen 127.0.0.1:{port} tls; tls_protocols TLSv1.3;
        tls_certificate {dir}/cert.pem; tls_certificate_key {dir}/key.pem;""")


def make_certificate(bench):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=bench.example", "-keyout", bench.dir / "key.pem",
         "-out", bench.dir / "cert.pem"], check=True, capture_output=True)
    (bench.dir / "both.pem").write_text((bench.dir / "cert.pem").read_text()
                                        + (bench.dir / "key.pem").read_text())


def start(bench, name, cores, upstream, args):
    port = benchlib.free_port()
    values = {"workers": 1, "dir": bench.dir, "port": port, "upstream": upstream,
              "keep": plain.KEEP, "buffer": "32k", "busy": "64k",
              "user": "nobody nogroup" if os.getuid() == 0 else "nobody"}
    text = {"berth": BERTH, "before": BERTH.replace("/berth-", "/before-"),
            "nginx": NGINX, "haproxy": HAPROXY}[name].format(**values)
    config = bench.dir / f"{name}.conf"
    config.write_text(text)
    command = {"berth": [args.berth, "run", "-c", config],
               "before": [args.before, "run", "-c", config],
               "nginx": ["nginx", "-c", config, "-p", bench.dir],
               "haproxy": ["haproxy", "-db", "-f", config]}[name]
    process = bench.start(name, command, cores)
    benchlib.wait_for_port(port, process)
    return {"port": port, "process": process}


def load(bench, one, mode, path, cores, args):
    command = [bench.tools / "tls_load", "-c", args.connections, "-d", args.seconds, "-w", 0.5,
               "-m", mode, "-p", ",".join(map(str, one["process"].tree())),
               *(["-s", args.suites] if args.suites else []), f"127.0.0.1:{one['port']}", path]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=args.seconds + 60, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if done.returncode != 0:
        raise BenchError(f"tls_load: {done.stderr.strip()}")
    raw = json.loads(done.stdout)
    if mode == "resumed" and raw["resumed"] < raw["done"]:
        raise BenchError(f"only {raw['resumed']} of {raw['done']} were resumed")
    if mode == "full" and raw["resumed"]:
        raise BenchError(f"{raw['resumed']} of {raw['done']} were resumed")
    return {"cpu_us": ratio(raw["user_us"] + raw["system_us"], raw["done"]),
            "user_us": ratio(raw["user_us"], raw["done"]),
            "per_s": raw["done"] / raw["seconds"], "errors": raw["errors"]}


def own_bytes(process):
    """Resident, its own: of all the proxy's processes."""
    total = 0
    for pid in process.tree():
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Dirty:", "Private_Clean:")):
                total += int(line.split()[1]) * 1024
    return total


def held(bench, one, count, cores):
    """Memory a held connection."""
    command = [bench.tools / "tls_load", "-c", str(count), "-m", "hold",
               f"127.0.0.1:{one['port']}", "/100"]
    before = own_bytes(one["process"])
    client = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, cores))
    try:
        if client.stdout.readline() != "held\n":
            raise BenchError("tls_load could not hold the connections")
        time.sleep(0.5)
        return (own_bytes(one["process"]) - before) / count
    finally:
        client.stdin.close()
        client.wait(20)


def rounds(names, args, measure):
    """{name: [measurement of each round]}, the order turned by one a round."""
    results = {name: [] for name in names}
    for number in range(args.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            results[name].append(measure(name))
    return results


def show(title, unit, results, target):
    sums = {name: {key: median([one[key] for one in each]) for key in each[0]}
            for name, each in results.items()}
    best = min((name for name in sums if name in ("nginx", "haproxy")),
               key=lambda name: sums[name]["cpu_us"], default="berth")
    for name, one in sums.items():
        one["ratio"] = median([ratio(a["cpu_us"], b["cpu_us"])
                               for a, b in zip(results[name], results[best])])
    lines = [[name, number_text(one["cpu_us"], 2), number_text(one["user_us"], 2),
              number_text(one["ratio"], 3),
              number_text(one["per_s"], 0), f"{sum(r['errors'] for r in results[name])}"]
             for name, one in sums.items()]
    print(f"\n{title} (target: {target} x the better of the others)")
    print(benchlib.table_text(["", f"CPU us/{unit}", "user", "/best", f"{unit}s/s", "errors"],
                              lines))
    sys.stdout.flush()
    return sums


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build directory")
    parser.add_argument("--berth", help="berth's binary (default: BUILD/berth)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s, 1000 held")
    parser.add_argument("--proxies", default="berth,nginx,haproxy")
    parser.add_argument("--before", help="another berth's binary, measured beside it")
    parser.add_argument("--only", help="full, resumed, bytes or memory")
    parser.add_argument("--bodies", type=lambda text: [int(word) for word in text.split(",")],
                        default=[100, 10240, 1 << 20], metavar="100,10240,1048576")
    parser.add_argument("--suites", help="of TLS 1.3 that the client offers (default: all)")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--held", type=int)
    parser.add_argument("--json", metavar="FILE", help="all figures")
    args = parser.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 5)
    args.seconds = args.seconds or (1 if args.quick else 3)
    args.held = args.held or (1000 if args.quick else 5000)
    args.berth = pathlib.Path(args.berth or pathlib.Path(args.build) / "berth")
    args.proxies = args.proxies.split(",")
    return args


def run(bench, names, args, report):
    cpus = sorted(os.sched_getaffinity(0))
    proxy_cores, load_cores = set(cpus[:1]), set(cpus[1:2])
    make_certificate(bench)
    upstream = bench.upstream(load_cores)
    wants = lambda what: args.only in (None, what)

    def start_all():
        return {name: start(bench, name, proxy_cores, upstream, args) for name in names}

    def handshakes(proxies, mode, target, when=""):
        report[mode + when] = show(f"{mode} handshakes{when}", "handshake", rounds(
            names, args, lambda name: load(
                bench, proxies[name], mode, "/100", load_cores, args)), target)

    if wants("memory"):
        # Of proxies of their own: freed memory that is kept would hide what is
        # needed, and lies in pieces that cost time.
        proxies = start_all()
        bytes_each = {name: held(bench, proxies[name], args.held, load_cores)
                      for name in names}
        report["memory"] = bytes_each
        print(f"\nmemory a held connection, of {args.held} (target: not above HAProxy's)")
        print(benchlib.table_text(["", "bytes", "/haproxy"], [
            [name, number_text(value, 0), number_text(ratio(value, bytes_each.get("haproxy")), 2)]
            for name, value in bytes_each.items()]))
        if wants("resumed"):
            handshakes(proxies, "resumed", "0.95", f", after {args.held} held ones")
        for one in proxies.values():
            one["process"].end()
    proxies = start_all()
    for mode, target in (("full", "1.0"), ("resumed", "0.95")):
        if wants(mode):
            handshakes(proxies, mode, target)
    for body in args.bodies if wants("bytes") else ():
        report[f"{body}"] = show(f"requests of {size_text(body)}", "request", rounds(
            names, args, lambda name, body=body: load(
                bench, proxies[name], "requests", f"/{body}", load_cores, args)), "0.9")


def main():
    args = parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise BenchError("two cores are needed: one for the proxy, one for the load")
    names = plain.present(args)
    if args.before:
        names.insert(1, "before")
    report = {"machine": benchlib.machine_text(), "busy_before": benchlib.busy_before()}
    print(f"{report['machine']}; one worker, {args.connections} connections; medians of "
          f"{args.rounds} rounds of {args.seconds:g} s")
    if report["busy_before"] > 0.05:
        print(f"others use {report['busy_before']:.0%} of this machine: the rates say little "
              "now; CPU each is some percent too high for all")
    with benchlib.Bench(args.build, in_own_network=True) as bench:
        run(bench, names, args, report)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
