"""What goes wrong is said clearly: to the client, in status, in the log."""

import json
import os
import signal
import socket
import subprocess
import time

import harness
from harness import wait_until

CONF = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } route /ok { app ok; } } }
app a { %s network none; replicas 0 1; }
app ok { image localhost/berth-test/app:1; network none; replicas 0 1; }
"""


def is_told(berth, answer, *words):
    """All of it in the answer, in status and in the log."""
    for place, text in {
        "the answer": answer.text,
        "status": json.dumps(berth.status()),
        "the log": berth.log,
    }.items():
        for word in words:
            assert word in text, f"{place} lacks {word!r}: {text[-3000:]}"


def test_an_image_that_is_not_there(t):
    berth = t.berth(CONF % "image localhost/berth-test/nowhere:1; pull_policy never;")
    answer = berth.get("/a/")
    assert answer.status == 503 and answer.error == "start_failed", answer
    assert answer.field("Retry-After")
    is_told(berth, answer, "localhost/berth-test/nowhere:1")
    assert berth.get("/ok/hash").status == 200, "others do not notice"


@harness.limit(120)
def test_a_registry_that_is_not_there(t):
    port = t.free_port()
    berth = t.berth(CONF % f"image 127.0.0.1:{port}/team/app:1; pull_timeout 20s;")
    answer = berth.get("/a/", timeout=90)
    assert answer.status == 503 and answer.error == "start_failed", answer
    is_told(berth, answer, f"127.0.0.1:{port}", "refused")


def test_an_app_that_exits_at_once_with_its_last_words(t):
    berth = t.berth(CONF % "image localhost/berth-test/exit:1; start_retries 2;")
    answer = berth.get("/a/")
    assert answer.status == 503 and answer.error == "start_failed", answer
    is_told(berth, answer, "exited with code 3")
    # The circuit is open: the next answer comes at once.
    again = berth.get("/a/")
    assert again.status == 503 and again.error == "start_failed"
    assert again.total_ms < 1000, again.total_ms
    status = berth.app("a")
    assert status["state"] == "failed", status
    logs = subprocess.run(
        [os.environ.get("BERTH_BIN", "build/berth"), "status", "a", "-c",
         str(berth.conf_path)], capture_output=True, text=True)
    assert "exited with code 3" in logs.stdout, logs


def test_a_failed_app_mends_itself(t):
    """Its image is made after the circuit opened: no command is needed."""
    late = "localhost/berth-test/late:1"
    berth = t.berth(CONF % f"image {late}; pull_policy never;")
    answer = berth.get("/a/hash")
    assert answer.status == 503 and answer.error == "start_failed", answer
    assert berth.app("a")["state"] == "failed"
    t.podman.run("tag", harness.APP, late)
    # Both names: with one alone Podman takes all names off the image.
    t.cleanup(lambda: t.podman.run("untag", late, late))
    wait_until(lambda: berth.get("/a/hash").status == 200, 20, "it serves")
    assert berth.app("a")["state"] == "ready"


def test_an_app_that_never_listens(t):
    berth = t.berth(
        CONF % "image localhost/berth-test/silent:1; start_timeout 1500ms; start_retries 1;"
    )
    answer = berth.get("/a/", timeout=30)
    assert answer.status == 503 and answer.error == "start_timeout", answer
    is_told(berth, answer, "8000", "refused")
    wait_until(lambda: not berth.containers("a"), 15, "the container is removed")


def test_podman_that_is_not_there(t):
    berth = t.berth("""
        state_dir @dir@/state;
        podman { socket unix:@dir@/none.sock; service off; }
        http { server { listen 127.0.0.1:@port@; route / { app a; } } }
        app a { image localhost/berth-test/app:1; }
    """, preamble=False, start=False)
    berth.start(wait=False)
    assert berth.wait(20) == 1
    assert "none.sock" in berth.log and "podman system service" in berth.log, berth.log


def test_podman_that_goes_away_and_comes_back(t):
    berth = t.berth(CONF % "image localhost/berth-test/app:1;")
    assert berth.get("/ok/hash").status == 200
    t.podman.stop_service(signal.SIGKILL)
    assert berth.get("/ok/hash").status == 200, "what is ready goes on serving"
    wait_until(lambda: berth.metric("berth_podman_up") == 0, 15, "berth notices")
    t.podman.serve()
    wait_until(lambda: berth.metric("berth_podman_up") == 1, 30, "and reconnects")
    answer = berth.get("/a/hash")
    assert answer.status == 200, answer


def test_a_port_in_use(t):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        berth = t.berth(CONF % "image localhost/berth-test/app:1;", start=False,
                        ports={"port": port})
        berth.start(wait=False)
        assert berth.wait(20) == 1
    assert f"127.0.0.1:{port}" in berth.log and "in use" in berth.log, berth.log


def test_a_bad_directive_is_named_with_its_place_and_the_nearest_name(t):
    berth = t.berth("app a { imge x; }\nhtp { }\n", start=False, preamble=False)
    berth.start(wait=False)
    assert berth.wait(10) == 1
    for words in ('berth.conf:1:9: unknown directive "imge"', 'did you mean "image"',
                  "berth.conf:2:1:", 'did you mean "http"'):
        assert words in berth.log, berth.log
    check = berth.cli("check", check=False)
    assert check.returncode == 1
    assert 'did you mean "image"' in check.stdout + check.stderr


def test_a_second_berth_of_the_namespace_is_refused(t):
    berth = t.berth(CONF % "image localhost/berth-test/app:1;")
    assert berth.get("/ok/hash").status == 200
    second = t.berth("""
        state_dir @dir@/state;
        podman { socket unix:@podman@; namespace %s; }
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; }
    """ % berth.namespace, preamble=False, start=False, name="second")
    second.start(wait=False)
    assert second.wait(20) == 1
    assert berth.namespace in second.log and str(berth.keeper_pid) in second.log, second.log
    assert berth.get("/ok/hash").status == 200


def test_no_route_and_no_app_behind_it(t):
    berth = t.berth(CONF % "image localhost/berth-test/app:1;")
    answer = berth.get("/nowhere")
    assert answer.status == 404 and answer.error == "no_route", answer
    body = answer.json()["error"]
    assert body["code"] == "no_route" and body["request_id"], body
    html = berth.get("/nowhere", fields=[("Accept", "text/html")])
    assert html.field("Content-Type").startswith("text/html"), html


def test_an_app_that_crashes_is_seen_at_once_and_started_on_the_next_request(t):
    berth = t.berth(CONF % "image localhost/berth-test/app:1;")
    first = berth.get("/a/hash")
    answer = berth.post("/a/crash?code=7")  # a POST is not retried
    assert answer.status == 502 and answer.error == "upstream_closed", answer
    seen = time.monotonic()
    berth.wait_log(r"exited with code 7", 2)
    assert time.monotonic() - seen < 1.0
    again = berth.get("/a/hash")
    assert again.status == 200 and again.app_id != first.app_id
    assert berth.metric("berth_replica_crashes_total", app="a") == 1
    [container] = berth.containers("a")
    assert container["State"] == "running"
