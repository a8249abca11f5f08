"""What berth does, seen and changed while it runs: events, why, logs, actions."""

import json
import re
import subprocess
import threading
import time

import harness
from harness import wait_until

CONF = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; }
app b { image localhost/berth-test/exit:1; network none; replicas 0 1; start_retries 1; }
"""


def admin_connect(berth):
    """A connection to the admin API's Unix socket, where no token is asked."""
    return berth.connect(str(berth.dir / "state" / "admin.sock"))


def cli_start(t, berth, command, *args):
    """`berth COMMAND`, left running; ended with the test."""
    process = subprocess.Popen(
        [harness.berth_bin(), command, "-c", str(berth.conf_path), *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end():
        if process.poll() is None:
            process.kill()
        process.communicate()

    t.cleanup(end)
    return process


def events_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_events_tell_each_state_of_a_start_with_its_reason(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    events = events_of(berth.cli("events", "a", "--json").stdout)
    states = [e["to"] for e in events if e["kind"] == "replica"]
    assert states == ["pulling", "creating", "starting", "probing", "ready"], events
    assert [e["to"] for e in events if e["kind"] == "app"] == ["starting", "ready"]
    assert all(e["app"] == "a" for e in events)
    ready = [e for e in events if e["to"] == "ready" and e["kind"] == "replica"][0]
    assert ready["took_ms"] > 0 and ready["reason"], ready
    ids = [e["id"] for e in events]
    assert ids == sorted(set(ids)), ids
    everything = events_of(berth.cli("events", "--json").stdout)
    assert any(e["kind"] == "front" and e["to"] == "ready" for e in everything)
    assert any(e["kind"] == "engine" and e["to"] == "up" for e in everything)
    text = berth.cli("events", "a").stdout
    assert "probing → ready" in text and "a-1" in text, text
    assert len(berth.cli("events", "a", "-n", "2").stdout.splitlines()) == 2


def test_events_are_followed_as_they_come(t):
    berth = t.berth(CONF)
    follow = cli_start(t, berth, "events", "-f", "--json", "a")
    assert berth.get("/a/hash").status == 200
    lines = []
    while not lines or lines[-1].get("to") != "ready":
        lines.append(json.loads(follow.stdout.readline()))
    assert lines[0]["to"] in ("pulling", "starting"), lines


def test_a_client_that_was_cut_off_misses_no_event(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    with admin_connect(berth) as conn:
        first = conn.request("GET", "/api/v1/events?follow=0&app=a").text
    ids = [int(line[4:]) for line in first.splitlines() if line.startswith("id: ")]
    assert len(ids) > 3, first
    with admin_connect(berth) as conn:
        rest = conn.request("GET", "/api/v1/events?follow=0&app=a",
                            fields=[("Last-Event-ID", str(ids[1]))]).text
    again = [int(line[4:]) for line in rest.splitlines() if line.startswith("id: ")]
    assert again == ids[2:], (ids, again)


def test_why_shows_the_phases_of_a_start(t):
    berth = t.berth(CONF)
    assert "was not started" in berth.cli("why", "a").stdout
    assert berth.get("/a/hash").status == 200
    answer = json.loads(berth.cli("why", "a", "--json").stdout)
    [start] = answer["starts"]
    assert start["ok"] and start["from"] == "pulled" and start["replica"] == "a-1"
    phases = {p["name"]: p["us"] for p in start["phases"]}
    assert phases["create"] > 0 and phases["start"] > 0 and phases["boot"] > 0, phases
    assert sum(phases.values()) <= start["total_us"] * 1.05, start
    assert 0 < phases["first_byte"] < start["total_us"], start
    [first] = [e for e in events_of(berth.cli("events", "a", "--json").stdout)
               if e["kind"] == "first_byte"]
    assert first["from"] == "pulled" and ", first_byte " in first["reason"], first
    assert "pulled → first_byte" in berth.cli("events", "a").stdout
    last = berth.app("a")["last_start"]
    assert [p for p in last["phases"] if p["name"] == "first_byte"], last
    text = berth.cli("why", "a").stdout
    assert "CREATE" in text and "FIRST BYTE" in text and "a request waited for it" in text, text


def test_why_says_why_a_start_failed(t):
    berth = t.berth(CONF)
    assert berth.get("/b/").status == 503
    answer = json.loads(berth.cli("why", "b", "--json").stdout)
    failed = answer["starts"][0]
    assert not failed["ok"] and "code 3" in failed["error"]["message"], failed
    text = berth.cli("why", "b").stdout
    assert "failed" in text and "code 3" in text, text
    unknown = berth.cli("why", "nobody", check=False)
    assert unknown.returncode == 1 and "nobody" in unknown.stderr


LOGS = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 2; concurrency 1;
        idle_timeout off; }
"""


def test_logs_show_what_the_container_says(t):
    berth = t.berth(LOGS)
    nothing = berth.cli("logs", "a", check=False)
    assert nothing.returncode == 1 and "berth why a" in nothing.stderr, nothing
    for i in range(5):
        assert berth.get(f"/a/log?stream=out&line=line-{i}").status == 200
    lines = wait_until(lambda: [l for l in berth.cli("logs", "a").stdout.splitlines()
                                if "line-" in l][4:] and
                       berth.cli("logs", "a").stdout.splitlines(), 5)
    assert [l for l in lines if "line-" in l] == [f"a-1 | line-{i}" for i in range(5)], lines
    assert berth.cli("logs", "a", "-n", "2").stdout.splitlines() == [
        "a-1 | line-3", "a-1 | line-4"]
    records = [json.loads(l) for l in
               berth.cli("logs", "a", "-n", "1", "--json").stdout.splitlines()]
    assert records == [{"replica": "a-1", "source": "stdout", "line": "line-4"}], records
    assert "line-4" in berth.cli("logs", "a", "-r", "1").stdout
    unknown = berth.cli("logs", "a", "-r", "9", check=False)
    assert unknown.returncode == 1 and "9" in unknown.stderr, unknown


def test_logs_are_followed_into_replicas_to_come(t):
    berth = t.berth(LOGS)
    follow = cli_start(t, berth, "logs", "-f", "a")
    assert berth.get("/a/log?line=first").status == 200
    line = follow.stdout.readline()
    while "first" not in line:
        line = follow.stdout.readline()
    assert line == "a-1 | first\n", line
    berth.post("/a/crash")  # which is not tried again
    wait_until(lambda: berth.get("/a/log?line=second").status == 200, 15)
    while "second" not in line:
        line = follow.stdout.readline()
    assert line == "a-2 | second\n", line


def test_many_lines_come_whole_to_a_reader_that_is_slow(t):
    berth = t.berth(LOGS)
    count, line = 20000, "x" * 200
    assert berth.get(f"/a/log?line={line}&count={count}").status == 200
    before = harness.rss_bytes(berth.keeper_pid)
    follow = cli_start(t, berth, "logs", "a")
    time.sleep(1.5)  # it reads nothing: the pipe, the sockets and berth fill up
    grown = harness.rss_bytes(berth.keeper_pid) - before
    assert grown < 2 << 20, grown
    assert berth.get("/a/hash").status == 200, "others are served meanwhile"
    out, err = follow.communicate(timeout=30)
    assert follow.returncode == 0, err
    lines = [l for l in out.splitlines() if "xxx" in l]
    assert lines == [f"a-1 | {line}"] * count, len(lines)


ACTIONS = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 3; idle_timeout 1s; }
app b { image localhost/berth-test/exit:1; network none; replicas 0 1; start_retries 1; }
"""


def ready(berth, app):
    return [r["name"] for r in berth.app(app)["replicas"] if r["state"] == "ready"]


def test_wake_has_a_replica_ready_before_a_request_comes(t):
    berth = t.berth(ACTIONS)
    done = berth.cli("wake", "a")
    assert re.match(r"a-\d+ is ready", done.stdout), done
    assert "starting" in done.stderr or "probing" in done.stderr, done
    assert len(ready(berth, "a")) == 1
    again = json.loads(berth.cli("wake", "a", "--json").stdout.splitlines()[-1])
    assert again["done"], again
    kinds = [(e["to"], e["reason"]) for e in
             events_of(berth.cli("events", "a", "--json").stdout) if e["kind"] == "action"]
    assert kinds[0] == ("asked", "wake") and kinds[1][0] == "done", kinds


def test_wake_keeps_the_app_for_as_long_as_it_is_told(t):
    berth = t.berth(ACTIONS)
    berth.cli("wake", "a", "--for", "5s")
    time.sleep(2.5)  # idle_timeout is 1 s
    assert len(ready(berth, "a")) == 1
    wait_until(lambda: ready(berth, "a") == [], 15)


def test_an_action_that_fails_says_why(t):
    berth = t.berth(ACTIONS)
    failed = berth.cli("wake", "b", check=False)
    assert failed.returncode == 1 and "code 3" in failed.stderr, failed
    unknown = berth.cli("wake", "nobody", check=False)
    assert unknown.returncode == 1 and "nobody" in unknown.stderr, unknown
    too_many = berth.cli("scale", "a", "4", check=False)
    assert too_many.returncode == 1 and "3 at most" in too_many.stderr, too_many
    with admin_connect(berth) as conn:
        answer = conn.request("POST", "/api/v1/apps/a/scale", b'{"replicas": 4}')
        assert answer.status == 409 and json.loads(answer.text)["error"]["code"] == "not_possible", answer


def test_scale_sets_a_minimum_and_lets_go_at_once(t):
    berth = t.berth(ACTIONS)
    assert "3 ready" in berth.cli("scale", "a", "3").stdout
    assert len(ready(berth, "a")) == 3
    time.sleep(2)  # idle_timeout is 1 s
    assert len(ready(berth, "a")) == 3
    assert "1 ready" in berth.cli("scale", "a", "1").stdout
    assert len(ready(berth, "a")) == 1
    berth.cli("scale", "a", "0")
    assert ready(berth, "a") == []
    assert berth.get("/a/hash").status == 200, "a request starts it again"


def test_pull_says_what_goes_on_and_what_became_of_it(t):
    berth = t.berth(ACTIONS + """
        app c { image 127.0.0.1:9/nobody/listens:1; network none; replicas 0 1; }
    """)
    # Podman asks no registry for what is named localhost/.
    assert "was here already" in berth.cli("pull", "a").stdout
    pull = cli_start(t, berth, "pull", "c")
    while "trying again" not in (line := pull.stderr.readline()):
        assert line, "it goes on until it is pulled, or given up"
    assert line.startswith("c: "), line


def test_an_action_goes_on_when_who_asked_has_gone(t):
    berth = t.berth(ACTIONS)
    wake = cli_start(t, berth, "wake", "a", "--for", "20s")
    wait_until(lambda: berth.app("a")["replicas"], 5)
    wake.kill()
    wake.wait()
    wait_until(lambda: len(ready(berth, "a")) == 1, 10)
    time.sleep(2)
    assert len(ready(berth, "a")) == 1


def test_freeze_puts_to_sleep_what_has_nothing_to_do(t):
    berth = t.berth(ACTIONS.replace("idle_timeout 1s", "idle_timeout 60s"))
    nothing = berth.cli("freeze", "a", check=False)
    assert nothing.returncode == 1 and "no replica" in nothing.stderr, nothing
    assert berth.get("/a/hash").status == 200
    assert "1 frozen" in berth.cli("freeze", "a").stdout
    assert [r["state"] for r in berth.app("a")["replicas"]] == ["frozen"]
    assert "is ready" in berth.cli("wake", "a").stdout
    assert len(ready(berth, "a")) == 1
    berth.cli("freeze", "a")
    assert berth.get("/a/hash").status == 200, "a request thaws it"
    starts = json.loads(berth.cli("why", "a", "--json").stdout)["starts"]
    assert starts[0]["from"] == "frozen", starts
    assert [p["name"] for p in starts[0]["phases"]] == ["thaw", "first_byte"], starts


def test_status_of_an_app_has_its_last_events(t):
    berth = t.berth(CONF)
    assert berth.get("/a/hash").status == 200
    text = berth.cli("status", "a").stdout
    assert "last events" in text and "probing → ready" in text, text
    watch = cli_start(t, berth, "status", "--watch", "--json")
    for _ in range(2):
        assert watch.stdout.readline() == "{\n"
        while watch.stdout.readline() != "}\n":
            pass


def test_routes_say_what_goes_where(t):
    berth = t.berth(CONF)
    lines = berth.cli("routes").stdout.splitlines()
    assert lines[0].split() == ["LISTEN", "SERVER", "ROUTE", "TO"], lines
    assert [l.split()[2:4] for l in lines[1:]] == [["/a", "a,"], ["/b", "b,"]], lines
    assert all(l.endswith(", without the prefix") for l in lines[1:]), lines
    assert json.loads(berth.cli("routes", "--json").stdout)["servers"][0]["routes"]


def test_top_shows_the_queue_go_up(t):
    berth = t.berth(CONF)
    top = cli_start(t, berth, "top")
    assert "QUEUE" in top.stdout.readline()
    assert top.stdout.readline().split()[:2] == ["a", "asleep"]


def test_completion_knows_the_apps_that_run(t):
    berth = t.berth(CONF)
    assert berth.cli("completion", "apps").stdout.split() == ["a", "b"]


def test_restart_replaces_all_replicas_and_loses_no_request(t):
    berth = t.berth(LOGS.replace("replicas 0 2", "replicas 1 2"))
    wait_until(lambda: ready(berth, "a"), 15)
    [before] = ready(berth, "a")
    stop, failed, served = threading.Event(), [], []

    def ask():
        while not stop.is_set():
            answer = berth.get("/a/hash")
            (served if answer.status == 200 else failed).append(answer)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        done = berth.cli("restart", "a", seconds=60)
    finally:
        stop.set()
        asker.join()
    assert "replaced" in done.stdout, done
    assert before not in ready(berth, "a") and ready(berth, "a"), berth.app("a")
    assert served and not failed, failed[:3]
    kinds = [e["to"] for e in events_of(berth.cli("events", "a", "--json").stdout)
             if e["kind"] == "rollout"]
    assert kinds[-1] == "done", kinds


def test_restart_of_what_does_not_run_forgets_its_failures(t):
    berth = t.berth(CONF)
    assert berth.get("/b/").status == 503
    assert berth.app("b")["state"] == "failed"
    wait_until(lambda: not berth.app("b")["replicas"], 10)
    before = berth.app("b")["start_failures"]
    assert "forgotten" in berth.cli("restart", "b").stdout
    # The request that was refused still asks for one: it is tried at once.
    wait_until(lambda: berth.app("b")["start_failures"] > before, 5)


def test_the_configuration_in_force_can_be_read(t):
    berth = t.berth(CONF.replace("app a {", "app a { env SECRET_KEY hunter2;"))
    with admin_connect(berth) as conn:
        answer = conn.request("GET", "/api/v1/config")
    assert answer.status == 200 and "app a {" in answer.text, answer
    assert "hunter2" not in answer.text
    again = t.write("again.conf", answer.text)
    done = subprocess.run([harness.berth_bin(), "check", "-c", str(again)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done


def test_a_reload_ends_what_scale_asked(t):
    berth = t.berth(ACTIONS)
    berth.cli("scale", "a", "2")
    assert berth.app("a")["min"] == 2
    with admin_connect(berth) as conn:
        answer = conn.request("POST", "/api/v1/reload")
    assert answer.status == 200, answer
    assert berth.app("a")["min"] == 0
    wait_until(lambda: not ready(berth, "a"), 20)
    berth.configure(ACTIONS + "nonsense;")
    with admin_connect(berth) as conn:
        answer = conn.request("POST", "/api/v1/reload")
    assert answer.status == 422 and "nonsense" in answer.text, answer
