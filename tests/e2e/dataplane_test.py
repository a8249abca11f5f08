"""Promises of the data plane that take more than one connection to see: how long
slow senders keep others waiting, a log on a full disk, how many connections an
app gets whatever its clients do."""

import contextlib
import os
import random
import selectors
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import parallel, wait_until
from upstream import Upstream

SLOW = 100

# --- slow bodies ----------------------------------------------------------------

BIG = """
http {
    server {
        listen 127.0.0.1:@port@; %s
        route / { app a; }
    }
}
app a { upstream 127.0.0.1:@app@; concurrency 1; queue_timeout 25s; }
"""


class Drip:
    """SLOW senders of a body: its beginning at once, then 10 bytes a second."""

    def __init__(self, t, berth, path, whole, begin):
        self.ended = {}  # when, by connection
        self.stop = threading.Event()
        head = (f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {whole}\r\n\r\n")
        self.conns = [berth.connect() for _ in range(SLOW)]
        for conn in self.conns:
            conn.send(head.encode() + b"x" * begin)
            conn.sock.settimeout(0)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        t.cleanup(self._end)

    def _run(self):
        while not self.stop.wait(0.1):
            for i, conn in enumerate(self.conns):
                if i in self.ended:
                    continue
                try:
                    conn.sock.send(b"x")
                    conn.sock.recv(65536)  # an answer, or the end
                    self.ended[i] = time.monotonic()
                except BlockingIOError:
                    pass
                except OSError:
                    self.ended[i] = time.monotonic()

    def _end(self):
        self.stop.set()
        self.thread.join()
        for conn in self.conns:
            conn.close()


@harness.limit(90)
def test_a_hundred_slow_bodies_that_fit_request_buffer_hold_no_slot(t):
    """What nginx does with a file (proxy_request_buffering), with memory: the
    cure where large bodies come slowly."""
    app = Upstream(t)
    berth = t.berth(BIG % "request_buffer 1m;", ports={"app": app.port})
    slow = Drip(t, berth, "/slow", 600000, 500000)
    for i in range(40):
        answer = berth.get("/ok") if i % 2 else berth.post("/ok", b"x" * 2000)
        assert answer.status == 200 and answer.total_ms < 2000, answer
    assert berth.app("a")["in_flight"] == 0
    assert not slow.ended
    assert all(path == "/ok" for _, path in app.requests)


@harness.limit(90)
def test_a_hundred_slow_bodies_beyond_it_hold_the_slot_for_a_window_each(t):
    """One after the other, for the 10 s in which client_min_rate is measured.
    Who comes behind them waits as behind any requests that take so long, and is
    told after queue_timeout; the cure is a larger request_buffer, see above."""
    app = Upstream(t)
    berth = t.berth(BIG % "", ports={"app": app.port})
    slow = Drip(t, berth, "/slow", 10_000_000, 66000)
    wait_until(lambda: berth.app("a")["in_flight"] == 1, 5)
    began, answers = time.monotonic(), []
    thread = threading.Thread(target=lambda: answers.append(berth.get("/ok", timeout=40)))
    thread.start()
    while time.monotonic() < began + 24:
        assert berth.app("a")["in_flight"] <= 1
        time.sleep(0.2)
    ended = sorted(slow.ended.values())
    assert 1 <= len(ended) <= 2, ended
    assert all(b - a > 8 for a, b in zip([began, *ended], ended)), (began, ended)
    assert berth.metric("berth_requests_total", code="408") == len(ended)
    thread.join()
    assert answers[0].status == 503 and answers[0].error == "queue_timeout"
    assert 23 < time.monotonic() - began < 35
    wait_until(lambda: len(slow.ended) == SLOW, 10, "nobody waits for longer")


# --- the access log ---------------------------------------------------------------


def test_a_disk_that_is_full_costs_lines_until_there_is_room_again(t):
    folder = t.dir / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder],
                   check=True)
    t.cleanup(lambda: subprocess.run(["umount", "-l", folder], check=True))
    berth = t.berth("http { access_log %s/a combined; server { listen "
                    "127.0.0.1:@port@; route / { return 200 x; } } }" % folder)
    path = "/" + "x" * 900

    def ask(n, target=path):
        with berth.connect() as conn:
            for _ in range(n):
                answer = conn.request("GET", target)
                assert answer.status == 200 and answer.total_ms < 1000, answer

    def dropped():
        return berth.metric("berth_log_lines_dropped_total")

    parallel(4, lambda i: ask(50))
    wait_until(lambda: dropped() > 50, 5, "the disk is full")
    assert "lines of an access log are lost" in berth.log
    # Each line is either whole in the file or counted.
    time.sleep(1.2)
    lines = (folder / "a").read_bytes().split(b"\n")
    whole = [l for l in lines if l.endswith(b'"') and path.encode() in l]
    assert len(whole) + dropped() == 200, (len(whole), dropped())
    # Room again, by a rotation: USR1 opens a new file.
    before = dropped()
    os.remove(folder / "a")
    berth.send_signal(signal.SIGUSR1)
    wait_until(lambda: (folder / "a").exists(), 3, "it was opened anew")
    ask(10, "/again")
    wait_until(lambda: (folder / "a").read_bytes().count(b"/again") == 10, 5)
    assert dropped() == before


# --- connections to an app ----------------------------------------------------------


class CountingApp:
    """An app of one thread that knows how many connections it has: at each new
    one it looks first which of the others have ended."""

    def __init__(self, t):
        self.most, self.most_plain, self.served = 0, 0, 0
        self.conns, self.tunnels = {}, set()
        self.selector = selectors.DefaultSelector()
        self.listen = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.listen.setblocking(False)
        self.port = self.listen.getsockname()[1]
        self.selector.register(self.listen, selectors.EVENT_READ)
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        t.cleanup(self._end)

    def _end(self):
        self.ends.set()
        self.thread.join()

    def _run(self):
        while not self.ends.is_set():
            for key, _ in self.selector.select(0.1):
                if key.fileobj is self.listen:
                    self._accept()
                else:
                    self._read(key.fileobj)

    def _accept(self):
        with contextlib.suppress(BlockingIOError):
            conn, _ = self.listen.accept()
            for other in list(self.conns):
                if self._has_ended(other):
                    self._drop(other)
            conn.setblocking(False)
            self.conns[conn] = b""
            self.selector.register(conn, selectors.EVENT_READ)
            self._count()

    def _count(self):
        self.most = max(self.most, len(self.conns))
        self.most_plain = max(self.most_plain, len(self.conns) - len(self.tunnels))

    @staticmethod
    def _has_ended(conn):
        """Berth has closed it, whatever of it is unread."""
        established = 1
        info = conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
        return info[0] != established

    def _drop(self, conn):
        self.selector.unregister(conn)
        self.conns.pop(conn)
        self.tunnels.discard(conn)
        conn.close()

    def _read(self, conn):
        if conn not in self.conns:
            return
        try:
            data = conn.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
            return
        if conn in self.tunnels:
            with contextlib.suppress(OSError):
                conn.send(data)
            return
        head = self.conns[conn] + data
        if b"\r\n\r\n" not in head:
            self.conns[conn] = head
            return
        self.conns[conn] = b""
        self.served += 1
        with contextlib.suppress(OSError):
            if b"Upgrade: " in head:
                self.tunnels.add(conn)
                conn.send(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            elif b"/close" in head:
                conn.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2"
                          b"\r\n\r\nok")
                self._drop(conn)
            elif b"/part" in head:
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\nx")
            else:
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


COUNTED = """
worker_threads 2;
http { upstream_read_timeout 300ms; server { listen 127.0.0.1:@port@; route / { app a; } } }
app a { upstream 127.0.0.1:@app@; concurrency %d; max_tunnels %d; queue_timeout 30s; }
"""


def rough_client(berth, seed, seconds, upgrades):
    """Everything that a client may do, at random, until the time is over."""
    dice, end, good = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        kind = dice.choice(["get", "get", "keep", "close", "abort", "reset", "part"]
                           + ["upgrade"] * upgrades)
        with berth.connect(timeout=40) as conn:
            if kind in ("get", "keep", "close"):
                for _ in range(5 if kind == "keep" else 1):
                    answer = conn.request("GET", "/close" if kind == "close" else "/ok")
                    # 502: the app broke off (a GET's two retries are used up).
                    assert answer.status in (200, 502), answer
                    good += answer.status == 200
                continue
            if kind == "upgrade":
                conn.send(b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                          b"Upgrade: x\r\n\r\n")
                if conn.read_head().status == 101:
                    conn.send(b"abc")
                    assert conn.read_exactly(3) == b"abc"
                continue
            conn.send(b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
                      % (b"part" if kind == "part" else b"ok"))
            time.sleep(dice.choice([0, 0.001, 0.005]))
            if kind == "reset":
                conn.reset()
    return good


@harness.limit(90)
@harness.tags("sanitizer")
def test_an_app_has_no_more_connections_than_slots_whatever_clients_do(t):
    for name, slots, tunnels in (("one", 1, 0), ("three", 3, 4)):
        app = CountingApp(t)
        berth = t.berth(COUNTED % (slots, tunnels), ports={"app": app.port}, name=name)
        good = parallel(12, lambda i: rough_client(berth, i, 5, upgrades=2))
        assert sum(good) > 100 and app.served > 100, (good, app.served)
        assert 1 <= app.most_plain <= slots, (name, app.most_plain)
        # An app that answers 101 where it may have no tunnel loses it at once.
        assert app.most <= slots + tunnels, (name, app.most)
        wait_until(lambda: berth.app("a")["in_flight"] == 0, 10)
        assert berth.get("/ok").status == 200
