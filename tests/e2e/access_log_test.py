"""Access logs: what stands in them, their rotation, and what they may cost."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import harness
from harness import parallel, wait_until
from upstream import Upstream


def start(t, http, routes="route / { app a; }", **kw):
    app = Upstream(t)
    (t.dir / "log").mkdir(exist_ok=True)
    return t.berth(
        "http { %s server { listen 127.0.0.1:@port@; server_name localhost; %s } }\n"
        "app a { upstream 127.0.0.1:@app@; }\n"
        % (http.replace("@t@", str(t.dir)), routes.replace("@t@", str(t.dir))),
        ports={"app": app.port}, **kw)


def lines_of(path, count, seconds=3):
    wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count,
               seconds, f"{count} lines in {path}")
    return path.read_text().splitlines()


def test_combined_is_what_nginx_writes(t):
    berth = start(t, "access_log @t@/log/a;")
    berth.get("/x?y=1", fields=[("User-Agent", "me/1"), ("Referer", "http://r/")])
    berth.post("/up", b"12345")
    lines = sorted(lines_of(t.dir / "log/a", 2), key=lambda line: "POST" in line)
    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] '
        r'"GET /x\?y=1 HTTP/1\.1" 200 \d+ "http://r/" "me/1"', lines[0]), lines[0]
    assert re.search(r'"POST /up HTTP/1\.1" 200 \d+ "-" "-"$', lines[1]), lines[1]
    assert oct((t.dir / "log/a").stat().st_mode & 0o777) == "0o640"


def test_json_lines_are_json_whatever_a_peer_sends(t):
    berth = start(t, "access_log @t@/log/a json;")
    hostile = 'a"b\\c\x80\xff\tz","status":999'
    with berth.connect() as conn:
        conn.send(b'GET /q"uote\x27?"x HTTP/1.1\r\nHost: localhost\r\nUser-Agent: '
                  + hostile.encode("latin-1") + b"\r\n\r\n")
        conn.read()
    answer = berth.get("/ok")
    both = [json.loads(line) for line in lines_of(t.dir / "log/a", 2)]
    first, second = sorted(both, key=lambda line: line["uri"] == "/ok")
    assert first["status"] in (200, 400), first
    assert second["status"] == 200 and second["app"] == "a", second
    assert second["request_id"] == answer.field("X-Request-Id")
    assert second["replica"] and second["cold_start"] == 0
    if first["status"] == 200:
        assert first["user_agent"].startswith('a"b\\c') and "999" in first["user_agent"]


def test_no_byte_of_a_peer_can_forge_a_line(t):
    berth = start(t, 'access_log @t@/log/a "[$request] $status $http_x $host $args";')
    forged = b"GET /a\n127.0.0.1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for raw in (
        forged,
        b"GET /\x1b[2J HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        b'GET /%0a%0d?%0a HTTP/1.1\r\nHost: localhost\r\nX: "q" \\ \xe2\x80\xa8\r\n\r\n',
    ):
        with berth.connect() as conn:
            conn.send(raw)
            conn.read()
    time.sleep(0.8)
    text = (t.dir / "log/a").read_bytes()
    lines = text.splitlines()
    assert len(lines) == 5, text
    assert all(line.startswith(b"[") for line in lines), text
    assert not re.search(rb"[^\x20-\x7e\n]", text), text
    assert any(line.startswith(rb"[\x16\x03\x01") for line in lines), text
    assert rb"\x22q\x22 \x5C \xE2\x80\xA8" in text, text


def test_every_variable_has_its_value(t):
    names = """remote_addr realip_remote_addr remote_port time_iso8601 msec request_method
        request_uri uri args query_string server_protocol host scheme server_name server_port
        status body_bytes_sent bytes_sent request_length request_time sent_http_x_from_app
        connection connection_requests upstream_addr request_id app route replica queue_time
        upstream_time cold_start warmth error http_x_one""".split()
    form = "|".join(f"{name}=${{{name}}}" for name in names)
    berth = start(t, f'trusted_proxies 127.0.0.1; access_log @t@/log/a "{form}";')
    with berth.connect() as conn:
        conn.request("GET", "/first")
        answer = conn.request("GET", "/%7euser/x?a=b", fields=[
            ("X-Forwarded-For", "192.0.2.7"), ("X-One", "1")])
    berth.get("/last")
    line = next(line for line in lines_of(t.dir / "log/a", 3) if "%7euser" in line)
    has = dict(part.split("=", 1) for part in line.split("|"))
    assert set(has) == set(names)
    body = len(answer.body)
    assert has | {
        "remote_addr": "192.0.2.7", "realip_remote_addr": "127.0.0.1",
        "request_method": "GET", "request_uri": "/%7euser/x?a=b", "uri": "/~user/x",
        "args": "a=b", "query_string": "a=b", "server_protocol": "HTTP/1.1",
        "host": "localhost", "scheme": "http", "server_name": "localhost",
        "server_port": str(berth.port), "status": "200", "body_bytes_sent": str(body),
        "sent_http_x_from_app": r"a \x22b\x22", "connection_requests": "2",
        "upstream_addr": f"127.0.0.1:{berth.ports['app']}", "app": "a", "route": "/",
        "request_id": answer.field("X-Request-Id"), "cold_start": "0",
        "warmth": "ready", "error": "-", "http_x_one": "1",
    } == has, has
    assert int(has["bytes_sent"]) > body and int(has["request_length"]) > 60
    for name in ("request_time", "queue_time", "upstream_time", "msec"):
        assert re.fullmatch(r"\d+\.\d{3}", has[name]), (name, has[name])


def test_the_inner_log_wins_and_off_is_off(t):
    berth = start(t, 'access_log @t@/log/a "$uri $status";', """
        route /b { return 200 x; access_log @t@/log/b "$uri $error"; }
        route /c { return 200 x; access_log off; }
        route /d { return 204; }""")
    for path in ("/b", "/c", "/d", "/none"):
        berth.get(path)
    assert sorted(lines_of(t.dir / "log/a", 2)) == ["/d 204", "/none 404"]
    assert lines_of(t.dir / "log/b", 1) == ["/b -"]


@harness.tags("sanitizer")
def test_a_rotation_loses_no_line(t):
    berth = start(t, 'access_log @t@/log/a "$args";', "route / { return 200 x; }")
    stop, sent = threading.Event(), []

    def load(i):
        n = 0
        with berth.connect() as conn:
            while not stop.is_set():
                assert conn.request("GET", f"/?{i}-{n}").status == 200
                sent.append(f"{i}-{n}")
                n += 1

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for n in range(5):
        time.sleep(0.4)
        os.rename(t.dir / "log/a", t.dir / f"log/a.{n}")
        berth.send_signal(signal.SIGUSR1)
        wait_until(lambda: (t.dir / "log/a").exists(), 3, "it was opened anew")
    stop.set()
    for thread in threads:
        thread.join()
    assert berth.stop(signal.SIGQUIT) == 0
    got = []
    for path in sorted((t.dir / "log").iterdir()):
        got += path.read_text().splitlines()
    assert len(sent) > 200
    assert sorted(got) == sorted(sent), set(sent) ^ set(got)


def test_a_full_disk_costs_lines_and_no_request(t):
    berth = start(t, "access_log /dev/full json;")
    answers = parallel(8, lambda i: [berth.get("/x").status for _ in range(20)])
    assert all(status == 200 for part in answers for status in part)
    wait_until(lambda: berth.metric("berth_log_lines_dropped_total") == 160, 3)
    assert "lines of an access log are lost" in berth.log
    assert berth.log.count("are lost") < 10


def test_a_reader_that_stands_still_costs_lines_and_no_request(t):
    (t.dir / "log").mkdir()
    os.mkfifo(t.dir / "log/fifo")
    reader = os.open(t.dir / "log/fifo", os.O_RDONLY | os.O_NONBLOCK)
    berth = start(t, "access_log @t@/log/fifo json;", "route / { return 200 x; }")
    slowest = 0
    for _ in range(30):
        with berth.connect() as conn:
            for _ in range(20):
                answer = conn.request("GET", "/" + "x" * 1000)
                assert answer.status == 200
                slowest = max(slowest, answer.total_ms)
    assert slowest < 500, slowest
    wait_until(lambda: berth.metric("berth_log_lines_dropped_total") > 0, 5)
    os.close(reader)
    assert berth.stop(signal.SIGQUIT) == 0


def test_a_log_that_cannot_be_opened_stops_the_start_and_says_why(t):
    os.symlink("/etc/passwd", t.dir / "link")
    for path, text in ((t.dir / "link", "may be no symbolic link"),
                       ("/none/x", "its directory must be there")):
        berth = t.berth(
            "http { access_log %s; server { listen 127.0.0.1:@port@; "
            "route / { return 204; } } }" % path, start=False, name=str(len(str(path))))
        berth.start(wait=False)
        assert berth.wait(10) == 1
        assert text in berth.log, berth.log


def test_berths_own_log_goes_to_a_file_and_is_rotated(t):
    (t.dir / "log").mkdir()
    path = t.dir / "log/error"
    berth = t.berth(
        "error_log %s info;\nstate_dir @dir@;\nadmin { listen 127.0.0.1:@admin_port@; }\n"
        "http { server { listen 127.0.0.1:@port@; route / { return 204; } } }" % path,
        preamble=False)
    assert berth.get("/").status == 204
    wait_until(lambda: "front/front: serving" in path.read_text(), 3)
    wait_until(lambda: "keeper/keeper: serving" in path.read_text(), 3)
    os.rename(path, t.dir / "log/error.1")
    berth.send_signal(signal.SIGUSR1)
    wait_until(lambda: path.exists() and "opened anew" in path.read_text(), 3)
    assert berth.stop(signal.SIGQUIT) == 0
    assert "stopped" in path.read_text()
