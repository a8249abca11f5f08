"""lane - a process that runs tests, one after the other, in a network and a Podman
of its own: bridges, packet filter and ports of two lanes cannot meet, nor those
of whatever else the machine runs, and a killed lane leaves none of them."""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback

import harness
import run_dir

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class Lane:
    """The parent's side: give() a test's index, take() its result."""

    def __init__(self, dir, keep, tests):
        self.test = None
        self.is_alive = True
        self.socket, other = socket.socketpair()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.socket.close()
            code = 1
            try:
                serve(other, dir, keep, tests)
                code = 0
            except SystemExit:
                pass
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        other.close()
        self.lines = self.socket.makefile("r")

    def give(self, index):
        self.test = index
        self.started = time.monotonic()
        try:
            self.socket.sendall(f"{index}\n".encode())
        except OSError:
            pass  # take() sees that it is dead

    def take(self, tests):
        """(index, seconds, None or what was wrong). A lane that died fails the
        test that it was running."""
        line = self.lines.readline()
        index, self.test = self.test, None
        took = time.monotonic() - self.started
        if line:
            return index, took, json.loads(line)
        self.is_alive = False
        return index, took, "its lane died"

    def end(self):
        """Once it has nothing left to do it removes what it made."""
        self.socket.shutdown(socket.SHUT_WR)
        if self.test is not None:
            os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        self.socket.close()


def serve(requests, dir, keep, tests):
    """The lane itself, until the parent closes its end, or dies."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says what to do
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    own_network()
    podman = harness.Podman(dir)
    os.environ["BERTH_TEST_PODMAN"] = podman.dir
    try:
        podman.end()  # a service of an earlier run is in another network
        podman.serve()
        podman.build_images()
        for line in requests.makefile("r"):
            try:
                what = run_one(*tests[int(line)], podman)
            except subprocess.SubprocessError as error:
                what = f"{error}\n"
            requests.sendall(json.dumps(what).encode() + b"\n")
    finally:
        if keep:
            podman.end()
        else:
            podman.destroy()


def own_network():
    """A network like a machine's: loopback, and one interface to the world, of
    which nothing answers."""
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for command in (
        "link set lo up",
        "link add uplink type bridge",
        "address add 192.0.2.10/24 dev uplink",
        "link set uplink up",
        "route add default via 192.0.2.1",
    ):
        subprocess.run(["ip", *command.split()], check=True)


def in_child(name, test, dir):
    """The forked process of one test: its exit code, what failed on stdout."""
    t = harness.Test(name, dir)
    failed = False
    try:
        test(t)
    except BaseException:
        failed = True
        traceback.print_exc(file=sys.stdout)
    for what in t.finish():
        failed = True
        print(what)
    if failed:
        for berth in t.berths:
            print(f"--- the end of {berth.name}'s log:\n{berth.log_tail()}")
    sys.stdout.flush()
    return 1 if failed else 0


def wait_child(pid, seconds):
    """The child's exit code, or None when it took too long and was killed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def run_one(name, test, podman):
    """Run a test in a session of its own; what it said if it failed."""
    dir = run_dir.test_dir()
    said = pathlib.Path(dir, "said")
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        with open(said, "wb") as out:
            os.dup2(out.fileno(), 1)
        sys.stdout = open(1, "w", closefd=False)
        os._exit(in_child(name, test, dir))
    limit_s = getattr(test, "limit_s", 60)
    try:
        # What it needs to clean up comes on top.
        code = wait_child(pid, limit_s + 30)
    except SystemExit:
        with_session(pid, signal.SIGKILL)
        shutil.rmtree(dir, ignore_errors=True)
        raise
    text = ""
    if code is None:
        text = f"killed after {limit_s + 30} s\n" + "".join(
            f"--- the end of {log}:\n" + log.read_text(errors="replace")[-6000:]
            for log in pathlib.Path(dir).glob("*/log")
        )
        with_session(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    # Whatever the test left running goes, failed or not.
    with_session(pid, signal.SIGKILL)
    text = said.read_text(errors="replace") + text
    shutil.rmtree(dir, ignore_errors=True)
    podman.serve()
    left = podman.leftovers()
    if left:
        text += "left behind: " + ", ".join(left) + "\n"
        podman.clear()
    return text if left or code != 0 else None


def with_session(session, number):
    """Signal every process of a session."""
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == session:
                    os.kill(int(entry.name), number)
            except (ProcessLookupError, PermissionError):
                pass
