"""Several replicas of an app: started for a burst, let go, lost, found again."""

import os
import signal
import threading
import time

import harness
from harness import parallel, wait_until

APP = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; %s }
"""


def replicas(berth, state="ready"):
    return [r for r in berth.app("a")["replicas"] if r["state"] == state]


class Load(threading.Thread):
    """Requests one after the other; what came of each, and who answered."""

    def __init__(self, berth, target):
        super().__init__(daemon=True)
        self.berth, self.target = berth, target
        self.answers, self.done = [], threading.Event()
        self.start()

    def run(self):
        while not self.done.is_set():
            answer = self.berth.get(self.target, timeout=20)
            self.answers.append((answer.status, answer.error, answer.app_id))

    def stop(self):
        self.done.set()
        self.join()
        return self.answers


@harness.limit(120)
def test_a_burst_starts_several_and_they_go_again(t):
    berth = t.berth(APP % "concurrency 1; replicas 0 4; scale_down_delay 2s; idle_timeout 20s;")
    most, done = [0], threading.Event()

    def watch():
        while not done.is_set():
            most[0] = max(most[0], len(berth.containers("a")))
            time.sleep(0.1)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.monotonic()
    answers = parallel(40, lambda i: berth.get("/a/delay?ms=300", timeout=60))
    took = time.monotonic() - started
    done.set()
    watcher.join()
    assert [a.status for a in answers] == [200] * 40, answers
    print(f"40 requests of 300 ms: {took:.1f} s, {most[0]} containers at most")
    assert 3 <= len({a.app_id for a in answers}) <= 4
    assert most[0] <= 4, "never more than MAX"
    assert took < 9, f"{took}: one alone needs 12 s"
    # One is kept until idle_timeout, the others are let go before.
    wait_until(lambda: len(berth.containers("a")) == 1, 30)
    wait_until(lambda: len(berth.containers("a")) == 0, 40)
    assert berth.app("a")["state"] == "asleep"


@harness.limit(120)
def test_one_of_three_is_killed_under_load_and_no_get_fails(t):
    berth = t.berth(APP % "concurrency 4; replicas 3 3;")
    wait_until(lambda: len(replicas(berth)) == 3, 30)
    loads = [Load(berth, "/a/delay?ms=20") for _ in range(6)]
    time.sleep(1)
    victim = replicas(berth)[1]
    before = {r["id"] for r in replicas(berth)}
    os.kill(victim["pid"], signal.SIGKILL)
    wait_until(
        lambda: len(replicas(berth)) == 3
        and {r["id"] for r in replicas(berth)} != before,
        30,
    )
    time.sleep(1)
    answers = [a for load in loads for a in load.stop()]
    assert len(answers) > 100
    assert {a[0] for a in answers} == {200}, [a for a in answers if a[0] != 200]
    assert len({a[2] for a in answers}) == 4, "three, and the one that came for it"
    assert berth.metric("berth_replica_crashes_total", app="a") == 1


@harness.limit(120)
def test_all_replicas_are_adopted_after_kill_9(t):
    berth = t.berth(APP % "concurrency 4; replicas 3 3;", on_exit="keep")
    wait_until(lambda: len(replicas(berth)) == 3, 30)
    before = sorted(c["Id"] for c in berth.containers("a", all=False))
    berth.kill()
    berth.start()
    wait_until(lambda: len(replicas(berth)) == 3, 30)
    assert sorted(c["Id"] for c in berth.containers("a", all=False)) == before
    assert all(r["adopted"] for r in replicas(berth))
    answers = parallel(12, lambda i: berth.get("/a/delay?ms=200"))
    assert {a.status for a in answers} == {200}
    assert len({a.app_id for a in answers}) == 3, "all of them serve"


@harness.limit(90)
def test_the_queue_is_served_in_the_order_of_arrival(t):
    berth = t.berth(APP % "concurrency 1; replicas 2 2;")
    wait_until(lambda: len(replicas(berth)) == 2, 30)
    ended, lock = [], threading.Lock()

    def one(i):
        time.sleep(0.03 * i)
        assert berth.get("/a/delay?ms=200").status == 200
        with lock:
            ended.append(i)

    parallel(20, one)
    late = [(i, at) for at, i in enumerate(ended) if abs(i - at) > 1]
    assert not late, f"two at a time, in turn: {ended}"


@harness.limit(90)
def test_an_upstream_that_is_down_costs_no_request(t):
    """Of two addresses one is dead: it has the fewest in flight, always."""
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@;
            route /a { app a; } route /b { app b; } } }
        app a { upstream 127.0.0.1:%d 127.0.0.1:@port@; }
        app b { image localhost/berth-test/app:1; network none; replicas 1 1; }
    """ % t.free_port())
    berth.wait_state("b", "ready")
    answers = parallel(8, lambda i: [berth.get("/a/b/hash") for _ in range(5)])
    statuses = [a.status for each in answers for a in each]
    assert set(statuses) == {200}, statuses


@harness.limit(90)
def test_what_was_learned_outlives_a_restart(t):
    berth = t.berth(APP % "concurrency 1; replicas 0 4; idle_timeout 1s;")
    for _ in range(5):
        assert berth.get("/a/delay?ms=100").status == 200
    berth.stop()
    learned = next(t.dir.rglob("learned"))
    name, service, absent, pulled, *_ = learned.read_text().split()
    assert name == "a" and 90_000 < int(service) < 200_000, learned.read_text()
    assert int(pulled) > 10_000 and int(absent) == 0, learned.read_text()
    learned.write_text("a 1 2\n\0\0\0")
    berth.start()
    berth.wait_log("what was learned of apps is lost, or a part of it")
    assert berth.get("/a/hash").status == 200


@harness.limit(90)
def test_who_is_more_urgent_is_served_first(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; trusted_proxies 127.0.0.1;
            route /high { app a; priority high; } route /low { app a; priority low; }
            route /said { app a; priority $http_x_prio; } } }
        app a { image localhost/berth-test/app:1; network none; concurrency 1; replicas 1 1; }
    """)
    berth.wait_state("a", "ready")
    ended, lock = [], threading.Lock()
    plan = ["/low", "/said", "/said low", "/high", "/said high"]

    def one(i):
        path, _, said = plan[i].partition(" ")
        time.sleep(0.3 + 0.1 * i)
        fields = [("X-Prio", said)] if said else []
        assert berth.get(path + "/delay?ms=50", fields=fields).status == 200
        with lock:
            ended.append(plan[i])

    with berth.connect() as busy:
        busy.request("GET", "/high/delay?ms=1500", read=False)
        parallel(len(plan), one)
    assert ended == ["/high", "/said high", "/said", "/low", "/said low"], ended


def test_who_asks_how_the_app_is_does_not_wake_it(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@;
            route /a { app a; probe_paths /a/up; } route /b { app b; probe_paths /b/up; } } }
        app a { image localhost/berth-test/app:1; network none; }
        app b { image localhost/berth-test/exit:1; network none; start_retries 1; }
    """)
    for _ in range(3):
        answer = berth.get("/a/up")
        assert answer.status == 200 and answer.text.startswith("asleep"), answer
    assert berth.app("a")["state"] == "asleep" and not berth.containers("a")
    assert berth.get("/a/hash").status == 200
    assert berth.get("/a/up").text.startswith("ready")
    assert berth.post("/a/up", b"x").app_id, "only GET and HEAD are the prober's"
    assert berth.get("/b/").status == 503
    answer = berth.get("/b/up")
    assert answer.status == 503 and answer.text.startswith("failed"), answer
