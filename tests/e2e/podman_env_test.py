"""conf/demo/podman_env.sh: what a Podman leaves behind that was killed."""

import os
import pathlib
import signal
import subprocess

import harness
from harness import Podman, wait_until


def rules(port):
    """The packet filter's rules about a published port."""
    saved = subprocess.run(
        ["iptables-save", "-t", "nat"], capture_output=True, text=True, check=True
    )
    return [line for line in saved.stdout.splitlines() if f"--dport {port} " in line]


def published(podman, port):
    """A container of the test app on a port of this host; its process."""
    podman.serve()
    podman.build_images()
    name = podman.run("run", "--detach", "-p", f"127.0.0.1:{port}:8000", harness.APP)
    return int(podman.run("inspect", "--format", "{{.State.Pid}}", name.strip()))


def kill_all_of(podman, container_pid):
    """As a test's end by SIGKILL, or a power cut: nobody cleans up."""
    for pid in podman.conmons() + [podman.service_pid(), container_pid]:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not harness.is_alive(pid), 5, f"{pid} is gone")
    # conmon's successor in cleaning up, if it was quick.
    wait_until(lambda: not podman.processes(), 10, "no process of it is left")


@harness.limit(120)
def test_rules_of_a_killed_podman_are_swept_and_those_of_a_living_one_stay(t):
    dead, alive = Podman(t.dir / "dead"), Podman(t.dir / "alive")
    for podman in (dead, alive):
        t.cleanup(podman.destroy)
    dead_port, alive_port = t.free_port(), t.free_port()
    pid = published(dead, dead_port)
    published(alive, alive_port)
    assert rules(dead_port) and rules(alive_port)
    kill_all_of(dead, pid)
    assert rules(dead_port), "nobody took them away: that is what is tested"

    subprocess.run([Podman.ENV, "sweep"], check=True)
    assert not rules(dead_port), rules(dead_port)
    assert rules(alive_port), "another Podman's rules are its own"
    with harness.Conn(("127.0.0.1", alive_port)) as conn:
        assert conn.request("GET", "/hash").status == 200


@harness.limit(120)
def test_destroy_takes_rules_with_it_whose_container_podman_forgot(t):
    podman = Podman(t.dir / "p")
    port = t.free_port()
    t.cleanup(podman.destroy)
    kill_all_of(podman, published(podman, port))
    # What `podman rm` would look at is gone: a damaged, or half removed, one.
    for database in pathlib.Path(podman.dir, "storage/libpod").glob("*.db"):
        database.unlink()
    assert rules(port)
    podman.destroy()
    assert not rules(port), rules(port)
    assert not pathlib.Path(podman.dir).exists()
