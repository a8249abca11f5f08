#!/usr/bin/env python3
"""N reloads while 64 connections keep asking an app: how many requests fail,
and what the slowest wait, beside a run of the same length without a reload.

The changes go round: another queue and concurrency (in place), an app and a
route more, another address to listen on, both away again, and another revision
of an app that is not asked (it rolls out meanwhile). The load is the closed
loop of tests/bench/load.c. Needs BUILD and BERTH_TEST_PODMAN (on_podman.sh).
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import benchlib
from benchlib import BenchError

IMAGE = "localhost/berth-test/app:1"

KEEP = 1_000_000_000  # requests a connection: one that berth ends is a failure here


def configuration(ports, number, dir, socket):
    """The number-th configuration."""
    kind = number % 5
    apps = [
        f"app a {{ image {IMAGE}; network none; replicas 2 2; concurrency 64;"
        f" queue_size {1000 + number}; }}",
        f"app r {{ image {IMAGE}; network none; replicas 1 1;"
        f" env ROUND {number // 5}; }}",
    ]
    routes = ["route /a { app a; }", "route /r { app r; }"]
    listen = f"listen 127.0.0.1:{ports[0]};"
    if kind in (1, 2, 3):
        apps.append(f"app x {{ image {IMAGE}; network none; replicas 0 1; }}")
        routes.append("route /x { app x; }")
    if kind in (2, 3):
        listen += f" listen 127.0.0.1:{ports[1]};"
    return (
        f"state_dir {dir}/state; on_exit stop; error_log stderr notice;\n"
        f"podman {{ socket unix:{socket}; namespace bench-reload; }}\n"
        f"http {{ keepalive_requests {KEEP}; server {{ {listen}\n"
        + "\n".join(routes) + "\n} }\n" + "\n".join(apps) + "\n"
    )


def load(options, port, seconds):
    done = subprocess.Popen(
        [options.build / "tests/bench/load", "-c", str(options.connections),
         "-d", str(seconds), "-w", "1", f"127.0.0.1:{port}", "/a/hash"],
        stdout=subprocess.PIPE, text=True,
    )
    return done


def finish(process):
    out, _ = process.communicate()
    if process.returncode != 0:
        raise BenchError(f"load ended with code {process.returncode}: {out}")
    return json.loads(out)


def reload(options, dir):
    done = subprocess.run(
        [options.build / "berth", "reload", "--no-wait", "--json", "--socket",
         f"{dir}/state/admin.sock"],
        capture_output=True, text=True,
    )
    if done.returncode != 0:
        raise BenchError(f"reload: {done.stderr}")
    return json.loads(done.stdout)


def run(options, dir, socket):
    ports = benchlib.free_port(), benchlib.free_port()
    port = ports[0]
    conf = pathlib.Path(dir) / "berth.conf"
    conf.write_text(configuration(ports, 0, dir, socket))
    log = open(f"{dir}/log", "wb")
    berth = subprocess.Popen(
        [options.build / "berth", "run", "-c", conf], stdout=log, stderr=log
    )
    try:
        benchlib.wait_for_port(port, berth)
        time.sleep(3)
        seconds = options.reloads * options.pause + 5
        plain = finish(load(options, port, seconds))
        busy = load(options, port, seconds)
        time.sleep(2)
        took, results = [], {}
        for number in range(1, options.reloads + 1):
            conf.write_text(configuration(ports, number, dir, socket))
            answer = reload(options, dir)
            took.append(answer["took_ms"])
            for app in answer["apps"]:
                results[app["result"]] = results.get(app["result"], 0) + 1
            time.sleep(options.pause * 0.5)
        return plain, finish(busy), took, results
    finally:
        berth.send_signal(signal.SIGTERM)
        berth.wait(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=os.environ["BUILD"])
    parser.add_argument("--reloads", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.1, metavar="SECONDS")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    socket = f"{os.environ['BERTH_TEST_PODMAN']}/run/podman.sock"
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as dir:
        os.chmod(dir, 0o755)
        plain, busy, took, results = run(options, dir, socket)
    print(json.dumps({"plain": plain, "reloads": busy}, indent=1))
    print(f"{len(took)} reloads: median {benchlib.median(took)} ms, "
          f"most {max(took)} ms; apps: {results}")
    if options.json:
        options.json.write_text(json.dumps(
            {"plain": plain, "reloads": busy, "took_ms": took, "apps": results}))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"reload: {error}")
