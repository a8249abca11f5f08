"""What an app's directives make of its container, seen from inside."""

import json
import os

import harness

CONF = """
http { server { listen 127.0.0.1:@port@; route / { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; %s }
"""


def test_environment_command_user_and_folder(t):
    secret = t.write("app.env", "# a comment\nFROM_FILE=one two\nBOTH=file\n", 0o600)
    berth = t.berth(CONF % f"""
        env GREETING "hello world"; env BOTH directive; env_file {secret};
        workdir /proc; user 1234:4321; command --log-lines=1;
    """)
    inside = berth.get("/env").json()
    env = inside["env"]
    if isinstance(env, list):
        env = dict(item.split("=", 1) for item in env)
    assert env["GREETING"] == "hello world"
    assert env["FROM_FILE"] == "one two"
    assert env["BOTH"] == "directive", "env wins over env_file"
    assert env["PORT"] == "8000"
    assert (inside["uid"], inside["gid"]) == (1234, 4321)
    assert inside["cwd"] == "/proc"


def test_volumes_are_mounted_as_they_say(t):
    (t.dir / "data").mkdir()
    t.write("data/hello.txt", "from the host\n")
    berth = t.berth(CONF % f"volume {t.dir}/data:/data:ro;")
    answer = berth.get("/file?path=/data/hello.txt")
    assert answer.text == "from the host\n", answer
    [container] = berth.containers("a")
    [mount] = [
        m for m in t.podman.inspect(container["Id"])["Mounts"]
        if m["Destination"] == "/data"
    ]
    assert mount["RW"] is False, mount


def test_limits_are_the_cgroups(t):
    berth = t.berth(CONF % "cpus 0.5; memory 64m; pids 77;")
    assert berth.get("/hash").status == 200
    [container] = berth.containers("a")
    host = t.podman.inspect(container["Id"])["HostConfig"]
    assert host["Memory"] == 64 << 20, host["Memory"]
    assert host["PidsLimit"] == 77
    assert host["CpuQuota"] / host["CpuPeriod"] == 0.5


def test_an_app_beyond_its_memory_ends_and_comes_back(t):
    berth = t.berth(CONF % "memory 32m;")
    first = berth.get("/hash")
    assert first.status == 200
    answer = berth.get("/oom")
    assert answer.status == 502, answer
    again = berth.get("/hash")
    assert again.status == 200 and again.app_id != first.app_id


def test_ulimits_are_set_and_clamped_to_what_may_be_set(t):
    berth = t.berth(CONF % "ulimit nofile 512:1024; ulimit core 0;")
    limits = berth.get("/env").json()
    text = json.dumps(limits)
    assert "512" in text and "1024" in text, limits
    berth.stop()
    huge = t.berth(CONF % "ulimit nofile 900000000;", name="huge")
    assert huge.get("/hash").status == 200, "clamped, never a failed start"
    assert "clamped" in huge.log, huge.log_tail()


def test_secrets_of_the_environment_are_shown_nowhere(t):
    planted = "s3cr3t-" + os.urandom(8).hex()
    file = t.write("app.env", f"FILE_SECRET={planted}-file\n", 0o600)
    berth = t.berth(
        CONF % f"env KEY {planted}; env_file {file};", log_level="debug"
    )
    assert planted in berth.get("/env").text
    shown = [
        berth.log, berth.cli("config").stdout, berth.cli("check").stdout,
        berth.cli("status").stdout, json.dumps(berth.status()),
        berth.admin("GET", "/metrics").text, json.dumps(berth.status("a")),
    ]
    for text in shown:
        assert planted not in text


def test_private_apps_do_not_reach_each_other(t):
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@;
            route /a { app a; } route /b { app b; } } }
        app a { image localhost/berth-test/app:1; replicas 0 1; }
        app b { image localhost/berth-test/app:1; replicas 0 1; }
    """)
    assert berth.get("/a/hash").status == berth.get("/b/hash").status == 200
    networks = []
    for app in "ab":
        [container] = berth.containers(app)
        found = t.podman.inspect(container["Id"])["NetworkSettings"]["Networks"]
        networks.append(set(found))
    assert networks[0].isdisjoint(networks[1]), networks
    for name in networks[0] | networks[1]:
        info = json.loads(t.podman.run("network", "inspect", name))[0]
        assert info["options"]["isolate"] == "true", info
        assert info["dns_enabled"] is False, info
    berth.stop()
    left = t.podman.run("network", "ls", "--format", "{{.Name}}").split()
    assert not (networks[0] | networks[1]) & set(left), left
