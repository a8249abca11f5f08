"""The instruments themselves: the test app and the harness's HTTP client, with
no berth between them. When these fail, no other end-to-end test means much."""

import contextlib
import hashlib
import os

import harness
from harness import APP, Conn


@contextlib.contextmanager
def app_alone(t, *switches):
    """The test app with a published port -> its address."""
    port = t.free_port()
    container = t.podman.run(
        "run", "-d", "-p", f"127.0.0.1:{port}:8000", APP, *switches
    ).strip()

    def answers():
        with contextlib.suppress(OSError, EOFError):
            with Conn(("127.0.0.1", port)) as conn:
                return conn.request("GET", "/health").status

    try:
        harness.wait_until(answers, 10, "the test app answers")
        yield ("127.0.0.1", port)
    finally:
        t.podman.run("rm", "--force", "--time", "0", container)


def test_bodies_of_both_framings_come_back_whole(t):
    body = os.urandom(5_000_000)
    parts = [body[i : i + 70_000] for i in range(0, len(body), 70_000)]
    digest = hashlib.sha256(body).hexdigest()
    with app_alone(t) as address, Conn(address) as conn:
        assert conn.request("POST", "/echo", body).body == body
        assert conn.request("POST", "/echo?buffer=1", body).body == body
        answer = conn.request("POST", "/echo", iter(parts))
        assert answer.body == body and answer.chunks
        for form in (body, iter(parts)):
            answer = conn.request("POST", "/hash", form)
            assert answer.json() == {"bytes": len(body), "sha256": digest}
        # All of it was one connection.
        counts = conn.request("GET", "/inflight").json()
        assert counts["connections"] == 1 and counts["requests_total"] == 5, counts


def test_answers_are_read_as_they_were_framed(t):
    with app_alone(t) as address, Conn(address) as conn:
        for how in ("", "&chunked=1"):
            answer = conn.request("GET", f"/big?bytes=1000005{how}")
            assert answer.body == harness.lines_body(1_000_005)
            assert (answer.chunks is not None) == bool(how)
        answer = conn.request("GET", "/stream?chunks=3&interval=1&trailer=1")
        assert answer.chunks == [16] * 3 and answer.trailers == [("X-Chunks", "all")]
        answer = conn.request("GET", "/hints")
        assert [early.status for early in answer.interim] == [103]
        answer = conn.request("HEAD", "/big?bytes=100")
        assert answer.body == b"" and answer.field("Content-Length") == "100"
        assert conn.request("GET", "/status/204").status == 204
        answer = conn.request("GET", "/close?after=5")
        assert not answer.complete and answer.body == b"xxxxx"
        assert conn.is_closed()


def test_raw_bytes_pass_both_ways(t):
    with app_alone(t) as address:
        with Conn(address) as conn:
            head = b"GET /headers?x HTTP/1.1\r\nhOST:  a\r\nX: 1\r\nX: 2\r\n\r\n"
            conn.send(head)
            assert conn.read().body == head
            answer = conn.request("POST", "/raw", b"HTTP/1.1 299 Odd\r\n\r\nto the end")
            assert answer.status == 299 and answer.body == b"to the end"
        with Conn(address) as conn:
            conn.send(b"GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\nearly")
            assert conn.read_head().status == 101
            assert conn.read_exactly(5) == b"early"
            conn.send(b"late")
            assert conn.read_exactly(4) == b"late"
        with Conn(address) as conn:
            conn.send(b"POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                      b"Expect: 100-continue\r\n\r\n")
            assert conn.read_head().status == 100
            conn.send(b"ab")
            assert conn.read().json()["bytes"] == 2


def test_switches_do_what_they_say(t):
    with app_alone(t, "--ready-delay=400", "--crash-on-request=3") as address:
        with Conn(address) as conn:
            assert conn.request("GET", "/health").status == 503
            harness.wait_until(
                lambda: conn.request("GET", "/health").status == 200, 2, "ready"
            )
            assert conn.request("GET", "/").status == 200
            assert conn.request("GET", "/env").json()["argv"][1] == "--ready-delay=400"
            try:
                conn.request("GET", "/")
                raise AssertionError("the third request was answered")
            except (EOFError, ConnectionResetError):
                pass
        state = harness.wait_until(
            lambda: [c["ExitCode"] for c in t.podman.containers() if c["Exited"]],
            5, "the app has crashed",
        )
        assert state == [1]


def test_single_app_serves_one_connection_at_a_time(t):
    with app_alone(t, "--single") as address:
        with Conn(address) as first, Conn(address) as second:
            assert first.request("GET", "/").status == 200
            second.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            second.sock.settimeout(0.3)
            try:
                second.read()
                raise AssertionError("the second connection was served")
            except TimeoutError:
                pass
            first.close()
            second.sock.settimeout(5)
            assert second.read().status == 200


def test_images_end_as_they_should(t):
    for image, code in (("exit:1", 3), ("silent:1", 0)):
        container = t.podman.run(
            "run", "-d", "--network", "none", f"localhost/berth-test/{image}"
        ).strip()
        t.podman.run("stop", "--time", "5", container, check=False)
        state = t.podman.inspect(container)["State"]
        logs = t.podman.api("GET", f"/containers/{container}/logs?stderr=true").body
        t.podman.run("rm", container)
        assert state["ExitCode"] == code, (image, state)
        assert b"testapp: " in logs, (image, logs)
