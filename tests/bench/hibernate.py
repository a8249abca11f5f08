"""The measuring part of hibernate.sh: needs BERTH_TEST_PODMAN, as root.

"first byte": of a request that touches next to nothing; "all back": a request
after it that reads and checks all of the app's memory. Whatever is not as it
should be (an answer, its content, another process than before, more memory
than `resources` has, a process that the kernel killed) is said, and the exit
code is 1.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402
from harness import wait_until  # noqa: E402

MIB = 1 << 20
REQUEST_S = 120
SWAP_OFF_S = 300
# Of a container beside what its app fills: its own code, page tables.
BESIDE_MB = 32


class Swap:
    """A swap file for the time of the run."""

    def __init__(self, folder, mib):
        self.path, self.mib = pathlib.Path(folder) / "berth-bench.swap", mib

    def __enter__(self):
        try:
            free = shutil.disk_usage(self.path.parent).free
            if free < (self.mib + 2048) * MIB:
                sys.exit(f"{self.path.parent} has no {self.mib + 2048} MB free")
            with open(self.path, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                os.posix_fallocate(file.fileno(), 0, self.mib * MIB)
            subprocess.run(["mkswap", self.path], check=True, capture_output=True)
            # Before other areas: those of tests that run beside it are small.
            subprocess.run(["swapon", "-p", "10", self.path], check=True)
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        return self

    def __exit__(self, *_):
        try:
            subprocess.run(["swapoff", self.path], check=True, timeout=SWAP_OFF_S)
        finally:
            self.path.unlink(missing_ok=True)


def meminfo(key):
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return 0


def memory_cgroup(pid):
    """The directory, and whether it is of v2."""
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return pathlib.Path("/sys/fs/cgroup/memory" + path), False
        if number == "0" and pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists():
            return pathlib.Path("/sys/fs/cgroup" + path), True
    raise AssertionError(f"process {pid} has no memory cgroup")


def number_of(path, key=None):
    text = path.read_text()
    if key is None:
        return int(text)
    for line in text.splitlines():
        if line.split()[0] == key:
            return int(line.split()[1])
    return 0


class Cgroups:
    """Of all apps' containers, as the kernel counts."""

    def __init__(self, pids):
        self.found = [memory_cgroup(pid) for pid in pids]

    def resident(self):
        return sum(number_of(folder / ("memory.current" if v2 else "memory.usage_in_bytes"))
                   for folder, v2 in self.found)

    def oom_kills(self):
        return sum(number_of(folder / ("memory.events" if v2 else "memory.oom_control"),
                             "oom_kill") for folder, v2 in self.found)


class Watch(threading.Thread):
    """Looks at who has how much, all the time."""

    def __init__(self, berth):
        super().__init__(daemon=True)
        self.berth, self.ended = berth, threading.Event()
        self.cgroups = None
        self.most = {"reserved": 0, "resident": 0}
        self.least_available = meminfo("MemAvailable")
        self.looks = 0

    def run(self):
        while not self.ended.wait(0.2):
            if self.cgroups:
                self.most["resident"] = max(self.most["resident"],
                                            self.cgroups.resident())
            self.least_available = min(self.least_available, meminfo("MemAvailable"))
            self.looks += 1
            if self.looks % 5 == 0:
                reserved = self.berth.status()["resources"]["memory_bytes"]["reserved"]
                self.most["reserved"] = max(self.most["reserved"], reserved)

    def stop(self):
        self.ended.set()
        self.join(30)


def conf_of(names, options, resources):
    routes = "".join(f"route /{name} {{ app {name}; }}\n" for name in names)
    apps = "".join(
        f"app {name} {{ image {harness.APP}; network none; replicas 0 1;"
        f" memory {options.size + BESIDE_MB}m; env TESTAPP_MEMORY {options.size};"
        f" keep_primed 0; start_timeout 120s; queue_timeout 110s;"
        f" freeze_after 1s; hibernate_after pressure; keep_until_pressure on;"
        f" evictable off; }}\n" for name in names)
    return (f"{resources} http {{ server {{ listen 127.0.0.1:@port@;"
            f"\n{routes} }} }}\n{apps}")


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


class Table:
    def __init__(self):
        self.rows, self.wrong = {}, []

    def add(self, what, values):
        if not values:
            return
        self.rows[what] = values
        print(f"{what:60}{len(values):5}{statistics.median(values):10.1f}"
              f"{quantile(values, 0.9):10.1f}{max(values):10.1f}", flush=True)

    def expect(self, ok, what):
        if not ok:
            self.wrong.append(what)
            print(f"WRONG: {what}", flush=True)


class Apps:
    """Those of one berth, each known by its process."""

    def __init__(self, berth, names, table, size):
        self.berth, self.names, self.table = berth, names, table
        self.words = size * MIB // 8
        self.ids = {}

    def ask(self, name, path):
        """Milliseconds to the first byte, and in all."""
        answer = self.berth.get(f"/{name}/{path}", timeout=REQUEST_S)
        self.table.expect(answer.status == 200,
                          f"{name}/{path}: {answer.status} {answer.error} "
                          f"{answer.text[:200]}")
        first = self.ids.setdefault(name, answer.app_id)
        self.table.expect(answer.app_id == first, f"{name}: another process")
        if path == "verify":
            self.table.expect(answer.text == f"{self.words} words, 0 wrong\n",
                              f"{name}: {answer.text}")
        return answer.first_byte_ms, answer.total_ms

    def state(self, name):
        [replica] = self.berth.app(name)["replicas"]
        return replica["state"]

    def states(self):
        return [r["state"] for app in self.berth.status()["apps"]
                for r in app["replicas"]]

    def pids(self):
        return [r["pid"] for app in self.berth.status()["apps"]
                for r in app["replicas"]]

    def memory(self, name):
        [replica] = self.berth.app(name)["replicas"]
        return replica["memory"]["resident"] / MIB, replica["memory"]["swapped"] / MIB


def one_app(test, table, options):
    berth = test.berth(conf_of(["one"], options, ""), name="one")
    apps = Apps(berth, ["one"], table, options.size)
    apps.ask("one", "verify")
    rows = {"plain": [], "ready": [], "first": [], "back": [], "out": []}
    for _ in range(options.repeat):
        rows["plain"].append(apps.ask("one", "hash")[0])
        rows["ready"].append(apps.ask("one", "verify")[1])
        before = apps.memory("one")
        began = time.monotonic()
        berth.cli("hibernate", "one", seconds=200)
        rows["out"].append((time.monotonic() - began) * 1000)
        after = apps.memory("one")
        table.expect(after[0] < options.size / 16, f"resident after: {after}")
        time.sleep(0.3)
        rows["first"].append(apps.ask("one", "hash")[0])
        rows["back"].append(apps.ask("one", "verify")[1])
    berth.stop()
    print(f"\none app of {options.size} MB: resident {before[0]:.0f} MB before,"
          f" {after[0]:.1f} MB when hibernated ({after[1]:.0f} MB in swap)")
    print(f"{'ms':60}{'n':>5}{'p50':>10}{'p90':>10}{'max':>10}")
    table.add("ready: first byte", rows["plain"])
    table.add("ready: all of it checked", rows["ready"])
    table.add("written out (berth hibernate)", rows["out"])
    table.add("hibernated: first byte", rows["first"])
    table.add("hibernated: all back and checked", rows["back"])


def ask_all(apps, table, what, order, pause):
    """Each name of `order` is asked; those that slept are told apart by where
    their last start began."""
    first, back, was_ready = [], [], []
    for name in order:
        time.sleep(pause)
        slept = apps.state(name) == "hibernated"
        first_byte = apps.ask(name, "hash")[0]
        total = apps.ask(name, "verify")[1]
        (first if slept else was_ready).append(first_byte)
        if slept:
            back.append(total)
    table.add(f"{what}, hibernated: first byte", first)
    table.add(f"{what}, hibernated: all back and checked", back)
    table.add(f"{what}, frozen or ready: first byte", was_ready)


def report_memory(table, watch, total):
    print(f"most reserved {watch.most['reserved'] / MIB:.0f} MB, most resident by the"
          f" cgroups {watch.most['resident'] / MIB:.0f} MB, of {total / MIB:.0f} MB;"
          f" least MemAvailable {watch.least_available / MIB:.0f} MB")
    table.expect(watch.most["reserved"] <= total, "more reserved than there is")
    table.expect(watch.most["resident"] <= total, "more resident than there is")


def many_apps(test, table, options):
    names = [f"h{i}" for i in range(options.apps)]
    berth = test.berth(conf_of(names, options, f"resources {{ memory {options.memory}; }}"),
                       name="many", seconds=60)
    apps = Apps(berth, names, table, options.size)
    watch = Watch(berth)
    total = berth.status()["resources"]["memory_bytes"]["total"]
    print(f"\n{options.apps} apps of {options.size} MB, resources {{ memory"
          f" {options.memory}; }}")
    print(f"{'ms':60}{'n':>5}{'p50':>10}{'p90':>10}{'max':>10}")
    watch.start()
    try:
        table.add("started, one after the other: all of it checked",
                  [apps.ask(name, "verify")[1] for name in names])
        watch.cgroups = Cgroups(apps.pids())
        ask_all(apps, table, "in turn, back to back", names, 0)
        chosen = [random.choice(names) for _ in range(options.asked)]
        ask_all(apps, table, f"at random, {options.pause:g} s between two", chosen,
                options.pause)
        four = random.sample(names, min(4, len(names)))
        table.add("four at once: first byte", harness.parallel(
            4, lambda i: apps.ask(four[i], "hash")[0]))
        wait_until(lambda: "ready" not in apps.states(), 60, "all sleep")
        states = apps.states()
        kills = watch.cgroups.oom_kills()
        swap_used = meminfo("SwapTotal") - meminfo("SwapFree")
    finally:
        watch.stop()
        report_memory(table, watch, total)
    print(f"in the end {states.count('frozen')} frozen, "
          f"{states.count('hibernated')} hibernated; {swap_used / MIB:.0f} MB of swap used")
    print(f"{kills} killed for want of memory")
    print(f"{berth.metric('berth_evictions_total'):.0f} hibernated while a request waited for their room")
    table.expect(len(states) == options.apps, f"{len(states)} replicas are there")
    table.expect(kills == 0, "the kernel killed for want of memory")
    berth.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--apps", type=int, default=40)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--memory", default="8g")
    parser.add_argument("--asked", type=int)
    parser.add_argument("--pause", type=float, default=4)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--swap", type=int)
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.asked is None:
        options.asked = 2 * options.apps
    swap = options.swap or options.apps * options.size * 5 // 4 + 512
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="berth-t-")
    table = Table()
    with Swap(options.dir, swap):
        test = harness.Test("hibernate", folder)
        try:
            one_app(test, table, options)
            many_apps(test, table, options)
        finally:
            table.wrong += test.finish()
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(table.rows, indent=1))
    if table.wrong:
        sys.exit("\n".join(table.wrong))


if __name__ == "__main__":
    main()
