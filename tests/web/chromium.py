"""chromium - a headless browser for tests, spoken to by the DevTools protocol
over two pipes: no driver, no port, no package of Python's.

    with chromium.Browser() as browser:
        page = browser.open("http://127.0.0.1:8080/")
        page.wait("document.title == 'ready'")

Not installed: chromium.find() is None.  apt-get install chromium-headless-shell
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find():
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def wait(self, expression, seconds=20):
        """Until it is true, over navigations; what it was."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                value = self.evaluate(expression)
                if value:
                    return value
            except RuntimeError:
                pass  # between two documents
            time.sleep(0.05)
        raise AssertionError(f"{expression} is not true; the page: {self.text()!r}")

    def text(self):
        return self.evaluate("document.body ? document.body.innerText : ''")

    def set_media(self, **features):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value}
            for name, value in features.items()])

    def screenshot(self):
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])


class Browser:
    """Everything that the pages complain of (a policy that forbids something, an
    exception) is in `complaints`."""

    def __init__(self):
        self.complaints, self.last_id = [], 0
        self.profile = tempfile.mkdtemp(prefix="berth-chromium-")
        to_read, to_write = os.pipe()      # browser reads, we write
        from_read, from_write = os.pipe()  # we read, browser writes

        def place():
            # 3 and 4 are what --remote-debugging-pipe reads and writes.
            a, b = os.dup(to_read), os.dup(from_write)
            os.dup2(a, 3), os.dup2(b, 4)

        self.process = subprocess.Popen(
            [find(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", "--remote-debugging-pipe",
             f"--user-data-dir={self.profile}"],
            preexec_fn=place, close_fds=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read), os.close(from_write)
        self.write_fd, self.read_fd, self.buffer = to_write, from_read, b""

    def _message(self):
        while b"\0" not in self.buffer:
            more = os.read(self.read_fd, 65536)
            if not more:
                raise AssertionError("the browser ended")
            self.buffer += more
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method, session=None, **params):
        self.last_id += 1
        ask = {"id": self.last_id, "method": method, "params": params}
        if session:
            ask["sessionId"] = session
        os.write(self.write_fd, json.dumps(ask).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self.last_id:
                if "error" in message:
                    raise RuntimeError(message["error"]["message"])
                return message["result"]
            self._note(message)

    def _note(self, message):
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        if message.get("method") == "Log.entryAdded":
            entry = params["entry"]
            if entry["level"] == "error" and "status of 503" not in entry["text"]:
                self.complaints.append(entry["text"])

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, session["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.call("Page.navigate", url=url)
        return page

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.read_fd), os.close(self.write_fd)
        shutil.rmtree(self.profile, ignore_errors=True)
