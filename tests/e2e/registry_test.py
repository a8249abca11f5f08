"""Pulls from a real registry, and all that can be wrong with one."""

import json
import os
import pathlib
import signal
import subprocess
import time

import harness
from registry import Line, Registry

CONF = """
http { server { listen 127.0.0.1:@port@; route / { app a; } } }
app a { image %s; network none; replicas 0 1; %s }
"""


def pull_of(berth):
    return berth.status("a").get("pull") or {}


def pulls(berth):
    return berth.log.count("pulling image")


# --- it works -------------------------------------------------------------------


def test_an_image_is_pulled_ahead_with_credentials_that_show_nowhere(t):
    planted = "p4ss-" + os.urandom(8).hex()
    registry = Registry(t, password=planted)
    image = registry.push("team/app:1", blob_bytes=100_000)
    auth = registry.auth_file()
    berth = t.berth(CONF % (image, ""), podman_more=f"auth_file {auth};", log_level="debug")
    berth.wait_log(r"image pulled", 20)
    assert berth.containers("a") == [], "no request came yet"
    assert berth.get("/hash").status == 200
    assert pulls(berth) == 1
    assert berth.metric("berth_image_pull_seconds_count", app="a") == 1
    assert berth.metric("berth_image_pull_bytes", app="a") >= 0
    encoded = json.loads(auth.read_text())["auths"][registry.address]["auth"]
    for shown, text in {
        "log": berth.log, "config": berth.cli("config").stdout,
        "status": str(berth.status()), "events": berth.cli("events", "--json").stdout,
        "metrics": berth.admin("GET", "/metrics").text,
    }.items():
        assert planted not in text and encoded not in text, shown
    assert f"auth_file {auth};" in berth.cli("config").stdout


def test_however_many_ask_it_is_pulled_once_and_slowly_seen(t):
    registry = Registry(t)
    registry.push("app:1", blob_bytes=3_000_000)
    line = Line(t, registry)
    line.bytes_per_s = 1_000_000
    image = line.name("app:1")
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
        app a { image %s; network none; replicas 0 1; }
        app b { image %s; network none; replicas 0 1; }
    """ % (image, image))
    seen = []

    def ask(i):
        if i == 0:
            while pulls(berth) == 0 or pull_of(berth):
                seen.append(pull_of(berth))
                time.sleep(0.1)
            return 200
        return berth.get("/ab"[0] + "ab"[i % 2] + "/hash").status

    assert harness.parallel(9, ask) == [200] * 9
    assert pulls(berth) == 1
    bytes_seen = [pull["bytes"] for pull in seen if pull]
    assert bytes_seen == sorted(bytes_seen), bytes_seen
    assert any(0 < count < 3_000_000 for count in bytes_seen), bytes_seen
    assert any(pull.get("layers_known", 0) >= 1 for pull in seen), seen
    assert 2_900_000 < berth.metric("berth_image_pull_bytes", app="b") < 3_200_000


def test_so_many_pulls_at_a_time_as_it_says(t):
    registry = Registry(t)
    line = Line(t, registry)
    line.bytes_per_s = 1_500_000
    for name in "abc":
        registry.push(f"{name}:1", blob_bytes=600_000)
    apps = "".join(
        "app %s { image %s; network none; }" % (name, line.name(f"{name}:1"))
        for name in "abc"
    )
    berth = t.berth(
        "http { server { listen 127.0.0.1:@port@; route / { app a; } } }" + apps,
        podman_more="max_parallel_pulls 1;",
    )
    waiting = []

    def all_pulled():
        states = berth.status()["apps"]
        assert sum("pull" in state for state in states) <= 1, states
        waiting.extend(
            state["name"] for state in states
            if "waiting for other pulls" in state.get("image_activity", "")
        )
        return berth.log.count("image pulled") == 3

    harness.wait_until(all_pulled, 30, "all are pulled", interval=0.05)
    assert waiting, "two had to wait"


# --- policies -------------------------------------------------------------------


def version(berth):
    env = berth.get("/env").json()["env"]
    return [item for item in env if item.startswith("WHICH=")]


@harness.limit(120)
def test_each_policy_at_a_start(t):
    registry = Registry(t)
    image = registry.push("app:1", env=[("WHICH", "old")])
    first = t.berth(CONF % (image, ""), name="first")
    assert version(first) == ["WHICH=old"]
    first.stop()
    # Another image of the same name in the registry; the old one is still here.
    t.podman.run("tag", image, "localhost/berth-test/kept:1")
    t.cleanup(lambda: t.podman.run("rmi", "localhost/berth-test/kept:1", check=False))
    registry.push("app:1", env=[("WHICH", "new")])
    expected = {"missing": "old", "never": "old", "newer": "new", "always": "new"}
    for policy, which in expected.items():
        t.podman.run("tag", "localhost/berth-test/kept:1", image)
        berth = t.berth(CONF % (image, f"pull_policy {policy};"), name=policy)
        assert version(berth) == [f"WHICH={which}"], policy
        assert pulls(berth) == (which == "new"), policy
        berth.stop()
    registry.stop()
    for policy, status in {"missing": 200, "newer": 200, "always": 503}.items():
        berth = t.berth(
            CONF % (image, f"pull_policy {policy}; start_retries 0;"),
            name=f"{policy}-down", podman_more="pull_retries 0;",
        )
        assert berth.get("/hash").status == status, policy
        berth.stop()


@harness.limit(120)
def test_a_reload_asks_the_registry_again(t):
    registry = Registry(t)
    image = registry.push("app:1", env=[("WHICH", "old")])
    berth = t.berth(CONF % (image, "pull_policy newer;"))
    assert version(berth) == ["WHICH=old"]
    t.podman.run("tag", image, "localhost/berth-test/kept:2")
    t.cleanup(lambda: t.podman.run("rmi", "localhost/berth-test/kept:2", check=False))
    registry.push("app:1", env=[("WHICH", "new")])
    t.podman.run("tag", "localhost/berth-test/kept:2", image)
    assert version(berth) == ["WHICH=old"]
    berth.send_signal(signal.SIGHUP)
    harness.wait_until(
        lambda: version(berth) == ["WHICH=new"], 30, "rolled over", interval=0.1
    )
    assert berth.log.count("replica crashed") == 0


@harness.limit(120)
def test_a_tag_that_moves_is_another_revision_at_the_next_reload(t):
    registry = Registry(t)
    image = registry.push("app:1", env=[("WHICH", "old")])
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route / { app a; } route /b { app b; } } }
        app a { image %s; network none; replicas 1 4; keep_primed 0; }
        app b { image %s; network none; replicas 0 1; keep_primed 0; }
    """ % (image, image))
    assert version(berth) == ["WHICH=old"]
    registry.push("app:1", env=[("WHICH", "new")])

    def made_of():
        found = [t.podman.inspect(c["Id"]) for c in t.podman.containers()
                 if c["Labels"].get("berth.app") == "a"]
        return [one["Image"] for one in found if "Image" in one]  # else it went

    first = made_of()
    assert "is pulled" in berth.cli("pull", "b").stdout
    berth.cli("scale", "a", "2")
    assert made_of() == first * 2, (made_of(), first)
    berth.send_signal(signal.SIGHUP)
    harness.wait_until(lambda: version(berth) == ["WHICH=new"], 30, "rolled over", interval=0.1)
    harness.wait_until(lambda: first[0] not in made_of(), 30, "all of it", interval=0.1)


@harness.limit(90)
def test_podmans_service_dies_in_the_middle_of_a_pull(t):
    registry = Registry(t)
    registry.push("app:1", blob_bytes=2_000_000)
    line = Line(t, registry)
    line.bytes_per_s = 500_000
    berth = t.berth(CONF % (line.name("app:1"), ""), podman_more="pull_retries 10;")
    harness.wait_until(lambda: pull_of(berth).get("bytes", 0) > 0, 20, "bytes come")
    t.podman.stop_service(signal.SIGKILL)
    berth.wait_log("pull failed; trying again", 20)
    line.bytes_per_s = None
    t.podman.serve()
    answer = berth.get("/hash", timeout=60)
    assert answer.status == 200, answer


def test_never_says_what_to_do(t):
    registry = Registry(t)
    image = registry.push("app:1")
    berth = t.berth(CONF % (image, "pull_policy never; start_retries 0;"))
    answer = berth.get("/hash")
    assert answer.status == 503 and image in answer.text, answer.text
    assert pulls(berth) == 0


# --- what can be wrong ----------------------------------------------------------


def refusal(t, image, more="", name="berth", podman_more="pull_retries 0;"):
    """The reason that a client is told, and what berth logs."""
    berth = t.berth(
        CONF % (image, "start_retries 0;" + more), name=name, podman_more=podman_more
    )
    answer = berth.get("/hash", fields=[("Accept", "application/json")])
    assert answer.status == 503, answer
    berth.stop()
    return answer.text


def test_wrong_credentials_and_none(t):
    registry = Registry(t, password="right")
    image = registry.push("app:1")
    none = refusal(t, image, name="none")
    assert image in none and f"podman login {registry.address}" in none, none
    wrong = registry.auth_file(password="wrong")
    text = refusal(t, image, name="wrong", podman_more=f"auth_file {wrong};")
    assert image in text and "wrong" not in text.replace(str(wrong), ""), text
    assert "unauthorized" in text or "authentication required" in text, text
    elsewhere = registry.auth_file(address="other.example.com", name="other.json")
    text = refusal(t, image, name="elsewhere", podman_more=f"auth_file {elsewhere};")
    assert f"podman login {registry.address}" in text, text


def test_an_auth_file_that_cannot_be_used_is_named(t):
    registry = Registry(t, password="right")
    image = registry.push("app:1")
    broken = t.write("broken.json", "no json", 0o600)
    text = refusal(t, image, name="broken", podman_more=f"auth_file {broken};")
    assert str(broken) in text and "podman login" in text, text
    conf = t.write("missing.conf", "podman { auth_file /nowhere/auth.json; }")
    done = subprocess.run(
        [harness.berth_bin(), "config", "-c", str(conf)], capture_output=True, text=True
    )
    open_file = t.write("open.json", "{}", 0o644)
    conf = t.write("open.conf", f"podman {{ auth_file {open_file}; }}")
    check = subprocess.run(
        [harness.berth_bin(), "check", "-c", str(conf)], capture_output=True, text=True
    )
    assert "/nowhere/auth.json" in done.stdout + done.stderr
    assert check.returncode == 1 and "0600" in check.stdout + check.stderr, check


def test_a_tag_or_a_name_that_there_is_not(t):
    registry = Registry(t)
    registry.push("app:1")
    for name in ["app:nowhere", "nobody/nothing:1"]:
        image = registry.name(name)
        text = refusal(t, image, name=name.split("/")[0].replace(":", "-"))
        assert image in text and "manifest unknown" in text, text


def test_a_ca_that_is_not_trusted(t):
    registry = Registry(t, trusted=False)
    image = registry.push("app:1")
    text = refusal(t, image)
    assert image in text and "certificate" in text, text
    assert f"/etc/containers/certs.d/{registry.address}" in text, text


@harness.limit(90)
def test_a_line_that_breaks_off_is_tried_again(t):
    registry = Registry(t)
    registry.push("app:1", blob_bytes=2_000_000)
    line = Line(t, registry)
    line.cut_after, line.cuts = 500_000, 1000
    berth = t.berth(CONF % (line.name("app:1"), ""), podman_more="pull_retries 20;")
    berth.wait_log("pull failed; trying again", 40)
    assert "reason=" in berth.log
    activity = berth.status("a").get("image_activity", "")
    line.cuts = 0
    answer = berth.get("/hash", timeout=60)
    assert answer.status == 200, answer
    assert pulls(berth) >= 2, activity


@harness.limit(90)
def test_a_registry_that_is_down_comes_back(t):
    registry = Registry(t)
    image = registry.push("app:1")
    registry.stop()
    berth = t.berth(CONF % (image, "start_retries 0;"), podman_more="pull_retries 1;")
    answer = berth.get("/hash")
    assert answer.status == 503 and "connection refused" in answer.text, answer.text
    assert image in answer.text
    registry.start()
    harness.wait_until(
        lambda: berth.get("/hash").status == 200, 60, "it mends itself", interval=0.5
    )


def test_the_disk_is_full(t):
    registry = Registry(t)
    image = registry.push("app:1", blob_bytes=40_000_000)
    folder = pathlib.Path(f"/tmp/berth-full-{os.getpid()}")
    folder.mkdir()
    t.cleanup(folder.rmdir)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "full", folder], check=True)
    t.cleanup(lambda: subprocess.run(["umount", "--lazy", folder], check=True))
    full = harness.Podman(folder / "p")
    full.serve()
    t.cleanup(full.destroy)
    berth = t.berth(
        CONF.replace("app a {", "podman { socket unix:%s; service off; pull_retries 0;"
                     " namespace full; } admin { listen 127.0.0.1:@admin_port@; }"
                     " state_dir @dir@/state; on_exit stop; app a {") %
        (full.socket, image, "start_retries 0;"), preamble=False,
    )
    answer = berth.get("/hash", timeout=60)
    assert answer.status == 503, answer
    assert "no space left on device" in answer.text, answer.text
    assert "podman system df" in answer.text, answer.text
    berth.stop()
