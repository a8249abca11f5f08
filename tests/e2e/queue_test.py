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


SPLIT = """
    http { access_log @dir@/access.log "$route $app $status";
           server { listen 127.0.0.1:@port@;
        route /turn { split stable=3 next=1; probe_paths /turn/up; }
        route /user { split stable=1 next=1; split_key $cookie_user; } } }
    app stable { image localhost/berth-test/app:1; network none; env WHO stable; }
    app next   { image localhost/berth-test/%s:1; network none; env WHO next; start_retries 0; }
"""


def who(answer):
    """Which app it was: its environment says."""
    return "stable" if "WHO=stable" in answer.text else "next"


@harness.limit(90)
def test_a_split_route_shares_requests_out_by_weight_and_key(t):
    berth = t.berth(SPLIT.replace("@dir@", str(t.dir)) % "app")
    printed = berth.cli("config").stdout
    assert "split stable=3 next=1;" in printed, printed
    assert "split_key $cookie_user;" in printed, printed
    routes = berth.cli("routes").stdout
    assert "3 to stable, 1 to next" in routes, routes
    assert berth.get("/turn/up").text.startswith("asleep")
    assert not berth.containers("stable") and not berth.containers("next")
    answers = [who(berth.get("/turn/env")) for _ in range(20)]
    assert answers.count("stable") == 15, answers
    users = {}
    for i in range(12):
        cookie = [("Cookie", f"a=b; user=u{i}")]
        users[i] = {who(berth.get("/user/env", fields=cookie)) for _ in range(3)}
    assert all(len(apps) == 1 for apps in users.values()), users
    assert set.union(*users.values()) == {"stable", "next"}, users
    requests = berth.metric("berth_requests_total", app="next", route="/turn")
    assert requests == 5, requests
    wait_until(lambda: len((t.dir / "access.log").read_text().split("\n")) >= 57, 5)
    lines = (t.dir / "access.log").read_text().splitlines()
    assert lines.count("/turn stable 200") == 15 and lines.count("/turn next 200") == 5


@harness.limit(90)
def test_an_app_of_a_split_that_failed_is_left_out(t):
    berth = t.berth(SPLIT.replace("@dir@", str(t.dir)) % "exit")
    statuses = [berth.get("/turn/env").status for _ in range(4)]
    assert statuses.count(200) == 3 and statuses.count(503) == 1, statuses
    berth.wait_state("next", "failed")
    starts = berth.metric("berth_start_failures_total", app="next")
    answers = [berth.get("/turn/env") for _ in range(40)]
    assert {answer.status for answer in answers} == {200}, answers
    assert {who(answer) for answer in answers} == {"stable"}

    def tried_again():
        assert berth.get("/turn/env").status == 200
        return berth.metric("berth_start_failures_total", app="next") > starts

    wait_until(tried_again, 20, "a trial start goes on", interval=0.1)
    assert berth.get("/turn/up").status == 200
