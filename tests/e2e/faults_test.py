"""What goes wrong by itself: memory runs out, and keeper and front are killed at
every state that a replica has. Nothing is lost, and nothing is left over."""

import contextlib
import os
import pathlib
import random
import signal
import threading
import time

import harness
from harness import wait_until

CONF = """
worker_threads 2;
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; %s }
"""


def test_out_of_memory_is_said_with_the_limit(t):
    berth = t.berth(CONF % "memory 32m; keep_primed 0;")
    assert berth.get("/a/hash").status == 200
    answer = berth.request("POST", "/a/oom", b"")
    assert answer.status == 502, answer
    berth.wait_log(r"replica crashed .*out of memory: the kernel killed it at its limit "
                   r"of 32 MiB")
    assert "out of memory" in berth.cli("status", "a").stdout
    assert "out of memory" in berth.cli("events", "a").stdout
    assert berth.get("/a/hash").status == 200, "the next one has a new replica"


@harness.limit(120)
def test_podman_hangs_dies_and_comes_back_under_load(t):
    berth = t.berth("""
        worker_threads 2;
        http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 1 1; }
        app b { image localhost/berth-test/app:1; network none; replicas 0 1;
                idle_timeout 500ms; keep_primed 0; queue_timeout 60s; }
    """)
    assert berth.get("/a/hash").status == 200
    end = threading.Event()
    bad = []

    def load(_):
        with berth.connect() as conn:
            while not end.is_set():
                answer = conn.request("GET", "/a/hash")
                if answer.status != 200:
                    bad.append(answer)
                time.sleep(0.005)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        first = [c["Id"] for c in berth.containers("a")]
        answers = []

        def ask_b():
            answers.append(berth.get("/b/hash", timeout=60).status)

        for signal_number in (signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM):
            if signal_number == signal.SIGSTOP:
                with t.podman.hanging():
                    asker = threading.Thread(target=ask_b)
                    asker.start()
                    time.sleep(3)
                    assert not answers, "nothing can be started by a Podman that hangs"
            else:
                t.podman.stop_service(signal_number)
                asker = threading.Thread(target=ask_b)
                asker.start()
                time.sleep(1)
                t.podman.serve()
            asker.join()
            assert answers.pop() == 200, signal_number
            wait_until(lambda: not berth.containers("b"), 30, "b has gone again")
        assert [c["Id"] for c in berth.containers("a")] == first
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert not bad, bad[:3]
    assert berth.metric("berth_front_restarts_total") == 0


# --- killed at every state -----------------------------------------------------

# How a replica is brought to a state where it stays for a moment: what is set, and
# the state of `berth status` that is waited for. A start is made slow by the app.
STATES = {
    "creating": ("", "creating"),
    "starting": ("", "starting"),
    "probing": ("command --start-delay=2500;", "probing"),
    "ready": ("", "ready"),
    "primed": ("keep_primed 1; idle_timeout 300ms;", "primed"),
    "frozen": ("freeze_after 300ms;", "frozen"),
    "draining": ("idle_timeout 10m;", "draining"),
    "stopping": ("command --ignore-term; stop_timeout 2s; idle_timeout 300ms;", "stopping"),
}


def states(berth):
    with contextlib.suppress(AssertionError, ValueError):
        return [r["state"] for a in berth.status()["apps"] for r in a["replicas"]]
    return []


def bring_to(berth, state):
    """Ask for the app, and return as soon as it is there, or has just been."""
    def ask():
        with contextlib.suppress(OSError, EOFError, AssertionError):
            berth.get("/a/hash", timeout=30)

    asker = threading.Thread(target=ask)
    asker.start()
    if state in ("creating", "starting"):
        # Too short to be polled for: the log says when it begins.
        berth.wait_log(rf"replica changed its state .*to={state}")
    elif state == "draining":
        asker.join()
        holder = berth.connect()
        holder.request("GET", "/a/delay?ms=9000", read=False)
        wait_until(lambda: berth.metric("berth_in_flight", app="a") == 1, 10)
        threading.Thread(target=lambda: berth.cli("restart", "a", check=False)).start()
        wait_until(lambda: "draining" in states(berth), 20, "draining", interval=0.01)
    else:
        wait_until(lambda: state in states(berth), 20, state, interval=0.01)
    return asker


def conmons_and_dirs(t, berth):
    """What is left of replicas beside containers."""
    sockets = pathlib.Path(berth.dir, "state", "sockets")
    return len(list(sockets.iterdir())) if sockets.is_dir() else 0


def walk(t, victim):
    for i, (state, (more, shown)) in enumerate(STATES.items()):
        berth = t.berth(CONF % more, name=f"{victim}{i}")
        asker = bring_to(berth, shown)
        if victim == "keeper":
            berth.kill()
            asker.join()
            berth.start()
            # /healthz may have been the old front's last words.
            wait_until(lambda: berth.front_pid, 15)
        else:
            before = berth.front_pid
            with contextlib.suppress(ProcessLookupError):
                os.kill(before, signal.SIGKILL)
            wait_until(lambda: berth.front_pid not in (None, before), 15)
            asker.join()
        assert berth.get("/a/hash", timeout=40).status == 200, (state, "served again")
        # What is there is what berth knows of: no stray, and none counted twice.
        # Where it leaves after 300 ms, it may have left again.
        fewest = 0 if "idle_timeout 300ms" in more else 1

        def settled():
            known = [r for a in berth.status()["apps"] for r in a["replicas"]]
            there = berth.containers()
            running = [c for c in there if c["State"] == "running"]
            return (len(known) == len(there) and fewest <= len(running) <= 1
                    and not any(r["state"] in ("draining", "stopping", "failed")
                                for r in known))
        wait_until(settled, 20, f"{state}: containers and replicas are the same")
        assert conmons_and_dirs(t, berth) <= 1, state
        assert berth.stop(seconds=30) == 0, state
        assert berth.containers() == [], state


@harness.limit(240)
def test_the_keeper_is_killed_at_every_state_of_a_replica(t):
    walk(t, "keeper")


@harness.limit(240)
def test_the_front_is_killed_at_every_state_of_a_replica(t):
    walk(t, "front")


@harness.limit(180)
def test_twenty_kills_at_random_moments_under_load_lose_no_container(t):
    berth = t.berth("""
        worker_threads 2;
        http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 1 3; concurrency 2;
                freeze_after 300ms; }
        app b { image localhost/berth-test/app:1; network none; replicas 0 2; concurrency 2;
                idle_timeout 2s; }
    """)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    end = threading.Event()
    counts = {"good": 0, "cut": 0, "wrong": []}

    def load(n):
        mine = random.Random(seed + n)
        while not end.is_set():
            target = f"/{mine.choice('ab')}/delay?ms={mine.choice((0, 5, 40))}"
            try:
                answer = berth.get(target, timeout=30)
            except (OSError, EOFError, AssertionError):
                counts["cut"] += 1  # berth was killed under it
                time.sleep(0.05)
                continue
            if answer.status == 200:
                counts["good"] += 1
            elif answer.status != 503:
                counts["wrong"].append(str(answer))
            time.sleep(mine.random() * 0.05)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for kill in range(20):
        time.sleep(dice.random() * 1.2)
        if kill % 2:
            berth.kill()
            berth.start(seconds=30)
        else:
            front = berth.front_pid
            if front:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(front, signal.SIGKILL)
                wait_until(lambda: berth.front_pid not in (None, front), 15)
    time.sleep(1)
    end.set()
    for thread in threads:
        thread.join()
    assert not counts["wrong"], counts["wrong"][:5]
    assert counts["good"] > 100, counts
    wait_until(lambda: berth.metric("berth_in_flight") == 0, 20)

    def settled():
        known = {r["container"][:12] for a in berth.status()["apps"] for r in a["replicas"]
                 if r.get("container")}
        there = {c["Id"][:12] for c in berth.containers()}
        return known == there
    wait_until(settled, 30, "no container that berth does not know, none that is lost")
    assert len([c for c in berth.containers("a") if c["State"] == "running"]) >= 1
    assert berth.stop(seconds=30) == 0
    assert berth.containers() == []
