"""harness - what end-to-end tests need: a real berth, a real Podman, raw HTTP.

A test file is tests/e2e/NAME_test.py; its functions test_* are the tests, each
named as a sentence, each called with a Test:

    import harness

    def test_first_request_starts_one_container(t):
        berth = t.berth('''
            http { server { listen 127.0.0.1:@port@; route /a { app a; } } }
            app a { image localhost/berth-test/app:1; network none; replicas 0 1; }
        ''')
        answer = berth.get("/a/hash")
        assert answer.status == 200, answer
        assert len(berth.containers("a")) == 1

    @harness.limit(120)             # seconds; 60 unless told
    @harness.tags("sanitizer")      # also runs with the ASan and TSan builds
    @harness.alone                  # never beside another (run.py --jobs): it
    def test_…(t): …                # measures time, or fills the machine

Run with tests/run.sh (everything), or while writing:

    tests/e2e/run.py tests/e2e/NAME_test.py [--match WORD] [--keep-podman DIR]

Assertions are plain `assert CONDITION, WHAT`; a failed one is shown with its
line and the end of berth's log.

What there is
  t.berth(conf, …)      write a configuration, start berth, wait until it serves
  t.write(name, text)   a file in the test's own folder, t.dir
  t.free_port()         a TCP port of 127.0.0.1 that nobody has
  t.podman              the Podman of this run (class Podman): images, containers
  berth.get/post/…      a request on a connection of its own -> Answer
  berth.connect()       a connection, for exact bytes and for keep-alive -> Conn
  berth.cli("status")   a subcommand on this berth's configuration
  berth.status()  .metric(name, **labels)  .wait_log(regex)  .containers(app)
  berth.keeper_pid  .front_pid  .stop()  .kill()
  parallel(n, f)  wait_until(f, seconds)  lines_body(n)  and process figures:
  is_alive  children_of  rss_bytes  open_fds  proc_status

Each test runs in a process of its own. After it, every berth that it started is
stopped; it fails if one does not stop, ends with an error or a sanitizer's
report, or if a container or a conmon is left in the test's Podman.

The Podman is private (conf/demo/podman_env.sh), one for all tests of a lane
(lane.py), whose network is private too; the images of tests/apps/images.sh are in
it:
  localhost/berth-test/app:1      the test app: tests/apps/testapp.c, `--help`;
                                  its routes are the table of testapp_routes.c
  localhost/berth-test/app:2      the same as another image
  localhost/berth-test/exit:1     exits at once with code 3
  localhost/berth-test/silent:1   never listens
  localhost/berth-test/expose:1   EXPOSE 9000, and listens there
Switches: `command --start-delay=500;` or `env TESTAPP_START_DELAY 500;`.
"""

import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
APP = "localhost/berth-test/app:1"


def berth_bin():
    return os.environ.get("BERTH_BIN", str(ROOT / "build" / "berth"))


# --- marks on tests -----------------------------------------------------------


def limit(seconds):
    """How long this test may take; 60 s otherwise."""

    def mark(test):
        test.limit_s = seconds
        return test

    return mark


def tags(*names):
    """Tag a test: `run.py --tag NAME` runs only those that have it."""

    def mark(test):
        test.tags = set(names)
        return test

    return mark


def alone(test):
    """Run this test when no other runs: it measures time, or fills the machine."""
    test.alone = True
    return test


# --- small tools --------------------------------------------------------------


def wait_until(condition, seconds=10, what=None, interval=0.02):
    """Call `condition` until it is true; return its value, or fail."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(
                f"not within {seconds} s: "
                f"{what() if callable(what) else what or condition.__name__}"
            )
        time.sleep(interval)


def parallel(n, run):
    """run(0) … run(n-1), all at once, a thread each; their results in order.
    The first exception is raised again once all have ended."""
    results, errors = [None] * n, []
    start = threading.Barrier(n)

    def one(i):
        try:
            start.wait()
            results[i] = run(i)
        except BaseException as error:  # raised again below
            errors.append(error)

    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def lines_body(n):
    """What the test app's /big?bytes=n answers: each 16 bytes are their offset."""
    whole = b"".join(b"%015d\n" % offset for offset in range(0, n, 16))
    return whole[:n]


def is_alive(pid):
    return (proc_status(pid) or {}).get("State", "Z")[0] not in "ZX"


def proc_status(pid):
    """/proc/PID/status as a dict; None when there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return dict(
        (key, value.strip())
        for key, _, value in (line.partition(":") for line in text.splitlines())
    )


def children_of(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            status = proc_status(entry.name)
            if status and status.get("PPid") == str(pid) and status["State"][0] != "Z":
                found.append(int(entry.name))
    return sorted(found)


def rss_bytes(pid):
    """Memory of a process that is resident and its own (not files')."""
    status = proc_status(pid)
    return int(status["RssAnon"].split()[0]) * 1024


def open_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


# --- HTTP, to the byte --------------------------------------------------------


class Answer:
    """status, reason, fields [(name, value)…] as sent, body, and how it came:
    head (raw bytes), interim (Answers of 1xx before it), chunks (lengths, None
    unless chunked), trailers, complete (False: the peer closed within the
    body), first_byte_ms, total_ms (both from the request's first byte)."""

    def __init__(self, head):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        code, _, self.reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or not code.isdigit():
            raise AssertionError(f"not an HTTP answer: {head[:200]!r}")
        self.version, self.status = version, int(code)
        self.fields = [
            (name, value.strip())
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        ]
        self.body, self.chunks, self.trailers = b"", None, []
        self.interim, self.complete = [], True
        self.first_byte_ms = self.total_ms = None

    def field(self, name):
        """All values of a field, joined; None when it is not there."""
        values = [v for n, v in self.fields if n.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def error(self):
        """The code of an answer that berth gave itself, else None."""
        return self.field("X-Berth-Error")

    @property
    def app_id(self):
        """Which process of the test app answered."""
        return self.field("X-App-Id")

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:300]!r}>"


class Conn:
    """One connection. send() bytes as they are, read() answers; or request().
    Use as a context manager, or close()."""

    def __init__(self, address, timeout=30, tls=None, server_name=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname=server_name)
        self.buffer = b""
        self.sent_at = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with an RST."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )
        self.sock.close()

    def shut(self):
        """Send FIN: no more requests from here."""
        self.sock.shutdown(socket.SHUT_WR)

    def listener_pid(self):
        """Of a Unix socket: the process that began to listen on it."""
        cred = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.unpack("3i", cred)[0]

    def send(self, data):
        if self.sent_at is None:
            self.sent_at = time.monotonic()
        self.sock.sendall(data)

    def receive(self):
        """More bytes into the buffer; False at the end of the stream."""
        data = self.sock.recv(262144)
        self.buffer += data
        return bool(data)

    def read_until(self, mark):
        at = self.buffer.find(mark)
        while at < 0:
            if not self.receive():
                raise EOFError(f"closed after {self.buffer[:200]!r}")
            at = self.buffer.find(mark)
        at += len(mark)
        found, self.buffer = self.buffer[:at], self.buffer[at:]
        return found

    def read_into(self, out, n=None):
        """Append n bytes to a bytearray, or all until the peer closes."""
        while n is None or n > 0:
            if not self.buffer and not self.receive():
                if n is None:
                    return
                raise EOFError(f"closed {n} bytes early")
            part = self.buffer[:n]
            self.buffer = self.buffer[len(part):]
            out += part
            n = None if n is None else n - len(part)

    def read_exactly(self, n):
        out = bytearray()
        self.read_into(out, n)
        return bytes(out)

    def read_to_end(self):
        """Everything until the peer closes."""
        out = bytearray()
        self.read_into(out)
        return bytes(out)

    def is_closed(self, seconds=5):
        """Does the peer close within this time, without another byte?"""
        self.sock.settimeout(seconds)
        try:
            return not self.buffer and not self.sock.recv(1)
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def read_head(self):
        """The next head alone, 1xx ones included -> Answer without a body."""
        started = self.sent_at or time.monotonic()
        if not self.buffer and not self.receive():
            raise EOFError("closed without an answer")
        first = time.monotonic()
        answer = Answer(self.read_until(b"\r\n\r\n"))
        answer.first_byte_ms = (first - started) * 1000
        return answer

    def read(self, method="GET"):
        """The next answer: final, with its whole body. A body that ends early
        leaves complete False."""
        started = self.sent_at or time.monotonic()
        interim = []
        answer = self.read_head()
        while 100 <= answer.status < 200 and answer.status != 101:
            interim.append(answer)
            answer = self.read_head()
        answer.interim = interim
        body = bytearray()
        try:
            self._read_body(answer, method, body)
        except (EOFError, ConnectionResetError):
            answer.complete = False
        answer.body = bytes(body)
        answer.total_ms = (time.monotonic() - started) * 1000
        self.sent_at = None
        return answer

    def _read_body(self, answer, method, body):
        coding = (answer.field("Transfer-Encoding") or "").lower()
        length = answer.field("Content-Length")
        if method == "HEAD" or answer.status in (101, 204, 304):
            return
        if coding == "chunked":
            self._read_chunks(answer, body)
        else:
            self.read_into(body, None if length is None else int(length))

    def _read_chunks(self, answer, body):
        answer.chunks = []
        while size := int(self.read_until(b"\r\n").split(b";")[0], 16):
            self.read_into(body, size)
            answer.chunks.append(size)
            end = self.read_exactly(2)
            assert end == b"\r\n", f"a chunk ends with {end!r}"
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            answer.trailers.append((name, value.strip()))

    def request(self, method, target, body=None, fields=(), host="localhost",
                version="HTTP/1.1", read=True):
        """Send a request and read its answer (unless read=False).

        body: bytes (sent with Content-Length), or an iterable of bytes (sent
        chunked). fields: [(name, value)…], sent as they are; a Host among them
        replaces `host`. The body is sent while the answer is read, so that
        neither side waits for the other."""
        fields = list(fields)
        names = [name.lower() for name, _ in fields]
        if "host" not in names and host is not None:
            fields.insert(0, ("Host", host))
        if isinstance(body, (bytes, bytearray)):
            fields.append(("Content-Length", str(len(body))))
        elif body is not None:
            fields.append(("Transfer-Encoding", "chunked"))
        head = f"{method} {target} {version}\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in fields
        )
        head = head.encode("latin-1") + b"\r\n"
        if body is None or (isinstance(body, bytes) and len(body) <= 16384):
            self.send(head + (body or b""))
            return self.read(method) if read else None
        self.send(head)
        sender = threading.Thread(target=self._send_body, args=(body,), daemon=True)
        sender.start()
        if not read:
            return None
        answer = self.read(method)
        sender.join()
        return answer

    def _send_body(self, body):
        # The peer may answer and close before all is sent; the answer tells.
        with contextlib.suppress(OSError):
            if isinstance(body, (bytes, bytearray)):
                self.sock.sendall(body)
                return
            for part in body:
                if part:
                    self.sock.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            self.sock.sendall(b"0\r\n\r\n")


# --- Podman -------------------------------------------------------------------


class Podman:
    """A private Podman in `dir`: conf/demo/podman_env.sh from Python."""

    ENV = str(ROOT / "conf" / "demo" / "podman_env.sh")

    def __init__(self, dir):
        self.dir = str(dir)
        self.socket = f"{self.dir}/run/podman.sock"

    @classmethod
    def of_this_run(cls):
        return cls(os.environ["BERTH_TEST_PODMAN"])

    def _env(self, command):
        done = subprocess.run(
            [self.ENV, command, self.dir], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"podman_env.sh {command}: {done.stderr}")

    def serve(self):
        """Start the API service, unless it runs already."""
        self._env("serve")

    def end(self):
        """Stop the service and all containers; images stay."""
        self._env("end")

    def build_images(self):
        subprocess.run([str(ROOT / "tests/apps/images.sh"), self.dir], check=True)

    def destroy(self):
        self._env("destroy")

    def service_pid(self):
        return int(pathlib.Path(self.dir, "run/service.pid").read_text())

    def stop_service(self, signal_number=signal.SIGTERM):
        """End the API service, as if Podman died; serve() starts it again.
        run.py does so after each test."""
        pid = self.service_pid()
        os.kill(pid, signal_number)
        wait_until(lambda: not is_alive(pid), 10, "podman service ended")

    @contextlib.contextmanager
    def hanging(self):
        """`with podman.hanging():` the API service takes calls, and answers none."""
        pid = self.service_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def run(self, *args, check=True):
        """podman ARGS…; its standard output."""
        done = subprocess.run(
            ["podman", "--root", f"{self.dir}/storage", "--runroot",
             f"{self.dir}/run/containers", *args],
            capture_output=True, text=True,
            env=os.environ | {"CONTAINERS_CONF": f"{self.dir}/containers.conf"},
        )
        if check and done.returncode != 0:
            raise AssertionError(f"podman {' '.join(args)}: {done.stderr}")
        return done.stdout

    def api(self, method, path, body=None):
        """A call of the REST API below /v4.0.0/libpod -> Answer."""
        with Conn(self.socket) as conn:
            return conn.request(
                method, "/v4.0.0/libpod" + path,
                json.dumps(body).encode() if body is not None else None,
                [("Content-Type", "application/json"), ("Connection", "close")],
                host="podman",
            )

    def containers(self, *words, all=True):
        """Containers as `podman ps` lists them (dicts: Id, Names, State, Labels,
        Pid, …), those that have each word as the value of some label."""
        answer = self.api("GET", f"/containers/json?all={str(all).lower()}")
        return [
            c for c in answer.json() or []
            if all_in(words, (c.get("Labels") or {}).values())
        ]

    def inspect(self, container):
        return self.api("GET", f"/containers/{container}/json").json()

    def conmons(self):
        """Process numbers of the conmons that work for this Podman."""
        return self.processes("conmon")

    def processes(self, *names):
        """Process numbers of those programs, podman's own unless named, that
        work for this Podman."""
        names = names or ("podman", "conmon", "netavark")
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if (
                    int(entry.name)
                    and (entry / "comm").read_text().strip() in names
                    and f"{self.dir}/" in (entry / "cmdline").read_text()
                ):
                    found.append(int(entry.name))
        return found

    def leftovers(self):
        """What a test should have taken away with it: [] when all is gone."""
        # conmon ends by itself after its container, but not at once.
        end = time.monotonic() + 3
        while self.conmons() and not self.containers() and time.monotonic() < end:
            time.sleep(0.02)
        return [
            f"container {c['Names'][0]} ({c['State']})" for c in self.containers()
        ] + [f"conmon {pid}" for pid in self.conmons()]

    def clear(self):
        """Remove all containers, pods and networks; images stay."""
        self.run("pod", "rm", "--all", "--force", "--time", "0", check=False)
        self.run("rm", "--all", "--force", "--time", "0", check=False)
        self.run("network", "prune", "--force", check=False)


def all_in(words, values):
    values = set(values)
    return all(word in values for word in words)


# --- berth --------------------------------------------------------------------

PREAMBLE = """\
error_log stderr {log_level};
state_dir {dir}/state;
on_exit {on_exit};
podman {{ socket unix:{podman}; service off; namespace {namespace}; {podman_more} }}
admin {{ listen 127.0.0.1:{admin_port}; }}
"""

SANITIZER_REPORTS = re.compile(
    r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: |Assertion .* failed"
)


class Berth:
    """A berth process on a configuration. Made by Test.berth()."""

    def __init__(self, test, conf, name="berth", on_exit="stop", log_level="info",
                 preamble=True, ports=None, podman_more=""):
        self.test, self.name, self.on_exit = test, name, on_exit
        self.dir = test.dir / name
        self.dir.mkdir(mode=0o755)
        self.ports = {"port": test.free_port()} | (ports or {})
        self.port = self.ports["port"]
        self.admin_port = test.free_port()
        self.namespace = f"{test.namespace}-{name}"
        self.preamble = ""
        if preamble:
            self.preamble = PREAMBLE.format(
                log_level=log_level, dir=self.dir, on_exit=on_exit,
                podman=test.podman.socket, namespace=self.namespace,
                admin_port=self.admin_port, podman_more=podman_more,
            )
        self.conf_path = self.dir / "berth.conf"
        self.log_path = self.dir / "log"
        self.process = None
        self.expected_end = False
        self.configure(conf)

    def configure(self, conf):
        """Write the configuration anew (berth still has the old one)."""
        text = self.preamble + conf
        places = self.ports | {
            "dir": self.dir, "namespace": self.namespace,
            "podman": self.test.podman.socket, "admin_port": self.admin_port,
        }
        for place, value in places.items():
            text = text.replace(f"@{place}@", str(value))
        self.conf_path.write_text(text)

    # life

    def start(self, wait=True, env=None, args=(), seconds=15):
        """Start `berth run`; wait until it serves. May be called again after
        the process ended: the log goes on in the same file."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [berth_bin(), "run", "-c", str(self.conf_path), *args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | (env or {}), cwd="/",
            )
        self.expected_end = False
        if wait:
            self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds=15):
        """Until /healthz of the admin listeners answers: that on TCP, and that
        of this keeper (the front of one that was killed may still answer)."""
        own = self.dir / "state" / "admin.sock" if self.preamble else None

        def healthy():
            assert self.process.poll() is None, (
                f"berth ended with {self.process.returncode}:\n{self.log_tail()}"
            )
            with contextlib.suppress(OSError, EOFError):
                with Conn(("127.0.0.1", self.admin_port), 2) as conn:
                    if conn.request("GET", "/healthz").status != 200:
                        return False
                if not own:
                    return True
                with Conn(str(own), 2) as conn:
                    return (
                        conn.listener_pid() == self.keeper_pid
                        and conn.request("GET", "/healthz").status == 200
                    )

        wait_until(healthy, seconds, "berth serves")

    @property
    def keeper_pid(self):
        return self.process.pid

    @property
    def front_pid(self):
        """The keeper's child that is the same program; waits for one, as after
        a restart."""

        def find():
            program = os.stat(f"/proc/{self.keeper_pid}/exe")
            for pid in children_of(self.keeper_pid):
                with contextlib.suppress(OSError):
                    if os.path.samestat(program, os.stat(f"/proc/{pid}/exe")):
                        return pid

        return wait_until(find, 5, "the keeper has a front")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=15):
        """Wait for its end; the exit code (-N: by signal N)."""
        self.expected_end = True
        return self.process.wait(seconds)

    def stop(self, number=signal.SIGTERM, seconds=15):
        """Ask it to end and wait; the exit code."""
        self.expected_end = True
        if self.is_running():
            self.send_signal(number)
        return self.wait(seconds)

    def kill(self):
        """kill -9 of the keeper."""
        return self.stop(signal.SIGKILL)

    # requests

    def connect(self, port=None, timeout=30, **kw):
        """port: a number, the path of a Unix socket, or berth's first port."""
        port = port or self.port
        address = port if isinstance(port, str) else ("127.0.0.1", port)
        return Conn(address, timeout, **kw)

    def request(self, method, target, body=None, fields=(), port=None, timeout=30,
                **kw):
        """As Conn.request(), on a connection of its own."""
        with self.connect(port, timeout) as conn:
            return conn.request(method, target, body, fields, **kw)

    def get(self, target, **kw):
        return self.request("GET", target, **kw)

    def post(self, target, body=b"", **kw):
        return self.request("POST", target, body, **kw)

    # what it says

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=40):
        return "\n".join(self.log.splitlines()[-lines:])

    def wait_log(self, regex, seconds=10):
        """Wait for a line of the log; the match."""
        return wait_until(
            lambda: re.search(regex, self.log, re.M), seconds, f"log has {regex!r}"
        )

    def cli(self, command, *args, check=True, seconds=60):
        """`berth COMMAND -c CONF ARGS…`: a CompletedProcess with stdout and
        stderr. check=False: a failure is the caller's to look at."""
        done = subprocess.run(
            [berth_bin(), command, "-c", str(self.conf_path), *args],
            capture_output=True, text=True, timeout=seconds,
        )
        if check:
            assert done.returncode == 0, (
                f"berth {command}: code {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def admin(self, method, target, body=None, fields=()):
        """A request to the admin listener on TCP."""
        with Conn(("127.0.0.1", self.admin_port)) as conn:
            return conn.request(method, target, body, fields, host="127.0.0.1")

    def status(self, app=None):
        """`berth status [APP] --json`."""
        return json.loads(self.cli("status", *([app] if app else []), "--json").stdout)

    def app(self, name):
        """An app's part of status()."""
        return next(a for a in self.status()["apps"] if a["name"] == name)

    def wait_state(self, app, state, seconds=15):
        wait_until(
            lambda: self.app(app)["state"] == state, seconds, f"{app} is {state}"
        )

    def metrics(self):
        """Every sample of /metrics: [(name, {label: value}, number)…]."""
        samples = []
        for line in self.admin("GET", "/metrics").text.splitlines():
            match = re.match(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match:
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
                samples.append((match[1], labels, float(match[3])))
        return samples

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels; 0 if none."""
        return sum(
            value for sample, has, value in self.metrics()
            if sample == name and all(has.get(k) == v for k, v in labels.items())
        )

    def containers(self, app=None, all=True):
        """This berth's containers, known by their labels."""
        words = [self.namespace] + ([app] if app else [])
        return self.test.podman.containers(*words, all=all)

    def finish(self):
        """At the end of a test: stop it, and say what was wrong with it."""
        wrong = []
        if self.is_running():
            self.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(20)
                if code not in (0, -signal.SIGTERM):
                    wrong.append(f"{self.name} ended with {code} upon SIGTERM")
            except subprocess.TimeoutExpired:
                wrong.append(f"{self.name} did not end within 20 s of SIGTERM")
                self.process.kill()
                self.process.wait()
        elif self.process is not None and not self.expected_end:
            wrong.append(f"{self.name} had ended with {self.process.returncode}")
        report = SANITIZER_REPORTS.search(self.log)
        if report:
            wrong.append(f"in {self.name}'s log: " + self.log[report.start():][:6000])
        return wrong


# --- a test -------------------------------------------------------------------


class Test:
    """What a test is called with. run.py makes it, and ends it."""

    def __init__(self, name, dir):
        self.name, self.dir = name, pathlib.Path(dir)
        self.podman = Podman.of_this_run()
        # Short: it is part of containers' names, and of paths of sockets.
        self.namespace = f"t{os.getpid()}"
        self.berths, self.at_end, self.ports = [], [], set()

    def berth(self, conf, start=True, **kw):
        """Start berth on `conf`, before which stands PREAMBLE (log level, state
        folder, podman, admin listener on TCP; preamble=False: nothing).
        podman_more: directives more of its podman block.

        In `conf`, @port@ is a free port (berth.port), @dir@ berth's folder, and
        ports={"other": n} adds @other@. on_exit="keep": containers outlive it
        and are removed by the harness. start=False: the caller starts it.
        A second berth of a test needs a name of its own (name="b")."""
        keep = {k: kw.pop(k) for k in ("env", "args", "wait", "seconds") if k in kw}
        berth = Berth(self, conf, **kw)
        self.berths.append(berth)
        return berth.start(**keep) if start else berth

    def write(self, name, text, mode=0o644):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    def free_port(self):
        """A port below those that the kernel gives to clients, so that nobody
        gets it by chance before it is used."""
        while True:
            port = random.randrange(20000, 32000)
            if port in self.ports:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            self.ports.add(port)
            return port

    def cleanup(self, call):
        """Call this at the end of the test, failed or not; last first."""
        self.at_end.append(call)

    def finish(self):
        """Undo what the test began; a list of what was wrong."""
        wrong = []
        for call in reversed(self.at_end):
            try:
                call()
            except Exception as error:  # the other calls are still due
                wrong.append(f"cleanup: {error!r}")
        for berth in self.berths:
            wrong += berth.finish()
        if any(berth.on_exit == "keep" for berth in self.berths):
            self.podman.clear()
        return wrong
