"""An app starts on its first request, serves, and goes away when idle."""

import hashlib
import os
import threading
import time

import harness
from harness import parallel, rss_bytes, wait_until

ONE = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1;
        idle_timeout %s; %s }
"""


@harness.tags("sanitizer")
def test_a_request_starts_the_app_and_the_next_one_is_fast(t):
    berth = t.berth(ONE % ("5m", ""))
    assert berth.containers() == []
    first = berth.get("/a/hash")
    assert first.status == 200, first
    assert len(berth.containers("a", all=False)) == 1
    with berth.connect() as conn:
        ids = {conn.request("GET", "/a/hash").app_id for _ in range(20)}
        warm = min(conn.request("GET", "/a/hash").total_ms for _ in range(50))
    assert ids == {first.app_id}
    assert warm < first.total_ms / 5, (warm, first.total_ms)


@harness.tags("sanitizer")
def test_twenty_first_requests_make_one_container_and_all_are_answered(t):
    berth = t.berth(ONE % ("5m", "command --start-delay=300;"))
    bodies = [os.urandom(1000 + 977 * i) for i in range(20)]
    answers = parallel(20, lambda i: berth.post("/a/hash", bodies[i]))
    for body, answer in zip(bodies, answers):
        assert answer.status == 200, answer
        assert answer.json() == {
            "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(),
        }
    assert len({answer.app_id for answer in answers}) == 1
    assert len(berth.containers("a")) == 1
    assert berth.metric("berth_starts_total", app="a") == 1


@harness.limit(120)
def test_a_post_of_50_mb_to_a_stopped_app_is_exact_and_takes_no_memory(t):
    berth = t.berth(ONE % ("1s", "command --start-delay=1000;"))
    body = os.urandom(1_000_000) * 50
    wanted = hashlib.sha256(body).hexdigest()
    # A small one first, so that what any first request takes is not counted.
    assert berth.get("/a/hash").status == 200
    wait_until(lambda: not berth.containers(), 15, "it went away again")
    pids = [berth.front_pid, berth.keeper_pid]
    before = [rss_bytes(pid) for pid in pids]
    peak = list(before)
    done = threading.Event()

    def watch():
        while not done.is_set():
            for i, pid in enumerate(pids):
                peak[i] = max(peak[i], rss_bytes(pid))
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    answer = berth.post("/a/hash", body, timeout=60)
    done.set()
    watcher.join()
    assert answer.status == 200, answer
    assert answer.json() == {"bytes": len(body), "sha256": wanted}
    grown = [now - then for now, then in zip(peak, before)]
    assert sum(grown) < 2_000_000, f"front and keeper grew by {grown} bytes"


def test_an_idle_app_goes_away_and_comes_back(t):
    berth = t.berth(ONE % ("1s", ""))
    first = berth.get("/a/hash")
    assert first.status == 200
    wait_until(lambda: not berth.containers(), 15, "no container is left")
    assert berth.app("a")["state"] == "asleep"
    again = berth.get("/a/hash")
    assert again.status == 200 and again.app_id != first.app_id


def test_an_app_in_use_is_not_idle(t):
    berth = t.berth(ONE % ("1s", ""))
    answer = berth.get("/a/delay?ms=3500")
    assert answer.status == 200
    assert berth.get("/a/hash").app_id == answer.app_id


def test_a_request_calls_the_drain_of_an_idle_app_off_or_starts_it_anew(t):
    """Requests at every moment of the way down: none is lost."""
    berth = t.berth(ONE % ("1s", ""))
    assert berth.get("/a/hash").status == 200
    for step in range(12):
        time.sleep(0.90 + 0.04 * step)
        answer = berth.get("/a/hash")
        assert answer.status == 200, (step, answer)


def test_min_one_is_started_at_once_and_kept(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 1 1;
                idle_timeout 1s; }
    """)
    berth.wait_state("a", "ready")
    first = berth.get("/a/hash")
    time.sleep(3)
    assert berth.get("/a/hash").app_id == first.app_id


def test_a_client_that_hangs_up_frees_its_place(t):
    berth = t.berth(ONE % ("5m", "concurrency 1; queue_size 1;"))
    assert berth.get("/a/hash").status == 200
    with berth.connect() as busy:
        busy.request("GET", "/a/delay?ms=60000", read=False)
        wait_until(lambda: berth.app("a")["in_flight"] == 1, 5)
        waiting = berth.connect()
        waiting.request("GET", "/a/hash", read=False)
        wait_until(lambda: berth.app("a")["queued"] == 1, 5)
        refused = berth.get("/a/hash")
        assert refused.status == 503 and refused.error == "queue_full", refused
        assert int(refused.field("Retry-After")) >= 1
        waiting.close()
        wait_until(lambda: berth.app("a")["queued"] == 0, 5)
    # The busy one hung up as well: its slot is free at once.
    answer = berth.get("/a/hash", timeout=5)
    assert answer.status == 200


def test_a_request_that_waits_too_long_is_told_so(t):
    berth = t.berth(ONE % ("5m", "concurrency 1; queue_timeout 700ms;"))
    assert berth.get("/a/hash").status == 200
    with berth.connect() as busy:
        busy.request("GET", "/a/delay?ms=20000", read=False)
        wait_until(lambda: berth.app("a")["in_flight"] == 1, 5)
        late = berth.get("/a/hash")
        assert late.status == 503 and late.error == "queue_timeout", late
        assert late.field("Retry-After"), late
        assert 600 < late.total_ms < 3000, late.total_ms


def test_an_app_that_starts_slower_than_queue_timeout_is_started_all_the_same(t):
    berth = t.berth(ONE % ("5m", "queue_timeout 500ms; command --start-delay=2500;"))
    late = berth.get("/a/hash")
    assert late.status == 503 and late.error == "queue_timeout", late
    berth.wait_state("a", "ready")
    assert berth.get("/a/hash").status == 200
    assert berth.metric("berth_starts_total", app="a") == 1
