"""What berth makes of requests that two readers could take for different ones
(smuggling_table.py), with readers of four kinds behind it: a strict one that
notes each byte, Python's, nginx and HAProxy. Whatever berth passes on means the
same to all of them; what it refuses reaches none."""

import http.server
import re
import shutil
import socket
import subprocess
import threading
import time

import harness
from harness import wait_until
from smuggling_table import ROWS

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
START = re.compile(rb"(%s) (/[!-~]*|\*) HTTP/1\.1\r\n" % TOKEN)
FIELD = re.compile(rb"(%s): ([\t -~\x80-\xff]*)\r\n" % TOKEN)


class Broken(Exception):
    pass


class StrictReader:
    """An app that takes one reading of HTTP/1.1 only, and notes what it read:
    (method, path, body); and what it could not read."""

    def __init__(self, t):
        self.requests, self.broken = [], []
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        t.cleanup(self.sock.close)

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        conn = sock.makefile("rb")
        try:
            while head := self._head(conn):
                self.requests.append(self._read(conn, head))
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except Broken as error:
            self.broken.append(str(error))
        except OSError:  # berth closed it
            pass
        sock.close()

    @staticmethod
    def _head(conn):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = conn.readline(70000)
            if not line and not head:
                return None
            if not line.endswith(b"\r\n"):
                raise Broken(f"line {line!r} behind {head!r}")
            head += line
        return head

    def _read(self, conn, head):
        start = START.match(head)
        if not start:
            raise Broken(f"start of {head!r}")
        at, fields = start.end(), {}
        while head[at:] != b"\r\n":
            field = FIELD.match(head, at)
            if not field:
                raise Broken(f"field at {at} of {head!r}")
            fields.setdefault(field[1].lower(), []).append(field[2])
            at = field.end()
        lengths = fields.get(b"content-length", [])
        codings = fields.get(b"transfer-encoding", [])
        if len(lengths) + len(codings) > 1 or len(fields.get(b"host", [])) != 1:
            raise Broken(f"framing or Host of {head!r}")
        if lengths:
            if not lengths[0].isdigit():
                raise Broken(f"length of {head!r}")
            body = conn.read(int(lengths[0]))
        elif codings:
            if codings[0] != b"chunked":
                raise Broken(f"coding of {head!r}")
            body = self._chunks(conn)
        else:
            body = b""
        return start[1].decode(), start[2].decode(), body

    @staticmethod
    def _chunks(conn):
        body = b""
        while True:
            size = conn.readline(100)
            if not re.fullmatch(rb"[0-9a-f]+\r\n", size):
                raise Broken(f"chunk {size!r}")
            data = conn.read(int(size, 16))
            if conn.read(2) != b"\r\n":
                raise Broken("chunk's end")
            if not data:
                return body
            body += data


class PythonReader:
    """http.server, as many apps have it."""

    def __init__(self, t):
        self.requests, self.broken = [], []
        reader = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self.note
                raise AttributeError(name)

            def note(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = StrictReader._chunks(self.rfile)
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                reader.requests.append((self.command, self.path, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        server = Server(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        t.cleanup(server.shutdown)


NGINX = """
daemon off; worker_processes 1; pid @dir@/nginx.pid; error_log /dev/null;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path @dir@/b; proxy_temp_path @dir@/p; fastcgi_temp_path @dir@/f;
    uwsgi_temp_path @dir@/u; scgi_temp_path @dir@/s;
    server {
        listen 127.0.0.1:@port@;
        location / {
            proxy_pass http://127.0.0.1:@app@; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header Host $host;
        }
    }
}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen l
    bind 127.0.0.1:@port@
    server a 127.0.0.1:@app@
"""


class ProxyReader:
    """nginx or HAProxy, with a strict reader behind it that says how it
    understood what it got."""

    def __init__(self, t, name):
        strict = StrictReader(t)
        self.requests, self.broken = strict.requests, strict.broken
        self.port = t.free_port()
        text = {"nginx": NGINX, "haproxy": HAPROXY}[name]
        for place, value in (("dir", t.dir), ("port", self.port), ("app", strict.port)):
            text = text.replace(f"@{place}@", str(value))
        path = t.write(f"{name}.conf", text)
        command = {"nginx": ["nginx", "-e", "/dev/null", "-c", path, "-p", t.dir],
                   "haproxy": ["haproxy", "-db", "-f", path]}[name]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            process.terminate()
            process.wait()

        t.cleanup(end)
        wait_until(self._listens, 10, f"{name} listens")

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False


def readers_of(t):
    readers = {"strict": StrictReader(t), "python": PythonReader(t)}
    for name in ("nginx", "haproxy"):
        if shutil.which(name):
            readers[name] = ProxyReader(t, name)
    return readers


def payload(number, data):
    plain = f"GET /smuggled-{number} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    return data.replace(b"/@", b"/r%d" % number) + plain.encode()


def play(port, data):
    """All that is answered until the end."""
    with harness.Conn(("127.0.0.1", port), timeout=8) as conn:
        conn.send(data)
        try:
            return conn.read_to_end()
        except ConnectionResetError:
            return conn.buffer
        except TimeoutError:
            return b"no end, but " + conn.buffer


def meaning(number, expected):
    """What is to reach the app: (method, path, body) each."""
    if isinstance(expected, int):
        return []
    if expected is None:
        return [("POST", f"/r{number}", b"abcde"), ("XGET", f"/smuggled-{number}", b"")]
    return ([(method, f"/r{number}", body) for method, body in expected]
            + [("GET", f"/smuggled-{number}", b"")])


def is_part(some, all_of_it):
    """Whether they are some of all, in their order."""
    rest = iter(all_of_it)
    return all(request in rest for request in some)


def by_row(reader):
    """Which requests came, by row; those of no row at -1."""
    rows = {}
    for request in list(reader.requests):
        number = re.fullmatch(r"/(?:r|smuggled-)(\d+)", request[1])
        rows.setdefault(int(number[1]) if number else -1, []).append(request)
    return rows


CONF = """
http {
    %s
}
app strict { upstream 127.0.0.1:@strict@; }
app python { upstream 127.0.0.1:@python@; }
app nginx { upstream 127.0.0.1:@nginx@; }
app haproxy { upstream 127.0.0.1:@haproxy@; }
"""
SERVER = "server { listen 127.0.0.1:@l_%s@; route / { app %s; } }"


@harness.limit(240)
def test_what_is_passed_on_has_one_meaning_to_every_reader(t):
    readers = readers_of(t)
    ports = {"l_" + name: t.free_port() for name in readers}
    ports |= {name: reader.port for name, reader in readers.items()}
    conf = CONF % "\n".join(SERVER % (name, name) for name in readers)
    conf = "\n".join(l for l in conf.splitlines()
                     if not l.startswith("app ") or l.split()[1] in readers)
    t.berth(conf, ports=ports)
    wrong = []
    for name in readers:
        answers = harness.parallel(8, lambda part: {
            i: play(ports["l_" + name], payload(i, ROWS[i][1]))
            for i in range(part, len(ROWS), 8)})
        for number, answer in {k: v for part in answers for k, v in part.items()}.items():
            label, _, expected = ROWS[number]
            status = int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else answer
            if isinstance(expected, int) and (
                    status != expected or b"X-Berth-Error" not in answer
                    or answer.count(b"HTTP/1.1 ") != 1):
                wrong.append(f"{name}, {label}: {answer[:300]!r}, not {expected}")
            if isinstance(expected, list) and name == "strict" and (
                    status != (200 if expected else 400)):
                wrong.append(f"{name}, {label}: {answer[:300]!r}")
    time.sleep(0.3)
    for name, reader in readers.items():
        came = by_row(reader)
        if reader.broken or -1 in came:
            wrong.append(f"{name}: {reader.broken} {came.get(-1)}")
        for number, (label, _, expected) in enumerate(ROWS):
            got, all_of_it = came.get(number, []), meaning(number, expected)
            # A reader may refuse what it does not know; never read another thing.
            if got != all_of_it and (name in ("strict", "python")
                                     or not is_part(got, all_of_it)):
                wrong.append(f"{name}, {label}: {got}, not {all_of_it}")
    assert not wrong, "\n".join(wrong)


@harness.limit(240)
def test_the_others_without_berth_before_them_for_comparison(t):
    """Of no consequence for berth, but for what the table is worth: of what
    berth refuses, nginx and HAProxy pass some on, or read two requests in it."""
    readers = readers_of(t)
    for name in ("nginx", "haproxy"):
        if name not in readers:
            continue
        for number, (_, data, _) in enumerate(ROWS):
            play(readers[name].port, payload(number, data))
        came = by_row(readers[name])
        refused = [n for n, row in enumerate(ROWS) if isinstance(row[2], int)]
        passed = [ROWS[n][0] for n in refused if came.get(n)]
        print(f"{name}: of {len(refused)} rows that berth refuses it passes on "
              f"{len(passed)}: {', '.join(passed)}")
        assert len(passed) < len(refused)
