"""What a service manager sees of berth: sd_notify(3) and sd_listen_fds(3)."""

import contextlib
import os
import signal
import socket
import subprocess

import harness
from harness import wait_until

CONF = """
worker_threads 2;
http { server { listen 127.0.0.1:@port@; listen unix:@dir@/sock;
                route / { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; }
"""

# Sets LISTEN_PID to the process that becomes berth, as a manager does.
ACTIVATE = (
    "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Manager:
    """The end of NOTIFY_SOCKET that systemd has."""

    def __init__(self, t):
        self.path = str(t.dir / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(15)
        self.said = []

    def hear(self, word):
        """Read on until a message has that line."""
        while True:
            lines = self.sock.recv(4096).decode().splitlines()
            self.said.append(lines)
            if word in lines:
                return lines


def test_ready_is_said_when_it_serves_and_stopping_when_it_stops(t):
    manager = Manager(t)
    berth = t.berth(CONF, start=False)
    berth.start(wait=False, env={"NOTIFY_SOCKET": manager.path})
    lines = manager.hear("READY=1")
    assert any(line.startswith("STATUS=serving 1 apps on ") for line in lines), lines
    assert berth.get("/hash").status == 200, "it serves when it says so"
    environ = open(f"/proc/{berth.front_pid}/environ", "rb").read()
    assert b"NOTIFY_SOCKET" not in environ, environ
    berth.send_signal(signal.SIGQUIT)
    manager.hear("STOPPING=1")
    assert berth.wait() == 0


def test_the_watchdog_is_fed_while_the_keeper_works(t):
    manager = Manager(t)
    berth = t.berth(CONF, start=False)
    berth.start(wait=False,
                env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"})
    manager.hear("READY=1")
    for _ in range(3):
        manager.hear("WATCHDOG=1")
    os.kill(berth.keeper_pid, signal.SIGSTOP)
    fed = 0
    try:
        manager.sock.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while True:
                manager.hear("WATCHDOG=1")
                fed += 1
    finally:
        os.kill(berth.keeper_pid, signal.SIGCONT)
    assert fed <= 2, "fed by a keeper that does nothing"


def activate(berth, sockets):
    """Start berth with these sockets as descriptors 3, 4 …"""
    def place():
        # From above, so that none is overwritten before it was moved.
        high = [os.dup2(s.fileno(), 500 + i) for i, s in enumerate(sockets)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
            os.set_inheritable(3 + i, True)

    with open(berth.log_path, "ab") as log:
        berth.process = subprocess.Popen(
            ["python3", "-c", ACTIVATE, harness.berth_bin(), "run", "-c",
             str(berth.conf_path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=False,
            preexec_fn=place,
            env=os.environ | {"LISTEN_FDS": str(len(sockets))}, cwd="/")


def test_sockets_that_it_was_started_with_are_taken_where_they_match(t):
    berth = t.berth(CONF, start=False)
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(("127.0.0.1", berth.port))
    tcp.listen(64)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(berth.dir / "sock"))
    unix.listen(64)
    os.chmod(berth.dir / "sock", 0o666)
    stray = socket.create_server(("127.0.0.1", 0))
    # A client that came before berth did: it waits, and is served.
    with harness.Conn(("127.0.0.1", berth.port)) as early:
        early.send(b"GET /hash HTTP/1.1\r\nHost: localhost\r\n\r\n")
        activate(berth, [tcp, unix, stray])
        assert early.read().status == 200
    berth.wait_log("a socket that was passed is of no use.*listens on 127.0.0.1:"
                   f"{stray.getsockname()[1]}")
    stray.close()
    with harness.Conn(str(berth.dir / "sock")) as conn:
        assert conn.request("GET", "/hash").status == 200
    # Both workers share the one socket.
    assert all(a.status == 200 for a in harness.parallel(20, lambda i: berth.get("/hash")))
    # It is the manager's: berth neither closes it for others nor removes it.
    assert berth.stop() == 0
    assert (berth.dir / "sock").exists()
    with harness.Conn(("127.0.0.1", berth.port)):
        pass
    tcp.close()
    unix.close()


def test_a_front_that_crashed_finds_the_inherited_sockets_again(t):
    berth = t.berth(CONF, start=False)
    tcp = socket.create_server(("127.0.0.1", berth.port))
    activate(berth, [tcp])
    tcp.close()
    berth.wait_ready()
    assert berth.get("/hash").status == 200
    before = berth.front_pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: berth.front_pid not in (None, before), 10)
    assert berth.get("/hash").status == 200


def test_its_log_goes_to_syslog_where_it_is_told_to(t):
    path = "/dev/log"
    assert not os.path.exists(path), "a machine with a syslog of its own: not for tests"
    t.cleanup(lambda: os.path.exists(path) and os.unlink(path))
    berth = t.berth("", start=False, preamble=False)
    conf = """
        error_log %s info; state_dir @dir@/state; on_exit stop;
        podman { socket unix:@podman@; service off; namespace @namespace@; }
        admin { listen 127.0.0.1:@admin_port@; }
    """ + CONF
    berth.configure(conf % "syslog")
    refused = berth.start(wait=False).wait()
    assert refused == 1 and "syslog at /dev/log: No such file" in berth.log, berth.log
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(path)
        syslog.settimeout(0.2)
        heard = []

        def hears(*words):
            with contextlib.suppress(TimeoutError):
                heard.append(syslog.recv(8192).decode())
            return any(all(w in line for w in words) for line in heard)

        said = len(berth.log)
        berth.start()
        assert berth.get("/hash").status == 200
        wait_until(lambda: hears(f"<29>berth[{berth.keeper_pid}]: ", "keeper: serving"), 10)
        wait_until(lambda: hears(f"<30>berth[{berth.front_pid}]: ", "replica ready"), 10)
        assert all("\n" not in line.rstrip("\n") for line in heard), "a message a line"
        assert "replica ready" not in berth.log[said:], "it is said in one place"
        assert "error_log syslog info;" in berth.cli("config").stdout
        berth.configure(conf % "stderr")
        berth.cli("reload")
        berth.get("/hash")
        wait_until(lambda: "configuration applied" in berth.log, 5)
