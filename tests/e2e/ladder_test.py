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
    assert conn.request("GET", "/a/hash").status == 200

    def wakes():
        return berth.metric("berth_starts_total", app="a", **{"from": "frozen"})

    before, sent, pauses = wakes(), time.monotonic(), 0
    for _ in range(20):
        time.sleep(0.05)
        last, sent = sent, time.monotonic()
        assert conn.request("GET", "/a/hash").status == 200
        # The machine may be so busy that we are late: then it may sleep.
        pauses += time.monotonic() - last >= 0.1
    assert wakes() - before <= pauses, "a request each 50 ms keeps it"
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


# --- primed -------------------------------------------------------------------


def primed(berth, count=1, app="a"):
    wait_until(lambda: states(berth, app).count("primed") == count, 20,
               f"{count} primed")


def test_a_primed_one_is_kept_and_starts_for_the_first_request(t):
    berth = t.berth((APP % "replicas 0 1; idle_timeout 1s;")
                    .replace("keep_primed 0", "keep_primed 1"))
    primed(berth)
    made = berth.containers("a")[0]["Id"]
    assert berth.app("a")["state"] == "asleep", "nothing of it runs yet"
    first = berth.get("/a/hash")
    assert first.status == 200, first
    start = berth.app("a")["last_start"]
    assert start["from"] == "primed" and start["ok"], start
    assert not [p for p in start["phases"] if p["name"] == "create" and p["us"]], start
    assert made in [c["Id"] for c in berth.containers("a")]
    primed(berth)  # the next one, in the background
    wait_until(lambda: states(berth) == ["primed"], 20, "the first has left")
    second = berth.get("/a/hash")
    assert second.status == 200 and second.app_id != first.app_id
    assert berth.metric("berth_starts_total", app="a", **{"from": "primed"}) == 2


def test_auto_primes_what_is_asleep_and_not_what_is_awake(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
        app a { image localhost/berth-test/app:1; network none; }
        app b { image localhost/berth-test/app:1; network none; replicas 1 1; }
    """)
    berth.wait_state("b", "ready")
    primed(berth)
    assert berth.get("/a/hash").status == 200
    time.sleep(1)
    assert states(berth) == ["ready"], "it is awake: none is primed beside it"
    assert states(berth, "b") == ["ready"]


def test_a_primed_one_is_adopted_and_one_that_is_killed_replaced(t):
    berth = t.berth(APP.replace("keep_primed 0", "keep_primed 1") % "", on_exit="keep")
    primed(berth)
    made = berth.containers("a")[0]["Id"]
    berth.kill()
    berth.start()
    primed(berth)
    assert [c["Id"] for c in berth.containers("a")] == [made]
    os.kill(berth.app("a")["replicas"][0]["pid"], signal.SIGKILL)
    wait_until(lambda: made not in [c["Id"] for c in berth.containers("a")], 10)
    assert berth.get("/a/hash").status == 200, "started from its image, as it must be"


# --- on_sleep, on_wake --------------------------------------------------------

CALLS = "freeze_after 300ms; on_sleep http /unready?set=1; on_wake http /unready?set=0;"


def test_the_app_is_told_before_it_sleeps_and_after_it_wakes(t):
    berth = t.berth(APP % CALLS)
    first = berth.get("/a/health")
    assert first.status == 200, first
    for _ in range(3):
        frozen(berth)
        answers = parallel(5, lambda i: berth.get("/a/health"))
        assert [a.status for a in answers] == [200] * 5, "only once on_wake has answered"
        assert {a.app_id for a in answers} == {first.app_id}


def test_on_sleep_comes_before_the_freeze(t):
    berth = t.berth(APP % "freeze_after 300ms; on_sleep http /unready?set=1;")
    assert berth.get("/a/health").status == 200
    frozen(berth)
    assert berth.get("/a/health").status == 503


def test_what_fails_to_go_to_sleep_is_not_frozen(t):
    berth = t.berth(APP % "freeze_after 200ms; on_sleep http /status/500;")
    assert berth.get("/a/hash").status == 200
    berth.wait_log("a replica is not frozen.*on_sleep.*500")
    assert states(berth) == ["ready"]
    assert berth.get("/a/hash").status == 200


# --- what is kept, what goes --------------------------------------------------


def test_keep_frozen_outlives_idle_timeout(t):
    berth = t.berth(APP % "keep_frozen 1 for=6s; idle_timeout 1s;")
    first = berth.get("/a/hash")
    frozen(berth)
    time.sleep(2.5)
    assert states(berth) == ["frozen"], "longer than idle_timeout"
    assert berth.get("/a/hash").app_id == first.app_id
    frozen(berth)
    wait_until(lambda: not berth.containers("a"), 20, "after for=")


def test_keep_until_pressure_keeps_the_last_one_until_its_room_is_wanted(t):
    berth = t.berth("""
        resources { memory 200m; }
        http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
        app a { image localhost/berth-test/app:1; network none; keep_primed 0; memory 150m;
                idle_timeout 500ms; keep_until_pressure on; }
        app b { image localhost/berth-test/app:1; network none; keep_primed 0; memory 150m; }
    """)
    assert berth.get("/a/hash").status == 200
    time.sleep(3)
    assert states(berth) == ["ready"], "though idle_timeout is long over"
    assert berth.get("/b/hash").status == 200
    assert berth.containers("a") == []
    assert berth.metric("berth_evictions_total", app="a", by="b") == 1


@harness.limit(300)
def test_a_hundred_frozen_apps_asked_at_once_all_answer(t):
    names = [f"a{n}" for n in range(100)]
    routes = "".join(f"route /{name} {{ app {name}; }}" for name in names)
    apps = "".join(
        f"app {name} {{ image {harness.APP}; network none; keep_primed 0; replicas 0 1;"
        f" idle_timeout off; queue_timeout 120s; }}\n" for name in names)
    berth = t.berth(f"http {{ server {{ listen 127.0.0.1:@port@; {routes} }} }}\n{apps}",
                    seconds=60)

    def all_at_once():
        began = time.monotonic()
        answers = parallel(100, lambda n: berth.get(f"/{names[n]}/hash", timeout=120))
        took = time.monotonic() - began
        assert [a.status for a in answers] == [200] * 100
        return [a.app_id for a in answers], took

    ids, _ = all_at_once()
    taken = []
    for _ in range(3):
        parallel(8, lambda n: [berth.cli("freeze", name) for name in names[n::8]])
        assert all(r["state"] == "frozen" for a in berth.status()["apps"]
                   for r in a["replicas"])
        frozen_ids, from_frozen = all_at_once()
        ready_ids, from_ready = all_at_once()
        assert frozen_ids == ids and ready_ids == ids, "the same processes"
        taken.append((from_frozen, from_ready))
    # coldstart.sh measures it: within 100 ms of each other. Here others work, too.
    assert any(frozen < 2 * ready + 1 for frozen, ready in taken), taken


# --- hibernated ---------------------------------------------------------------


class Swap:
    """A swap file for the time of a test."""

    def __init__(self, dir, mib):
        self.path, self.mib = pathlib.Path(dir) / "swap", mib

    def __enter__(self):
        with open(self.path, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            for _ in range(self.mib):
                file.write(bytes(1 << 20))
        harness.subprocess.run(["mkswap", self.path], check=True, capture_output=True)
        harness.subprocess.run(["swapon", self.path], check=True)
        return self

    def __exit__(self, *_):
        harness.subprocess.run(["swapoff", self.path], check=True)
        self.path.unlink()


@harness.limit(120)
def test_a_hibernated_one_gives_its_memory_and_comes_back(t):
    with Swap(t.dir, 256):
        berth = t.berth(APP % "freeze_after 300ms; hibernate_after 1s; env TESTAPP_MEMORY 64;")
        first = berth.get("/a/hash")
        assert first.status == 200, first
        wait_until(lambda: states(berth) == ["hibernated"], 30)
        assert berth.app("a")["state"] == "asleep", "it is not published"
        replica = berth.app("a")["replicas"][0]
        assert replica["memory"]["resident"] < 8 << 20, replica
        for _ in range(2):
            wait_until(lambda: states(berth) == ["hibernated"], 30)
            answer = berth.get("/a/hash")
            assert answer.status == 200 and answer.app_id == first.app_id, answer
        assert berth.metric("berth_starts_total", app="a", **{"from": "hibernated"}) >= 2
        berth.stop()


def of_one_machine(count, more=""):
    """Apps of 64 MB, of which two fit."""
    names = [f"a{n}" for n in range(count)]
    routes = "".join(f"route /{name} {{ app {name}; }}" for name in names)
    apps = "".join(
        f"app {name} {{ image {harness.APP}; network none; keep_primed 0; replicas 0 1;"
        f" memory 96m; env TESTAPP_MEMORY 64; freeze_after 60s; evictable off; {more} }}\n"
        for name in names)
    return names, (f"resources {{ memory 200m; }} http {{ server {{"
                   f" listen 127.0.0.1:@port@; {routes} }} }}\n{apps}")


def memory_reserved(berth):
    return berth.status()["resources"]["memory_bytes"]["reserved"] >> 20


@harness.limit(240)
def test_more_apps_are_kept_warm_than_the_machine_has_memory_for(t):
    names, conf = of_one_machine(4)
    with Swap(t.dir, 400):
        berth = t.berth(conf, on_exit="keep")
        ids = {}
        for turn in range(2):
            for name in names:
                answer = berth.get(f"/{name}/verify", timeout=60)
                assert (answer.status, answer.text) == (200, "8388608 words, 0 wrong\n")
                assert ids.setdefault(name, answer.app_id) == answer.app_id, "as before"
                assert memory_reserved(berth) <= 200
        there = [states(berth, app=name) for name in names]
        assert there.count(["hibernated"]) >= 2, there
        # Who had to give way, and for whom.
        whys = [berth.cli("why", name).stdout for name in names]
        assert any(" got its room from a" in why for why in whys), whys
        evictions = [e for e in berth.cli("events", "--json").stdout.splitlines()
                     if '"eviction"' in e]
        assert any('"hibernated for ' in e and '"by":"a' in e for e in evictions), evictions
        assert "another app needs its memory" in berth.cli("events").stdout
        # What is in swap is found there after a kill -9, and what it takes awake is
        # not reserved: it could not all be.
        berth.kill()
        berth.start()
        wait_until(lambda: memory_reserved(berth) <= 200, 20, "all are adopted")
        assert sum(states(berth, app=name) == ["hibernated"] for name in names) >= 2
        for name in names:
            answer = berth.get(f"/{name}/verify", timeout=60)
            assert (answer.status, answer.app_id) == (200, ids[name]), answer
            assert memory_reserved(berth) <= 200
        berth.stop()
        berth.test.podman.clear()


@harness.limit(120)
def test_one_that_dies_hibernated_is_replaced_and_one_out_of_memory_says_so(t):
    with Swap(t.dir, 128):
        berth = t.berth(APP % "replicas 0 1; memory 64m; hibernate_after off; env TESTAPP_MEMORY 32;")
        first = berth.get("/a/hash")
        berth.cli("hibernate", "a")
        # The request that wakes it makes it take more than it may.
        answer = berth.request("POST", "/a/oom", b"", timeout=60)
        assert answer.status == 502, answer
        berth.wait_log(r"replica crashed .*out of memory: the kernel killed it at its limit "
                       r"of 64 MiB")
        second = berth.get("/a/hash")
        assert second.status == 200 and second.app_id != first.app_id
        berth.cli("hibernate", "a")
        os.kill(berth.app("a")["replicas"][0]["pid"], signal.SIGKILL)
        wait_until(lambda: states(berth) != ["hibernated"], 20)
        third = berth.get("/a/hash")
        assert third.status == 200 and third.app_id != second.app_id
        berth.stop()


@harness.limit(120)
def test_an_operator_freezes_and_hibernates(t):
    with Swap(t.dir, 128):
        berth = t.berth(APP % "hibernate_after off; env TESTAPP_MEMORY 16;")
        first = berth.get("/a/hash")
        berth.cli("freeze", "a")
        assert states(berth) == ["frozen"], "though freeze_after is off"
        assert berth.get("/a/hash").app_id == first.app_id
        assert states(berth) == ["ready"]
        berth.cli("hibernate", "a")
        assert states(berth) == ["hibernated"], "from ready"
        assert berth.get("/a/hash").app_id == first.app_id
        berth.cli("freeze", "a")
        berth.cli("hibernate", "a")
        assert states(berth) == ["hibernated"], "from frozen"
        assert berth.get("/a/hash").app_id == first.app_id
        berth.stop()
