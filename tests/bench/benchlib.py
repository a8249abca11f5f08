"""What benchmarks share: processes that end with us, pinning, medians, tables."""

import ctypes
import errno
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time


PREFERRED_NICE = -12
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP, IFF_RUNNING = 0x1, 0x40


class BenchError(Exception):
    """Something that the person at the terminal can mend."""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for_port(port, process, seconds=10):
    """Until somebody accepts on 127.0.0.1:port; process must not end before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{process.args[0]} ended with {process.returncode}: "
                             f"{process.log_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f"{process.args[0]}: nobody listens on port {port}: "
                     f"{process.log_text()}")


def own_network():
    """As root, from here on in a network namespace with nothing but a loopback
    device: what the machine filters and tracks (Podman's rules have the kernel
    look at each packet) is then no part of what is measured."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        print(f"no network namespace of its own: {os.strerror(ctypes.get_errno())}",
              file=sys.stderr)
        return
    request = struct.pack("16sh22x", b"lo", IFF_UP | IFF_RUNNING)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, request)


class Process(subprocess.Popen):
    """A child pinned to `cores`, with its output in a file."""

    def __init__(self, args, cores, log, **kwargs):
        self.log = pathlib.Path(log)
        with open(log, "wb") as out:
            super().__init__(args, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT,
                             preexec_fn=lambda: os.sched_setaffinity(0, cores),
                             **kwargs)

    def log_text(self):
        return self.log.read_text(errors="replace").strip()[-2000:]

    def tree(self):
        """Its pid and those of all its descendants."""
        children = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found.extend(children.get(pid, []))
        return found

    def end(self):
        """SIGQUIT is a graceful end for nginx and berth; then less kindly."""
        for number, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            if self.poll() is not None:
                return
            self.send_signal(number)
            try:
                self.wait(seconds)
            except subprocess.TimeoutExpired:
                pass


def set_group_nice(pid, nice):
    """Of the session's group (sched_autogroup) that pid is in."""
    path = pathlib.Path(f"/proc/{pid}/autogroup")
    for _ in range(20):  # without CAP_SYS_ADMIN, one change each tenth of a second
        try:
            path.write_text(str(nice))
            return
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise BenchError(f"{path}: {error.strerror}") from error
            time.sleep(0.05)


class Bench:
    """One run: a directory and processes that go when it ends."""

    def __init__(self, build, in_own_network=False):
        self.tools = pathlib.Path(build) / "tests" / "bench"
        self.processes = []
        self.own_nice = None
        if in_own_network:
            own_network()

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="berth-bench-"))
        # An unprivileged worker of a proxy reads its configuration here.
        self.dir.chmod(0o755)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.end()
        if self.own_nice is not None:
            set_group_nice(os.getpid(), self.own_nice)
        shutil.rmtree(self.dir)

    def start(self, name, args, cores, **kwargs):
        process = Process([str(arg) for arg in args], cores,
                          self.dir / f"{name}.log", **kwargs)
        self.processes.append(process)
        return process

    def prefer(self):
        """Have the scheduler choose what is measured over what else runs here,
        all of it alike: on a machine that others use, too, ratios are steadier
        so. To the scheduler each session is one group, whatever its processes
        are; the nice value of that group is set. Ours is put back at the end.
        """
        own = pathlib.Path("/proc/self/autogroup").read_text().split()[-1]
        self.own_nice = int(own)
        set_group_nice(os.getpid(), PREFERRED_NICE)
        for process in self.processes:
            for pid in process.tree():
                set_group_nice(pid, PREFERRED_NICE)

    def upstream(self, cores):
        port = free_port()
        process = self.start("upstream", [self.tools / "upstream",
                                          f"127.0.0.1:{port}"], cores)
        wait_for_port(port, process)
        return port

    def load(self, port, path, cores, connections, seconds, warm_up=0.5,
             rate=None, pids=()):
        """One measurement: what load.c prints, as a dictionary."""
        args = [self.tools / "load", "-c", connections, "-d", seconds,
                "-w", warm_up]
        if rate:
            args += ["-r", rate]
        if pids:
            args += ["-p", ",".join(map(str, pids))]
        args += [f"127.0.0.1:{port}", path]
        done = subprocess.run([str(arg) for arg in args], capture_output=True,
                              text=True, timeout=seconds + warm_up + 60,
                              preexec_fn=lambda: os.sched_setaffinity(0, cores),
                              check=False)
        if done.returncode != 0:
            raise BenchError(f"load: {done.stderr.strip()}")
        return json.loads(done.stdout)


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(a, b):
    return a / b if a and b else None


def size_text(size):
    for unit, factor in (("MB", 1 << 20), ("KB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def number_text(value, digits=1):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.{digits}f}"


def table_text(titles, rows):
    """Aligned columns; the first two to the left, numbers to the right."""
    widths = [max(len(str(row[i])) for row in [titles, *rows])
              for i in range(len(titles))]
    lines = []
    for row in [titles, *rows]:
        cells = [str(cell).ljust(width) if isinstance(cell, str) and i == 0
                 else str(cell).rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def machine_text():
    model = "?"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (f"{len(os.sched_getaffinity(0))} cores ({model}), "
            f"Linux {os.uname().release}, load {os.getloadavg()[0]:.1f}")


def busy_before(seconds=1.0):
    """How much of the machine others use: 0 to 1, over a moment."""
    def sample():
        line = pathlib.Path("/proc/stat").read_text().splitlines()[0]
        ticks = [int(word) for word in line.split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]  # all; idle and iowait
    total, idle = sample()
    time.sleep(seconds)
    total_after, idle_after = sample()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def version_of(args, marker):
    """The first word that follows marker in what a --version prints."""
    try:
        done = subprocess.run(args, capture_output=True, text=True, check=False)
    except OSError:
        return None
    _, found, rest = (done.stdout + done.stderr).partition(marker)
    return rest.split()[0].rstrip(",") if found and rest.split() else None
