"""An app that means harm: what it says, floods, forks and reaches for stays its own."""

import pathlib

import harness
from harness import wait_until

SHELL = """image localhost/berth-test/app:1; volume /bin/busybox:/bin/busybox:ro;
    replicas 0 1; keep_primed 0; start_retries 0;"""
MEMORY_MAX = 24 << 20  # of keeper or front; each has some 10 MB without load


def conf(command, more=""):
    return """
        http { server { listen 127.0.0.1:@port@; route /a { app a; } route /b { app b; } } }
        app a { %s network none; entrypoint /bin/busybox sh -c; command '%s'; %s }
        app b { image localhost/berth-test/app:1; network none; replicas 0 1; }
    """ % (SHELL, command, more)


def assert_small(berth):
    for pid in (berth.keeper_pid, berth.front_pid):
        assert harness.rss_bytes(pid) < MEMORY_MAX, (pid, harness.rss_bytes(pid))


def test_what_it_says_to_a_ready_check_is_bounded(t):
    # Garbage first, then a head that never ends, to whoever connects.
    berth = t.berth(conf(
        "while :; do echo garbage | /bin/busybox nc -l -p 8000;"
        " { printf \"HTTP/1.1 200 OK\\r\\nX: \"; /bin/busybox yes; }"
        " | /bin/busybox nc -l -p 8000; done >/dev/null",
        "ready_check http /health; start_timeout 4s;"))
    answer = berth.get("/a/x")
    assert answer.error == "start_timeout", answer
    assert "invalid HTTP" in answer.text or "header" in answer.text, answer.text
    assert_small(berth)
    assert berth.get("/b/hash").status == 200, "others are served"


@harness.limit(90)
def test_a_flood_of_output_costs_berth_nothing(t):
    # 60 MB of lines, then 60 MB of one line, while berth looks for one that is
    # not there.
    berth = t.berth(conf(
        "/bin/busybox yes 0123456789012345678901234567890123456789 |"
        " /bin/busybox head -c 60000000;"
        " /bin/busybox yes | /bin/busybox tr -d \"\\n\" | /bin/busybox head -c 60000000;"
        " exec /testapp",
        "ready_check log \"listens$\"; start_timeout 60s; log_size 1m;"))
    assert berth.get("/a/hash", timeout=80).status == 200
    assert_small(berth)
    [container] = berth.containers("a")
    log = t.podman.inspect(container["Id"])["HostConfig"]["LogConfig"]["Path"]
    kept = sum(f.stat().st_size for f in pathlib.Path(log).parent.glob("ctr.log*"))
    assert kept < 3 << 20, kept
    assert "listens" in berth.cli("logs", "a", "--tail", "1").stdout
    assert_small(berth)


def test_a_fork_bomb_stays_within_pids_and_goes_when_it_is_told(t):
    berth = t.berth(conf(
        "/testapp & b() { b | b & }; trap \"\" TERM; sleep 1; b; while :; do wait; sleep 1; done",
        "pids 48; memory 128m; cpus 0.5; stop_timeout 1s; idle_timeout 3s;"))
    assert berth.get("/a/hash").status == 200
    [container] = berth.containers("a")
    path = t.podman.inspect(container["Id"])["State"]["CgroupPath"]
    assert int(pathlib.Path("/sys/fs/cgroup/pids" + path, "pids.current").read_text()) <= 48
    wait_until(lambda: not berth.containers("a"), 30, "its container is gone")
    assert not pathlib.Path("/sys/fs/cgroup/pids" + path).exists()
    assert berth.get("/b/hash").status == 200, "others are served"


def test_a_private_network_reaches_nothing_that_berth_keeps_to_itself(t):
    """Not other apps, not what listens on the host's loopback, not Podman; even with
    the capabilities to send what it likes. What berth listens on for everybody it
    reaches as everybody does."""
    wide = t.free_port()
    berth = t.berth("""
        http { server { listen 127.0.0.1:@port@; listen 0.0.0.0:@wide@;
                        route /a { app a; } route /b { app b; } route /n { app n; } } }
        app a { %s cap_add net_admin net_raw; }
        app b { image localhost/berth-test/app:1; replicas 0 1; }
        app n { image localhost/berth-test/app:1; network none; replicas 0 1; }
    """ % SHELL, ports={"wide": wide})

    def network(app):
        assert berth.get(f"/{app}/hash").status == 200
        [container] = berth.containers(app)
        [net] = t.podman.inspect(container["Id"])["NetworkSettings"]["Networks"].values()
        return container["Id"], net

    container, own = network("a")
    _, other = network("b")
    assert berth.get("/n/hash").status == 200

    def reaches(ip, port, app="a"):
        return berth.get(f"/{app}/connect?ip={ip}&port={port}").status == 200

    assert reaches(own["IPAddress"], 8000), "the question is put right"
    assert not reaches(other["IPAddress"], 8000), "another app"
    for gateway in (own["Gateway"], other["Gateway"]):
        assert not reaches(gateway, berth.admin_port), "the admin listener"
        assert not reaches(gateway, berth.port), "a listener on the host's loopback"
        assert reaches(gateway, wide), "a listener for everybody"
        assert not reaches(gateway, wide, "n"), "network none: nothing"
    # As CVE-2020-8558 had it: the host's loopback, by way of the bridge.
    done = t.podman.run(
        "exec", container, "/bin/busybox", "sh", "-c",
        f"b=/bin/busybox; $b ip addr del 127.0.0.1/8 dev lo; "
        f"$b ip route add 127.0.0.0/8 via {own['Gateway']} && "
        f"$b nc -w 2 127.0.0.1 {berth.admin_port} </dev/null && echo connected; "
        f"$b find / -xdev -type s; echo end", check=False)
    assert done.strip() == "end", f"neither a connection nor a socket: {done}"
