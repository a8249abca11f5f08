"""The admin API's real answers, held against the file that describes them."""

import contextlib
import json
import re

import harness
from harness import wait_until

CONF = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; }
                route /u { app u; } route /r { return 404 "no"; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 2; memory 64m; }
app b { image localhost/berth-test/exit:1; network none; replicas 0 1; start_retries 1; }
app u { upstream 127.0.0.1:9; }
"""


class Api:
    """The API over its Unix socket; each answer is checked as it comes."""

    def __init__(self, berth):
        self.path = str(berth.dir / "state" / "admin.sock")
        self.berth = berth
        self.doc = json.loads(self.raw("GET", "/api/v1/openapi.json").text)

    def raw(self, method, target, body=None, fields=()):
        with self.berth.connect(self.path, timeout=60) as conn:
            return conn.request(method, target, body, fields)

    def operation(self, method, target):
        path = target.split("?")[0]
        for template, operations in self.doc["paths"].items():
            pattern = re.escape(template).replace(r"\{app\}", "[^/]+")
            if re.fullmatch(pattern, path) and method.lower() in operations:
                return operations[method.lower()]
        raise AssertionError(f"{method} {path} is not described")

    def call(self, method, target, body=None, fields=()):
        """The answer, decoded; it is one of those that are described."""
        answer = self.raw(method, target, body, fields)
        responses = self.operation(method, target)["responses"]
        assert str(answer.status) in responses, (target, answer)
        content = responses[str(answer.status)]["content"]
        kind = answer.field("Content-Type").split(";")[0]
        assert kind in content, (target, kind, answer)
        schema = content[kind]["schema"]
        if kind == "application/json":
            values = json.loads(answer.text)
            self.check(values, schema, target)
        elif kind == "application/x-ndjson":
            values = [json.loads(line) for line in answer.text.splitlines() if line]
            for value in values:
                self.check(value, schema, target)
        elif kind == "text/event-stream":
            values = [json.loads(line[6:]) for line in answer.text.splitlines()
                      if line.startswith("data: ")]
            for value in values:
                self.check(value, schema, target)
        else:
            values = answer.text
        return answer.status, values

    def check(self, value, schema, where, is_part=False):
        """What of JSON Schema the file makes use of, and no more."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return self.check(value, self.doc["components"]["schemas"][name], where,
                              is_part)
        if value is None and schema.get("nullable"):
            return None
        for part in schema.get("allOf", []):
            self.check(value, part, where, len(schema["allOf"]) > 1)
        if "oneOf" in schema:
            fits = 0
            for part in schema["oneOf"]:
                try:
                    self.check(value, part, where)
                    fits += 1
                except AssertionError:
                    pass
            assert fits == 1, (where, value, f"fits {fits} of oneOf")
        types = {"object": dict, "array": list, "string": str, "boolean": bool,
                 "integer": int, "number": (int, float)}
        if "type" in schema:
            wanted = types[schema["type"]]
            is_bool = isinstance(value, bool) and schema["type"] != "boolean"
            assert isinstance(value, wanted) and not is_bool, (where, value, schema)
        if "enum" in schema:
            assert value in schema["enum"], (where, value, schema)
        if "minimum" in schema:
            assert value >= schema["minimum"], (where, value)
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            for name in schema.get("required", []):
                assert name in value, (where, f"{name} is missing", value)
            for name, item in value.items():
                if name in properties:
                    self.check(item, properties[name], f"{where}.{name}")
                else:
                    described = is_part or "allOf" in schema or "oneOf" in schema
                    assert described or schema.get("additionalProperties"), (
                        where, f"{name} is not described")
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                self.check(item, schema["items"], f"{where}[{i}]")


def test_answers_are_as_they_are_described(t):
    berth = t.berth(CONF)
    api = Api(berth)
    assert berth.get("/a/hash").status == 200
    assert berth.get("/b/").status == 503
    for target in ("/readyz", "/healthz", "/metrics", "/api/v1/status", "/api/v1/apps",
                   "/api/v1/apps/a", "/api/v1/apps/b", "/api/v1/apps/u",
                   "/api/v1/apps/a/starts", "/api/v1/apps/b/starts",
                   "/api/v1/apps/u/starts", "/api/v1/routes",
                   "/api/v1/events?follow=0", "/api/v1/events?follow=0&app=a&tail=3",
                   "/api/v1/apps/a/logs?format=json", "/api/v1/apps/a/logs"):
        status, values = api.call("GET", target)
        assert status == 200, (target, values)
    assert api.call("GET", "/api/v1/apps/b/starts")[1]["starts"][0]["error"]["log"]
    assert len(api.call("GET", "/api/v1/events?follow=0&app=a&tail=3")[1]) == 3


def test_what_is_done_is_answered_as_it_is_described(t):
    api = Api(t.berth(CONF))
    lines = [("Accept", "application/x-ndjson")]
    status, values = api.call("POST", "/api/v1/apps/a/wake", b'{"for":"30s"}')
    assert status == 200 and values["done"], values
    status, values = api.call("POST", "/api/v1/apps/a/scale", b'{"replicas":2}', lines)
    assert status == 200 and values[-1]["done"], values
    status, values = api.call("POST", "/api/v1/apps/b/wake", None, lines)
    assert status == 200 and "code 3" in values[-1]["error"]["message"], values
    assert api.call("POST", "/api/v1/apps/a/pull")[0] == 200
    status, values = api.call("POST", "/api/v1/reload")
    assert status == 200 and len(values["apps"]) == 3, values
    assert api.call("POST", "/api/v1/apps/a/restart")[0] == 200
    app = api.call("GET", "/api/v1/apps/a")[1]
    assert app["rollout"]["result"] == "done", app


def test_refusals_are_as_they_are_described(t):
    api = Api(t.berth(CONF))
    for method, target, body, status, code in (
        ("GET", "/api/v1/apps/nobody", None, 404, "unknown_app"),
        ("GET", "/api/v1/apps/nobody/starts", None, 404, "unknown_app"),
        ("GET", "/api/v1/events?app=nobody", None, 404, "unknown_app"),
        ("GET", "/api/v1/events?tail=x", None, 400, "bad_request"),
        ("GET", "/api/v1/apps/a/logs", None, 409, "not_possible"),
        ("GET", "/api/v1/apps/a/logs?replica=7", None, 404, "unknown_replica"),
        ("POST", "/api/v1/apps/nobody/wake", b"", 404, "unknown_app"),
        ("POST", "/api/v1/apps/a/wake", b'{"for":7}', 400, "bad_request"),
        ("POST", "/api/v1/apps/a/wake", b"[]", 400, "bad_request"),
        ("POST", "/api/v1/apps/a/scale", b"{}", 400, "bad_request"),
        ("POST", "/api/v1/apps/a/scale", b'{"replicas":1.5}', 400, "bad_request"),
        ("POST", "/api/v1/apps/a/scale", b'{"replicas":3}', 409, "not_possible"),
        ("POST", "/api/v1/apps/u/wake", b"", 409, "not_possible"),
        ("POST", "/api/v1/apps/b/wake", b"", 503, "start_failed"),
        ("POST", "/api/v1/stop", b'{"keep_containers":1}', 400, "bad_request"),
        # A slip of the pen is told, not passed over.
        ("POST", "/api/v1/stop", b'{"keep":true}', 400, "bad_request"),
        ("POST", "/api/v1/apps/a/wake", b'{"fro":"10m"}', 400, "bad_request"),
        ("POST", "/api/v1/apps/a/wake", b'{"for":"1m","for":"2m"}', 400, "bad_request"),
        ("POST", "/api/v1/apps/a/scale", b'{"replicas":1,"max":2}', 400, "bad_request"),
        ("POST", "/api/v1/apps/a/pull", b'{"image":"x"}', 400, "bad_request"),
    ):
        got, values = api.call(method, target, body)
        assert got == status and values["error"]["code"] == code, (target, got, values)


def test_clients_that_ask_for_nothing_keep_nobody_out(t):
    berth = t.berth(CONF)
    path = str(berth.dir / "state" / "admin.sock")
    for address in (("127.0.0.1", berth.admin_port), path):
        silent = [harness.Conn(address, 5) for _ in range(200)]
        for conn in silent:
            with contextlib.suppress(OSError):  # some have made room already
                conn.send(b"GET /heal")
        # They are let in for ten seconds, if nobody else comes.
        with harness.Conn(address, 5) as conn:
            assert conn.request("GET", "/healthz", host="localhost").status == 200
        assert berth.cli("status", seconds=5).returncode == 0
        for conn in silent:
            conn.close()


def test_a_stream_ends_with_its_client_and_costs_nothing_after(t):
    berth = t.berth(CONF)
    api = Api(berth)
    streams = []
    for _ in range(48):
        conn = berth.connect(api.path)
        conn.request("GET", "/api/v1/events?tail=0", read=False)
        streams.append(conn)
    wait_until(lambda: all(b"text/event-stream" in c.sock.recv(4096) for c in streams), 5)
    status, values = api.call("GET", "/api/v1/events")
    assert status == 503 and values["error"]["code"] == "too_many_streams", values
    assert api.call("GET", "/api/v1/status")[0] == 200, "who only asks is answered"
    for conn in streams:
        conn.close()
    wait_until(lambda: api.call("GET", "/api/v1/events?follow=0")[0] == 200, 5)
    berth.cli("wake", "a")  # events for nobody
    assert api.call("GET", "/api/v1/status")[0] == 200
    assert berth.is_running()
