"""Sidecars: containers that run beside an app's own, in the same pod."""

import json
import os
import signal
import time

import harness
from harness import wait_until

POD = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; replicas 0 1; keep_primed 0; %s
    sidecar log { image localhost/berth-test/app:2; command --port=9001; memory 48m; }
    sidecar cache { image localhost/berth-test/app:1; command --port=9002 --ready-delay=400;
                    port 9002; ready_check http /health; env SIDE car; }
}
"""


def names(berth, all=True):
    """What is in the pod: app, log, cache, infra -> its container."""
    found = {}
    for container in berth.containers("a", all=all):
        parts = container["Names"][0].split(".")
        found["app" if len(parts) == 1 else parts[1]] = container
    return found


def reaches(berth, port):
    return berth.get(f"/a/connect?ip=127.0.0.1&port={port}").status == 200


def networks(t):
    """Those that berth made: Podman's own has no label."""
    found = t.podman.api("GET", "/networks/json").json()
    return [network["name"] for network in found if network.get("labels")]


def nothing_is_left(t):
    assert not networks(t), networks(t)
    assert not t.podman.run("pod", "ps", "-q").strip()
    wait_until(lambda: not t.podman.leftovers(), 10)


def happened(t, since):
    """Starts and deaths of the containers, as Podman noted them."""
    out = t.podman.run("events", "--stream=false", "--since", f"{since:.3f}", "--format", "json")
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return [
        (event["Status"], (event["Name"].split(".") + ["app"])[1])
        for event in events
        if event.get("Type") == "container" and event["Status"] in ("start", "died")
    ]


def start_and_stop(t, name, more):
    since = time.time()
    berth = t.berth(POD % more, name=name)
    answer = berth.get("/a/env")
    assert answer.status == 200, answer
    pod = names(berth)
    assert set(pod) == {"app", "log", "cache", "infra"}, pod
    assert reaches(berth, 9001) and reaches(berth, 9002)
    assert not reaches(berth, 9003)
    inspected = t.podman.inspect(pod["log"]["Id"])
    assert inspected["HostConfig"]["Memory"] == 48 << 20
    assert inspected["ImageName"] == "localhost/berth-test/app:2"
    assert "SIDE=car" in t.podman.inspect(pod["cache"]["Id"])["Config"]["Env"]
    berth.stop()
    nothing_is_left(t)
    return happened(t, since)


LOG_CHECK = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; keep_primed 0;
    start_timeout 4s; start_retries 0;
    sidecar s { image localhost/berth-test/app:1; command --port=9001 %s;
                ready_check log "%s"; } }
"""


@harness.limit(60)
def test_a_line_of_its_log_says_that_a_sidecar_is_ready(t):
    since = time.time()
    berth = t.berth(LOG_CHECK % ("--ready-line=1500", "^testapp: ready (for|of) use$"))
    began = time.monotonic()
    assert berth.get("/a/hash").status == 200
    assert time.monotonic() - began >= 1.5, "it has listened long before"
    started = [who for status, who in happened(t, since) if status == "start" and who != "infra"]
    assert started == ["s", "app"], started


@harness.limit(60)
def test_a_sidecar_whose_line_never_comes_says_which(t):
    berth = t.berth(LOG_CHECK % ("", "no such line"), name="late")
    answer = berth.get("/a/hash")
    assert answer.status == 503 and "sidecar s" in answer.text, answer
    assert "no line of its log matches no such line" in answer.text, answer
    berth.stop()
    berth = t.berth(LOG_CHECK.replace("4s", "50s") % ("--crash-after=500", "no such line"),
                    name="ends")
    began = time.monotonic()
    answer = berth.get("/a/hash")
    assert answer.status == 503 and "sidecar s" in answer.text, answer
    assert time.monotonic() - began < 30, "its end is seen"


@harness.limit(90)
def test_sidecars_start_before_the_app_and_stop_after_it(t):
    for name, more in (("none", "network none;"), ("private", ""),
                       ("published", "port 8000 published;"),
                       ("unix", "network none; socket a.sock; command --unix;")):
        steps = start_and_stop(t, name, more)
        started = [who for status, who in steps if status == "start" and who != "infra"]
        died = [who for status, who in steps if status == "died" and who != "infra"]
        assert started == ["log", "cache", "app"], (name, steps)
        assert died == ["app", "cache", "log"], (name, steps)


@harness.limit(90)
def test_a_sidecar_that_dies_comes_back_and_the_app_is_not_lost(t):
    berth = t.berth(POD % "network none;")
    first = berth.get("/a/pid").json()
    victim = names(berth)["cache"]["Pid"]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: names(berth)["cache"]["Pid"] not in (0, victim), 15)
    wait_until(lambda: reaches(berth, 9002), 10)
    assert berth.get("/a/pid").json()["id"] == first["id"]
    berth.wait_log("a sidecar does not run and is started again")
    # Again and again: each time a little later, and the app answers all along.
    for _ in range(2):
        victim = names(berth)["log"]["Pid"]
        os.kill(victim, signal.SIGKILL)
        assert berth.get("/a/pid").json()["id"] == first["id"]
        wait_until(lambda: names(berth)["log"]["Pid"] not in (0, victim), 20)
    wait_until(lambda: reaches(berth, 9001), 10)
    events = [e for e in berth.cli("events", "--json").stdout.splitlines() if '"sidecar"' in e]
    assert any("sidecar cache: it has ended" in e for e in events), events
    assert any('"running"' in e and "sidecar log" in e for e in events), events


@harness.limit(90)
def test_an_app_that_crashes_takes_its_pod_along(t):
    berth = t.berth(POD % "")
    first = berth.get("/a/pid").json()
    before = {c["Id"] for c in berth.containers("a")}
    berth.get("/a/crash")
    second = berth.get("/a/pid").json()
    assert second["id"] != first["id"]
    assert reaches(berth, 9001) and reaches(berth, 9002)
    wait_until(lambda: not before & {c["Id"] for c in berth.containers("a")}, 20)
    assert set(names(berth)) == {"app", "log", "cache", "infra"}
    berth.stop()
    nothing_is_left(t)


def test_a_sidecar_has_a_log_of_its_own(t):
    berth = t.berth((POD % "network none;").replace("--port=9001", "--port=9001 --log-lines=3"))
    assert berth.get("/a/hash").status == 200
    own = berth.cli("logs", "a").stdout
    log = berth.cli("logs", "a", "--sidecar", "log").stdout
    assert "testapp: line 3" in log and "testapp: line 3" not in own, (own, log)


@harness.limit(90)
def test_a_pod_is_adopted_after_kill_9_of_berth(t):
    berth = t.berth(POD % "network none;", on_exit="keep")
    first = berth.get("/a/pid").json()
    before = {name: c["Id"] for name, c in names(berth).items()}
    berth.kill()
    # One of them dies while nobody looks.
    os.kill(names(berth)["log"]["Pid"], signal.SIGKILL)
    berth.start()
    berth.wait_state("a", "ready")
    assert berth.get("/a/pid").json()["id"] == first["id"]
    assert {name: c["Id"] for name, c in names(berth).items()} == before
    wait_until(lambda: reaches(berth, 9001) and reaches(berth, 9002), 15)
    # Its app's container alone is removed by somebody: all of the pod goes, and
    # the next request has a whole one.
    t.podman.run("rm", "-f", "-t", "0", before["app"])
    wait_until(lambda: before["log"] not in [c["Id"] for c in berth.containers("a")], 20)
    assert berth.get("/a/pid").json()["id"] != first["id"]
    assert reaches(berth, 9002)
    assert len(berth.containers("a")) == 4
    t.podman.clear()


@harness.limit(90)
def test_what_is_left_of_a_pod_is_taken_away_at_the_next_start(t):
    berth = t.berth(POD % "network none;", on_exit="keep")
    assert berth.get("/a/hash").status == 200
    berth.kill()
    t.podman.run("rm", "-f", "-t", "0", names(berth)["app"]["Id"])
    assert set(names(berth)) == {"log", "cache", "infra"}
    berth.start()
    wait_until(lambda: not names(berth), 20)
    assert not t.podman.run("pod", "ps", "-q").strip()
    assert berth.get("/a/hash").status == 200
    berth.on_exit = "stop"
    t.podman.clear()


@harness.limit(120)
def test_the_pods_infra_container_alone_is_killed(t):
    berth = t.berth(POD % "network none;")
    first = berth.get("/a/pid").json()
    before = {name: c["Id"] for name, c in names(berth).items()}
    os.kill(names(berth)["infra"]["Pid"], signal.SIGKILL)
    # It holds the network, which lives as long as a process is in it.
    again = berth.get("/a/pid")
    assert again.status == 200 and again.json()["id"] == first["id"], again
    assert reaches(berth, 9001) and reaches(berth, 9002)
    # One that dies then cannot come back into it: it is tried, and the rest lives.
    os.kill(names(berth)["log"]["Pid"], signal.SIGKILL)
    time.sleep(1)
    assert berth.get("/a/hash").status == 200
    # The app's end is the pod's; the next request has a whole one.
    os.kill(names(berth)["app"]["Pid"], signal.SIGKILL)
    wait_until(lambda: berth.get("/a/hash").status == 200, 30)
    wait_until(lambda: not set(before.values()) & {c["Id"] for c in berth.containers("a")}, 20)
    assert reaches(berth, 9001) and reaches(berth, 9002)
    berth.stop()
    assert not t.podman.run("pod", "ps", "-q").strip()


@harness.limit(120)
def test_a_pod_without_a_container_is_taken_away_at_the_next_start(t):
    berth = t.berth(POD % "")

    def pods():
        return [pod["Id"] for pod in t.podman.api("GET", "/pods/json").json() or []]

    with berth.connect() as conn:
        conn.request("GET", "/a/hash", read=False)
        wait_until(pods, 20, "the pod is made", interval=0.001)
        berth.kill()
    berth.start()
    wait_until(lambda: not names(berth) and not pods(), 20, "nothing is left")
    assert berth.get("/a/hash").status == 200
    berth.stop()
    nothing_is_left(t)


@harness.limit(90)
def test_a_sidecar_without_capabilities_runs_on(t):
    berth = t.berth((POD % "network none;").replace("--port=9001;", "--port=9001; cap_drop all;"))
    assert berth.get("/a/hash").status == 200
    pid = names(berth)["log"]["Pid"]
    with open(f"/proc/{pid}/status") as file:
        caps = dict(line.split(":\t") for line in file.read().splitlines() if line[:3] == "Cap")
    assert {int(value, 16) for value in caps.values()} == {0}, caps
    time.sleep(3)
    assert names(berth)["log"]["Pid"] == pid and reaches(berth, 9001)


@harness.limit(90)
def test_a_pod_is_frozen_and_thawed_as_a_whole(t):
    berth = t.berth(POD % "network none; freeze_after 300ms;")
    assert berth.get("/a/hash").status == 200
    frozen(berth)
    for name, container in names(berth).items():
        if name != "infra":
            assert is_frozen(container["Pid"]), name
    assert berth.get("/a/hash").status == 200
    assert not is_frozen(names(berth)["app"]["Pid"])
    assert reaches(berth, 9002)
    # kill -9 while it is frozen: adopted so.
    berth.on_exit = "keep"
    frozen(berth)
    before = {name: c["Id"] for name, c in names(berth).items()}
    berth.kill()
    berth.start()
    frozen(berth)
    assert {name: c["Id"] for name, c in names(berth).items()} == before
    assert reaches(berth, 9001)


@harness.limit(120)
def test_of_a_pod_scaled_to_0_nothing_is_left(t):
    berth = t.berth(POD % "freeze_after 300ms; idle_timeout 1h;")
    for is_frozen_first in (True, False):
        assert berth.get("/a/hash").status == 200
        first = names(berth)
        assert set(first) == {"app", "log", "cache", "infra"}, first
        if is_frozen_first:
            frozen(berth)
        berth.cli("scale", "a", "0")
        wait_until(lambda: not names(berth), 30, "no container is left")
        assert not t.podman.run("pod", "ps", "-q").strip()
    assert len(networks(t)) == 1, "it stays as long as berth knows the app"
    berth.stop()
    nothing_is_left(t)


def frozen(berth):
    wait_until(lambda: [r["state"] for r in berth.app("a")["replicas"]] == ["frozen"], 20)


def is_frozen(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        paths = dict(line.strip().split(":", 2)[1:] for line in file)
    for path in (f"/sys/fs/cgroup{paths.get('', '')}/cgroup.events",
                 f"/sys/fs/cgroup/unified{paths.get('', '')}/cgroup.events"):
        if os.path.exists(path):
            return "frozen 1" in open(path).read()
    return "FROZEN" in open(f"/sys/fs/cgroup/freezer{paths['freezer']}/freezer.state").read()


@harness.limit(90)
def test_a_primed_pod_waits_with_all_its_containers(t):
    berth = t.berth((POD % "network none;").replace("keep_primed 0", "keep_primed 1"),
                    on_exit="keep")

    def states():
        return {name: c["State"] for name, c in names(berth).items()}

    primed = {"app": "initialized", "log": "initialized", "cache": "initialized",
              "infra": "running"}
    wait_until(lambda: states() == primed, 20)
    before = names(berth)["app"]["Id"]
    berth.kill()
    berth.start()
    time.sleep(1)
    assert states() == primed and names(berth)["app"]["Id"] == before, states()
    assert berth.get("/a/hash").status == 200
    assert reaches(berth, 9001) and reaches(berth, 9002)
    assert before in [c["Id"] for c in berth.containers("a")]
    berth.stop()
    t.podman.clear()


@harness.limit(90)
def test_a_sidecar_that_fails_is_named(t):
    berth = t.berth((POD % "network none; start_retries 1; start_timeout 1500ms;")
                    .replace("/health;", "/status/500;"))
    answer = berth.get("/a/hash")
    assert answer.status == 503, answer
    assert "sidecar cache" in answer.text and "500" in answer.text, answer.text
    wait_until(lambda: not names(berth), 20)
