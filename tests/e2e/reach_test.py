"""Every way in which berth reaches an app."""

import contextlib
import os
import socket
import threading

import harness
from harness import wait_until

CONF = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
app a { image localhost/berth-test/app:1; replicas 0 1; %s }
"""


def test_inside_its_network_namespace_or_published_or_by_unix_socket(t):
    for i, (label, how) in enumerate({
        "none, inside": "network none;",
        "private, inside": "",
        "private, inside, loopback only": "command --loopback;",
        "none, on ::1 only": "network none; command --v6;",
        "private, published": "port 8000 published;",
        "bridge, inside": "network bridge;",
        "bridge, published": "network bridge; port 8000 published;",
        "host": "network host;",
        "socket, none": "network none; socket app.sock; command --unix;",
        "socket, private": "socket app.sock; command --unix;",
        "another port": "network none; port 9123;",
    }.items()):
        berth = t.berth(CONF % how, name=f"b{i}")
        answer = berth.get("/a/headers")
        assert answer.status == 200, (label, answer)
        with berth.connect() as conn:
            ids = {conn.request("GET", "/a/hash").app_id for _ in range(20)}
        assert ids == {answer.app_id}, label
        assert berth.stop() == 0, label
        assert berth.containers() == [], label


def test_the_port_is_the_images_one_expose(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route / { app a; } } }
        app a { image localhost/berth-test/expose:1; network none; replicas 0 1; }
    """)
    answer = berth.get("/env")
    assert answer.status == 200
    assert "PORT=9000" in answer.text or answer.json()["env"]["PORT"] == "9000"


def test_nothing_is_published_where_berth_connects_inside(t):
    berth = t.berth(CONF % "")
    assert berth.get("/a/hash").status == 200
    [container] = berth.containers("a")
    ports = t.podman.inspect(container["Id"])["NetworkSettings"].get("Ports") or {}
    assert not any(ports.values()), ports


def test_a_symbolic_link_as_its_socket_gets_an_app_nothing(t):
    """The container offers a link to a socket of the host's."""
    path = str(t.dir / "secret.sock")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen()
        listener.settimeout(0.2)
        got = []
        done = threading.Event()

        def accept():
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    got.append(listener.accept())

        thread = threading.Thread(target=accept)
        thread.start()
        berth = t.berth(
            CONF % f"network none; socket app.sock; start_timeout 2s; start_retries 1;"
                   f" command --unix --symlink-socket={path};"
        )
        answer = berth.get("/a/hash", timeout=20)
        done.set()
        thread.join()
    assert answer.status == 503, answer
    assert answer.error in ("start_timeout", "start_failed"), answer
    assert got == [], "somebody connected to the host's socket"
    assert "link" in answer.text or "link" in berth.log, berth.log_tail()


def test_upstreams_that_somebody_else_runs(t):
    port = t.free_port()
    container = t.podman.run(
        "run", "-d", "-p", f"127.0.0.1:{port}:8000", harness.APP
    ).strip()
    t.cleanup(lambda: t.podman.run("rm", "--force", "--time", "0", container))
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; route /u { app u; } } }
        app u { upstream 127.0.0.1:%d; }
    """ % port)
    wait_until(lambda: berth.get("/u/health").status == 200, 10)
    assert berth.get("/u/hash").status == 200
    t.podman.run("rm", "--force", "--time", "0", container)
    answer = berth.get("/u/hash")
    assert answer.status == 502 and answer.error == "upstream_connect", answer


def test_upstreams_alone_need_no_podman(t):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]

        def serve():
            conn, _ = server.accept()
            data = b""
            while b"\r\n\r\n" not in data:
                data += conn.recv(4096)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            conn.close()

        threading.Thread(target=serve, daemon=True).start()
        berth = t.berth("""
            state_dir @dir@/state;
            podman { socket unix:/nowhere/podman.sock; service off; }
            admin { listen 127.0.0.1:@admin_port@; }
            http { server { listen 127.0.0.1:@port@; route / { app u; } } }
            app u { upstream 127.0.0.1:%d; }
        """ % port, preamble=False)
        answer = berth.get("/")
        assert answer.status == 200 and answer.body == b"hi", answer
