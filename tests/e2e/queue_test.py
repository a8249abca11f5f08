"""The queue and what answers and peers say about it, with real replicas."""

import time

import harness
from harness import parallel, wait_until


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


ONE_SLOT = """
    http { server { listen 127.0.0.1:@port@; trusted_proxies 127.0.0.1; route /a { app a; } } }
    app a { image localhost/berth-test/app:1; network none; concurrency 1; replicas 1 1;
            %s }
"""


@harness.limit(90)
def test_who_would_wait_beyond_queue_timeout_is_refused_at_once(t):
    berth = t.berth(ONE_SLOT % "queue_timeout 4s;")
    berth.wait_state("a", "ready")

    def one(i):
        """Twenty at once, of half a second each: eight can be served in time."""
        if i == 20:  # while they wait, and it is known how quickly they go
            time.sleep(2)
            began = time.monotonic()
            late = berth.get("/a/delay?ms=500")
            return late, time.monotonic() - began
        return berth.get("/a/delay?ms=500"), 0

    answers = parallel(21, one)
    late, took = answers[20]
    assert late.status == 503 and late.error == "queue_timeout", late
    assert took < 1.5, f"at once, not after {took} s"
    after = int(late.field("Retry-After"))
    assert 4 <= after <= 20, f"as long as those ahead take: {after} s"
    served = sum(answer.status == 200 for answer, _ in answers)
    assert 4 <= served <= 9, served
    assert berth.get("/a/hash").status == 200, "the next one is served"


@harness.limit(90)
def test_nobody_is_refused_for_the_wait_while_a_start_is_under_way(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
        app a { image localhost/berth-test/app:1; network none; concurrency 1; replicas 1 4;
                queue_timeout 3s; command --start-delay=1500; }
    """)
    berth.wait_state("a", "ready")
    berth.get("/a/delay?ms=500")

    def one(i):
        time.sleep(0.08 * i)
        return berth.get("/a/delay?ms=500")

    # Of one replica the sixteen would take eight seconds; three more are coming.
    statuses = [answer.status for answer in parallel(16, one)]
    assert statuses.count(200) >= 15, statuses


@harness.limit(90)
def test_a_trusted_peers_deadline_orders_the_queue_and_ends_the_wait(t):
    berth = t.berth(ONE_SLOT % "queue_timeout 60s;")
    berth.wait_state("a", "ready")
    ended = []
    plan = ["", "30", "0.5", "20"]

    def one(i):
        time.sleep(0.3 + 0.1 * i)
        fields = [("X-Request-Timeout", plan[i])] if plan[i] else []
        answer = berth.get("/a/delay?ms=50", fields=fields)
        ended.append((plan[i], answer.status, answer.error))

    with berth.connect() as busy:
        busy.request("GET", "/a/delay?ms=2500", read=False)
        parallel(len(plan), one)
    assert ended[0] == ("0.5", 503, "queue_timeout"), ended
    assert [(said, status) for said, status, _ in ended[1:]] == [
        ("20", 200),
        ("30", 200),
        ("", 200),
    ], ended
