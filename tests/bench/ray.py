#!/usr/bin/env python3
"""berth and Ray Serve before the same app in Python, one replica of it each.

The app answers 100 bytes: a Starlette response, by uvicorn in one process
behind berth, and as a deployment (num_replicas=1) of Ray Serve, whose replicas
speak Ray's own protocol to its proxy. `uvicorn` alone is the app without
anything before it. All share the machine's cores; measured in turn, in rounds.
"CPU" is of all processes of a system, the app's too, over the requests that were
answered in exactly that time. What it shows is the price of a request, not what
Ray is for: it brings no container up, and berth no cluster.
"""

import argparse
import json
import os
import pathlib
import sys
import time

import benchlib
from benchlib import BenchError, median, number_text, ratio

APP = '''
from starlette.responses import Response

BODY = b"x" * 100


async def app(scope, receive, send):
    await Response(BODY)(scope, receive, send)
'''

DEPLOYMENT = '''
import signal
import sys
import threading

import ray
from ray import serve
from starlette.responses import Response

BODY = b"x" * 100


@serve.deployment(num_replicas=1, max_ongoing_requests=CONNECTIONS)
class App:
    async def __call__(self, request):
        return Response(BODY)


ends = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ends.set())
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
serve.run(App.bind(), name="app", route_prefix="/")
print("ready", flush=True)
ends.wait()
serve.shutdown()
ray.shutdown()
'''

BERTH = """
error_log stderr warn;
state_dir {dir}/berth;
http {{
    keepalive_requests 1000000000;
    server {{ listen 127.0.0.1:{port}; route / {{ app hello; }} }}
}}
app hello {{ upstream 127.0.0.1:{upstream}; concurrency {connections}; }}
"""


def start_uvicorn(bench, args, cores):
    port = benchlib.free_port()
    (bench.dir / "hello.py").write_text(APP)
    process = bench.start("uvicorn", [
        args.venv / "bin" / "uvicorn", "--app-dir", bench.dir, "--port", port,
        "--log-level", "warning", "--no-access-log", "hello:app"], cores)
    benchlib.wait_for_port(port, process, 60)
    return port, process


def start_berth(bench, args, cores, upstream):
    port = benchlib.free_port()
    path = bench.dir / "berth.conf"
    path.write_text(BERTH.format(dir=bench.dir, port=port, upstream=upstream,
                                 connections=args.connections))
    process = bench.start("berth", [args.build / "berth", "run", "-c", path], cores)
    benchlib.wait_for_port(port, process)
    return port, process


def start_ray(bench, args, cores):
    port = benchlib.free_port()
    path = bench.dir / "deployment.py"
    path.write_text(DEPLOYMENT.replace("CONNECTIONS", str(args.connections)))
    began = time.monotonic()
    process = bench.start("ray", [args.venv / "bin" / "python", path, port], cores,
                          env=dict(os.environ, RAY_USAGE_STATS_ENABLED="0",
                                   RAY_TMPDIR=str(bench.dir)))
    while "ready" not in process.log_text().split():
        if process.poll() is not None or time.monotonic() - began > 120:
            raise BenchError(f"Ray Serve did not start: {process.log_text()}")
        time.sleep(0.1)
    return port, process, time.monotonic() - began


def measure(bench, args):
    cores = set(os.sched_getaffinity(0))
    ray_port, ray, ray_start = start_ray(bench, args, cores)
    app_port, app = start_uvicorn(bench, args, cores)
    berth_port, berth = start_berth(bench, args, cores, app_port)
    systems = {
        "uvicorn": (app_port, [app]),
        "berth": (berth_port, [berth, app]),
        "Ray Serve": (ray_port, [ray]),
    }
    found = {name: [] for name in systems}
    for _ in range(args.rounds):
        for name, (port, processes) in systems.items():
            pids = [pid for process in processes for pid in process.tree()]
            result = bench.load(port, "/", cores, args.connections, args.seconds,
                                pids=pids)
            if result["errors"]:
                raise BenchError(f"{name}: {result['errors']} requests failed")
            result["rps"] = result["requests"] / result["seconds"]
            result["cpu_us"] = ((result["user_us"] + result["system_us"])
                                / result["requests"])
            found[name].append(result)
    return found, ray_start


def report(found, ray_start, connections):
    rows = []
    base = median([r["rps"] for r in found["Ray Serve"]])
    for name, results in found.items():
        def middle(key, results=results):
            return median([r[key] for r in results])
        rows.append([name, number_text(middle("rps"), 0),
                     number_text(ratio(middle("rps"), base), 2),
                     number_text(middle("cpu_us"), 0),
                     number_text(middle("p50_us") / 1000, 2),
                     number_text(middle("p99_us") / 1000, 2)])
    print(f"One replica in Python, {connections} connections, 100 B, medians; "
          f"{benchlib.machine_text()}\n")
    print(benchlib.table_text(["", "req/s", "/ Ray", "CPU us", "p50 ms", "p99 ms"],
                              rows))
    print(f"\nRay Serve itself was up after {ray_start:.1f} s (no image, no container).")


def options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default="build")
    parser.add_argument("--venv", type=pathlib.Path, required=True,
                        help="where Ray and uvicorn are installed")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json", metavar="FILE", help="all figures, raw")
    return parser.parse_args()


def main():
    args = options()
    with benchlib.Bench(args.build) as bench:
        found, ray_start = measure(bench, args)
    report(found, ray_start, args.connections)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"ray.py: {error}")
