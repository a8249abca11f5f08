"""registry - a real registry on loopback (Debian's docker-registry) for tests of
pulls, with TLS from a CA of its own, passwords if wanted, and a line to it that
can be slow, break, or be cut.

    registry = Registry(t, password="…")      # runs; trusted by the host's Podman
    name = registry.push("app:1", base=harness.APP, blob_bytes=1 << 20)
    line = Line(t, registry); line.bytes_per_s = 200_000
    line.name("app:1")                        # the same image, over that line

The CA is put where an operator puts it, /etc/containers/certs.d/ADDRESS, and
taken away at the test's end. What was pushed is not in the Podman any more.
"""

import base64
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import harness

CERTS = pathlib.Path("/etc/containers/certs.d")
USER = "tester"


def trust(t, address, ca):
    folder = CERTS / address
    folder.mkdir(parents=True)
    t.cleanup(lambda: shutil.rmtree(folder))
    shutil.copy(ca, folder / "ca.crt")


class Registry:
    def __init__(self, t, password=None, trusted=True, start=True):
        self.t, self.password = t, password
        self.dir = t.dir / f"registry-{len(t.ports)}"
        self.dir.mkdir()
        self.port = t.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None
        self._make_certificate()
        self._write_config()
        if trusted:
            trust(t, self.address, self.ca)
        t.cleanup(self.stop)
        if start:
            self.start()

    def _make_certificate(self):
        self.ca, self.key = self.dir / "ca.pem", self.dir / "ca.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=a test's registry", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", str(self.key), "-out", str(self.ca)],
            check=True, capture_output=True,
        )

    def _write_config(self):
        auth = ""
        if self.password:
            line = subprocess.run(
                ["htpasswd", "-nBb", "-C", "4", USER, self.password],
                check=True, capture_output=True, text=True,
            ).stdout
            (self.dir / "htpasswd").write_text(line)
            auth = f"auth: {{htpasswd: {{realm: test, path: {self.dir}/htpasswd}}}}\n"
        self.config = self.dir / "config.yml"
        self.config.write_text(
            "version: 0.1\n"
            "log: {level: error, accesslog: {disabled: false}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.dir}/data}}}}\n"
            f"http: {{addr: {self.address}, "
            f"tls: {{certificate: {self.ca}, key: {self.key}}}}}\n" + auth
        )

    def start(self):
        self.log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            ["docker-registry", "serve", str(self.config)],
            stdout=self.log, stderr=self.log,
        )
        harness.wait_until(self._answers, 15, "the registry answers")

    def _answers(self):
        context = ssl.create_default_context(cafile=self.ca)
        try:
            urllib.request.urlopen(f"https://{self.address}/v2/", context=context)
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False
        return True

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None
            self.log.close()

    def requests(self, word):
        """Lines of its access log that contain the word."""
        lines = (self.dir / "log").read_text().splitlines()
        return [line for line in lines if word in line and '"GET ' in line]

    def name(self, image):
        return f"{self.address}/{image}"

    def push(self, image, base=harness.APP, blob_bytes=0, env=()):
        """An image on `base` with a layer of random bytes of its own, in the
        registry and no longer in the Podman; its full name."""
        full, podman = self.name(image), self.t.podman
        folder = self.t.dir / f"build-{time.monotonic_ns()}"
        folder.mkdir()
        (folder / "blob").write_bytes(os.urandom(max(blob_bytes, 16)))
        (folder / "Containerfile").write_text(
            f"FROM {base}\nCOPY blob /blob\n"
            + "".join(f"ENV {name}={value}\n" for name, value in env)
        )
        podman.run("build", "--quiet", "--layers=false", "--pull=never", "--tag", full, str(folder))
        credentials = ["--creds", f"{USER}:{self.password}"] if self.password else []
        podman.run("push", "--quiet", "--tls-verify=false", *credentials, full)
        podman.run("rmi", full)
        self.t.cleanup(lambda: podman.run("rmi", "--force", full, check=False))
        shutil.rmtree(folder)
        return full

    def auth_file(self, password=None, address=None, name="auth.json"):
        """A file as `podman login --authfile` writes it."""
        both = f"{USER}:{password or self.password}".encode()
        auths = {address or self.address: {"auth": base64.b64encode(both).decode()}}
        return self.t.write(name, json.dumps({"auths": auths}), 0o600)


class Line:
    """A TCP proxy in front of a registry. bytes_per_s: towards Podman, of all
    connections together; cut_after: bytes of one connection, then an RST, as
    often as cuts says."""

    def __init__(self, t, registry):
        self.t, self.registry = t, registry
        self.bytes_per_s, self.cut_after, self.cuts = None, None, 0
        self.carried = 0
        self.port = t.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.lock = threading.Lock()
        trust(t, self.address, registry.ca)
        t.cleanup(self.listener.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def name(self, image):
        full = f"{self.address}/{image}"
        self.t.cleanup(lambda: self.t.podman.run("rmi", "--force", full, check=False))
        return full

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.registry.port))
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()
            threading.Thread(
                target=self._carry, args=(server, client, True), daemon=True
            ).start()

    def _is_cut(self, carried):
        with self.lock:
            if self.cut_after is None or carried < self.cut_after or self.cuts == 0:
                return False
            self.cuts -= 1
            return True

    def _carry(self, source, target, is_answer=False):
        carried = 0
        try:
            while data := source.recv(16384):
                target.sendall(data)
                carried += len(data)
                if not is_answer:
                    continue
                self.carried += len(data)
                if self.bytes_per_s:
                    with self.lock:
                        time.sleep(len(data) / self.bytes_per_s)
                if self._is_cut(carried):
                    linger = b"\1\0\0\0\0\0\0\0"
                    target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        target.close()
