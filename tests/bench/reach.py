"""The measuring part of reach.sh: needs BERTH_TEST_PODMAN, as root.

One container each for the ways in which berth reaches an app, and nginx, which
can only come by the published port, to that same container. In each is
upstream.c: an app that costs more would have the proxy sleep between requests,
and what its waking costs is the same for all ways. CPU per request of the
proxy, interleaved, medians; proxy on one core, load and app on the other.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import benchlib  # noqa: E402
import harness  # noqa: E402
from benchlib import BenchError, median, number_text, ratio  # noqa: E402

WAYS = {
    "inside": "",
    "Unix socket": "network none; socket app.sock;",
    "published": "port 8000 published;",
}
PATH = "100"  # bytes

NGINX = """
daemon off;
user nobody nogroup;
worker_processes 1;
error_log stderr error;
pid {dir}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    upstream app {{
        server 127.0.0.1:{upstream};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def pin(pid, cores):
    """All threads that a process has now."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), cores)


def start_berth(test, build, proxy_cores, app_cores, concurrency):
    conf = ("worker_threads 1;\nhttp { keepalive_requests 1000000000;\n"
            "server { listen 127.0.0.1:@port@;\n")
    for i in range(len(WAYS)):
        conf += f"route /w{i} {{ app w{i}; }}\n"
    conf += "} }\n"
    tools = pathlib.Path(build).resolve() / "tests" / "bench"
    for i, how in enumerate(WAYS.values()):
        conf += (f"app w{i} {{ image {harness.APP}; replicas 1 1; "
                 f"volume {tools}:/bench:ro; entrypoint /bench/upstream; "
                 f"concurrency {concurrency}; {how} }}\n")
    berth = test.berth(conf)
    for i in range(len(WAYS)):
        answer = berth.get(f"/w{i}/{PATH}")
        if answer.status != 200:
            raise BenchError(f"way {i}: {answer}")
    for pid in (berth.keeper_pid, berth.front_pid):
        pin(pid, proxy_cores)
    published = None
    for container in berth.containers():
        found = test.podman.inspect(container["Id"])
        pin(found["State"]["Pid"], app_cores)
        ports = found["NetworkSettings"]["Ports"] or {}
        for places in ports.values():
            published = int(places[0]["HostPort"]) if places else published
    if not published:
        raise BenchError("no container has a published port")
    return berth, published


def measure(bench, test, args):
    cpus = sorted(os.sched_getaffinity(0))
    proxy_cores, load_cores = {cpus[0]}, {cpus[-1]}
    berth, published = start_berth(test, args.build, proxy_cores, load_cores,
                                   args.connections)
    port = benchlib.free_port()
    path = bench.dir / "nginx.conf"
    path.write_text(NGINX.format(dir=bench.dir, port=port, upstream=published))
    nginx = bench.start("nginx", ["nginx", "-c", path, "-p", bench.dir],
                        proxy_cores)
    benchlib.wait_for_port(port, nginx)
    targets = {way: (berth.port, f"/w{i}/{PATH}",
                     [berth.keeper_pid, berth.front_pid])
               for i, way in enumerate(WAYS)}
    targets["nginx, published"] = (port, f"/{PATH}", nginx.tree())
    found = {way: [] for way in targets}
    names = list(targets)
    for turn in range(args.rounds):
        start = turn % len(names)
        for way in names[start:] + names[:start]:
            to, what, pids = targets[way]
            raw = bench.load(to, what, load_cores, args.connections,
                             args.seconds, pids=pids)
            if raw["errors"]:
                raise BenchError(f"{way}: {raw['first_error']}")
            found[way].append({
                "cpu_us": ratio(raw["user_us"] + raw["system_us"],
                                raw["requests"]),
                "rps": raw["requests"] / raw["seconds"],
                "p50_us": raw["p50_us"]})
    return {way: {key: median([one[key] for one in rounds])
                  for key in rounds[0]} for way, rounds in found.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="berth-t-")
    test = harness.Test("reach", folder)
    try:
        with benchlib.Bench(args.build) as bench:
            found = measure(bench, test, args)
    finally:
        wrong = test.finish()
        shutil.rmtree(folder, ignore_errors=True)
    published = found["published"]["cpu_us"]
    nginx = found["nginx, published"]["cpu_us"]
    print(f"to one container, {args.connections} connections, short answers; "
          f"medians of {args.rounds} rounds")
    print(benchlib.table_text(
        ["", "CPU us/req", "/published", "/nginx", "req/s", "p50 ms"],
        [[way, number_text(one["cpu_us"], 2),
          number_text(ratio(one["cpu_us"], published), 2),
          number_text(ratio(one["cpu_us"], nginx), 2),
          number_text(one["rps"], 0), number_text(one["p50_us"] / 1000, 2)]
         for way, one in found.items()]))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(found, indent=1) + "\n")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
