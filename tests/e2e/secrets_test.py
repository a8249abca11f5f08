"""No secret in anything that berth says: one of every kind is planted, everything
is done that could bring it up, and every output is searched."""

import base64
import contextlib
import hashlib
import json
import pathlib
import subprocess

import harness

PLANTED = {
    "env": "planted-env-0f3a71",
    "env_file": "planted-envfile-77ce02",
    "podman secret": "planted-podman-5d11aa",
    "API key": "planted-key-93abfe",
    "password": "planted-password-6f1d20",
    "admin token": "planted-token-c0ffee",
    "read token": "planted-read-ba5e11",
    "registry password": "planted-registry-1badd0",
    "query": "planted-query-4411fa",
}

CONF = """
error_log stderr debug @json@;
http {
    access_log @dir@/access.log json;
    server {
        listen 127.0.0.1:@port@;
        route /a      { app a; }
        route /keys   { app a; api_keys_file @dir@/keys; }
        route /users  { app a; basic_auth_file @dir@/users; }
        route /broken { app broken; }
        route /far    { app far; }
    }
}
app a { image localhost/berth-test/app:1; network none; replicas 0 1;
        env TOKEN %(env)s; env_file @dir@/env; secret @secret@ env=FROM_PODMAN; }
# It prints its environment's names, and ends: its log is shown by berth.
app broken { image localhost/berth-test/exit:1; network none; replicas 0 1;
        start_retries 0; env TOKEN %(env)s; }
app far { image 127.0.0.1:1/none:1; replicas 0 1; start_retries 0; }
"""


def plant(t, berth, name):
    dir = berth.dir

    def write(file, text):
        path = dir / file
        path.write_text(text)
        path.chmod(0o600)

    write("env", f"FROM_FILE={PLANTED['env_file']}\n")
    write("keys", hashlib.sha256(PLANTED["API key"].encode()).hexdigest() + "\n")
    hashed = subprocess.run(["openssl", "passwd", "-6", PLANTED["password"]],
                            capture_output=True, text=True, check=True).stdout
    write("users", f"ann:{hashed}")
    write("token", PLANTED["admin token"])
    write("read", PLANTED["read token"])
    write("auth.json", json.dumps({"auths": {"127.0.0.1:1": {"auth": base64.b64encode(
        b"user:" + PLANTED["registry password"].encode()).decode()}}}))
    write("secret", PLANTED["podman secret"])
    t.podman.run("secret", "create", name, str(dir / "secret"))
    t.cleanup(lambda: t.podman.run("secret", "rm", name, check=False))
    return hashed.strip()


def forms(hashed):
    """Everything that would give one of them away."""
    for kind, secret in PLANTED.items():
        if kind != "query":  # an access log shows what was asked for
            yield kind, secret
        yield kind + ", base64", base64.b64encode(secret.encode()).decode().rstrip("=")
    yield "password, with its user", base64.b64encode(
        b"ann:" + PLANTED["password"].encode()).decode()
    yield "registry password, with its user", base64.b64encode(
        b"user:" + PLANTED["registry password"].encode()).decode()
    yield "digest of the key", hashlib.sha256(PLANTED["API key"].encode()).hexdigest()
    yield "hash of the password", hashed


@harness.limit(120)
def test_no_planted_secret_is_in_any_output(t):
    for json_log in ("", "json"):
        name = f"planted-{t.namespace}-{json_log or 'text'}"
        berth = t.berth(CONF % PLANTED, name=f"b{json_log}", start=False, preamble=False)
        berth.configure((
            "state_dir @dir@/state; on_exit stop;\n"
            "podman { socket unix:@podman@; service off; namespace @namespace@;\n"
            "         auth_file @dir@/auth.json; pull_retries 0; }\n"
            "admin { listen 127.0.0.1:@admin_port@; token_file @dir@/token;\n"
            "        token_file @dir@/read read; }\n" + CONF % PLANTED
        ).replace("@json@", json_log).replace("@secret@", name))
        hashed = plant(t, berth, name)
        berth.start()
        outputs = {}

        # All is used: rightly, and wrongly.
        answer = berth.get("/a/env")
        assert all(PLANTED[k] in answer.text
                   for k in ("env", "env_file", "podman secret")), "the app has them"
        key, password = PLANTED["API key"], PLANTED["password"]
        basic = base64.b64encode(f"ann:{password}".encode()).decode()
        for path, field, value, status in [
            ("/keys/hash", "X-API-Key", key, 200),
            ("/keys/hash", "Authorization", f"Bearer {key}", 200),
            ("/keys/hash", "Authorization", f"Bearer {key}x", 401),
            ("/keys/hash", "Authorization", f"Basic {basic}", 401),
            ("/users/hash", "Authorization", f"Basic {basic}", 200),
            ("/users/hash", "Authorization", f"Basic {basic}AAA", 401),
            ("/users/hash", "Authorization", f"Bearer {key}", 401),
        ]:
            answer = berth.request("GET", path, fields=[(field, value)])
            assert answer.status == status, (path, field, answer)
            if status != 200:
                outputs[f"answer {path} {field} {value[:6]}"] = answer.text
        outputs["answer of an app that ends"] = berth.get("/broken/x").text
        outputs["answer of an image that cannot be pulled"] = berth.get("/far/x").text
        berth.get("/a/hash?token=" + PLANTED["query"])

        def admin(method, path, token):
            with harness.Conn(("127.0.0.1", berth.admin_port)) as conn:
                return conn.request(method, path, b"{}" if method == "POST" else None,
                                    [("Authorization", f"Bearer {token}")],
                                    host="127.0.0.1")

        for path in ("status", "apps", "apps/a", "apps/broken", "apps/far", "routes",
                     "config", "apps/a/starts", "apps/broken/starts", "apps/far/starts",
                     "events?follow=0", "apps/broken/logs", "openapi.json", "nothing"):
            for token in (PLANTED["admin token"], PLANTED["read token"], "wrong"):
                outputs[f"GET {path} {token[:12]}"] = admin("GET", f"/api/v1/{path}", token).text
        outputs["restart, refused"] = admin(
            "POST", "/api/v1/apps/a/restart", PLANTED["read token"]).text
        outputs["metrics"] = admin("GET", "/metrics", PLANTED["admin token"]).text
        for words in (["status"], ["status", "a"], ["status", "--json"], ["config"],
                      ["check"], ["check", "--host"], ["why", "a"], ["why", "broken"],
                      ["why", "far", "--json"], ["events"], ["routes"],
                      ["logs", "broken"]):
            done = berth.cli(*words, check=False)
            outputs["berth " + " ".join(words)] = done.stdout + done.stderr
        for pid in (berth.keeper_pid, berth.front_pid):
            for file in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    outputs[f"{pid} {file}"] = pathlib.Path(
                        f"/proc/{pid}/{file}").read_bytes().decode(errors="replace")
        assert berth.stop() == 0
        outputs["log"] = berth.log_path.read_text()
        outputs["access log"] = (berth.dir / "access.log").read_text()
        for path in (berth.dir / "state").rglob("*"):
            if path.is_file():
                outputs[str(path)] = path.read_text(errors="replace")
        assert len(outputs["log"]) > 2000 and len(outputs["access log"]) > 500
        assert PLANTED["query"] in outputs["access log"], "the search would find one"
        shown = [(kind, where) for kind, secret in forms(hashed)
                 for where, text in outputs.items() if secret in text]
        assert not shown, shown
