"""Which digit is it? A model trained in the image answers over HTTP.

GET  /?sample=N   classify the Nth image that the model never saw
POST /            classify 64 pixels of 0 to 16: {"pixels": [0, 0, 5, …]}
GET  /health
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import joblib

trained = joblib.load("model.joblib")
model, samples, labels = trained["model"], trained["samples"], trained["labels"]


def picture(pixels):
    shades = " .:-=+*#%@"
    dark = [shades[min(int(p) * len(shades) // 17, 9)] for p in pixels]
    return ["".join(dark[row : row + 8]) for row in range(0, 64, 8)]


def classify(pixels):
    started = time.perf_counter()
    digit = int(model.predict([pixels])[0])
    return {
        "app": "digits",
        "digit": digit,
        "predict_ms": round((time.perf_counter() - started) * 1000, 3),
        "accuracy": round(trained["accuracy"], 4),
        "sklearn": trained["sklearn"],
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536  # head and body leave in one write

    def answer(self, status, body):
        data = (json.dumps(body) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/health":
            return self.answer(200, {"app": "digits", "ready": True})
        try:
            number = int(parse_qs(url.query).get("sample", ["0"])[0]) % len(samples)
        except ValueError:
            return self.answer(400, {"error": "sample must be a number"})
        pixels = samples[number]
        self.answer(
            200,
            classify(pixels)
            | {
                "sample": number,
                "label": int(labels[number]),
                "picture": picture(pixels),
            },
        )

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            pixels = [float(p) for p in json.loads(body)["pixels"]]
            if len(pixels) != 64:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            return self.answer(
                400, {"error": 'send {"pixels": [64 numbers of 0 to 16]}'}
            )
        self.answer(200, classify(pixels) | {"picture": picture(pixels)})

    def log_message(self, format, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


port = int(os.environ.get("PORT", "8000"))
server = Server(("", port), Handler)
# PID 1 gets no signal that it does not handle.
signal.signal(
    signal.SIGTERM,
    lambda *_: threading.Thread(target=server.shutdown).start(),
)
print(f"digits: listening on port {port}", file=sys.stderr, flush=True)
server.serve_forever()
