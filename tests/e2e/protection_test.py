"""Who may use a route, and how often: allow and deny, passwords, keys, rates,
pages for errors, status routes. And that no secret is shown anywhere."""

import base64
import hashlib
import subprocess
import time

import harness
from harness import parallel
from upstream import Upstream

PASSWORD, KEY = "pw-planted-6f1d", "key-planted-93ab"
SECRETS = [PASSWORD, KEY, hashlib.sha256(KEY.encode()).hexdigest(), "$6$saltsalt$"]


def sha512(password):
    return subprocess.run(
        ["openssl", "passwd", "-6", "-salt", "saltsalt", password],
        capture_output=True, text=True, check=True).stdout.strip()


def basic(user, password):
    return [("Authorization",
             "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())]


def start(t, routes, server="", **kw):
    app = Upstream(t)
    t.write("users", f"# users\nann:{sha512(PASSWORD)}\n\nbob:{sha512('x')}:Bob\n", 0o600)
    t.write("keys", hashlib.sha256(KEY.encode()).hexdigest() + "  -\n", 0o600)
    return t.berth(
        "http { %s server { listen 127.0.0.1:@port@; %s } }\n"
        "app a { upstream 127.0.0.1:@app@; }\n"
        % (server, routes.replace("@t@", str(t.dir))),
        ports={"app": app.port}, **kw), app


def names_at_app(answer):
    return {name for name, _ in answer.json()["fields"]}


def test_the_first_allow_or_deny_decides(t):
    berth, app = start(t, """
        route /in  { app a; allow 127.0.0.0/8; deny all; }
        route /out { app a; deny 127.0.0.1; allow all; }
        route /gone { return 200 x; deny all; }
        route /other { app a; deny 10.0.0.0/8; }""")
    assert berth.get("/in").status == 200
    assert berth.get("/other").status == 200
    for path in ("/out", "/gone"):
        answer = berth.get(path)
        assert (answer.status, answer.error) == (403, "forbidden"), answer
    assert len(app.requests) == 2


def test_addresses_are_those_that_trusted_proxies_name(t):
    berth, _ = start(t, "route / { app a; deny 192.0.2.0/24; }",
                     "trusted_proxies 127.0.0.1 10.0.0.0/8;")
    for value, status in [
        ("192.0.2.1", 403), ("198.51.100.1", 200), ("192.0.2.1, 10.0.0.1", 403),
        ("198.51.100.1, 192.0.2.1", 403), ("192.0.2.1, 198.51.100.1", 200),
        ("192.0.2.1:80", 403), ("junk, 192.0.2.1", 403), ("192.0.2.1, junk", 200),
    ]:
        answer = berth.get("/", fields=[("X-Forwarded-For", value)])
        assert answer.status == status, (value, answer)


def test_who_is_no_trusted_proxy_cannot_name_an_address(t):
    berth, _ = start(t, "route / { app a; allow 192.0.2.1; deny all; }")
    answer = berth.get("/", fields=[("X-Forwarded-For", "192.0.2.1")])
    assert answer.status == 403


def test_a_password_opens_the_route_and_does_not_reach_the_app(t):
    berth, app = start(t, "route / { app a; basic_auth_file @t@/users; }")
    for fields in ([], basic("ann", "wrong"), basic("eve", PASSWORD), basic("ann", ""),
                   [("Authorization", "Basic !!!")], [("Authorization", "Bearer x")]):
        answer = berth.get("/", fields=fields)
        assert (answer.status, answer.error) == (401, "unauthorized"), (fields, answer)
        assert answer.field("WWW-Authenticate").startswith('Basic realm="berth"')
    assert not app.requests
    with berth.connect() as conn:
        for _ in range(3):
            answer = conn.request("POST", "/x", b"body", basic("ann", PASSWORD))
            assert answer.status == 200 and answer.json()["bytes"] == 4, answer
            assert "authorization" not in names_at_app(answer)
    assert berth.get("/", fields=basic("bob", "x")).status == 200


@harness.alone
def test_passwords_are_looked_at_beside_the_workers(t):
    """While bcrypt is busy, others are served at once."""
    slow = subprocess.run(
        ["python3", "-W", "ignore", "-c",
         "import crypt; print(crypt.crypt('pw', '$2b$12$' + 'a' * 22))"],
        capture_output=True, text=True, check=True).stdout.strip()
    t.write("slow", f"ann:{slow}\n", 0o600)
    berth, _ = start(t, "route /b { app a; basic_auth_file @t@/slow; } route / { app a; }")
    conns = [berth.connect() for _ in range(8)]
    for i, conn in enumerate(conns):
        conn.request("GET", "/b", fields=basic("ann", "pw" if i == 0 else f"no{i}"),
                     read=False)
    times = [berth.get("/x").total_ms for _ in range(20)]
    assert sorted(times)[-2] < 150, times
    statuses = [conn.read().status for conn in conns]
    assert statuses == [200] + [401] * 7, statuses
    # What was right is remembered by the worker that asked.
    conns[0].request("GET", "/b", fields=basic("ann", "pw"))
    again = conns[0].request("GET", "/b", fields=basic("ann", "pw"))
    assert again.status == 200 and again.total_ms < 100, again.total_ms


def test_too_many_passwords_at_once_are_told_to_come_later(t):
    slow = subprocess.run(
        ["python3", "-W", "ignore", "-c",
         "import crypt; print(crypt.crypt('pw', '$2b$11$' + 'a' * 22))"],
        capture_output=True, text=True, check=True).stdout.strip()
    t.write("slow", f"ann:{slow}\n", 0o600)
    berth, _ = start(t, "route / { app a; basic_auth_file @t@/slow; }")
    conns = [berth.connect() for _ in range(90)]
    for i, conn in enumerate(conns):
        conn.request("GET", "/", fields=basic("ann", f"no{i}"), read=False)
    # Some hang up while their password waits.
    for conn in conns[:10]:
        conn.close()
    answers = [conn.read() for conn in conns[10:]]
    assert {a.status for a in answers} == {401, 429}, answers
    for answer in answers:
        assert answer.status == 401 or answer.field("Retry-After"), answer
    assert berth.get("/", fields=basic("ann", "pw")).status == 200


def test_a_key_opens_the_route_and_does_not_reach_the_app(t):
    berth, app = start(t, "route / { app a; api_keys_file @t@/keys; }")
    for fields in ([], [("X-API-Key", "no")], [("Authorization", "Bearer no")],
                   [("Authorization", "Bearer ")], basic("x", KEY)):
        answer = berth.get("/", fields=fields)
        assert (answer.status, answer.error) == (401, "unauthorized"), (fields, answer)
    assert not app.requests
    for fields in ([("X-API-Key", KEY)], [("x-api-key", KEY), ("X-API-Key", "no")],
                   [("Authorization", f"bearer {KEY}")]):
        answer = berth.get("/", fields=fields)
        assert answer.status == 200, answer
        assert not names_at_app(answer) & {"x-api-key", "authorization"}, answer.text
    answer = berth.get("/", fields=[("X-API-Key", KEY), ("Authorization", "Bearer own")])
    assert ["authorization", "Bearer own"] in answer.json()["fields"]


def test_a_rate_is_exact_over_all_workers(t):
    berth, app = start(t, """
        route /a { app a; rate_limit 1r/h burst=9; }
        route /b { app a; rate_limit 1r/h burst=4 key=$http_x_tenant; }
        route /c { app a; rate_limit 10r/s; }""")
    answers = parallel(40, lambda i: berth.get("/a"))
    assert sorted(a.status for a in answers) == [200] * 10 + [429] * 30
    refused = next(a for a in answers if a.status == 429)
    assert refused.error == "rate_limited"
    assert 3000 <= int(refused.field("Retry-After")) <= 3600, refused
    for tenant in ("x", "y"):
        answers = [berth.get("/b", fields=[("X-Tenant", tenant)]) for _ in range(7)]
        assert [a.status for a in answers] == [200] * 5 + [429] * 2
    assert [berth.get("/b").status for _ in range(6)] == [200] * 5 + [429]
    got, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        got += berth.get("/c").status == 200
    assert 18 <= got <= 22, got


def test_browsers_get_the_page_others_get_json(t):
    t.write("503.html", "<h1>not now</h1>")
    berth, _ = start(t, """
        route /a { app a; error_page 403 @t@/403.html; deny all; }
        route /b { app a; deny all; }""".replace("@t@/403", "@t@/503"),
        f"error_page 404 {t.dir}/503.html;")
    html = [("Accept", "text/html,*/*;q=0.8")]
    for path, text in (("/a", "not now"), ("/b", "403 Forbidden"), ("/none", "not now")):
        answer = berth.get(path, fields=html)
        assert text in answer.text, (path, answer.text)
        assert answer.field("Content-Type").startswith("text/html")
        assert answer.error in ("forbidden", "no_route")
    assert berth.get("/a").json()["error"]["code"] == "forbidden"


def test_status_routes_answer_as_ray_serves_proxy(t):
    berth, _ = start(t, "status_routes on; route /m { app a; } route /r { return 204; }")
    answer = berth.get("/-/healthz")
    assert (answer.status, answer.text) == (200, "success"), answer
    answer = berth.get("/-/routes")
    assert answer.json() == {"/m": "a"}
    assert answer.field("Content-Type") == "application/json"
    assert berth.get("/-/other").status == 404


def test_nothing_shows_a_secret(t):
    berth, _ = start(t, """
        access_log @t@/log/access "$request $http_authorization $http_x_api_key $remote_user";
        route /b { app a; basic_auth_file @t@/users; }
        route /k { app a; api_keys_file @t@/keys; }""", log_level="debug",
        **({} if (t.dir / "log").mkdir() else {}))
    encoded = basic("ann", PASSWORD)[0][1].split()[1]
    for fields in (basic("ann", PASSWORD), basic("ann", PASSWORD + "x")):
        berth.get("/b", fields=fields)
    for fields in ([("X-API-Key", KEY)], [("Authorization", "Bearer " + KEY)]):
        assert berth.get("/k", fields=fields).status == 200
    time.sleep(0.8)
    access = (t.dir / "log/access").read_text()
    assert access.count("***") == 4 and "ann" in access, access
    shown = "".join([
        berth.cli("config").stdout, berth.cli("status").stdout,
        berth.cli("status", "--json").stdout, berth.admin("GET", "/metrics").text,
        berth.cli("check").stdout, berth.log, access,
        open(f"/proc/{berth.front_pid}/cmdline").read(),
        open(f"/proc/{berth.keeper_pid}/cmdline").read(),
    ])
    for secret in SECRETS + [encoded]:
        assert secret not in shown, secret
    assert str(t.dir / "users") in shown


def test_files_that_are_wrong_are_told_and_never_used(t):
    t.write("open", f"ann:{sha512('x')}\n", 0o644)
    t.write("md5", "ann:$apr1$x$y\n", 0o600)
    t.write("twice", f"a:{sha512('x')}\na:{sha512('y')}\n", 0o600)
    t.write("nokey", "abc\n", 0o600)
    for directive, text in [
        ("basic_auth_file @t@/open", "every user may read it"),
        ("basic_auth_file @t@/md5", "line 1: only bcrypt"),
        ("basic_auth_file @t@/twice", 'user "a" stands there twice'),
        ("api_keys_file @t@/nokey", "line 1: expected the SHA-256 digest"),
    ]:
        berth = t.berth(
            "http { server { listen 127.0.0.1:@port@; route / { return 200 x; %s; } } }"
            % directive.replace("@t@", str(t.dir)), start=False,
            name="with-" + directive.split("/")[-1])
        done = berth.cli("check", check=False)
        assert done.returncode == 1 and text in done.stderr + done.stdout, done
    berth = t.berth(
        "http { server { listen 127.0.0.1:@port@; route / { return 200 x; "
        "api_keys_file /none/keys; } } }", start=False, name="missing")
    done = berth.cli("check")  # another machine's configuration
    assert "warning" in done.stderr + done.stdout
