"""Another configuration while requests are under way: none of them fails."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import wait_until


def conf(apps, routes, more="", server=""):
    """apps: {name: directives}; routes: {prefix: directives}."""
    text = "http { %s server { listen 127.0.0.1:@port@; %s\n" % (more, server)
    for prefix, directives in routes.items():
        text += f"route {prefix} {{ {directives} }}\n"
    text += "} }\n"
    for name, directives in apps.items():
        text += f"app {name} {{ {directives} }}\n"
    return text


def app(version="1", more="replicas 1 2;"):
    return (
        "image localhost/berth-test/app:1; network none; "
        f"env VERSION v{version}; {more}"
    )


class Load:
    """`n` keep-alive connections that ask one after the other; what came of
    each request, and whether a connection ever had to be made anew."""

    def __init__(self, berth, target, n=4, method="GET"):
        self.berth, self.target, self.method = berth, target, method
        self.done = threading.Event()
        self.results, self.reconnects = [], 0
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(n)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: len(self.results) > 20, 20, "the load runs")
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        conn = self.berth.connect()
        while not self.done.is_set():
            began = time.monotonic()
            try:
                answer = conn.request(self.method, self.target)
                got = (answer.status, answer.text)
                if (answer.field("connection") or "").lower() == "close":
                    raise EOFError
            except (OSError, EOFError) as error:
                got = (type(error).__name__, "")
                self.reconnects += 1
                conn.close()
                conn = self.berth.connect()
            self.results.append((began, *got))
            time.sleep(0.002)
        conn.close()

    def failures(self):
        return [r for r in self.results if r[1] != 200]

    def versions(self):
        """[(when, version)] in the order of their beginnings."""
        return sorted(
            (when, text.split("VERSION=")[1].split('"')[0])
            for when, status, text in self.results
            if status == 200 and "VERSION=" in text
        )


def reload(berth, text, *args, check=True):
    berth.configure(text)
    return berth.cli("reload", *args, check=check)


def results(run):
    """{app: result} of what `berth reload` printed."""
    words = [line.split() for line in run.stdout.splitlines()]
    kinds = {"unchanged", "changed", "rolling", "added", "removed"}
    return {w[0]: w[1] for w in words if len(w) == 2 and w[1] in kinds}


def rollout(berth, name):
    return berth.app(name)["rollout"]


# --- each kind of change ------------------------------------------------------


@harness.limit(120)
def test_each_kind_of_change_under_load_fails_no_request(t):
    routes = {"/a": "app a;", "/b": "app b;"}
    berth = t.berth(conf({"a": app(), "b": app()}, routes))
    assert berth.get("/a/env").status == 200
    before = {c["Id"] for c in berth.containers("a")}
    with Load(berth, "/a/env") as load:
        run = reload(berth, conf({"a": app(), "b": app()}, routes))
        assert results(run) == {"a": "unchanged", "b": "unchanged"}, run.stdout
        # in place: queue, limits, concurrency
        changed = app(more="replicas 1 3; queue_size 50; memory 64m; pids 200;")
        run = reload(berth, conf({"a": changed, "b": app()}, routes))
        assert results(run) == {"a": "changed", "b": "unchanged"}, run.stdout
        # an app more, and a route to it
        more = {"a": changed, "b": app(), "c": app("c", "replicas 0 1;")}
        run = reload(berth, conf(more, {**routes, "/c": "app c;"}))
        assert results(run)["c"] == "added", run.stdout
        assert berth.get("/c/env").status == 200
        # and away again, b with it
        run = reload(berth, conf({"a": changed}, {"/a": "app a;"}))
        assert results(run) == {"a": "unchanged", "b": "removed", "c": "removed"}
        assert berth.get("/b/env").status == 404
        # another address, and the first one closed for new clients only
        time.sleep(0.3)
    assert load.failures() == [], load.failures()[:5]
    assert load.reconnects == 0
    assert {c["Id"] for c in berth.containers("a")} == before, "no container touched"
    wait_until(lambda: not berth.containers("b"), 30, "b's containers went")
    assert berth.metric("berth_config_reloads_total", result="applied") == 4


def limit_of(t, container, controller, names):
    """What the kernel says of a container: names: its file under v1 and v2."""
    pid = t.podman.inspect(container["Id"])["State"]["Pid"]
    path = [
        line.split(":", 2)[2]
        for line in open(f"/proc/{pid}/cgroup").read().splitlines()
        if controller in line.split(":")[1].split(",") or line.split(":")[1] == ""
    ][0]
    for file in (f"/sys/fs/cgroup/{controller}{path}/{names[0]}", f"/sys/fs/cgroup{path}/{names[1]}"):
        if os.path.exists(file):
            return open(file).read().strip()
    return None


def memory_of(t, container):
    return limit_of(t, container, "memory", ("memory.limit_in_bytes", "memory.max"))


@harness.limit(60)
def test_limits_change_in_the_container_that_runs(t):
    berth = t.berth(conf({"a": app(more="replicas 1; memory 64m;")}, {"/a": "app a;"}))
    assert berth.get("/a/hash").status == 200
    (container,) = berth.containers("a")
    assert memory_of(t, container) == str(64 << 20)
    run = reload(berth, conf({"a": app(more="replicas 1; memory 96m;")}, {"/a": "app a;"}))
    assert results(run) == {"a": "changed"}
    wait_until(lambda: memory_of(t, container) == str(96 << 20), 10, "the new limit")
    assert [c["Id"] for c in berth.containers("a")] == [container["Id"]]


@harness.limit(60)
def test_listeners_come_stay_and_go(t):
    other = t.free_port()
    base = conf({"a": app()}, {"/a": "app a;"})
    two = base.replace("listen 127.0.0.1:@port@;", f"listen 127.0.0.1:@port@; listen 127.0.0.1:{other};")
    berth = t.berth(base)
    assert berth.get("/a/hash").status == 200
    with Load(berth, "/a/env") as load:
        run = reload(berth, two)
        assert "1 opened, 0 closed" in run.stdout, run.stdout
        assert berth.get("/a/hash", port=other).status == 200
        run = reload(berth, base)
        assert "0 opened, 1 closed" in run.stdout, run.stdout

        def refused():
            try:
                socket.create_connection(("127.0.0.1", other), 1).close()
            except ConnectionRefusedError:
                return True
            return False

        wait_until(refused, 10, "the port is closed")
    assert load.failures() == [] and load.reconnects == 0, load.failures()[:5]


# --- what is refused ----------------------------------------------------------


@harness.limit(60)
def test_a_bad_file_changes_nothing_and_all_its_errors_are_told(t):
    good = conf({"a": app()}, {"/a": "app a;"})
    berth = t.berth(good)
    assert berth.get("/a/hash").status == 200
    before = {c["Id"] for c in berth.containers("a")}
    with Load(berth, "/a/env") as load:
        bad = good.replace("app a {", "app a { imge x; replicas 5 2;")
        run = reload(berth, bad, check=False)
        assert run.returncode == 1
        assert 'did you mean "image"' in run.stderr, run.stderr
        assert "MIN (5) above its MAX (2)" in run.stderr, run.stderr
        assert "berth.conf:" in run.stderr, run.stderr
        # So are they by a signal, and to whoever names no file.
        berth.send_signal(signal.SIGHUP)
        berth.wait_log("configuration refused.*imge")
        run = subprocess.run(
            [harness.berth_bin(), "reload", "--socket", f"{berth.dir}/state/admin.sock"],
            capture_output=True,
            text=True,
        )
        assert run.returncode == 1
        assert "imge" in run.stderr and "MIN (5)" in run.stderr, run.stderr
        time.sleep(0.2)
    assert berth.metric("berth_config_reloads_total", result="refused") == 3
    assert load.failures() == [] and load.reconnects == 0
    assert {c["Id"] for c in berth.containers("a")} == before
    run = reload(berth, good)
    assert results(run) == {"a": "unchanged"}


@harness.limit(60)
def test_what_a_reload_cannot_change_is_named(t):
    good = conf({"a": app()}, {"/a": "app a;"})
    berth = t.berth(good)
    taken = socket.create_server(("127.0.0.1", 0))
    for label, text, told in (
        ("workers", "worker_threads 7;\n" + good, '"worker_threads" (from'),
        ("user", "user games;\n" + good, '"user" (from'),
        (
            "port in use",
            good.replace("server {", "server { listen 127.0.0.1:%d;" % taken.getsockname()[1]),
            "Address already in use",
        ),
        (
            "log file",
            good.replace("server {", "server { access_log /nowhere/a.log;"),
            "/nowhere/a.log",
        ),
    ):
        run = reload(berth, text, check=False)
        assert run.returncode == 1, label
        assert told in run.stderr, (label, run.stderr)
    assert berth.get("/a/hash").status == 200


# --- roll-outs ----------------------------------------------------------------


def check_change(load, first, last):
    """From one version to the next; returns how long both answered."""
    versions = load.versions()
    assert versions[0][1] == first and versions[-1][1] == last, versions[-3:]
    began = min(when for when, version in versions if version == last)
    ended = max(when for when, version in versions if version == first)
    return ended - began


@harness.limit(120)
def test_a_roll_out_under_load_fails_no_request(t):
    berth = t.berth(conf({"a": app("1"), "b": app("b")}, {"/a": "app a;", "/b": "app b;"}))
    assert berth.get("/a/env").status == 200
    with Load(berth, "/a/env") as load, Load(berth, "/b/env") as neighbour:
        run = reload(berth, conf({"a": app("2"), "b": app("b")}, {"/a": "app a;", "/b": "app b;"}))
        assert results(run) == {"a": "rolling", "b": "unchanged"}, run.stdout
        assert "rolled out in" in run.stdout, run.stdout
        time.sleep(0.3)
    assert load.failures() == [], load.failures()[:5]
    assert neighbour.failures() == []
    assert load.reconnects == neighbour.reconnects == 0
    # The first one of v2 serves beside v1 for 3 s, and soon gets all of it.
    assert check_change(load, "v1", "v2") < 2
    assert load.versions()[-1][1] == "v2"
    assert rollout(berth, "a")["result"] == "done"
    wait_until(lambda: len(berth.containers("a")) == 1, 30, "the old one went")


@harness.limit(120)
def test_a_revision_that_does_not_become_ready_is_rolled_back(t):
    good = conf({"a": app("2")}, {"/a": "app a;"})
    broken = good.replace("app:1", "exit:1").replace("v2", "v3")
    berth = t.berth(good)
    assert berth.get("/a/env").status == 200
    before = {c["Id"] for c in berth.containers("a")}
    with Load(berth, "/a/env") as load:
        run = reload(berth, broken, check=False)
        assert run.returncode == 1, run.stdout
        assert "rolled back" in run.stderr and "exited with code 3" in run.stderr
        time.sleep(0.3)
    assert load.failures() == [], load.failures()[:5]
    assert {version for _, version in load.versions()} == {"v2"}
    assert rollout(berth, "a")["result"] == "rolled_back"
    assert {c["Id"] for c in berth.containers("a", all=False)} == before


def roll_back_v3(t, percent, loads):
    """From v2 to a v3 that answers so many of a hundred requests with 500, under
    `loads`: [(method, connections)]. Returns the loads, ended, and berth."""
    good = conf({"a": app("2", "replicas 2;")}, {"/a": "app a;"})
    broken = good.replace("env VERSION v2;", f"env VERSION v3; env TESTAPP_FAIL_PERCENT {percent};")
    berth = t.berth(good)
    wait_until(
        lambda: [r["state"] for r in berth.app("a")["replicas"]] == ["ready"] * 2, 30, "both are ready"
    )
    before = {c["Id"] for c in berth.containers("a")}
    with contextlib.ExitStack() as stack:
        ran = [stack.enter_context(Load(berth, "/a/env", n, method)) for method, n in loads]
        run = reload(berth, broken, check=False)
        assert run.returncode == 1, run.stdout
        assert "rolled back" in run.stderr and "requests failed" in run.stderr, run.stderr
        wait_until(lambda: len(berth.containers("a")) == 2, 30, "the new one left")
        time.sleep(0.3)
    assert rollout(berth, "a")["result"] == "rolled_back"
    assert {c["Id"] for c in berth.containers("a", all=False)} == before
    for load in ran:
        failures = load.failures()
        print(f"{load.method}: {len(failures)} of {len(load.results)} failed; {run.stderr.strip()}")
        assert load.reconnects == 0
        assert {status for _, status, _ in failures} <= {500}
        assert load.versions()[-1][1] == "v2"
    return ran, berth


@harness.limit(120)
def test_a_broken_revision_costs_no_request_that_can_be_repeated(t):
    """Neither do POSTs beside them find it, since it is never proven enough."""
    loads, berth = roll_back_v3(t, 100, [("GET", 4), ("POST", 2)])
    for load in loads:
        assert load.failures() == [], load.failures()[:5]
        assert {version for _, version in load.versions()} == {"v2"}
    repeated = berth.metric("berth_retries_total", app="a", reason="trial")
    assert 1 <= repeated <= 10, repeated
    assert f"{repeated:.0f} were answered by" in rollout(berth, "a")["reason"]


@harness.limit(120)
def test_a_revision_that_fails_most_of_its_requests_costs_none_either(t):
    (load,), berth = roll_back_v3(t, 80, [("GET", 4)])
    assert load.failures() == [], load.failures()[:5]
    assert berth.metric("berth_retries_total", app="a", reason="trial") >= 1


@harness.limit(120)
def test_a_broken_revision_costs_few_requests_that_cannot_be_repeated(t):
    (load,), berth = roll_back_v3(t, 100, [("POST", 8)])
    # Three prove it; one more may be under way when the keeper hears of them.
    assert 1 <= len(load.failures()) <= 5, load.failures()
    assert berth.metric("berth_retries_total", app="a", reason="trial") == 0


@harness.limit(120)
def test_a_sleeping_app_is_proven_with_one_replica_which_leaves_again(t):
    sleeping = app("1", "replicas 0 2; keep_primed 0;")
    berth = t.berth(conf({"a": sleeping}, {"/a": "app a;"}))
    run = reload(berth, conf({"a": sleeping.replace("v1", "v2")}, {"/a": "app a;"}))
    assert "rolled out in" in run.stdout, run.stdout
    wait_until(lambda: not berth.containers("a"), 20, "the trial replica left")
    run = reload(
        berth,
        conf({"a": sleeping.replace("app:1", "exit:1")}, {"/a": "app a;"}),
        check=False,
    )
    assert run.returncode == 1 and "rolled back" in run.stderr, run.stderr
    answer = berth.get("/a/env")
    assert answer.status == 200 and "VERSION=v2" in answer.text, answer


@harness.limit(120)
def test_recreate_stops_the_old_one_first_and_requests_wait(t):
    berth = t.berth(conf({"a": app("1", "replicas 1; update recreate;")}, {"/a": "app a;"}))
    assert berth.get("/a/env").status == 200
    with Load(berth, "/a/env") as load:
        reload(berth, conf({"a": app("2", "replicas 1; update recreate;")}, {"/a": "app a;"}))
        time.sleep(0.2)
    assert load.failures() == [], load.failures()[:5]
    # Never both: their trial of 3 s would show. A client may begin, by its own
    # clock, a moment before it sends.
    assert check_change(load, "v1", "v2") < 0.2


@harness.limit(120)
def test_a_newer_reload_overtakes_a_roll_out(t):
    berth = t.berth(conf({"a": app("1")}, {"/a": "app a;"}))
    assert berth.get("/a/env").status == 200
    with Load(berth, "/a/env") as load:
        slow = app("2").replace("replicas", "env TESTAPP_START_DELAY 3000; replicas")
        reload(berth, conf({"a": slow}, {"/a": "app a;"}), "--no-wait")
        time.sleep(0.3)
        reload(berth, conf({"a": app("3")}, {"/a": "app a;"}))
        time.sleep(0.2)
    assert load.failures() == [], load.failures()[:5]
    assert {version for _, version in load.versions()} == {"v1", "v3"}


# --- crashes in the middle ----------------------------------------------------


@harness.limit(120)
def test_a_front_killed_in_a_roll_out_has_the_new_configuration(t):
    berth = t.berth(conf({"a": app("1")}, {"/a": "app a;"}))
    assert berth.get("/a/env").status == 200
    both = conf({"a": app("2"), "b": app("b")}, {"/a": "app a;", "/b": "app b;"})
    reload(berth, both, "--no-wait")
    os.kill(berth.front_pid, signal.SIGKILL)
    wait_until(lambda: rollout(berth, "a")["result"] == "done", 40, "rolled out")
    assert "VERSION=v2" in berth.get("/a/env").text
    assert berth.get("/b/env").status == 200


@harness.limit(120)
def test_a_keeper_killed_in_a_roll_out_goes_on_with_it_at_its_next_start(t):
    berth = t.berth(conf({"a": app("1")}, {"/a": "app a;"}), on_exit="keep")
    assert berth.get("/a/env").status == 200
    slow = app("2").replace("replicas", "env TESTAPP_START_DELAY 1500; replicas")
    reload(berth, conf({"a": slow}, {"/a": "app a;"}), "--no-wait")
    time.sleep(0.5)
    berth.kill()
    berth.start()
    statuses = []
    wait_until(
        lambda: statuses.append(berth.get("/a/env").status)
        or "VERSION=v2" in berth.get("/a/env").text,
        60,
        "the new revision serves",
    )
    assert set(statuses) == {200}, statuses


@harness.limit(120)
def test_an_app_changed_while_berth_was_down_serves_until_the_new_one_does(t):
    berth = t.berth(conf({"a": app("1")}, {"/a": "app a;"}), on_exit="keep")
    assert berth.get("/a/env").status == 200
    (old,) = berth.containers("a")
    berth.stop()
    berth.configure(conf({"a": app("2")}, {"/a": "app a;"}))
    berth.start()
    answer = berth.get("/a/env")
    assert answer.status == 200 and "VERSION=v1" in answer.text, answer
    with Load(berth, "/a/env") as load:
        wait_until(lambda: rollout(berth, "a")["result"] == "done", 40, "rolled out")
        time.sleep(0.3)
    assert load.failures() == [], load.failures()[:5]
    assert load.versions()[-1][1] == "v2"
    wait_until(
        lambda: old["Id"] not in {c["Id"] for c in berth.containers("a")}, 30, "it went"
    )


def limited(limits):
    return conf({"a": app("1", f"replicas 1; {limits}")}, {"/a": "app a;"})


@harness.limit(120)
def test_limits_changed_while_berth_was_down_are_those_of_the_container_that_is_found(t):
    berth = t.berth(limited("cpus 0.5; memory 64m; pids 100;"), on_exit="keep")
    assert berth.get("/a/env").status == 200
    (container,) = berth.containers("a")

    def limits():
        return (
            limit_of(t, container, "cpu", ("cpu.cfs_quota_us", "cpu.max")).split()[0],
            memory_of(t, container),
            limit_of(t, container, "pids", ("pids.max", "pids.max")),
        )

    assert limits() == ("50000", str(64 << 20), "100")
    for label, conf_now, want in (
        ("more", "cpus 0.75; memory 96m; pids 150;", ("75000", str(96 << 20), "150")),
        # Podman still says what the container was made with.
        ("back", "cpus 0.5; memory 64m; pids 100;", ("50000", str(64 << 20), "100")),
    ):
        berth.stop()
        berth.configure(limited(conf_now))
        berth.start()
        assert berth.get("/a/env").status == 200
        wait_until(lambda: limits() == want, 20, f"{label}: {limits()}")
    assert [c["Id"] for c in berth.containers("a")] == [container["Id"]], "no container touched"
    assert "limits changed in place" in berth.log
    berth.stop()
    before = berth.log.count("limits changed in place")
    berth.start()
    assert berth.get("/a/env").status == 200
    time.sleep(0.5)
    assert berth.log.count("limits changed in place") == before, "nothing to do"


@harness.limit(120)
def test_image_env_and_limits_changed_while_berth_was_down_lose_no_request(t):
    berth = t.berth(limited("memory 64m;"), on_exit="keep")
    assert berth.get("/a/env").status == 200
    (old,) = berth.containers("a")
    berth.stop()
    new = limited("memory 96m;").replace("VERSION v1", "VERSION v2").replace("app:1", "new:1")
    (t.dir / "Containerfile").write_text("FROM localhost/berth-test/app:1\nLABEL version=2\n")
    t.podman.run("build", "-q", "-t", "localhost/berth-test/new:1", str(t.dir))
    berth.configure(new)
    berth.start()
    answer = berth.get("/a/env")
    assert answer.status == 200 and "VERSION=v1" in answer.text, answer
    with Load(berth, "/a/env") as load:
        wait_until(lambda: rollout(berth, "a")["result"] == "done", 40, "rolled out")
        time.sleep(0.3)
    assert load.failures() == [], load.failures()[:5]
    assert load.versions()[-1][1] == "v2"
    wait_until(lambda: len(berth.containers("a")) == 1, 30, "the old one went")
    (container,) = berth.containers("a")
    assert container["Id"] != old["Id"] and container["ImageID"] != old["ImageID"]
    assert memory_of(t, container) == str(96 << 20)
