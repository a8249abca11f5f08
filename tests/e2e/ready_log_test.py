"""`ready_check log REGEX`: ready when its log says so, not when it accepts."""

import os
import signal
import subprocess
import time

import harness

CONF = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas %s 1;
        ready_check log "%s"; start_timeout %s; start_retries 0;
        stop_timeout 1s; command %s; }
"""


def test_the_line_decides_and_not_the_open_port(t):
    berth = t.berth(CONF % (0, "^testapp: ready (for|of) use$", "30s", "--ready-line=1500"))
    began = time.monotonic()
    answer = berth.get("/a/hash")
    assert answer.status == 200, answer
    assert time.monotonic() - began >= 1.5, "it has listened long before"
    berth.wait_log("the line that it waited for is in its log")
    begins = berth.log.index("the line that it waited for")
    assert "replica ready" in berth.log[begins:], berth.log
    assert "replica ready" not in berth.log[:begins], berth.log


def test_a_line_among_thousands_that_come_at_once(t):
    berth = t.berth(CONF % (1, "line 4999$", "30s", "--log-lines=5000"))
    assert berth.get("/a/hash").status == 200


def test_a_start_whose_line_never_comes_says_which(t):
    berth = t.berth(CONF % (0, "no such line", "2s", "--port=8000"))
    answer = berth.get("/a/hash")
    assert answer.status == 503, answer
    assert "no line of its log matches no such line" in answer.text, answer
    assert "does it listen" not in answer.text, answer


def test_one_that_ends_before_its_line_is_seen_at_once(t):
    berth = t.berth(CONF % (0, "no such line", "60s", "--crash-after=500"))
    began = time.monotonic()
    answer = berth.get("/a/hash")
    assert answer.status == 503 and "exited with code 1" in answer.text, answer
    assert time.monotonic() - began < 30


@harness.limit(90)
def test_one_that_is_adopted_needs_no_line_but_a_connection(t):
    berth = t.berth(CONF % (1, "ready for use", "30s", "--ready-line=2000"), on_exit="keep")
    first = berth.get("/a/hash")
    assert first.status == 200
    berth.stop()
    berth.start()
    began = time.monotonic()
    again = berth.get("/a/hash")
    assert again.status == 200 and again.app_id == first.app_id, again
    assert berth.log.count("the line that it waited for") == 1, time.monotonic() - began


@harness.limit(90)
def test_a_front_that_comes_while_the_line_is_awaited_is_told_when_it_is_there(t):
    berth = t.berth(CONF % (1, "ready for use", "30s", "--ready-line=4000"))
    harness.wait_until(lambda: "to=probing" in berth.log, 20, "it is probed")
    os.kill(berth.front_pid, signal.SIGKILL)
    harness.wait_until(lambda: berth.log.count("front/front: serving") == 2, 20, "another front")
    assert "the line that it waited for" not in berth.log, "too slow a machine"
    answer = berth.get("/a/hash")
    assert answer.status == 200, answer


def test_a_pattern_that_is_none_is_refused_at_its_place(t):
    path = t.write("bad.conf", (CONF % (0, "a(b", "2s", "--port=8000")).replace("@port@", "1"))
    run = subprocess.run([harness.berth_bin(), "check", "-c", str(path)],
                         capture_output=True, text=True)
    assert run.returncode != 0
    assert "bad.conf:4:25: " in run.stderr + run.stdout, run
    assert "is none: Unmatched (" in run.stderr + run.stdout, run
