"""Slow clients cost their connection, and a slot no longer than they may."""

import contextlib
import os
import socket
import threading
import time

import harness
from harness import parallel, wait_until
from upstream import Upstream

SLOW = 100

ONE_SLOT = """
worker_threads %s;
http { %s server { listen 127.0.0.1:@port@; route / { app a; } } }
app a { upstream 127.0.0.1:@app@; concurrency 1; queue_timeout 60s; }
"""


def start(t, http="", workers=2, **kw):
    app = Upstream(t)
    return t.berth(ONE_SLOT % (workers, http), ports={"app": app.port}, **kw), app


class Drip:
    """SLOW connections that each send `first` at once, then a byte every
    `interval` seconds, until they are closed."""

    def __init__(self, t, berth, first, rest, interval, count=SLOW):
        self.conns = [berth.connect() for _ in range(count)]
        self.closed_after, self.stop = {}, threading.Event()
        self.began = time.monotonic()
        for conn in self.conns:
            conn.send(first)
        self.thread = threading.Thread(target=self._run, args=(rest, interval),
                                       daemon=True)
        self.thread.start()
        t.cleanup(self.end)

    def _run(self, rest, interval):
        for byte in rest:
            if self.stop.wait(interval):
                return
            for i, conn in enumerate(self.conns):
                if i in self.closed_after:
                    continue
                try:
                    conn.sock.send(bytes([byte]), socket.MSG_DONTWAIT)
                    conn.sock.settimeout(0)
                    if not conn.sock.recv(65536):
                        raise ConnectionResetError
                except BlockingIOError:
                    pass
                except OSError:
                    self.closed_after[i] = time.monotonic() - self.began

    def end(self):
        self.stop.set()
        self.thread.join()
        for conn in self.conns:
            conn.close()


def good_clients(berth, n=40):
    """Milliseconds that ordinary requests take, the longest last."""
    times = []
    for i in range(n):
        answer = berth.get("/ok") if i % 2 else berth.post("/ok", b"x" * 2000)
        assert answer.status == 200, answer
        times.append(answer.total_ms)
    return sorted(times)


def test_a_hundred_slow_heads_cost_others_nothing_and_end_in_time(t):
    berth, _ = start(t, "client_header_timeout 2s;")
    slow = Drip(t, berth, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"a" * 40, 0.1)
    assert good_clients(berth)[-1] < 1000
    wait_until(lambda: len(slow.closed_after) == SLOW, 4, "all slow heads ended")
    assert min(slow.closed_after.values()) > 1.5
    assert berth.metric("berth_requests_total", code="408") == SLOW


def test_a_hundred_slow_small_bodies_hold_no_slot(t):
    berth, app = start(t)
    slow = Drip(t, berth, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
                b"a" * 100, 0.05)
    assert good_clients(berth)[-1] < 1000
    assert berth.app("a")["in_flight"] == 0
    assert not slow.closed_after
    assert all(path == "/ok" for _, path in app.requests)


def test_slow_bodies_that_stop_end_after_the_body_timeout(t):
    berth, _ = start(t, "client_body_timeout 1s;")
    conns = [berth.connect() for _ in range(SLOW)]
    for conn in conns:
        conn.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
    began = time.monotonic()
    answers = [conn.read() for conn in conns]
    assert {a.status for a in answers} == {408}, answers[0]
    assert {a.error for a in answers} == {"client_timeout"}
    assert 0.8 < time.monotonic() - began < 4


def test_the_body_timeout_is_between_two_reads_not_for_all_of_the_body(t):
    berth, _ = start(t, "client_body_timeout 1s;")

    def parts():
        yield b"x" * 100000  # beyond request_buffer: it has its slot
        for _ in range(10):
            time.sleep(0.3)
            yield b"x" * 10000

    answer = berth.post("/", parts())
    assert answer.status == 200 and answer.json()["bytes"] == 200000, answer


def test_an_app_that_takes_nothing_is_not_the_clients_fault(t):
    berth, _ = start(t, "client_body_timeout 1s;")
    answer = berth.post("/sleep?s=4", b"x" * 20_000_000)
    assert answer.status == 200 and answer.json()["bytes"] == 20_000_000, answer


@harness.limit(120)
def test_slow_large_bodies_hold_the_slot_no_longer_than_client_min_rate(t):
    """Two a little beyond request_buffer: each may have the slot for the 10 s
    in which its rate is measured, so who waits behind both waits for 20 s. (Much
    beyond it, they would have been quick enough in the first 10 s.)"""
    berth, _ = start(t)
    head = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n"
    slow = Drip(t, berth, head + b"x" * 70000, b"a" * 2000, 0.1, count=2)
    wait_until(lambda: berth.app("a")["in_flight"] == 1, 5)
    began = time.monotonic()
    assert berth.get("/ok", timeout=40).status == 200
    waited = time.monotonic() - began
    assert 15 < waited < 26, waited
    wait_until(lambda: len(slow.closed_after) == 2, 5)
    assert berth.metric("berth_requests_total", code="408") == 2


def slow_reader(berth, target):
    conn = berth.connect()
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    conn.request("GET", target, read=False)
    return conn


def test_a_hundred_readers_that_take_nothing_hold_no_slot(t):
    berth, app = start(t)
    conns = parallel(SLOW, lambda i: slow_reader(berth, "/bytes?n=200000"))
    wait_until(lambda: len(app.requests) == SLOW, 10, "all were served")
    wait_until(lambda: berth.app("a")["in_flight"] == 0, 5, "the slot is free")
    assert good_clients(berth)[-1] < 1000
    for conn in conns:
        conn.close()


@harness.limit(120)
def test_slow_readers_of_much_hold_the_slot_no_longer_than_client_min_rate(t):
    berth, _ = start(t)
    conns = [slow_reader(berth, "/bytes?n=30000000") for _ in range(2)]
    wait_until(lambda: berth.app("a")["in_flight"] == 1, 5)
    done = threading.Event()

    def drip():  # far below 500 B/s, far above nothing
        while not done.wait(0.5):
            for conn in conns:
                try:
                    conn.sock.recv(50)
                except OSError:
                    pass

    thread = threading.Thread(target=drip)
    thread.start()
    t.cleanup(lambda: (done.set(), thread.join()))
    began = time.monotonic()
    assert berth.get("/ok", timeout=40).status == 200
    waited = time.monotonic() - began
    assert 15 < waited < 26, waited


def test_a_reader_above_client_min_rate_may_take_its_time(t):
    berth, _ = start(t)
    size = 30_000_000
    conn = slow_reader(berth, f"/bytes?n={size}")
    conn.read_head()
    got, end = len(conn.buffer), time.monotonic() + 13
    conn.buffer = b""
    while time.monotonic() < end:
        got += len(conn.sock.recv(2000))
        time.sleep(0.05)
    assert berth.app("a")["in_flight"] == 1, got
    assert berth.metric("berth_client_aborts_total", app="a") == 0
    conn.close()


def test_readers_that_stop_end_after_the_send_timeout(t):
    berth, _ = start(t, "send_timeout 1s;")
    conns = parallel(20, lambda i: slow_reader(berth, "/bytes?n=6000000"))
    wait_until(lambda: berth.metric("berth_client_aborts_total", app="a") == 20,
               40, "all were cut")
    assert good_clients(berth)[-1] < 1000
    for conn in conns:
        conn.close()


def test_when_files_run_out_idle_connections_go_and_it_is_said_once_a_second(t):
    low = 256
    wrapper = t.write("few", f'#!/bin/sh\nulimit -n {low}\nexec {harness.berth_bin()} "$@"\n',
                      0o755)
    os.environ["BERTH_BIN"] = str(wrapper)  # of this test's process alone
    # One worker: each closes the oldest of its own.
    berth, _ = start(t, "max_connections 100000;", workers=1)
    os.environ["BERTH_BIN"] = f"/proc/{berth.keeper_pid}/exe"
    idle = [berth.connect() for _ in range(low + 100)]
    began = time.monotonic()
    assert berth.get("/ok", timeout=5).status == 200
    assert time.monotonic() - began < 3
    assert idle[0].is_closed(2), "the oldest went first"
    assert not idle[-1].is_closed(0.2)
    # Busy ones are not closed for it: then accept pauses until one ends.
    busy = [berth.connect() for _ in range(low)]
    for conn in busy:
        with contextlib.suppress(OSError):
            conn.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    time.sleep(2.5)
    said = berth.log.count("cannot accept connections")
    assert 1 <= said <= 3 + time.monotonic() - began, said
    for conn in busy + idle:
        conn.close()
    assert good_clients(berth)[-1] < 1000
