"""`on_cold_start page`: a browser is led into an app that has to start."""

import json
import re
import socket
import sys

import harness
from harness import parallel

sys.path.insert(0, str(harness.ROOT / "tests" / "web"))
import chromium  # noqa: E402

PAGE = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1;
        on_cold_start page; %s }
"""
BROWSER = (("Accept", "text/html,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate"))


def follow(berth, path, seconds=20):
    """The events of the page's stream, until it ends: (name, data)."""
    events = []
    with socket.create_connection(("127.0.0.1", berth.port), seconds) as sock:
        sock.sendall(("GET %s?berth_wait HTTP/1.1\r\nHost: x\r\n"
                      "Accept: text/event-stream\r\n\r\n" % path).encode())
        text = b""
        while True:
            more = sock.recv(4096)
            if not more:
                break
            text += more
    head, _, body = text.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    for block in body.decode().split("\n\n"):
        match = re.fullmatch(r"event: (\w+)\ndata: (.*)", block)
        if match:
            events.append((match[1], json.loads(match[2])))
    return events


@harness.tags("sanitizer")
def test_a_browser_sees_the_page_follows_the_start_and_gets_the_app(t):
    berth = t.berth(PAGE % "command --start-delay=1500;")
    page = berth.get("/a/hash", fields=BROWSER)
    assert page.status == 503, page
    assert page.field("X-Berth-Error") == "starting", page.head
    assert "sha256-" in page.field("Content-Security-Policy")
    assert b"EventSource" in page.body
    events = follow(berth, "/a/hash")
    assert events[-1] == ("ready", {}), events
    phases = [data["phase"] for name, data in events if name == "progress"]
    assert "ready" in phases, events
    assert berth.get("/a/hash", fields=BROWSER).status == 200
    assert berth.metric("berth_starts_total", app="a") == 1


def test_others_are_held_meanwhile(t):
    berth = t.berth(PAGE % "command --start-delay=800;")
    answers = parallel(4, lambda i: berth.get(
        "/a/hash", fields=BROWSER if i % 2 else (("Accept", "*/*"),)))
    assert [answer.status for answer in answers[0::2]] == [200, 200], answers
    assert [answer.status for answer in answers[1::2]] == [503, 503], answers


def test_a_start_that_fails_ends_the_stream(t):
    berth = t.berth("""
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/exit:1; network none; replicas 0 1;
        on_cold_start page; start_retries 0; }
""")
    assert berth.get("/a/", fields=BROWSER).status == 503
    events = follow(berth, "/a/")
    assert events[-1] == ("failed", {}), events


@harness.limit(120)
def test_a_real_browser_sees_phases_in_light_and_dark_and_lands_in_the_app(t):
    if not chromium.find():
        print("skipped: no Chromium (apt-get install chromium-headless-shell)")
        return
    berth = t.berth(PAGE % "command --start-delay=4000;")
    with chromium.Browser() as browser:
        page = browser.open("http://127.0.0.1:%d/a/hash" % berth.port)
        page.wait("document.title.startsWith('Starting')")
        page.wait("!!document.querySelector('li.now')")
        colours = set()
        for scheme in ("light", "dark"):
            page.set_media(prefers_color_scheme=scheme)
            colours.add(page.evaluate(
                "getComputedStyle(document.body).backgroundColor"))
            page.screenshot()
        assert len(colours) == 2, colours
        # The app's own answer, without anybody having touched a key.
        page.wait("document.body.innerText.includes('sha256')", 30)
        assert browser.complaints == [], browser.complaints
    assert berth.metric("berth_starts_total", app="a") == 1
