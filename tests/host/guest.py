#!/usr/bin/env python3
"""guest.py - what is asked of berth on a real host; run by guest.service.

Each step goes on from the one before, as an operator's day would. A line
"PASS name" or "FAIL name: why" for each; the last one is "DONE". Words in the
file `only` leave out what is named by none of them, but for what prepares.
"""

import json
import os
import pathlib
import signal
import subprocess
import time
import traceback
import urllib.error
import urllib.request

HERE = pathlib.Path("/root/host")
IMAGE = "localhost/test/app:1"
USER, UID = "plain", 1000
STEPS = []
PREPARES = set()


def step(function):
    STEPS.append(function)
    return function


def prepares(function):
    """A step that later ones need."""
    PREPARES.add(function)
    return step(function)


def chosen():
    only = HERE / "only"
    words = only.read_text().split() if only.exists() else []
    return [function for function in STEPS if not words or function in PREPARES
            or any(word in function.__name__ for word in words)]


def run(*words, check=True, **kw):
    done = subprocess.run(words, capture_output=True, text=True, **kw)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit {done.returncode}: "
                             f"{done.stdout}{done.stderr}")
    return done


def as_user(*words, check=True):
    """A command in a session of the ordinary user's own."""
    return run("systemd-run", "--quiet", "--pipe", "--wait", "--collect",
               f"--machine={USER}@.host", "--user", *words, check=check)


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def get(path, port=8080, timeout=60):
    """status, body, seconds"""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}",
                                    timeout=timeout) as answer:
            return answer.status, answer.read(), time.monotonic() - began
    except urllib.error.HTTPError as error:
        return error.code, error.read(), time.monotonic() - began


CONF = "/etc/berth/berth.conf"
USER_CONF = "/tmp/rootless.conf"


def serves(path, port=8080):
    """Whether it answers with 200; while nobody listens it does not."""
    try:
        return get(path, port)[0] == 200
    except OSError:
        return False


def status(conf=CONF):
    words = ["berth", "status", "-c", conf, "--json"]
    done = run(*words) if conf == CONF else as_user(*words)
    return json.loads(done.stdout)


def state(app, conf=CONF):
    [found] = [a for a in status(conf)["apps"] if a["name"] == app]
    return [r["state"] for r in found["replicas"]]


def containers(app):
    done = run("podman", "ps", "--all", "--format", "json")
    return [c for c in json.loads(done.stdout)
            if app in (c.get("Labels") or {}).values()]


def cgroup_of(container):
    inspected = json.loads(run("podman", "inspect", container).stdout)[0]
    path = pathlib.Path("/sys/fs/cgroup" + inspected["State"]["CgroupPath"])
    return path / "container" if (path / "container").is_dir() else path


def cgroup_of_process(pid):
    text = pathlib.Path(f"/proc/{pid}/cgroup").read_text().strip()
    return pathlib.Path("/sys/fs/cgroup" + text.split("::", 1)[1])


def pod_processes(conf=CONF):
    """Of the pod's app and of its sidecar."""
    words = ["podman", "ps", "--format", "{{.Names}} {{.Pid}}"]
    done = run(*words) if conf == CONF else as_user(*words)
    found = dict(line.split() for line in done.stdout.splitlines())
    # berth-NAMESPACE-pod-1, berth-NAMESPACE-pod-1.infra and .side.sidecar
    return {(name.split(".") + ["app"])[1]: int(pid)
            for name, pid in found.items() if "-pod-" in name}


def is_frozen(pid):
    events = (cgroup_of_process(pid) / "cgroup.events").read_text()
    return "frozen 1" in events


def expect_in_swap(pid, at_least, what):
    cgroup = cgroup_of_process(pid)
    swapped = int((cgroup / "memory.swap.current").read_text())
    resident = int((cgroup / "memory.current").read_text())
    print(f"# {what}: swapped {swapped >> 20} MB, resident {resident >> 20} MB",
          flush=True)
    assert swapped >= at_least << 20 and resident < swapped, (swapped, resident)


def a_pod_goes_down_and_up(port, conf=CONF):
    """Started by a request, frozen, thawed, hibernated, woken, stopped."""
    cli = as_user if conf != CONF else run
    code, body, seconds = get("/pod/hash", port, timeout=180)
    expect(code, 200, body)
    print(f"# first request: {seconds:.2f} s, emulated", flush=True)
    first = pod_processes(conf)
    expect(sorted(first), ["app", "infra", "side"], "containers of the pod")
    expect(get("/pod/connect?ip=127.0.0.1&port=9001", port)[0], 200, "the sidecar")
    wait_until(lambda: state("pod", conf) == ["frozen"], 60, "frozen")
    assert is_frozen(first["app"]) and is_frozen(first["side"]), "not all is frozen"
    code, body, seconds = get("/pod/hash", port)
    expect(code, 200, body)
    print(f"# from frozen: {seconds * 1000:.1f} ms, emulated", flush=True)
    assert not is_frozen(first["side"]), "the sidecar is not thawed"
    cli("berth", "hibernate", "-c", conf, "pod")
    expect(state("pod", conf), ["hibernated"], "state")
    expect_in_swap(first["app"], 40, "the app")
    expect(get("/pod/verify", port)[0], 200, "from hibernated: all of its memory")
    expect(get("/pod/connect?ip=127.0.0.1&port=9001", port)[0], 200, "the sidecar")
    expect(pod_processes(conf), first, "the same processes")
    cli("berth", "scale", "-c", conf, "pod", "0")
    wait_until(lambda: pod_processes(conf) == {}, 60, "all of the pod is gone")
    pods = cli("podman", "pod", "ps", "--format", "{{.Name}}").stdout
    expect(pods.strip(), "", "pods that are left")


def keeper():
    return int(run("systemctl", "show", "-P", "MainPID", "berth").stdout)


def expect(value, wanted, what):
    if value != wanted:
        raise AssertionError(f"{what}: {value!r}, not {wanted!r}")


# --- as root, by the unit that ships --------------------------------------------


@prepares
def the_host_is_what_it_is_meant_to_be():
    version = json.loads(run("podman", "version", "--format", "json").stdout)
    began = time.monotonic()
    runtime = json.loads(run("podman", "info", "--format", "json").stdout)["host"]
    print(f"# podman info: {time.monotonic() - began:.1f} s, emulated; network",
          runtime["networkBackend"], runtime["networkBackendInfo"].get("version"),
          flush=True)
    print("# Podman", version["Client"]["Version"], "runtime",
          runtime["ociRuntime"]["name"], "cgroups", runtime["cgroupVersion"],
          "kernel", os.uname().release, flush=True)
    expect(runtime["cgroupVersion"], "v2", "cgroups")
    expect(runtime["ociRuntime"]["name"], "crun", "runtime")


@prepares
def the_image_is_made():
    root = pathlib.Path("/root/image")
    (root / "tmp").mkdir(parents=True)
    run("cp", str(HERE / "testapp"), str(root))
    run("tar", "-C", str(root), "-cf", "/var/tmp/image.tar", ".")
    os.chmod("/var/tmp/image.tar", 0o644)
    run("podman", "import", "--change", 'ENTRYPOINT ["/testapp"]',
        "/var/tmp/image.tar", IMAGE)


@prepares
def swap_is_there_for_hibernation():
    run("fallocate", "-l", "512M", "/swap")
    os.chmod("/swap", 0o600)
    run("mkswap", "/swap")
    run("swapon", "/swap")


@prepares
def check_host_finds_nothing_wrong():
    run("podman", "secret", "create", "host-secret", "-", input="a secret of the host")
    run("install", "-D", "-m", "644", str(HERE / "berth.conf"),
        CONF)
    done = run("berth", "check", "-c", CONF, "--host")
    for line in (done.stdout + done.stderr).splitlines():
        print("#", line, flush=True)


@prepares
def the_unit_starts_and_systemd_knows_that_it_serves():
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "berth", timeout=120)
    shown = run("systemctl", "status", "berth").stdout
    assert "active (running)" in shown and "serving 5 apps" in shown, shown


@step
def the_first_request_starts_its_app_under_crun():
    code, body, seconds = get("/app/hash")
    expect(code, 200, body)
    print(f"# first request: {seconds:.2f} s, emulated", flush=True)
    [container] = containers("app")
    inspected = json.loads(run("podman", "inspect", container["Id"]).stdout)[0]
    expect(inspected["OCIRuntime"], "crun", "runtime")


@step
def a_private_network_is_served_too():
    expect(get("/private/hash", timeout=120)[0], 200, "private network")


@step
def a_pod_starts_freezes_hibernates_and_stops():
    a_pod_goes_down_and_up(8080)


@step
def a_read_only_app_has_its_secret_in_a_file():
    code, body, _ = get("/sealed/file?path=/run/secrets/token", timeout=120)
    expect((code, body), (200, b"a secret of the host"), "the secret")
    code, body, _ = get("/sealed/file?path=/new&write=1")
    expect((code, body), (404, b"Read-only file system\n"), "a write")


@step
def the_front_has_no_rights():
    front = int(status()["front"]["pid"])
    text = pathlib.Path(f"/proc/{front}/status").read_text()
    assert "CapEff:\t0000000000000000" in text and "NoNewPrivs:\t1" in text, text
    assert "Uid:\t0\t" not in text, text


@step
def an_idle_app_is_frozen_by_its_cgroup():
    wait_until(lambda: state("app") == ["frozen"], 30, "frozen")
    [container] = containers("app")
    frozen = (cgroup_of(container["Id"]) / "cgroup.freeze").read_text().strip()
    expect(frozen, "1", "cgroup.freeze")


@step
def a_frozen_app_answers_in_its_old_process():
    [before] = containers("app")
    code, body, seconds = get("/app/hash")
    expect(code, 200, body)
    print(f"# from frozen: {seconds * 1000:.1f} ms, emulated", flush=True)
    expect([c["Id"] for c in containers("app")], [before["Id"]], "container")


@step
def it_is_hibernated_and_its_memory_is_in_swap():
    run("berth", "hibernate", "-c", CONF, "app", timeout=120)
    wait_until(lambda: state("app") == ["hibernated"], 60, "hibernated")
    [container] = containers("app")
    cgroup = cgroup_of(container["Id"])
    print("# swapped", (cgroup / "memory.swap.current").read_text().strip(),
          "resident", (cgroup / "memory.current").read_text().strip(), flush=True)
    code, body, seconds = get("/app/hash")
    expect(code, 200, body)
    print(f"# from hibernated: {seconds * 1000:.1f} ms, emulated", flush=True)
    expect([c["Id"] for c in containers("app")], [container["Id"]], "container")


@step
def after_kill_9_systemd_starts_it_again_and_it_adopts():
    expect(get("/still/hash", timeout=120)[0], 200, "still")
    before = {a: [c["Id"] for c in containers(a)] for a in ("app", "still")}
    first = keeper()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: keeper() not in (0, first), 60, "a new keeper")
    wait_until(lambda: serves("/still/hash"), 60, "served again")
    for app, ids in before.items():
        expect([c["Id"] for c in containers(app)], ids, app)


@step
def a_killed_front_costs_no_container():
    before = [c["Id"] for c in containers("still")]
    front = int(status()["front"]["pid"])
    os.kill(front, signal.SIGKILL)
    wait_until(lambda: serves("/still/hash"), 60, "served again")
    expect([c["Id"] for c in containers("still")], before, "still")


@step
def systemctl_reload_applies_the_new_file():
    path = pathlib.Path(CONF)
    text = path.read_text()
    path.write_text(text.replace("route /still", "route /moved"))
    run("systemctl", "reload", "berth", timeout=60)
    wait_until(lambda: serves("/moved/hash"), 30, "the new route")
    expect(get("/still/hash")[0], 404, "the old route")
    path.write_text("nonsense;\n")
    done = run("systemctl", "reload", "berth", check=False, timeout=60)
    assert done.returncode != 0, "a reload of nonsense succeeded"
    expect(get("/moved/hash")[0], 200, "after a bad reload")
    path.write_text(text)
    run("systemctl", "reload", "berth", timeout=60)


@step
def systemctl_stop_drains_and_keeps_the_containers():
    before = sorted(c["Id"] for c in containers("still"))
    run("systemctl", "stop", "berth", timeout=120)
    expect(run("systemctl", "show", "-P", "Result", "berth").stdout.strip(),
           "success", "result")
    expect(sorted(c["Id"] for c in containers("still")), before, "kept")
    run("systemctl", "start", "berth", timeout=120)
    expect(get("/still/hash")[0], 200, "after the start")
    expect(sorted(c["Id"] for c in containers("still")), before, "adopted")
    run("berth", "stop", "-c", CONF, "--stop-containers",
        check=False, timeout=120)
    run("systemctl", "stop", "berth", timeout=120)


# --- as an ordinary user ----------------------------------------------------------


@prepares
def an_ordinary_user_has_podman():
    run("useradd", "--create-home", "--uid", str(UID), USER)
    run("loginctl", "enable-linger", USER)
    wait_until(lambda: pathlib.Path(f"/run/user/{UID}/bus").exists(), 60, "a session")
    as_user("podman", "import", "--change", 'ENTRYPOINT ["/testapp"]',
            "/var/tmp/image.tar", IMAGE)
    run("install", "-m", "644", str(HERE / "rootless.conf"), USER_CONF)
    done = as_user("berth", "check", "-c", USER_CONF, "--host", check=False)
    for line in (done.stdout + done.stderr).splitlines():
        print("#", line, flush=True)


def serve_as_user(*words):
    """Starts berth as the user; returns when it answers."""
    run("systemd-run", "--quiet", "--collect", f"--machine={USER}@.host", "--user",
        "--unit=berth-user", *words, "berth", "run", "-c", USER_CONF)
    wait_until(lambda: serves("/healthz", 9902), 90, "berth of the user serves")


def end_as_user():
    run("systemctl", f"--machine={USER}@.host", "--user", "stop", "berth-user",
        check=False, timeout=120)
    as_user("podman", "rm", "--all", "--force", "--time", "0", check=False)


@prepares
def rootless_an_app_is_reached_by_a_published_port():
    serve_as_user()
    code, body, seconds = get("/app/hash", 8081, timeout=120)
    expect(code, 200, body)
    done = as_user("podman", "ps", "--format", "{{.Ports}}")
    assert "127.0.0.1:" in done.stdout, done.stdout
    print(f"# rootless, published: {seconds:.2f} s, emulated", flush=True)
    names = run("ps", "-U", USER, "-o", "comm=").stdout.split()
    delegated = f"/sys/fs/cgroup/user.slice/user-{UID}.slice/user@{UID}.service"
    print("# the port is published by",
          sorted({"pasta", "pasta.avx2", "rootlessport", "slirp4netns"} & set(names)),
          "of", sorted(set(names)), "controllers delegated:",
          (pathlib.Path(delegated) / "cgroup.controllers").read_text().strip(),
          flush=True)


@step
def rootless_an_idle_app_is_frozen():
    wait_until(lambda: state("app", USER_CONF) == ["frozen"], 60, "frozen")
    print("# frozen by", json.dumps(status(USER_CONF)["engine"]), flush=True)
    expect(get("/app/hash", 8081)[0], 200, "from frozen")


@step
def rootless_it_is_hibernated_and_comes_back():
    [replica] = [r for a in status(USER_CONF)["apps"] if a["name"] == "app"
                 for r in a["replicas"]]
    as_user("berth", "hibernate", "-c", USER_CONF, "app")
    expect(state("app", USER_CONF), ["hibernated"], "state")
    expect_in_swap(replica["pid"], 40, "rootless")
    expect(get("/app/verify", 8081)[0], 200, "from hibernated: all of its memory")


@step
def rootless_a_pod_starts_freezes_hibernates_and_stops():
    try:
        a_pod_goes_down_and_up(8081, USER_CONF)
    finally:
        end_as_user()


@step
def within_podman_unshare_it_is_reached_inside():
    serve_as_user("podman", "unshare")
    code, body, _ = get("/app/hash", 8081, timeout=120)
    expect(code, 200, body)
    done = as_user("podman", "ps", "--format", "{{.Ports}}")
    assert "127.0.0.1:" not in done.stdout, done.stdout


@step
def within_podman_unshare_it_is_frozen_and_hibernated():
    wait_until(lambda: state("app", USER_CONF) == ["frozen"], 60, "frozen")
    print("# frozen by", json.dumps(status(USER_CONF)["engine"]), flush=True)
    expect(get("/app/hash", 8081)[0], 200, "from frozen")
    as_user("berth", "hibernate", "-c", USER_CONF, "app")
    expect(state("app", USER_CONF), ["hibernated"], "state")
    expect(get("/app/verify", 8081)[0], 200, "from hibernated: all of its memory")
    end_as_user()


def show_containers():
    for words in (["pod", "ps"], ["ps", "--all"]):
        for cli in (run, as_user):
            done = cli("podman", *words, check=False)
            for line in done.stdout.splitlines():
                print("#    ", line, flush=True)


def show_journal(since):
    """What berth said meanwhile, as the system's service or as the user's."""
    for unit in (["-u", "berth"], ["_SYSTEMD_USER_UNIT=berth-user.service"]):
        done = run("journalctl", "--no-pager", "-n", "30", "-o", "cat",
                   f"--since=@{since}", *unit, check=False)
        for line in (done.stdout + done.stderr).splitlines():
            print("#    ", line, flush=True)


def main():
    for function in chosen():
        began, wall = time.monotonic(), int(time.time())
        name = function.__name__
        try:
            function()
        except Exception as error:
            why = str(error).replace("\n", " | ")
            if not isinstance(error, AssertionError):
                why = traceback.format_exc().replace("\n", " | ")
            print(f"FAIL {name}: {why[:1500]}", flush=True)
            show_journal(wall)
            show_containers()
        else:
            print(f"PASS {name} ({time.monotonic() - began:.1f} s)", flush=True)
    print("DONE", flush=True)


main()
