"""The data plane with the real binary and an app beside it, no Podman: mixed
load, descriptors after many ends of connections, memory with slow readers, an
app of one connection at a time."""

import os
import socket
import statistics
import subprocess
import sys
import time

import harness
from harness import ROOT, open_fds, parallel, rss_bytes, wait_until

CONF = """
worker_threads 2;
http {{ server {{ listen 127.0.0.1:@port@; route / {{ app up; }} }} }}
app up {{ upstream 127.0.0.1:@upstream@; concurrency {concurrency}; }}
"""


def stage(t, concurrency=64, switches=()):
    """berth in front of a test app that is a process of its own."""
    program = t.dir / "testapp"
    subprocess.run(
        ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-pthread", f"-I{ROOT}", "-o",
         program, *(ROOT / "tests" / "apps" / f"{name}.c" for name in
                    ("testapp", "testapp_http", "testapp_routes", "sha256"))],
        check=True)
    port = t.free_port()
    app = subprocess.Popen([program, "--loopback", f"--port={port}", *switches],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    t.cleanup(lambda: (app.kill(), app.wait()))
    berth = t.berth(CONF.format(concurrency=concurrency), ports={
        "port": t.free_port(), "upstream": port})

    def serves():
        return berth.get("/health").status == 200

    wait_until(serves, 10, "the app answers")
    return berth


def soak(*options):
    """tests/bench/soak.py, which judges by itself."""
    return subprocess.run(
        [sys.executable, ROOT / "tests" / "bench" / "soak.py", *options],
        capture_output=True, text=True,
        env=os.environ | {"BERTH_BIN": harness.berth_bin()})


@harness.tags("sanitizer")
def test_mixed_load_is_answered_well(t):
    done = soak("--seconds", "10", "--processes", "1")
    assert done.returncode == 0, done.stdout + done.stderr


@harness.tags("sanitizer")
def test_5000_connections_of_all_kinds_of_ends_leave_no_descriptor(t):
    done = soak("--connections", "5000")
    assert done.returncode == 0, done.stdout + done.stderr


@harness.alone
def test_memory_is_bounded_with_200_slow_readers_of_100_mb(t):
    berth = stage(t, concurrency=256)
    before = rss_bytes(berth.front_pid)
    readers = []
    for _ in range(200):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", berth.port))
        sock.sendall(b"GET /big?bytes=100000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        readers.append(sock)
    most = 0
    for _ in range(20):
        for sock in readers:
            sock.recv(1000)
        time.sleep(0.05)
        most = max(most, rss_bytes(berth.front_pid))
    # buffer_memory is 64m, and each has a first buffer besides.
    assert most - before < (64 + 200 * 0.032 + 4) * (1 << 20), most - before
    for sock in readers:
        sock.close()
    wait_until(lambda: open_fds(berth.front_pid) < 100, 10, "all is closed")
    assert berth.get("/health").status == 200


def test_an_app_of_one_connection_serves_many_clients(t):
    berth = stage(t, concurrency=1, switches=["--single"])

    def client(_):
        with berth.connect() as conn:
            for _ in range(50):
                answer = conn.request("POST", "/echo", b"a" * 100)
                assert answer.status == 200 and answer.body == b"a" * 100, answer

    parallel(16, client)
    counts = berth.get("/inflight").json()
    assert counts["connections"] == 1, counts


@harness.alone
def test_events_come_without_delay(t):
    berth = stage(t)
    took = []
    with berth.connect() as conn:
        conn.request("GET", "/sse?events=40&interval=20", read=False)
        conn.read_head()
        previous = None
        for _ in range(40):
            size = int(conn.read_until(b"\r\n"), 16)
            conn.read_exactly(size + 2)
            now = time.monotonic()
            if previous is not None:
                took.append(now - previous)
            previous = now
    # As they were sent: not two at once, nor one much later.
    assert 0.015 < statistics.median(took) < 0.03, took
