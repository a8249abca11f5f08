"""TLS: handshakes, certificates and their reload, clients' certificates,
sessions, and everything that plain connections can do, over it."""

import contextlib
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time

import harness
from harness import lines_body, parallel, wait_until

CONF = """
http { server {
    listen 127.0.0.1:@port@ tls;
    tls_certificate @dir@/one.pem; tls_certificate_key @dir@/one.key;
    SERVER
    route / { app a; }
} MORE }
app a { image localhost/berth-test/app:1; network none; replicas 1 1; }
"""


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Certs:
    """Certificates in berth's folder, NAME.pem and NAME.key each."""

    def __init__(self, dir):
        self.dir = pathlib.Path(dir)

    def path(self, name, kind="pem"):
        return self.dir / f"{name}.{kind}"

    def make(self, name, *names, issuer=None, subject=None):
        csr = ["-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names or [name])]
        made = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.path(name, "key.new"), "-out", self.path(name, "pem.new"),
                "-subj", subject or f"/CN={name}", *csr]
        if issuer:
            made += ["-CA", self.path(issuer), "-CAkey", self.path(issuer, "key")]
        openssl(*made, "-x509", "-days", "90")
        for kind in ("key", "pem"):
            os.replace(self.path(name, kind + ".new"), self.path(name, kind))


def tls_client(version=None, cert=None, ciphers=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    if cert:
        context.load_cert_chain(str(cert), str(cert).replace(".pem", ".key"))
    return context


def serve(t, server="", more="", **kw):
    """berth with a server of the certificate one.example."""
    berth = t.berth(CONF.replace("SERVER", server).replace("MORE", more), start=False, **kw)
    certs = Certs(berth.dir)
    certs.make("one", "one.example")
    return berth, certs


def connect(berth, name="one.example", context=None, session=None, port=None):
    raw = socket.create_connection(("127.0.0.1", port or berth.port), 30)
    conn = harness.Conn.__new__(harness.Conn)
    conn.sock, conn.buffer, conn.sent_at = raw, b"", None
    conn.sock = (context or tls_client()).wrap_socket(
        raw, server_hostname=name, session=session)
    return conn


def common_name(berth, name="one.example", port=None):
    """Of the certificate that is served for a name."""
    with connect(berth, name, port=port) as conn:
        der = conn.sock.getpeercert(binary_form=True)
    shown = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "multiline"],
        input=der, capture_output=True, check=True).stdout.decode()
    return [line.split("=")[1].strip() for line in shown.splitlines() if "commonName" in line][0]


def refused(berth, context, name="one.example"):
    """Whether no request gets an answer that way (TLS 1.3 tells after the
    client's side of the handshake is complete)."""
    try:
        with connect(berth, name, context) as conn:
            conn.request("GET", "/hash", host="one.example")
    except (ssl.SSLError, ConnectionError, EOFError):
        return True
    return False


@harness.tags("sanitizer")
def test_both_versions_are_served_and_older_ones_refused(t):
    berth, _ = serve(t)
    berth.start()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connect(berth, context=tls_client(version)) as conn:
            answer = conn.request("GET", "/headers", host="one.example")
            assert answer.status == 200, answer
            assert "X-Forwarded-Proto: https" in answer.text, answer.text
            assert conn.request("GET", "/hash", host="one.example").status == 200
    old = tls_client(ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0")
    assert refused(berth, old)
    weak = tls_client(ssl.TLSVersion.TLSv1_2, ciphers="AES128-SHA:@SECLEVEL=0")
    assert refused(berth, weak)
    total = berth.metric("berth_tls_handshakes_total", version="TLSv1.3", resumed="no")
    assert total >= 1, total
    assert berth.metric("berth_tls_handshake_failures_total") >= 2


def test_alpn_is_http_1_1_and_nothing_else(t):
    berth, _ = serve(t)
    berth.start()
    context = tls_client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(berth, context=context) as conn:
        assert conn.sock.selected_alpn_protocol() == "http/1.1"
    context = tls_client()
    context.set_alpn_protocols(["h2"])
    assert refused(berth, context)


def test_names_pick_certificates(t):
    more = """server {
        listen 127.0.0.1:@port@ tls; server_name *.two.example;
        tls_certificate @dir@/two.pem; tls_certificate_key @dir@/two.key;
        tls_certificate @dir@/rsa.pem; tls_certificate_key @dir@/rsa.key;
        route / { app a; } }"""
    berth, certs = serve(t, "server_name one.example;", more)
    certs.make("two", "*.two.example")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-subj", "/CN=rsa",
            "-keyout", certs.path("rsa", "key"), "-out", certs.path("rsa"))
    berth.start()
    assert common_name(berth, "one.example") == "one"
    assert common_name(berth, "a.two.example") == "two"
    assert common_name(berth, "A.TWO.example") == "two"
    assert common_name(berth, "nowhere.example") == "one"
    rsa = tls_client(ssl.TLSVersion.TLSv1_2, ciphers="aRSA")
    with connect(berth, "a.two.example", rsa) as conn:
        assert conn.request("GET", "/hash", host="a.two.example").status == 200


@harness.tags("sanitizer")
def test_sessions_outlive_the_front_and_are_known_to_all_workers(t):
    berth, _ = serve(t)
    berth.start()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = tls_client(version)
        with connect(berth, context=context) as conn:
            assert conn.request("GET", "/hash", host="one.example").status == 200
            assert not conn.sock.session_reused
            session = conn.sock.session
        for _ in range(12):
            with connect(berth, context=context, session=session) as conn:
                assert conn.sock.session_reused, version
        front = berth.front_pid
        os.kill(front, signal.SIGKILL)
        wait_until(lambda: berth.front_pid != front, 10, "another front")
        with connect(berth, context=context, session=session) as conn:
            assert conn.sock.session_reused, f"{version} after the front's end"
            assert conn.request("GET", "/hash", host="one.example").status == 200


def test_clients_certificates(t):
    verify = "tls_client_ca @dir@/ca.pem; tls_verify_client {};"
    more = f"""server {{
        listen 127.0.0.1:@port@ tls; server_name optional.example;
        tls_certificate @dir@/one.pem; tls_certificate_key @dir@/one.key;
        {verify.format("optional")} route / {{ app a; }} }}
    server {{
        listen 127.0.0.1:@port@ tls; server_name open.example;
        tls_certificate @dir@/one.pem; tls_certificate_key @dir@/one.key;
        route / {{ app a; }} }}"""
    berth, certs = serve(t, "server_name one.example;" + verify.format("on"), more)
    certs.make("ca")
    certs.make("alice", issuer="ca", subject="/O=Berth/CN=alice")
    certs.make("mallory")
    berth.start()

    def seen(name, cert=None, host=None):
        context = tls_client(cert=cert and certs.path(cert))
        with connect(berth, name, context) as conn:
            answer = conn.request("GET", "/headers", host=host or name, fields=[
                ("X-Client-Cert-Subject", "CN=forged"), ("X-Client-Cert-Fingerprint", "1")])
        lines = [l for l in answer.text.splitlines() if l.lower().startswith("x-client-cert")]
        return answer.status, lines

    subject = ["X-Client-Cert-Subject: CN=alice,O=Berth"]
    assert seen("one.example", "alice") == (200, subject)
    assert refused(berth, tls_client(), "one.example")
    assert refused(berth, tls_client(cert=certs.path("mallory")), "one.example")
    assert seen("optional.example", "alice") == (200, subject)
    assert seen("optional.example") == (200, [])
    assert seen("open.example") == (200, [])
    # Whoever was not asked for a certificate does not get where one is needed.
    assert seen("open.example", host="one.example")[0] == 421
    assert seen("optional.example", host="one.example")[0] == 421
    assert seen("one.example", "alice", host="open.example")[0] == 421
    with connect(berth, "open.example") as conn:
        answer = conn.request("GET", "/hash", host="one.example")
        assert answer.error == "misdirected", answer
        assert conn.request("GET", "/hash", host="open.example").status == 200


@harness.tags("sanitizer")
def test_new_certificates_are_served_without_a_restart(t):
    berth, certs = serve(t)
    berth.start()
    assert common_name(berth) == "one"
    stop, errors, served = threading.Event(), [], [0]

    def ask():
        while not stop.is_set():
            try:
                with connect(berth) as conn:
                    for _ in range(3):
                        assert conn.request("GET", "/hash", host="one.example").status == 200
                        served[0] += 1
            except Exception as error:  # shown below
                errors.append(error)

    asker = threading.Thread(target=ask)
    kept = connect(berth)
    assert kept.request("GET", "/hash", host="one.example").status == 200
    asker.start()
    certs.make("one", "one.example", subject="/CN=renewed")
    wait_until(lambda: common_name(berth) == "renewed", 10, "the new certificate")
    assert kept.request("GET", "/hash", host="one.example").status == 200
    # A key that does not match: the certificate before stays.
    key = certs.path("one", "key").read_bytes()
    certs.make("stranger")
    certs.path("one", "key").write_bytes(certs.path("stranger", "key").read_bytes())
    berth.wait_log("changed certificates cannot be used", 10)
    assert common_name(berth) == "renewed"
    time.sleep(2.5)
    assert berth.log.count("changed certificates cannot be used") == 1
    broken = berth.status()["broken_certificates"]
    assert [one["file"] for one in broken] == [str(certs.path("one"))], broken
    assert "is not the key of" in broken[0]["reason"] and broken[0]["since_unix_ms"] > 0, broken
    certs.path("one", "key").write_bytes(key)
    wait_until(lambda: berth.log.count('"new certificates"') + berth.log.count("new certificates ") >= 2,
               10, "the mended pair is used")
    assert berth.status()["broken_certificates"] == []
    front = berth.front_pid
    os.kill(front, signal.SIGKILL)
    wait_until(lambda: berth.front_pid != front, 10, "another front")
    assert common_name(berth) == "renewed", "a new front has what the last one had"
    stop.set()
    asker.join()
    kept.close()
    # Only those that were under way when the front was killed.
    assert served[0] > 10 and len(errors) <= 3, (served, errors)


def test_a_pair_that_does_not_match_is_named_before_anything_runs(t):
    berth, certs = serve(t)
    certs.make("other")
    certs.path("one", "key").write_bytes(certs.path("other", "key").read_bytes())
    for command in (["check"], ["check", "--host"]):
        done = berth.cli(*command, check=False)
        assert done.returncode == 1 and "one.key is not the key of" in done.stderr, done
    certs.path("one", "key").unlink()
    done = berth.cli("check", check=False)
    assert done.returncode == 0 and "one.key" in done.stderr, done
    done = berth.cli("check", "--host", check=False)
    assert done.returncode == 1 and "one.key" in done.stderr, done
    berth.start(wait=False)
    assert berth.wait(10) == 1 and "one.key" in berth.log


def test_keys_are_shown_nowhere(t):
    berth, certs = serve(t)
    berth.start()
    connect(berth).close()
    secret = certs.path("one", "key").read_text().splitlines()[1]
    shown = berth.cli("config").stdout + berth.cli("status").stdout + berth.log
    assert "one.key" in shown
    assert secret not in shown and "PRIVATE" not in shown


def test_hsts_and_redirect(t):
    plain = "listen 127.0.0.1:@plain@; redirect_https on; hsts 30d;"
    berth, _ = serve(t, plain, ports={"plain": t.free_port()})
    berth.start()
    port = berth.ports["plain"]
    with connect(berth) as conn:
        answer = conn.request("GET", "/hash", host="one.example")
        assert answer.field("Strict-Transport-Security") == "max-age=2592000", answer
    for method, status in (("GET", 301), ("HEAD", 301), ("POST", 308)):
        answer = berth.request(method, "/a%2Fb?c=d", port=port, host="one.example:1")
        assert answer.status == status, answer
        assert answer.field("Location") == f"https://one.example:{berth.port}/a%2Fb?c=d"
        assert answer.field("Strict-Transport-Security") is None, "RFC 6797, 7.2"


@harness.limit(120)
@harness.tags("sanitizer")
def test_large_bodies_are_whole_both_ways(t):
    berth, _ = serve(t)
    berth.start()
    body = lines_body(20_000_000)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connect(berth, context=tls_client(version)) as conn:
            answer = conn.request("GET", f"/big?bytes={len(body)}", host="one.example")
            assert answer.complete and answer.body == body, len(answer.body)
        with connect(berth, context=tls_client(version)) as conn:
            conn.send(b"POST /hash HTTP/1.1\r\nHost: one.example\r\nContent-Length: %d\r\n\r\n"
                      % len(body))
            conn.send(body)
            assert conn.read().status == 200
            parts = (body[i:i + 100_000] for i in range(0, 5_000_000, 100_000))
            sent = b"".join(body[i:i + 100_000] for i in range(0, 5_000_000, 100_000))
            # One thread at a time in a Python SSL object: the app keeps it all.
            conn.send(b"POST /echo?buffer=1 HTTP/1.1\r\nHost: one.example\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n")
            for part in parts:
                conn.send(b"%x\r\n%s\r\n" % (len(part), part))
            conn.send(b"0\r\n\r\n")
            answer = conn.read()
            assert answer.body == sent, (answer.status, len(answer.body))


def test_answers_end_with_close_notify(t):
    berth, _ = serve(t)
    berth.start()
    for fields in ([("Connection", "close")], []):
        version = "HTTP/1.1" if fields else "HTTP/1.0"
        with connect(berth) as conn:
            conn.request("GET", "/big?bytes=1000000", host="one.example", fields=fields,
                         version=version, read=False)
            answer = conn.read()
            assert answer.status == 200 and len(answer.body) == 1000000
            # An end without close_notify would be an SSLEOFError.
            assert conn.sock.recv(1) == b""


@harness.tags("sanitizer")
def test_an_upgrade_over_tls_is_a_tunnel(t):
    berth, _ = serve(t)
    berth.start()
    with connect(berth) as conn:
        conn.send(b"GET /upgrade HTTP/1.1\r\nHost: one.example\r\n"
                  b"Connection: upgrade\r\nUpgrade: echo\r\n\r\nearly")
        assert conn.read_head().status == 101
        assert conn.read_exactly(5) == b"early"
        for size in (1, 1000, 16384, 16385, 100_000):
            block = os.urandom(size)
            conn.send(block)
            assert conn.read_exactly(size) == block, size
        wait_until(lambda: berth.metric("berth_tunnels", app="a") == 1, 5, "it counts")
    wait_until(lambda: berth.metric("berth_tunnels", app="a") == 0, 5, "the tunnel ends")


@harness.tags("sanitizer")
def test_slow_handshakes_end_and_harm_nobody(t):
    berth, _ = serve(t, "handshake_timeout 1s;")
    berth.start()
    silent = [socket.create_connection(("127.0.0.1", berth.port)) for _ in range(50)]
    for i, sock in enumerate(silent):
        sock.sendall(b"\x16\x03\x01\x02\x00\x01"[: i % 7])
    started = time.monotonic()
    with connect(berth) as conn:
        assert conn.request("GET", "/hash", host="one.example").status == 200
    assert time.monotonic() - started < 1
    for sock in silent:
        sock.settimeout(5)
        assert not sock.recv(1)
        sock.close()
    assert time.monotonic() - started < 4


def test_half_open_and_broken_connections_leave_nothing(t):
    berth, _ = serve(t)
    berth.start()
    berth.wait_state("a", "ready")

    def break_all():
        for i in range(60):
            conn = connect(berth)
            if i % 3 == 0:
                conn.reset()
            elif i % 3 == 1:
                conn.send(b"GET /delay?ms=50 HTTP/1.1\r\nHost: one.example\r\n\r\n")
                conn.reset()
            else:
                conn.send(b"POST /hash HTTP/1.1\r\nHost: one.example\r\n"
                          b"Content-Length: 9\r\n\r\nab")
                conn.sock.shutdown(socket.SHUT_WR)  # without close_notify
                with contextlib.suppress(ConnectionResetError):
                    while conn.sock.recv(65536):  # TLS records: tickets, an alert
                        pass
                conn.close()
        wait_until(lambda: berth.metric("berth_connections") == 0, 10, "all are closed")
        return harness.open_fds(berth.front_pid)

    before = break_all()  # up to 8 connections to the app are there, too
    after = break_all()
    assert after <= before + 8, f"{before} descriptors, then {after}"


@harness.limit(120)
@harness.tags("sanitizer")
def test_fifty_clients_at_once(t):
    berth, _ = serve(t)
    berth.start()

    def one(i):
        with connect(berth) as conn:
            for n in range(10):
                size = (i * 7919 + n * 104729) % 200_000
                answer = conn.request("GET", f"/big?bytes={size}", host="one.example")
                assert answer.status == 200 and answer.body == lines_body(size), (i, n)

    parallel(50, one)
    assert berth.metric("berth_requests_total", app="a", code="200") == 500


def test_proxy_protocol_before_tls(t):
    berth, _ = serve(t)
    berth.configure(CONF.replace("SERVER", "").replace("MORE", "")
                    .replace(" tls;", " tls proxy_protocol;"))
    berth.start()
    v2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton("198.51.100.9")
          + socket.inet_aton("192.0.2.1") + b"\x12\x34\x01\xbb")
    for header in (b"PROXY TCP4 198.51.100.9 192.0.2.1 4660 443\r\n", v2):
        raw = socket.create_connection(("127.0.0.1", berth.port), 10)
        raw.sendall(header)
        conn = harness.Conn.__new__(harness.Conn)
        conn.buffer, conn.sent_at = b"", None
        conn.sock = tls_client().wrap_socket(raw, server_hostname="one.example")
        answer = conn.request("GET", "/headers", host="one.example")
        assert "X-Forwarded-For: 198.51.100.9\r\n" in answer.text, answer.text
        assert "X-Forwarded-Port: 443\r\n" in answer.text, answer.text
        conn.close()
    with socket.create_connection(("127.0.0.1", berth.port), 10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert raw.recv(100) == b""


def test_the_admin_api_over_tls(t):
    berth, certs = serve(t, ports={"tls_admin": t.free_port()})
    berth.preamble = berth.preamble.replace("admin {", """admin {
        listen 127.0.0.1:@tls_admin@ tls; server_name admin.example;
        tls_certificate @dir@/admin.pem; tls_certificate_key @dir@/admin.key;""", 1)
    berth.configure(CONF.replace("SERVER", "").replace("MORE", ""))
    certs.make("admin", "admin.example")
    berth.start()
    port = berth.ports["tls_admin"]
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connect(berth, "admin.example", tls_client(version), port=port) as conn:
            for host, status in (("admin.example", 200), ("localhost", 200), ("evil.example", 421)):
                assert conn.request("GET", "/healthz", host=host).status == status, host
        with connect(berth, "admin.example", tls_client(version), port=port) as conn:
            answer = conn.request("GET", "/metrics", host="localhost")
            assert answer.complete and "berth_connections_total" in answer.text
    # What is no handshake harms nobody.
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    silent[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
    with connect(berth, "admin.example", port=port) as conn:
        assert conn.request("GET", "/healthz", host="localhost").status == 200
    for sock in silent:
        sock.close()
    certs.make("admin", "admin.example", subject="/CN=renewed")
    berth.wait_log("new certificates file=.*admin.pem")
    wait_until(lambda: common_name(berth, port=port) == "renewed", 5, "the new one")


def test_an_admin_address_for_all_needs_tls(t):
    berth, _ = serve(t)
    berth.preamble = berth.preamble.replace("admin {", "admin { listen 0.0.0.0:1;", 1)
    berth.configure(CONF.replace("SERVER", "").replace("MORE", ""))
    done = berth.cli("check", check=False)
    assert done.returncode == 1 and 'needs "tls"' in done.stderr, done
