"""`live_check`: a replica that hangs is replaced, one that answers is left alone."""

import os
import signal
import time

import harness
from harness import wait_until

CONF = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 1 1;
        drain_timeout 1s; stop_timeout 1s;
        live_check %s interval=200ms timeout=500ms failures=2; }
"""


def test_one_that_hangs_is_replaced(t):
    berth = t.berth(CONF % "http /hash")
    first = berth.get("/a/hash")
    assert first.status == 200, first
    os.kill(berth.containers("a", all=False)[0]["Pid"], signal.SIGSTOP)
    berth.wait_log("a replica hangs, and is replaced", 20)
    wait_until(lambda: berth.get("/a/hash").app_id != first.app_id, 30,
               "another replica answers")
    log = berth.log
    assert "live_check failed 2 times" in log, log


def test_one_that_answers_is_left_alone(t):
    berth = t.berth(CONF % "http /hash")
    first = berth.get("/a/hash")
    for _ in range(10):
        time.sleep(0.2)
        assert berth.get("/a/hash").app_id == first.app_id
    assert "is replaced" not in berth.log
