"""Each directive of an app's container environment, seen from inside."""

import os
import stat

import harness

CONF = """
http { server { listen 127.0.0.1:@port@; route / { app a; } } }
app a { image localhost/berth-test/app:1; network none; replicas 0 1; %s }
"""


def read(berth, path):
    """A file as the app sees it; None where it has none."""
    answer = berth.get(f"/file?path={path}")
    return answer.text if answer.status == 200 else None


def status(berth):
    """The app's /proc/self/status."""
    lines = read(berth, "/proc/self/status").splitlines()
    return {key: value.strip() for key, _, value in (l.partition(":") for l in lines)}


def mounts(berth):
    """Options of what is mounted, by where."""
    lines = [line.split() for line in read(berth, "/proc/self/mounts").splitlines()]
    return {where: (kind, options.split(",")) for _, where, kind, options, *_ in lines}


def inspect(t, berth):
    [container] = berth.containers("a")
    return t.podman.inspect(container["Id"])


def has_capability(berth, number):
    return int(status(berth)["CapBnd"], 16) >> number & 1 == 1


NET_RAW, NET_ADMIN, CHOWN = 13, 12, 0


def secret(t, name, text):
    path = t.write(f"secret-{name}", text, 0o600)
    full = f"{t.namespace}-{name}"
    t.podman.run("secret", "create", full, str(path))
    t.cleanup(lambda: t.podman.run("secret", "rm", full, check=False))
    return full


# --- secrets -------------------------------------------------------------------


def test_secrets_are_files_and_variables_and_shown_nowhere(t):
    planted = "s3cr3t-" + os.urandom(8).hex()
    name = secret(t, "key", planted)
    berth = t.berth(
        CONF % f"""secret {name}; secret {name} target=/etc/key; secret {name} env=KEY;
                   secret {name} target=inner;""",
        log_level="debug",
    )
    assert read(berth, f"/run/secrets/{name}") == planted
    assert read(berth, "/etc/key") == planted
    assert read(berth, "/run/secrets/inner") == planted
    assert f"KEY={planted}" in berth.get("/env").text
    berth.cli("config")
    for shown, text in {
        "log": berth.log, "config": berth.cli("config").stdout,
        "status": berth.cli("status").stdout, "replicas": str(berth.status("a")),
        "metrics": berth.admin("GET", "/metrics").text,
    }.items():
        assert planted not in text, shown
    assert f"secret {name} env=KEY;" in berth.cli("config").stdout


def test_a_secret_that_is_not_there_fails_with_its_name(t):
    berth = t.berth(CONF % "secret nowhere-to-be-found; start_retries 0;")
    answer = berth.get("/hash")
    assert answer.status == 503, answer
    assert 'there is no secret \\"nowhere-to-be-found\\"' in answer.text, answer.text
    assert "podman secret create" in answer.text


def test_a_secret_that_was_made_anew_is_another_revision(t):
    name = secret(t, "key", "first")
    berth = t.berth(CONF % f"secret {name};", on_exit="keep")
    assert read(berth, f"/run/secrets/{name}") == "first"
    revision = berth.status("a")["revision"]
    berth.kill()
    t.podman.run("secret", "rm", name)
    t.podman.run("secret", "create", name, str(t.write("again", "second")))
    berth.start()
    harness.wait_until(
        lambda: read(berth, f"/run/secrets/{name}") == "second", 30,
        "a container with the new secret serves",
    )
    assert berth.status("a")["revision"] != revision


# --- files ---------------------------------------------------------------------


def test_tmpfs_is_memory_of_its_size(t):
    berth = t.berth(CONF % "tmpfs /cache:8m; tmpfs /scratch;")
    found = mounts(berth)
    kind, options = found["/cache"]
    assert kind == "tmpfs" and "size=8192k" in options, (kind, options)
    assert {"nosuid", "nodev"} <= set(options), options
    assert found["/scratch"][0] == "tmpfs"
    assert berth.post("/file?path=/cache/x&write=1", b"y").status == 200
    assert read(berth, "/cache/x") == "y"


def test_shm_size_is_that_of_dev_shm(t):
    berth = t.berth(CONF % "shm_size 12m;")
    kind, options = mounts(berth)["/dev/shm"]
    assert kind == "tmpfs" and "size=12288k" in options, options


def test_devices_are_there_and_no_others(t):
    # One that a container has no right to unless it is told.
    berth = t.berth(CONF % "device /dev/loop-control:/dev/mine:r;")
    assert berth.get("/file?path=/dev/mine").status == 200
    assert berth.post("/file?path=/dev/mine&write=1", b"").status == 404, "only r"
    berth.stop()
    more = t.berth(CONF % "device /dev/loop-control;", name="more")
    assert more.post("/file?path=/dev/loop-control&write=1", b"").status == 200
    assert more.get("/file?path=/dev/mine").status == 404


def test_volume_options_hold(t):
    folder = t.dir / "data"
    folder.mkdir(mode=0o755)
    t.write("data/x", "from the host")
    berth = t.berth(CONF % f"""
        user 1234:1234; volume {folder}:/ro:ro,noexec; volume {folder}:/rw:U;
    """)
    found = mounts(berth)
    assert {"ro", "noexec"} <= set(found["/ro"][1]), found["/ro"]
    assert read(berth, "/ro/x") == "from the host"
    assert berth.post("/file?path=/ro/y&write=1", b"y").status == 404
    assert berth.post("/file?path=/rw/y&write=1", b"y").status == 200
    assert os.stat(folder / "x").st_uid == 1234, "U gives it to the app's user"


def test_what_is_written_over_a_folder_is_the_containers_own(t):
    folder = t.dir / "data"
    folder.mkdir(mode=0o755)
    t.write("data/x", "from the host")
    berth = t.berth(CONF % f"volume {folder}:/data:O;")
    assert read(berth, "/data/x") == "from the host"
    assert berth.post("/file?path=/data/x&write=1", b"changed").status == 200
    assert read(berth, "/data/x") == "changed"
    assert (folder / "x").read_text() == "from the host"


def test_a_volume_of_podmans_is_shared_and_stays(t):
    name = f"{t.namespace}-data"
    t.cleanup(lambda: t.podman.run("volume", "rm", "--force", name, check=False))
    conf = CONF % f"volume {name}:/data;"
    first = t.berth(conf)
    assert first.post("/file?path=/data/x&write=1", b"kept").status == 200
    first.stop()
    assert read(t.berth(conf, name="second"), "/data/x") == "kept"


def test_read_only_leaves_folders_for_passing_files(t):
    berth = t.berth(CONF % "read_only on;")
    assert berth.post("/file?path=/x&write=1", b"y").status == 404
    for folder in ["/tmp", "/var/tmp", "/run"]:
        answer = berth.post(f"/file?path={folder}/x&write=1", b"y")
        assert answer.status == 200, (folder, answer)
    berth.stop()
    plain = t.berth(CONF % "", name="plain")
    assert plain.post("/file?path=/x&write=1", b"y").status == 200


def test_read_only_does_not_cover_what_is_mounted(t):
    berth = t.berth(CONF % "read_only on; tmpfs /tmp:8m; socket app.sock; command --unix;")
    assert "size=8192k" in mounts(berth)["/tmp"][1]
    assert berth.get("/hash").status == 200, "the socket's folder is still there"


# --- what it may do -------------------------------------------------------------


def test_capabilities_are_added_and_dropped(t):
    plain = t.berth(CONF % "")
    assert has_capability(plain, CHOWN) and not has_capability(plain, NET_ADMIN)
    plain.stop()
    more = t.berth(CONF % "cap_add NET_ADMIN; cap_drop chown;", name="more")
    assert has_capability(more, NET_ADMIN) and not has_capability(more, CHOWN)
    more.stop()
    none = t.berth(CONF % "cap_drop all; cap_add net_raw;", name="none")
    assert int(status(none)["CapBnd"], 16) == 1 << NET_RAW


def test_security_options_hold(t):
    plain = t.berth(CONF % "")
    before = status(plain)
    assert before["NoNewPrivs"] == "0" and before["Seccomp"] == "2", before
    assert read(plain, "/proc/uptime") != ""
    plain.stop()
    berth = t.berth(CONF % """
        security_opt no-new-privileges; security_opt seccomp=unconfined;
        security_opt mask=/proc/uptime; security_opt label=disable;
    """, name="b")
    after = status(berth)
    assert after["NoNewPrivs"] == "1" and after["Seccomp"] == "0", after
    assert read(berth, "/proc/uptime") == "", "masked"


def test_a_seccomp_profile_is_a_file(t):
    profile = t.write("seccomp.json", """{
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdirat", "mkdir"], "action": "SCMP_ACT_ERRNO"}]
    }""")
    berth = t.berth(CONF % f"security_opt seccomp={profile};")
    assert status(berth)["Seccomp"] == "2"


# --- names, notes, the log -----------------------------------------------------


def test_hostname_is_what_the_app_sees(t):
    berth = t.berth(CONF % "hostname web-1.example;")
    assert read(berth, "/proc/sys/kernel/hostname") == "web-1.example\n"


def test_annotations_and_labels_reach_the_container(t):
    berth = t.berth(CONF % "annotation org.x.note 'a b'; label org.x.owner team;")
    assert berth.get("/hash").status == 200
    config = inspect(t, berth)["Config"]
    assert config["Annotations"]["org.x.note"] == "a b"
    assert config["Labels"]["org.x.owner"] == "team"


def test_log_size_bounds_what_podman_keeps(t):
    berth = t.berth(CONF % "log_size 64k;")
    for _ in range(8):
        assert berth.get("/log?count=2000&line=" + 60 * "x").status == 200
    [container] = berth.containers("a")
    path = inspect(t, berth)["HostConfig"]["LogConfig"]["Path"]
    size = os.stat(path).st_size
    assert stat.S_ISREG(os.stat(path).st_mode)
    assert size < 200 << 10, size


# --- networks -------------------------------------------------------------------

TWO = """
http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
app a { image localhost/berth-test/app:1; replicas 0 1; %s }
app b { image localhost/berth-test/app:1; replicas 0 1; %s }
"""


def address_of(t, berth, app):
    [container] = berth.containers(app)
    networks = t.podman.inspect(container["Id"])["NetworkSettings"]["Networks"]
    [network] = networks.values()
    return network["IPAddress"]


def reach(t, berth):
    """Whether each of two apps gets to the other, and to itself."""
    assert berth.get("/a/hash").status == berth.get("/b/hash").status == 200
    return [
        berth.get(f"/{one}/connect?ip={address_of(t, berth, other)}&port=8000").status
        == 200
        for one, other in ["aa", "bb", "ab", "ba"]
    ]


def test_apps_of_private_networks_do_not_reach_each_other(t):
    bridge = t.berth(TWO % ("network bridge;", "network bridge;"), name="bridge")
    assert reach(t, bridge) == [True, True, True, True], "else this test says nothing"
    bridge.stop()
    private = t.berth(TWO % ("", ""))
    assert reach(t, private) == [True, True, False, False]


# --- several replicas, one environment ----------------------------------------


def test_every_value_is_printed_and_read_again(t):
    berth = t.berth(CONF % """
        tmpfs /cache:8m; shm_size 12m; device /dev/null:/dev/mine:r; read_only on;
        cap_add net_admin; cap_drop chown; security_opt no-new-privileges;
        hostname web-1; annotation a b; log_size 64k; pull_policy never;
    """, start=False)
    printed = berth.cli("config").stdout
    for line in ["tmpfs /cache:8m;", "shm_size 12m;", "device /dev/null:/dev/mine:r;",
                 "read_only on;", "cap_add CAP_NET_ADMIN;", "cap_drop CAP_CHOWN;",
                 "security_opt no-new-privileges;", "hostname web-1;",
                 "annotation a b;", "log_size 64k;", "pull_policy never;"]:
        assert line in printed, (line, printed)
