#!/usr/bin/env python3
"""Mixed load on one berth, every answer checked, its memory and descriptors
watched.

Clients keep alive, pipeline, send and read slowly, stream big bodies in chunks
and with lengths, upgrade, break requests, and hang up at any point, by FIN and
by RST, over plain TCP and TLS. At the end: what went wrong, whether memory and
descriptors are what they were, and what a sanitizer had to say.
"""

import argparse
import collections
import contextlib
import hashlib
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402
from harness import Conn, lines_body  # noqa: E402

CONF = """
worker_threads {workers};
error_log stderr warn;
state_dir {dir}/state;
admin {{ listen 127.0.0.1:{admin}; }}
http {{
    client_body_timeout 5s;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} tls;
        tls_certificate {dir}/cert.pem;
        tls_certificate_key {dir}/key.pem;
        route / {{ app up; }}
    }}
}}
app up {{ upstream 127.0.0.1:{upstream}; concurrency 24; }}
"""

SAMPLE_S = 0.5
SAMPLES_FOR_MEMORY = 60 / SAMPLE_S

CLOSED = (EOFError, ConnectionResetError, BrokenPipeError, ssl.SSLError)
LARGEST = lines_body(1_000_000)


class Wrong(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Wrong(" ".join(repr(w)[:300] for w in what))


class Client:
    """One thread's view: random choices, connections, and counts."""

    def __init__(self, places, seed):
        self.places, self.random = places, random.Random(seed)
        self.connections = 0
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def connect(self, tls=None, buffer=None):
        self.connections += 1
        tls = self.random.random() < 0.2 if tls is None else tls
        address = ("127.0.0.1", self.places["tls" if tls else "plain"])
        if not buffer:
            return Conn(address, 30, self.tls if tls else None)
        conn = Conn.__new__(Conn)
        conn.sock = socket.socket()
        conn.sock.settimeout(30)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        conn.sock.connect(address)
        if tls:
            conn.sock = self.tls.wrap_socket(conn.sock)
        conn.buffer, conn.sent_at = b"", None
        return conn

    def end(self, conn):
        """Hang up, this way or that."""
        if self.random.random() < 0.3 and not isinstance(conn.sock, ssl.SSLSocket):
            conn.reset()
        else:
            conn.close()

    def body(self, most):
        return self.random.randbytes(self.random.randrange(most))

    def chunks(self, body):
        at = 0
        while at < len(body):
            size = self.random.choice((1, 7, 100, 4000, 16384, 70000))
            yield body[at:at + size]
            at += size


# --- what clients do ----------------------------------------------------------


def keep_alive(c):
    with c.connect() as conn:
        for _ in range(c.random.randrange(1, 20)):
            n = c.random.choice((0, 1, 100, 10_000, 100_000))
            chunked = c.random.randrange(2)
            answer = conn.request("GET", f"/big?bytes={n}&chunked={chunked}")
            check(answer.status == 200 and answer.body == LARGEST[:n], answer)


def echo(c):
    # Python's TLS cannot read and write at once in two threads.
    with c.connect(tls=False) as conn:
        for _ in range(c.random.randrange(1, 6)):
            body = c.body(c.random.choice((10, 1000, 50_000, 300_000)))
            form = body if c.random.randrange(2) else c.chunks(body)
            answer = conn.request("POST", "/echo", form)
            check(answer.status == 200 and answer.body == body, answer)
            # Where the answer began before the request was whole.
            if answer.field("Connection") == "close":
                check(conn.is_closed(), "open after Connection: close")
                return


def big(c):
    body = c.body(4_000_000)
    with c.connect(tls=False) as conn:
        form = body if c.random.randrange(2) else c.chunks(body)
        answer = conn.request("PUT", "/echo", form)
        check(answer.status == 200 and answer.body == body, answer.status,
              len(answer.body), len(body))


def upload(c):
    """Sent whole before the answer comes, also by TLS."""
    body = c.body(c.random.choice((100, 20_000, 2_000_000)))
    with c.connect() as conn:
        if c.random.randrange(2):
            conn.send(b"PUT /hash HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                      % len(body) + body)
        else:
            conn.send(b"PUT /hash HTTP/1.1\r\nHost: x\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n")
            for part in c.chunks(body):
                conn.send(b"%x;a=b\r\n%s\r\n" % (len(part), part))
            conn.send(b"0\r\n\r\n")
        answer = conn.read("PUT")
        check(answer.json() == {"bytes": len(body),
                                "sha256": hashlib.sha256(body).hexdigest()}, answer)


def pipeline(c):
    sizes = [c.random.choice((0, 10, 5000)) for _ in range(c.random.randrange(2, 30))]
    with c.connect() as conn:
        conn.send(b"".join(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
            % (n, LARGEST[:n]) for n in sizes))
        for n in sizes:
            answer = conn.read("POST")
            check(answer.status == 200 and answer.body == LARGEST[:n], answer)


def hang_up_while_sending(c):
    request = (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n"
               + LARGEST[:50000])
    conn = c.connect()
    conn.send(request[:c.random.randrange(1, len(request))])
    if c.random.randrange(2):
        time.sleep(c.random.random() * 0.02)
    c.end(conn)


def hang_up_while_reading(c):
    conn = c.connect()
    target = c.random.choice((
        "/big?bytes=900000", "/big?bytes=900000&chunked=1", "/delay?ms=30", "/hang",
        "/stream?chunks=20&interval=5", "/slow?bytes=20&interval=5"))
    conn.request("GET", target, read=False)
    if c.random.randrange(3):
        conn.sock.settimeout(0.05)
        with contextlib.suppress(TimeoutError, *CLOSED):
            conn.sock.recv(c.random.choice((1, 500, 100_000)))
    c.end(conn)


def half_close(c):
    """A FIN while the answer is awaited: the request is given up."""
    with c.connect(tls=False) as conn:
        # Long enough that no busy machine lets the answer come before the FIN.
        conn.request("GET", "/delay?ms=3000", read=False)
        conn.shut()
        check(conn.is_closed(5), "open after a half-close")


def slow_sender(c):
    body = c.body(3000)
    with c.connect() as conn:
        conn.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Len")
        time.sleep(0.02)
        conn.send(b"gth: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 300):
            conn.send(body[at:at + 300])
            time.sleep(0.01)
        answer = conn.read("POST")
        check(answer.status == 200 and answer.body == body, answer)


def slow_reader(c):
    with c.connect(buffer=8192) as conn:
        conn.request("GET", "/big?bytes=1000000&chunked=%d" % c.random.randrange(2),
                     read=False)
        time.sleep(0.3)
        answer = conn.read()
        check(answer.complete and answer.body == LARGEST, answer.status,
              len(answer.body))


def tunnel(c):
    conn = c.connect()
    conn.send(b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
              b"Upgrade: echo\r\n\r\nearly")
    answer = conn.read_head()
    check(answer.status == 101, answer)
    check(conn.read_exactly(5) == b"early", "early bytes")
    for _ in range(c.random.randrange(10)):
        body = c.body(20_000)
        conn.send(body)
        check(conn.read_exactly(len(body)) == body, "bytes of a tunnel")
    c.end(conn)


def no_body(c):
    with c.connect() as conn:
        check(conn.request("HEAD", "/big?bytes=1000").field("Content-Length") == "1000")
        for status in (204, 304, 404, 500):
            answer = conn.request("GET", f"/status/{status}")
            check(answer.status == status, answer)
        answer = conn.request("GET", "/hints")
        check(answer.status == 200 and answer.interim[0].status == 103, answer)


def expect(c):
    body = c.body(5000)
    with c.connect() as conn:
        conn.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body))
        if body:
            check(conn.read_head().status == 100, "no 100")
        conn.send(body)
        check(conn.read("POST").body == body, "after a 100")


def broken_requests(c):
    request = c.random.choice((
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"GET /\n\n", b"\x16\x03\x01 hello\r\n",
        b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        b"GET /../.. HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000 + b"\r\n\r\n"))
    with c.connect() as conn:
        conn.send(request)
        answer = conn.read()
        check(answer.error and 400 <= answer.status < 506, request[:50], answer)
        check(conn.is_closed(), "open after", request[:50])


def broken_answers(c):
    """The app ends too early, resets, or talks nonsense."""
    with c.connect() as conn:
        kind = c.random.randrange(5)
        if kind == 0:
            answer = conn.request("GET", "/close?after=10")
            check(not answer.complete, answer)
        elif kind == 1:
            check(conn.request("POST", "/close", b"a").error == "upstream_closed")
        elif kind == 2:
            check(conn.request("POST", "/reset", b"a").error == "upstream_closed")
        elif kind == 3:
            answer = conn.request("POST", "/raw", b"HTTP/1.1 200OK\r\n\r\n")
            check(answer.error == "upstream_invalid", answer)
        else:
            answer = conn.request("POST", "/raw", b"HTTP/1.1 200 OK\r\n\r\nto the end")
            check(answer.body == b"to the end" and answer.complete, answer)


def early_answer(c):
    with c.connect(tls=False) as conn:
        answer = conn.request("POST", "/early", c.body(2_000_000))
        check(answer.status in (200, 413) and answer.complete, answer)


def nothing(c):
    conn = c.connect(tls=False)
    if c.random.randrange(2):
        conn.send(c.random.choice((b"G", b"\r\n", b"GET / HTTP/1.1\r\nHo")))
    if c.random.randrange(2):
        time.sleep(c.random.random() * 0.05)
    c.end(conn)


SCENARIOS = (
    (keep_alive, 20), (echo, 15), (big, 2), (upload, 10), (pipeline, 8),
    (hang_up_while_sending, 12), (hang_up_while_reading, 12), (half_close, 4),
    (slow_sender, 4), (slow_reader, 3), (tunnel, 8), (no_body, 5), (expect, 5),
    (broken_requests, 8), (broken_answers, 6), (early_answer, 3), (nothing, 8),
)
SHORT = (
    (keep_alive, 3), (echo, 2), (hang_up_while_sending, 20),
    (hang_up_while_reading, 10), (half_close, 2), (tunnel, 10), (expect, 3),
    (broken_requests, 20), (broken_answers, 10), (nothing, 30),
)


def play(places, options, seed, done, report):
    """A thread: one scenario after the other."""
    client = Client(places, seed)
    chosen = SHORT if options.connections else SCENARIOS
    if options.only:
        chosen = [(call, 1) for call, _ in SCENARIOS if call.__name__ == options.only]
    calls, weights = zip(*chosen)
    limit = options.connections / (options.processes * options.threads)
    while not done.is_set() and not (limit and client.connections >= limit):
        call = client.random.choices(calls, weights)[0]
        try:
            call(client)
            report["done"][call.__name__] += 1
        except (Wrong, AssertionError, OSError, EOFError, ValueError, IndexError) as error:
            report["wrong"].append(f"{call.__name__}: {error!r}"[:600])
            if len(report["wrong"]) > 20:
                done.set()
    report["connections"] += client.connections


def process(places, options, index, done, pipe):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    report = {"done": collections.Counter(), "wrong": [], "connections": 0}
    threads = [
        threading.Thread(target=play, args=(
            places, options, options.seed * 1000 + index * 100 + i, done, report))
        for i in range(options.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(report)


# --- the stage ----------------------------------------------------------------


class World:
    """The app and berth, in a folder of their own."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="berth-soak-"))
        self.dir.chmod(0o755)
        self.children = []

    def open(self, options):
        self.places = {name: free_port() for name in
                       ("plain", "tls", "admin", "upstream")}
        self.make_certificate()
        self.start_app()
        self.start_berth(options)

    def make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "30",
             "-keyout", self.dir / "key.pem", "-out", self.dir / "cert.pem"],
            check=True, capture_output=True)

    def start_app(self):
        program = self.dir / "testapp"
        subprocess.run(
            ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-pthread", f"-I{ROOT}", "-o",
             program, *(ROOT / "tests" / "apps" / f"{name}.c" for name in
                        ("testapp", "testapp_http", "testapp_routes", "sha256"))],
            check=True)
        self.start([program, "--loopback", f"--port={self.places['upstream']}"],
                   self.dir / "app.log")

    def start_berth(self, options):
        conf = self.dir / "berth.conf"
        conf.write_text(CONF.format(dir=self.dir, workers=options.workers, **self.places))
        self.log = self.dir / "berth.log"
        env = os.environ | {
            # What was freed is kept for a while, but not more and more of it.
            "ASAN_OPTIONS": "quarantine_size_mb=8:detect_leaks=1:"
                            "malloc_context_size=10",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "TSAN_OPTIONS": "second_deadlock_stack=1",
        }
        command = [harness.berth_bin(), "run", "-c", conf]
        self.berth = self.start(command, self.log, env)
        harness.wait_until(lambda: self.answers(), 60, "berth serves")
        self.front = next(iter(harness.children_of(self.berth.pid)))

    def answers(self):
        if self.berth.poll() is not None:
            raise SystemExit(f"berth ended:\n{self.log.read_text()}")
        with contextlib.suppress(OSError, EOFError):
            with Conn(("127.0.0.1", self.places["plain"]), 5) as conn:
                return conn.request("GET", "/health").status == 200

    def start(self, command, log, env=None):
        with open(log, "ab") as out:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=out, env=env, cwd="/")
        self.children.append(child)
        return child

    def drain(self):
        """SIGTERM; the exit code."""
        self.berth.send_signal(signal.SIGTERM)
        try:
            return self.berth.wait(60)
        except subprocess.TimeoutExpired:
            return "still running 60 s after SIGTERM"

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def sanitizer_reports(self):
        text = self.log.read_text(errors="replace")
        found = re.search(
            r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error: |"
            r"LeakSanitizer|Assertion .* failed", text)
        return [text[found.start():][:8000]] if found else []


def free_port():
    with socket.socket() as probe:
        while True:
            port = random.randrange(20000, 32000)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def sample(pid):
    return {"rss": harness.rss_bytes(pid), "fds": harness.open_fds(pid)}


def run_load(world, options):
    """All processes to their end; their reports, and the samples meanwhile."""
    done = multiprocessing.Event()
    pipes, children, samples = [], [], []
    for i in range(options.processes):
        here, there = multiprocessing.Pipe(False)
        child = multiprocessing.Process(
            target=process, args=(world.places, options, i, done, there))
        child.start()
        pipes.append(here)
        children.append(child)
    end = time.monotonic() + options.seconds
    while any(child.is_alive() for child in children) and not done.is_set():
        if world.berth.poll() is not None or not harness.is_alive(world.front):
            done.set()
            break
        samples.append(sample(world.front))
        if not options.connections and time.monotonic() >= end:
            done.set()
        if any(pipe.poll() for pipe in pipes) and options.connections:
            break
        time.sleep(SAMPLE_S)
    reports = [pipe.recv() for pipe in pipes]
    for child in children:
        child.join()
    return reports, samples


def megabytes(value):
    return f"{value / 1048576:.1f} MB"


def judge(world, options, before, reports, samples):
    """Print what was, and return what was wrong."""
    counts = sum((r["done"] for r in reports), collections.Counter())
    wrong = [w for r in reports for w in r["wrong"]]
    connections = sum(r["connections"] for r in reports)
    print(f"{sum(counts.values())} scenarios on {connections} connections: "
          + ", ".join(f"{name} {n}" for name, n in sorted(counts.items())))
    if not harness.is_alive(world.front):
        return wrong + ["the front died"]

    third = max(1, len(samples) // 3)
    first = statistics.median(s["rss"] for s in samples[third // 2:third + 1])
    last = statistics.median(s["rss"] for s in samples[-third:])
    print(f"memory: {megabytes(before['rss'])} before, {megabytes(first)} in the first "
          f"third, {megabytes(last)} in the last, most "
          f"{megabytes(max(s['rss'] for s in samples))}")
    # Sooner it cannot be told from what berth (and a sanitizer) keeps for reuse.
    if len(samples) >= SAMPLES_FOR_MEMORY and last > first * 1.1 + 4 * 1048576:
        wrong.append(f"memory grew from {megabytes(first)} to {megabytes(last)}")

    def left():
        return harness.open_fds(world.front)

    # Idle connections to the app (a slot each) stay.
    allowed = before["fds"] + 24 + 8
    deadline = time.monotonic() + 10
    while left() > allowed and time.monotonic() < deadline:
        time.sleep(0.1)
    print(f"descriptors: {before['fds']} before, most "
          f"{max(s['fds'] for s in samples)}, {left()} after")
    if left() > allowed:
        wrong.append(f"{left()} descriptors are open, {before['fds']} were")
    return wrong


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, default=0,
                        help="stop after so many, of short kinds, whatever the time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=12)
    parser.add_argument("--only", help="the name of one scenario")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    return parser.parse_args()


def main():
    options = parse()
    print(f"seed {options.seed}, {harness.berth_bin()}", flush=True)
    world = World()
    try:
        world.open(options)
        before = sample(world.front)
        started = time.monotonic()
        reports, samples = run_load(world, options)
        print(f"{time.monotonic() - started:.0f} s")
        wrong = judge(world, options, before, reports, samples)
        code = world.drain()
        if code != 0:
            wrong.append(f"berth ended with {code}")
        wrong += world.sanitizer_reports()
        if wrong:
            print("the end of berth's log:\n" + world.log.read_text()[-3000:])
    finally:
        world.close()
    for what in wrong:
        print("WRONG:", what)
    print("nothing wrong" if not wrong else f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
