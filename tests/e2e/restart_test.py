"""Either process of berth killed, at any time: no container is lost or left."""

import os
import signal
import socket
import threading
import time

import harness
from harness import proc_status, wait_until

THREE = """
http { server { listen 127.0.0.1:@port@;
    route /a { app a; } route /b { app b; } route /c { app c; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; }
app b { image localhost/berth-test/app:1; replicas 0 1; port 8000 published; }
app c { image localhost/berth-test/app:1; network none; replicas 0 1;
        socket app.sock; command --unix; }
"""


class Load(threading.Thread):
    """Requests one after the other, each on a connection of its own; what came
    of each, with its time."""

    def __init__(self, berth, target):
        super().__init__(daemon=True)
        self.berth, self.target = berth, target
        self.results, self.done = [], threading.Event()

    def run(self):
        while not self.done.is_set():
            try:
                status = self.berth.get(self.target, timeout=10).status
            except (OSError, EOFError) as error:
                status = type(error).__name__
            self.results.append((time.monotonic(), status))
            time.sleep(0.005)

    def stop(self):
        self.done.set()
        self.join()
        return self.results


def ids(berth):
    return sorted(c["Id"] for c in berth.containers(all=False))


@harness.limit(120)
def test_kill_9_of_the_keeper_under_load_keeps_the_containers(t):
    berth = t.berth(THREE, on_exit="keep")
    for app in "abc":
        assert berth.get(f"/{app}/hash").status == 200
    before = ids(berth)
    assert len(before) == 3
    loads = [Load(berth, f"/{app}/hash") for app in "abc"]
    for load in loads:
        load.start()
    time.sleep(0.5)
    front = berth.front_pid
    berth.kill()
    killed = time.monotonic()
    berth.start(wait=False)
    first = {}
    while time.monotonic() - killed < 20 and len(first) < 3:
        for app in "abc":
            if app in first:
                continue
            try:
                if berth.get(f"/{app}/hash", timeout=5).status == 200:
                    first[app] = time.monotonic() - killed
            except (OSError, EOFError):
                pass
        time.sleep(0.005)
    for load in loads:
        load.stop()
    assert len(first) == 3, f"{first}\n{berth.log_tail()}"
    print(f"first 200 after kill -9 of the keeper: {first}")
    assert max(first.values()) < 5, first
    assert ids(berth) == before, "the same containers serve"
    assert len(berth.containers()) == 3, "none is left over"
    wait_until(lambda: not harness.is_alive(front), 35, "the old front ended")
    berth.wait_ready()
    for app in "abc":
        assert berth.app(app)["state"] == "ready"


@harness.limit(120)
@harness.tags("sanitizer")
def test_kill_9_of_the_front_ten_times_under_load(t):
    berth = t.berth(THREE)
    for app in "abc":
        assert berth.get(f"/{app}/hash").status == 200
    before = ids(berth)
    load = Load(berth, "/a/hash")
    load.start()
    delays = []
    for _ in range(10):
        time.sleep(0.3)
        front = berth.front_pid
        os.kill(front, signal.SIGKILL)
        killed = time.monotonic()
        while True:
            try:
                if berth.get("/b/hash", timeout=5).status == 200:
                    break
            except (OSError, EOFError):
                pass
            assert time.monotonic() - killed < 10, berth.log_tail()
        delays.append(time.monotonic() - killed)
    load.stop()
    print(f"first 200 after kill -9 of the front: {[round(d, 3) for d in delays]}")
    limit = 0.2 if "asan" not in harness.berth_bin() and "tsan" not in harness.berth_bin() else 5
    assert max(delays) < limit, delays
    assert ids(berth) == before, "no container was touched"
    assert berth.metric("berth_front_restarts_total") == 10


def test_strays_are_removed_at_the_next_start(t):
    berth = t.berth(THREE, on_exit="keep")
    for app in "abc":
        assert berth.get(f"/{app}/hash").status == 200
    berth.kill()
    berth.configure("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 0 1; }
    """)
    berth.start()
    wait_until(lambda: len(berth.containers()) == 1, 15, "b and c are removed")
    assert berth.get("/a/hash").status == 200
    assert len(berth.containers()) == 1


def test_a_changed_app_is_not_adopted_as_it_was(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; env V one; replicas 0 1; }
    """, on_exit="keep")
    assert "one" in berth.get("/a/env").text
    berth.kill()
    berth.configure("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; env V two; replicas 0 1; }
    """)
    berth.start()
    wait_until(lambda: '"two"' in berth.get("/a/env").text or "V=two" in berth.get("/a/env").text, 15)
    wait_until(lambda: len(berth.containers()) == 1, 15, "the old one is removed")


def test_containers_outlive_a_stop_where_they_are_to_be_kept(t):
    berth = t.berth(THREE, on_exit="keep")
    first = berth.get("/a/hash")
    before = ids(berth)
    assert berth.stop(signal.SIGQUIT) == 0
    assert ids(berth) == before
    berth.start()
    assert berth.get("/a/hash").app_id == first.app_id


def test_the_front_has_no_rights(t):
    berth = t.berth(THREE)
    assert berth.get("/a/hash").status == 200
    status = proc_status(berth.front_pid)
    uids = status["Uid"].split()
    assert "0" not in uids, uids
    assert "0" not in status["Gid"].split() and status["Groups"].strip() == "", status
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, (name, status[name])
    assert status["NoNewPrivs"] == "1"
    # As that user, Podman's socket does not open.
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(*[int(status["Gid"].split()[0])] * 3)
            os.setresuid(*[int(uids[0])] * 3)
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(t.podman.socket)
        except PermissionError:
            code = 0
        except OSError:
            code = 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    # And it holds no descriptor of Podman's.
    fds = [os.readlink(f"/proc/{berth.front_pid}/fd/{fd}")
           for fd in os.listdir(f"/proc/{berth.front_pid}/fd")]
    assert not any("podman" in fd for fd in fds), fds


def test_the_front_finishes_its_requests_when_the_keeper_dies(t):
    berth = t.berth(THREE, on_exit="keep")
    assert berth.get("/a/hash").status == 200
    with berth.connect() as conn:
        conn.request("GET", "/a/delay?ms=1500", read=False)
        wait_until(lambda: berth.app("a")["in_flight"] == 1, 5)
        front = berth.front_pid
        berth.kill()
        answer = conn.read()
        assert answer.status == 200, answer
    wait_until(lambda: not harness.is_alive(front), 10, "then it ends")


def test_what_was_to_be_kept_is_kept_by_the_next_berth(t):
    berth = t.berth(
        """
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 0 1;
                idle_timeout 500ms; keep_primed 0; }
        """, on_exit="keep")
    berth.cli("wake", "a", "--for", "5m")
    first = berth.app("a")["replicas"][0]["name"]
    learned = berth.dir / "state" / "learned"
    wait_until(lambda: learned.exists() and len(learned.read_text().split()) == 8, 5)
    berth.kill()
    berth.start()
    wait_until(lambda: [r["state"] for r in berth.app("a")["replicas"]] == ["ready"], 10)
    time.sleep(2)
    assert [r["name"] for r in berth.app("a")["replicas"]] == [first]
