#!/usr/bin/env python3
"""Memory of idle keep-alive connections: berth, nginx and HAProxy in turn.

Each connection carries one proxied request and then waits. What is counted is
the growth of the anonymous resident memory of all the proxy's processes, from
a few warm connections to all of them, over their number. Memory that a proxy
takes in advance for each slot (nginx: worker_connections) is shown beside it,
as is what the kernel's sockets take (the same for all of them).
"""

import argparse
import json
import pathlib
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time

import benchlib
from benchlib import BenchError

WARM = 200

NGINX = """
daemon off;
user {user};
worker_processes 1;
error_log stderr error;
pid {dir}/nginx.pid;
events {{ worker_connections {slots}; use epoll; }}
http {{
    access_log off;
    keepalive_timeout 3600s;
    ssl_certificate {dir}/cert.pem;
    ssl_certificate_key {dir}/key.pem;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    upstream app {{ server 127.0.0.1:{upstream}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096 {ssl};
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn {slots}
defaults
    mode http
    timeout connect 5s
    timeout client 3600s
    timeout server 75s
    timeout http-keep-alive 3600s
    http-reuse always
frontend in
    bind 127.0.0.1:{port} backlog 4096 {ssl}
    default_backend app
backend app
    server app 127.0.0.1:{upstream}
"""

BERTH = """
worker_threads 1;
error_log stderr warn;
state_dir {dir}/berth;
http {{
    max_connections {slots};
    keepalive_timeout 1h;
    server {{
        {ssl}
        route / {{ app up; }}
    }}
}}
app up {{ upstream 127.0.0.1:{upstream}; concurrency 64; }}
"""


def slots_of(name, args):
    slots = args.connections + WARM + 100
    # nginx closes idle connections when fewer than a 16th are left; HAProxy
    # wants two descriptors for each.
    return slots * 9 // 8 if name == "nginx" else slots - 50


def write_config(bench, name, port, upstream, args):
    slots = slots_of(name, args)
    ssl_words = {
        "nginx": "ssl",
        "haproxy": f"ssl crt {bench.dir}/both.pem",
        "berth": f"listen 127.0.0.1:{port} tls;\n        tls_certificate "
                 f"{bench.dir}/cert.pem;\n        tls_certificate_key {bench.dir}/key.pem;",
    }[name] if args.tls else {
        "nginx": "", "haproxy": "",
        "berth": f"listen 127.0.0.1:{port};",
    }[name]
    text = {"nginx": NGINX, "haproxy": HAPROXY, "berth": BERTH}[name].format(
        dir=bench.dir, port=port, upstream=upstream, slots=slots,
        ssl=ssl_words, user="nobody nogroup")
    path = bench.dir / f"{name}.conf"
    path.write_text(text)
    return path


def start(bench, name, path, args):
    command = {"nginx": ["nginx", "-c", path, "-p", bench.dir],
               "haproxy": ["haproxy", "-db", "-f", path],
               "berth": [args.berth, "run", "-c", path]}[name]
    return bench.start(name, command, {0, 1})


def anonymous_bytes(process):
    total = 0
    for pid in process.tree():
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) * 1024
    return total


def kernel_bytes():
    """Slabs and socket memory of the whole machine: a rough figure."""
    total = 0
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            total += int(line.split()[1]) * 1024
    return total


def open_one(port, context):
    sock = socket.create_connection(("127.0.0.1", port), 20)
    if context:
        sock = context.wrap_socket(sock)
    sock.sendall(b"GET /100 HTTP/1.1\r\nHost: bench.example\r\n\r\n")
    got = b""
    while not got.endswith(b"x" * 100):
        piece = sock.recv(4096)
        if not piece:
            raise BenchError(f"closed after {got!r}")
        got += piece
    if not got.startswith(b"HTTP/1.1 200"):
        raise BenchError(f"answered {got[:80]!r}")
    return sock


def measure(port, process, args):
    context = None
    if args.tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    fresh = anonymous_bytes(process)
    for sock in [open_one(port, context) for _ in range(WARM)]:
        sock.close()
    held = [open_one(port, context) for _ in range(WARM)]
    time.sleep(0.5)
    before, kernel = anonymous_bytes(process), kernel_bytes()
    held += [open_one(port, context) for _ in range(args.connections)]
    time.sleep(1)
    after, kernel_after = anonymous_bytes(process), kernel_bytes()
    for sock in held:  # each still answers: none was closed to make room
        sock.settimeout(0)
        try:
            if sock.recv(1) == b"":
                raise BenchError("an idle connection was closed")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
    for sock in held:
        sock.close()
    return {"fresh_bytes": fresh,
            "per_connection": (after - before) / args.connections,
            "kernel_per_connection":
                (kernel_after - kernel) / args.connections}


def nginx_slot_bytes(bench, upstream, args):
    """What one slot of nginx costs before anybody connects."""
    found = []
    for extra in (0, args.connections):
        port = benchlib.free_port()
        path = write_config(bench, "nginx", port, upstream, args)
        slots = slots_of("nginx", args)
        path.write_text(path.read_text().replace(
            f"worker_connections {slots}", f"worker_connections {slots + extra}"))
        process = start(bench, "nginx", path, args)
        benchlib.wait_for_port(port, process)
        found.append(anonymous_bytes(process))
        process.end()
    return (found[1] - found[0]) / args.connections


def make_certificate(folder):
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=bench.example", "-keyout", folder / "key.pem",
         "-out", folder / "cert.pem"], capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"openssl: {done.stderr.decode()}")
    both = (folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes()
    (folder / "both.pem").write_bytes(both)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--berth")
    parser.add_argument("--connections", type=int, default=None,
                        help="10000, or as many as the limit of files allows")
    parser.add_argument("--proxies", default="berth,nginx,haproxy")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    args.berth = args.berth or pathlib.Path(args.build) / "berth"
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    args.connections = args.connections or min(10000, hard // 2 - 400)
    results = {}
    with benchlib.Bench(args.build, in_own_network=True) as bench:
        make_certificate(bench.dir)
        upstream = bench.upstream({0, 1})
        for name in args.proxies.split(","):
            if name != "berth" and not shutil.which(name):
                print(f"{name} is not there: left out", file=sys.stderr)
                continue
            port = benchlib.free_port()
            process = start(bench, name,
                            write_config(bench, name, port, upstream, args), args)
            benchlib.wait_for_port(port, process)
            results[name] = measure(port, process, args)
            process.end()
        if "nginx" in results:
            results["nginx"]["slot_bytes"] = nginx_slot_bytes(bench, upstream, args)
    print(f"{args.connections} idle keep-alive connections"
          f"{' with TLS' if args.tls else ''}, each after one request; bytes")
    print(benchlib.table_text(
        ["", "per connection", "and per slot, in advance", "kernel slabs",
         "process before, MB"],
        [[name, f"{one['per_connection']:.0f}",
          f"{one['slot_bytes']:.0f}" if "slot_bytes" in one else "-",
          f"{one['kernel_per_connection']:.0f}",
          f"{one['fresh_bytes'] / (1 << 20):.1f}"]
         for name, one in results.items()]))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
