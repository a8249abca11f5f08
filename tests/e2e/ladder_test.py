"""The warmth ladder: replicas that are frozen, hibernated, primed, and back."""

import os
import pathlib
import signal
import time

import harness
from harness import parallel, wait_until

APP = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; keep_primed 0; %s }
"""


def states(berth, app="a"):
    return sorted(r["state"] for r in berth.app(app)["replicas"])


def frozen(berth, count=1, app="a"):
    wait_until(lambda: states(berth, app).count("frozen") == count, 20,
               f"{count} frozen")


def process_state(pid):
    """D where the freezer of cgroup v1 holds it."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_an_idle_replica_is_frozen_and_a_request_wakes_it(t):
    berth = t.berth(APP % "freeze_after 300ms;")
    first = berth.get("/a/hash")
    assert first.status == 200, first
    frozen(berth)
    pid = berth.app("a")["replicas"][0]["pid"]
    ticks = cpu_ticks(pid)
    time.sleep(0.3)
    assert cpu_ticks(pid) == ticks, "it takes no CPU"
    assert berth.app("a")["state"] == "ready", "it still takes requests"
    for _ in range(3):
        frozen(berth)
        answer = berth.get("/a/hash")
        assert answer.status == 200 and answer.app_id == first.app_id, answer
    assert len(berth.containers("a")) == 1
    assert berth.metric("berth_starts_total", app="a", **{"from": "frozen"}) >= 3
    start = berth.app("a")["last_start"]
    assert start["from"] == "frozen" and start["ok"], start
    assert any(p["name"] == "thaw" and p["us"] > 0 for p in start["phases"]), start


def test_a_busy_one_is_not_frozen(t):
    berth = t.berth(APP % "freeze_after 100ms; concurrency 2;")
    assert berth.get("/a/hash").status == 200
    answer = berth.get("/a/delay?ms=1500")
    assert answer.status == 200, answer
    conn = berth.connect()
    for _ in range(20):
        assert conn.request("GET", "/a/hash").status == 200
        time.sleep(0.05)
    assert states(berth) == ["ready"], "a request each 50 ms keeps it"
    frozen(berth)


def test_a_burst_wakes_no_more_than_are_needed(t):
    berth = t.berth(APP % "freeze_after 300ms; concurrency 8; replicas 2 2;")
    wait_until(lambda: states(berth) == ["frozen", "frozen"], 20)
    answers = parallel(4, lambda i: berth.get("/a/delay?ms=200"))
    assert [a.status for a in answers] == [200] * 4
    assert len({a.app_id for a in answers}) == 1, "the one that is awake is taken first"
    frozen(berth, 2)
    answers = parallel(16, lambda i: berth.get("/a/delay?ms=200"))
    assert [a.status for a in answers] == [200] * 16
    assert len({a.app_id for a in answers}) == 2, "both, where one has no slot left"


def test_it_leaves_after_idle_timeout_thawed_first(t):
    berth = t.berth(APP % "freeze_after 200ms; idle_timeout 2s; stop_timeout 8s;")
    assert berth.get("/a/hash").status == 200
    frozen(berth)
    started = time.monotonic()
    wait_until(lambda: not berth.containers("a"), 20)
    assert time.monotonic() - started < 7, "it was thawed, so its SIGTERM came through"
    assert berth.app("a")["state"] == "asleep"


def test_a_frozen_one_is_adopted_frozen_and_serves(t):
    berth = t.berth(APP % "freeze_after 500ms;", on_exit="keep")
    first = berth.get("/a/hash")
    frozen(berth)
    pid = berth.app("a")["replicas"][0]["pid"]
    ticks = cpu_ticks(pid)
    berth.kill()
    berth.start()
    wait_until(lambda: states(berth) == ["frozen"], 10)
    assert cpu_ticks(pid) == ticks, "it was not even probed"
    answer = berth.get("/a/hash")
    assert answer.status == 200 and answer.app_id == first.app_id, answer


def test_the_front_is_killed_while_it_sleeps(t):
    berth = t.berth(APP % "freeze_after 500ms;")
    first = berth.get("/a/hash")
    frozen(berth)
    old = berth.front_pid
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: berth.front_pid not in (None, old), 10)
    answer = wait_until(lambda: (a := berth.get("/a/hash")).status == 200 and a, 10)
    assert answer.app_id == first.app_id


def test_one_that_is_killed_frozen_is_replaced(t):
    """On cgroup v1 the kernel keeps the SIGKILL until the thaw: then the request
    that thaws it finds it dead, and is sent again."""
    berth = t.berth(APP % "freeze_after 300ms; replicas 1 1;")
    first = berth.get("/a/hash")
    frozen(berth)
    os.kill(berth.app("a")["replicas"][0]["pid"], signal.SIGKILL)
    time.sleep(0.3)
    answer = berth.get("/a/hash")
    assert answer.status == 200 and answer.app_id != first.app_id, answer
    assert berth.metric("berth_replica_crashes_total", app="a") == 1
