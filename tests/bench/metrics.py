#!/usr/bin/env python3
"""What metrics cost a request: berth, and berth built without its counters and
histograms (BERTH_METRICS=OFF), in front of the same upstream.

Both run at once, idle but for the one that is measured; they are measured in
turn, in rounds. CPU per request is utime + stime of all of its processes (of
/proc) over the requests that were completed in exactly that time. Of each round
the ratio of the two is taken, and of the ratios the median and the quartiles:
what others do to the machine meanwhile is in both halves of a round.
"""

import argparse
import json
import os
import pathlib
import socket
import statistics
import sys

import benchlib
import proxy
from benchlib import BenchError, number_text, ratio, size_text


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build directory")
    parser.add_argument("--without", help="the binary without (BUILD-no-metrics/berth)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--bodies", type=lambda text: [int(word) for word in text.split(",")],
                        default=[100, 10240], metavar="100,10240")
    parser.add_argument("--json", metavar="FILE", help="all figures, raw")
    args = parser.parse_args()
    args.without = args.without or f"{args.build}-no-metrics/berth"
    return args


def start(bench, name, binary, upstream, cores):
    port = benchlib.free_port()
    config = bench.dir / f"{name}.conf"
    text = proxy.BERTH.format(workers=1, dir=bench.dir, port=port, upstream=upstream,
                              keep=proxy.KEEP)
    config.write_text(text.replace("/berth-1;", f"/{name};"))
    process = bench.start(name, [binary, "run", "-c", config], cores)
    benchlib.wait_for_port(port, process)
    return {"port": port, "process": process}


def requests_counted(bench, name):
    """The sum of berth_requests_total, from its admin socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(bench.dir / name / "admin.sock"))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                     b"Connection: close\r\n\r\n")
        text = sock.makefile("rb").read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines()
               if line.startswith("berth_requests_total{"))


def check_counts(bench, names):
    """That the one counts, and the other does not, or nothing was compared."""
    for name in names:
        total = requests_counted(bench, name)
        if (total == 0) != (name == "without"):
            raise BenchError(f"{name}: {total:.0f} requests were counted")


def print_row(body, with_, without, ratios):
    quartiles = statistics.quantiles(ratios, n=4)
    print(f"{size_text(body)}: {number_text(benchlib.median(with_), 2)} us a request, "
          f"{number_text(benchlib.median(without), 2)} without; ratio "
          f"{quartiles[1]:.3f} (quartiles {quartiles[0]:.3f} to {quartiles[2]:.3f})")
    sys.stdout.flush()


def main():
    args = parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise BenchError("two cores are needed: one for berth, one for the load")
    mine, theirs = set(cpus[:1]), set(cpus[1:2])
    report = {"machine": benchlib.machine_text(), "rows": []}
    print(f"{report['machine']}; {args.rounds} rounds of {args.seconds:g} s, "
          f"{args.connections} connections, 1 worker")
    with benchlib.Bench(args.build, in_own_network=True) as bench:
        upstream = bench.upstream(theirs)
        binaries = {"with": pathlib.Path(args.build) / "berth", "without": args.without}
        berths = {name: start(bench, name, binary, upstream, mine)
                  for name, binary in binaries.items()}
        for body in args.bodies:
            results = proxy.measure_rounds(bench, berths, f"/{body}", theirs,
                                           args.connections, args)
            if any(one["errors"] for rounds in results.values() for one in rounds):
                raise BenchError("requests failed")
            cpu = {name: [one["cpu_us"] for one in rounds]
                   for name, rounds in results.items()}
            ratios = [ratio(*pair) for pair in zip(cpu["with"], cpu["without"])]
            report["rows"].append({"body": body, "cpu_us": cpu, "ratios": ratios})
            print_row(body, cpu["with"], cpu["without"], ratios)
        check_counts(bench, binaries)
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
