"""What the operator has: run, check, config, status, stop, metrics, health."""

import json
import os
import signal
import stat
import subprocess

import harness
from harness import wait_until

CONF = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; }
"""


def test_status_shows_an_app_on_its_way(t):
    berth = t.berth(CONF)
    app = berth.app("a")
    assert app["state"] == "asleep", app
    table = berth.cli("status").stdout
    assert "a" in table and "asleep" in table and "localhost/berth-test/app:1" in table
    assert berth.get("/a/hash").status == 200
    app = berth.app("a")
    assert app["state"] == "ready" and len(app["replicas"]) == 1, app
    [container] = berth.containers("a")
    assert container["Id"].startswith(app["replicas"][0]["container"][:12]), app
    one = berth.cli("status", "a").stdout
    assert "ready" in one and "start" in one, one
    unknown = berth.cli("status", "nobody", check=False)
    assert unknown.returncode == 1 and "nobody" in unknown.stderr, unknown


def test_warmth_is_the_warmest_rung_by_the_words_of_the_ladder(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; }
                        route /c { app c; } } }
        app a { image localhost/berth-test/app:1; network none; replicas 0 1;
                keep_primed 0; freeze_after 300ms; }
        app b { image localhost/berth-test/app:1; network none; keep_primed 1; }
        app c { image 127.0.0.1:1/nowhere:1; pull_policy never; }
    """)

    def warmth(app, seconds=10, **is_to_be):
        wait_until(lambda: berth.app(app)["warmth"] == is_to_be["word"], seconds,
                   f"{app} is {is_to_be['word']}, not {berth.app(app)['warmth']}")

    warmth("a", word="pulled")
    warmth("b", word="primed")
    warmth("c", word="absent")
    table = berth.cli("status").stdout.splitlines()
    column = table[1].index("WARMTH")
    shown = {line.split()[0]: line[column:].split("  ")[0] for line in table[2:5]}
    assert shown == {"a": "pulled", "b": "1 primed", "c": "absent"}, "\n".join(table)
    with berth.connect() as busy:
        busy.request("GET", "/a/delay?ms=1500", read=False)
        warmth("a", word="ready")
        busy.read()
    warmth("a", word="frozen")


def test_the_admin_socket_is_for_its_owner_and_tcp_for_metrics(t):
    berth = t.berth(CONF)
    path = berth.dir / "state" / "admin.sock"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    wait_until(lambda: berth.admin("GET", "/readyz").status == 200)
    for target, status in {
        "/healthz": 200, "/readyz": 200, "/metrics": 200,
        "/api/v1/status": 401, "/api/v1/apps": 401, "/nowhere": 401,
    }.items():
        assert berth.admin("GET", target).status in (status, 404), target
    assert berth.admin("POST", "/api/v1/stop").status == 401
    assert berth.is_running()
    with harness.Conn(("127.0.0.1", berth.admin_port)) as conn:
        answer = conn.request("GET", "/metrics", host="evil.example")
        assert answer.status in (403, 421), answer


def test_metrics_count_what_happened(t):
    berth = t.berth(CONF)
    for _ in range(7):
        assert berth.get("/a/hash").status == 200
    berth.get("/nowhere")
    assert berth.metric("berth_requests_total", app="a", code="200") == 7
    assert berth.metric("berth_requests_total", code="404") == 1
    assert berth.metric("berth_request_duration_seconds_count", app="a") == 7
    assert berth.metric("berth_in_flight", app="a") == 0
    assert berth.metric("berth_starts_total", app="a") == 1
    assert berth.metric("berth_podman_up") == 1
    text = berth.admin("GET", "/metrics").text
    families = [l.split()[2] for l in text.splitlines() if l.startswith("# TYPE")]
    assert len(families) == len(set(families)), "a family stands once"


def test_stop_ends_berth_and_says_so(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    berth.expected_end = True
    done = berth.cli("stop")
    assert berth.wait(10) == 0
    assert berth.containers() == [], "on_exit stop"
    again = berth.cli("stop", check=False)
    assert again.returncode == 1
    assert "admin.sock" in again.stderr, again
    status = berth.cli("status", check=False)
    assert status.returncode == 1 and "berth run" in status.stderr, status


def test_stop_can_leave_the_containers(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    t.cleanup(t.podman.clear)
    berth.expected_end = True
    berth.cli("stop", "--keep-containers")
    assert berth.wait(10) == 0
    assert len(berth.containers()) == 1


def test_requests_in_flight_end_well_in_a_drain(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    with berth.connect() as conn:
        conn.request("GET", "/a/delay?ms=1500", read=False)
        wait_until(lambda: berth.app("a")["in_flight"] == 1, 5)
        berth.expected_end = True
        berth.send_signal(signal.SIGQUIT)
        answer = conn.read()
        assert answer.status == 200, answer
        assert answer.field("Connection") == "close", answer
    assert berth.wait(10) == 0


def test_config_is_a_configuration_again(t):
    berth = t.berth(CONF)
    text = berth.cli("config").stdout
    again = t.write("again.conf", text)
    done = subprocess.run([harness.berth_bin(), "check", "-c", str(again)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done


def test_check_host_looks_at_this_machine(t):
    # Its ports are free: berth does not run.
    berth = t.berth(CONF, start=False)
    done = berth.cli("check", "--host", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok: idle apps are frozen by the cgroup freezer" in done.stdout, done.stdout
    assert "hibernat" in done.stdout, done.stdout
    berth.configure(CONF.replace("network none;", "network none; volume /no/such/place:/x;"))
    done = berth.cli("check", "--host", check=False)
    assert done.returncode == 1 and "/no/such/place" in done.stdout + done.stderr, done


def test_check_host_looks_for_secrets(t):
    t.podman.run("secret", "create", "there", str(t.write("s", "x", 0o600)))
    t.cleanup(lambda: t.podman.run("secret", "rm", "there", check=False))
    asks = CONF.replace("network none;", "network none; secret there; secret there env=V; %s", 1)
    berth = t.berth(asks % "", start=False)
    done = berth.cli("check", "--host", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("secret there") == 1, done.stdout
    berth.configure(asks % "secret gone; sidecar s { image %s; secret away; }" % harness.APP)
    done = berth.cli("check", "--host", check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert ("app a: Podman has no secret gone; make it: podman secret create gone FILE"
            in said), said
    assert "app a: sidecar s: Podman has no secret away" in said, said


def test_a_file_that_was_broken_meanwhile_does_not_lock_the_operator_out(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    good = berth.conf_path.read_text()
    berth.conf_path.write_text(good.replace("image", "imge").replace("route", "rote"))
    assert "ready" in berth.cli("status").stdout
    assert "is ready" in berth.cli("wake", "a").stdout
    reload = berth.cli("reload", check=False)
    assert reload.returncode == 1 and "did you mean" in reload.stderr, reload
    berth.conf_path.write_text(good + "}")
    assert "ready" in berth.cli("status").stdout, "not even its braces are right"
    berth.expected_end = True
    berth.cli("stop")
    assert berth.wait(10) == 0
    after = berth.cli("status", check=False)
    assert after.returncode == 1 and ":" in after.stderr, after
    berth.conf_path.unlink()
    gone = berth.cli("status", check=False)
    assert gone.returncode == 1 and "No such file" in gone.stderr, gone


def test_usage_errors_have_exit_code_2(t):
    for args in (["frobnicate"], ["run"], ["check"], ["status", "--bogus"]):
        done = subprocess.run([harness.berth_bin(), *args], capture_output=True, text=True)
        assert done.returncode == 2, (args, done)
        assert done.stderr, args
    done = subprocess.run([harness.berth_bin(), "run", "-c"], capture_output=True, text=True)
    assert done.returncode == 2 and "wants a value" in done.stderr, done
    done = subprocess.run([harness.berth_bin(), "help"], capture_output=True, text=True)
    assert done.returncode == 0 and "status" in done.stdout
