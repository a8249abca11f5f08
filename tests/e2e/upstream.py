"""upstream - an app of a few lines that runs in the test's own process, for
tests that need no container: `app a { upstream 127.0.0.1:@app@; }` with
ports={"app": Upstream(t).port}.

Every answer is JSON: the method, the path and the fields as they came, how long
the body was. /bytes?n=N answers N bytes; /sleep?s=N reads no body for N s.
"""

import http.server
import json
import threading
import time
import urllib.parse


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _body(self):
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            total = 0
            while size := int(self.rfile.readline(), 16):
                total += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return total
        return len(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self):
        if self.path.startswith("/sleep?s="):
            time.sleep(float(self.path[len("/sleep?s="):]))
        length = self._body()
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        self.server.upstream.requests.append((self.command, self.path))
        body = json.dumps({
            "method": self.command, "path": self.path, "bytes": length,
            "fields": [[name.lower(), value] for name, value in self.headers.items()],
        }).encode()
        if url.path == "/bytes":
            body = b"x" * int(query["n"][0])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-From-App", 'a "b"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = _answer


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):  # a peer that hangs up is part of the tests
        pass


class Upstream:
    def __init__(self, t):
        self.requests = []
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.upstream = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        t.cleanup(self.server.shutdown)
