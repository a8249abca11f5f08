"""The queue and what answers and peers say about it, with real replicas."""

import time

import harness
from harness import wait_until


def kept_answer(seconds):
    """What /raw is to answer: a 200 that asks for the app to be kept."""
    return (
        f"HTTP/1.1 200 OK\r\nX-Berth-Keep: {seconds}s\r\n"
        "Content-Length: 2\r\n\r\nok"
    ).encode()


@harness.limit(90)
def test_an_app_that_asks_for_it_is_kept_beyond_idle_timeout(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; idle_timeout 500ms;
                max_keep 5s; }
    """)
    answer = berth.post("/a/raw", kept_answer(3600))
    asked = time.monotonic()
    assert answer.status == 200 and answer.text == "ok", answer
    assert not answer.field("X-Berth-Keep"), "it is between berth and the app"
    wait_until(lambda: berth.app("a")["wanted_reason"] == "asked to be kept", 5)
    wait_until(lambda: berth.app("a")["state"] == "asleep", 30)
    assert time.monotonic() - asked >= 4.9, "kept for max_keep, no longer"
