#!/usr/bin/env python3
"""run_dir - the folder of one run of tests, and what was left of runs that died.

A run keeps all that it makes in /tmp/berth.XXXX: Podmans, the tests' folders, and
the file `owner`, which says which process it belongs to. Everything that it
starts has the folder's path in the environment, as BERTH_TEST_RUN. So whoever
comes next finds what a killed run left, and nothing else.

usage: tests/e2e/run_dir.py sweep           clear away after runs that died
       tests/e2e/run_dir.py own DIR PID     DIR is the run of process PID
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PODMAN_ENV = str(ROOT / "conf" / "demo" / "podman_env.sh")
TMP = pathlib.Path("/tmp")
test_count = 0


def started(pid):
    """When a process began, in the kernel's ticks; None: there is none."""
    with contextlib.suppress(OSError):
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]


def own(dir, pid):
    pathlib.Path(dir, "owner").write_text(f"{pid} {started(pid)} {ROOT}\n")


def owner(dir):
    """(process, its tree) of a run that is alive, else None."""
    with contextlib.suppress(OSError, ValueError):
        pid, since, tree = pathlib.Path(dir, "owner").read_text().split(maxsplit=2)
        if started(pid) == since:
            return int(pid), tree.strip()


def path():
    return os.environ["BERTH_TEST_RUN"]


def begin():
    """Make the folder, unless we are part of a run that has one; returns what
    to call at the end."""
    sweep()
    if "BERTH_TEST_RUN" in os.environ:
        return lambda: None
    dir = tempfile.mkdtemp(prefix="berth.", dir=TMP)
    os.chmod(dir, 0o755)  # the front, which is another user, may look
    own(dir, os.getpid())
    os.environ["BERTH_TEST_RUN"] = dir
    return lambda: shutil.rmtree(dir, ignore_errors=True)


def test_dir():
    """A folder for one test; its path is short, as sockets' paths have to be."""
    global test_count
    while True:
        test_count += 1
        dir = pathlib.Path(path(), f"t{test_count}")
        with contextlib.suppress(FileExistsError):
            dir.mkdir(mode=0o755)
            return str(dir)


def processes(having):
    """Processes in whose file `having[0]` of /proc stands the word having[1]."""
    file, word = having[0], having[1].encode()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if word in (entry / file).read_bytes().split(b"\0"):
                    yield int(entry.name), (entry / "comm").read_text().strip()


def destroy(podman_dir):
    subprocess.run([PODMAN_ENV, "destroy", str(podman_dir)],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def sweep_run(dir):
    """All of one dead run: its processes, its Podmans, its files."""
    # Podman's own know how to take away what they made.
    for pid, name in list(processes(("environ", f"BERTH_TEST_RUN={dir}"))):
        if name not in ("podman", "conmon", "netavark"):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    for conf in dir.glob("*/containers.conf"):
        destroy(conf.parent)
    for pid, _ in list(processes(("environ", f"BERTH_TEST_RUN={dir}"))):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(dir, ignore_errors=True)


def is_old(dir):
    with contextlib.suppress(OSError):
        return time.time() - dir.stat().st_mtime > 60
    return False


def sweep():
    """After runs that died; without root only after those that had no Podman."""
    is_root = os.geteuid() == 0
    for dir in TMP.glob("berth.*"):
        if (dir / "owner").exists() and not owner(dir):
            if is_root or not list(dir.glob("*/containers.conf")):
                print(f"clearing away after a run that was killed: {dir}")
                sweep_run(dir)
    if not is_root:
        return
    # Of a unit test against a real Podman: podman_fixture.c's helper, which
    # removes it, has the path as an argument for as long as it lives.
    for dir in TMP.glob("berth-live-??????"):
        if is_old(dir) and not any(processes(("cmdline", str(dir)))):
            destroy(dir)
    subprocess.run([PODMAN_ENV, "sweep"], check=True)


def main(arguments):
    if arguments == ["sweep"]:
        sweep()
    elif len(arguments) == 3 and arguments[0] == "own":
        for dir in TMP.glob("berth.*"):
            alive = owner(dir)
            if alive and alive[1] == str(ROOT) and dir != pathlib.Path(arguments[1]):
                print(f"another run is at work in {ROOT}: process {alive[0]}",
                      file=sys.stderr)
                return 1
        own(arguments[1], arguments[2])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
