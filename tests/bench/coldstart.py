"""The measuring part of coldstart.sh: needs BERTH_TEST_PODMAN, as root.

berth's own share = the client's time to the first byte - what Podman's calls and
the app took of it (create, prime, start, boot), all of one start. On a machine that
has something else to do, most of it is waiting for a core; so two more figures of the
same start come from the kernel (schedstat of all threads of keeper and front): the
CPU time that they used from the request to its answer, which is what berth itself
costs, and how long they were ready to run and did not (off core).
"""

import argparse
import contextlib
import json
import os
import pathlib
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

WAYS = {
    "none": "network none;",
    "private": "",
    "published": "port 8000 published;",
}
RUNGS = {  # what keeps an app there, and the state that says so
    "pulled": ("keep_primed 0; idle_timeout 50ms;", None),
    "primed": ("keep_primed 1; idle_timeout 50ms;", "primed"),
    "hibernated": ("keep_primed 0; freeze_after 50ms; hibernate_after 50ms;", "hibernated"),
    "frozen": ("keep_primed 0; freeze_after 50ms;", "frozen"),
    "ready": ("keep_primed 0; replicas 1 1;", "ready"),
}
RAW_STARTS = 30  # of the bare calls; of berth as many as are asked for
PODMAN = ("create", "prime", "start", "boot")
NETWORKS = {
    "none": {"netns": {"nsmode": "none"}},
    "private": {"netns": {"nsmode": "bridge"}},
    "published": {"netns": {"nsmode": "bridge"},
                  "portmappings": [{"container_port": 8000, "host_ip": "127.0.0.1"}]},
}
RUN = {"none": ["--network", "none"], "private": [], "published": ["-p", "127.0.0.1::8000"]}


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


@contextlib.contextmanager
def swap(folder, mib):
    """A swap file, for the rung below frozen."""
    path = pathlib.Path(folder) / "swap"
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        for _ in range(mib):
            file.write(bytes(1 << 20))
    subprocess.run(["mkswap", path], check=True, capture_output=True)
    subprocess.run(["swapon", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["swapoff", path], check=True)
        path.unlink()


# --- what Podman alone takes ----------------------------------------------------


def raw_calls(podman, way, name):
    """Milliseconds of create, start; and of init, then start of a primed one."""
    limits = [{"type": kind, "soft": 1024, "hard": 1024} for kind in ("nofile", "nproc")]
    body = {"image": harness.APP, "r_limits": limits,
            "healthconfig": {"Test": ["NONE"]}, **NETWORKS[way]}

    def timed(method, path, body=None):
        begin = time.monotonic()
        answer = podman.api(method, path, body)
        return answer, (time.monotonic() - begin) * 1000

    made, create = timed("POST", "/containers/create", body | {"name": name + "-a"})
    made = made.json()["Id"]
    _, start = timed("POST", f"/containers/{made}/start")
    _, pause = timed("POST", f"/containers/{made}/pause")
    _, unpause = timed("POST", f"/containers/{made}/unpause")
    podman.api("DELETE", f"/containers/{made}?force=true&timeout=0")
    made = timed("POST", "/containers/create", body | {"name": name + "-b"})[0].json()["Id"]
    timed("POST", f"/containers/{made}/init")
    _, after_init = timed("POST", f"/containers/{made}/start")
    podman.api("DELETE", f"/containers/{made}?force=true&timeout=0")
    return {"pulled": create + start, "primed": after_init, "frozen": unpause,
            "hibernated": unpause}


def podman_run(podman, way, name):
    begin = time.monotonic()
    podman.run("run", "-d", "--name", name, *RUN[way], harness.APP)
    took = (time.monotonic() - begin) * 1000
    podman.run("rm", "-f", "-t", "0", name)
    return took


# --- berth ----------------------------------------------------------------------


def wait_for_rung(berth, app, state):
    def there():
        states = [r["state"] for r in berth.app(app)["replicas"]]
        return states == [state] if state else not states

    harness.wait_until(there, 30, f"{app} {state or 'asleep'}", interval=0.01)
    # Status comes from the keeper: what it decided is under way to the front.
    time.sleep(0.03)


def scheduled(berth):
    """Milliseconds on a core, and ready for one, of berth's threads so far."""
    on = off = 0
    for pid in (berth.keeper_pid, berth.front_pid):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            took, waited, _ = (task / "schedstat").read_text().split()
            on, off = on + int(took), off + int(waited)
    return on / 1e6, off / 1e6


def one_start(berth, app, rung):
    before = scheduled(berth)
    answer = berth.get(f"/{app}/hash")
    after = scheduled(berth)
    assert answer.status == 200, answer
    row = {"total": answer.first_byte_ms, "cpu": after[0] - before[0],
           "off_core": after[1] - before[1]}
    if rung != "ready":
        start = berth.app(app)["last_start"]
        assert start["from"] == rung, (rung, start)
        row |= {p["name"]: p["us"] / 1000 for p in start["phases"]}
        row["own"] = row["total"] - sum(row.get(p, 0) for p in PODMAN)
    return row


def measure(test, rungs, starts):
    conf = "http { server { listen 127.0.0.1:@port@;\n"
    apps = {f"{rung}-{way}": (rung, way) for rung in rungs for way in WAYS}
    for app in apps:
        conf += f"route /{app} {{ app {app}; }}\n"
    conf += "} }\n"
    for app, (rung, way) in apps.items():
        conf += f"app {app} {{ image {harness.APP}; {RUNGS[rung][0]} {WAYS[way]} }}\n"
    berth = test.berth(conf)
    rows = {app: [] for app in apps}
    raw = {way: [] for way in WAYS}
    run = {way: [] for way in WAYS}
    for app, (rung, _) in apps.items():  # those below ready have been there once
        if rung in ("frozen", "hibernated"):
            assert berth.get(f"/{app}/hash").status == 200
    for n in range(starts + 1):
        for app, (rung, _) in apps.items():
            wait_for_rung(berth, app, RUNGS[rung][1])
            row = one_start(berth, app, rung)
            if n > 0:  # the first one of each warms caches
                rows[app].append(row)
        for way in WAYS if n <= RAW_STARTS else ():
            calls = raw_calls(test.podman, way, f"raw-{n}-{way}")
            if n > 0:
                raw[way].append(calls)
                run[way].append(podman_run(test.podman, way, f"run-{n}-{way}"))
    berth.stop()
    return {"starts": rows, "raw": raw, "run": run}


# --- frozen and ready by turns ----------------------------------------------------


def measure_pairs(test, count):
    """A request to one that is frozen, then the same to it when it runs."""
    berth = test.berth(f"""
        http {{ server {{ listen 127.0.0.1:@port@; route /a {{ app a; }} }} }}
        app a {{ image {harness.APP}; network none; replicas 1 1; keep_primed 0;
                freeze_after 30ms; }}""")
    found = {"frozen": [], "ready": []}
    for n in range(count + 1):
        wait_for_rung(berth, "a", "frozen")
        frozen, ready = berth.get("/a/hash"), berth.get("/a/hash")
        assert frozen.status == ready.status == 200
        if n > 0:
            found["frozen"].append(frozen.first_byte_ms)
            found["ready"].append(ready.first_byte_ms)
    berth.stop()
    return found


def print_pairs(found):
    frozen, ready = found["frozen"], found["ready"]
    above = [quantile(frozen, q) - quantile(ready, q) for q in (0.5, 0.99)]
    print(f"{len(frozen)} pairs, ms: frozen p50 {quantile(frozen, 0.5):.2f} p99 "
          f"{quantile(frozen, 0.99):.2f}, ready p50 {quantile(ready, 0.5):.2f} p99 "
          f"{quantile(ready, 0.99):.2f}; above ready: p50 {above[0]:.2f} (target 1), p99 "
          f"{above[1]:.2f} (target 5)")


# --- many at once ----------------------------------------------------------------


def burst(port, targets):
    """A request to each target at once, on connections that are open already;
    milliseconds from the first byte sent to the first byte of each answer."""
    selector = selectors.DefaultSelector()
    socks = []
    for target in targets:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ)
        socks.append((sock, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    time.sleep(0.1)
    begin = time.monotonic()
    for sock, request in socks:
        sock.send(request)
    took = []
    while len(took) < len(socks):
        events = selector.select(10)
        assert events, f"{len(took)} of {len(socks)} were answered"
        for key, _ in events:
            data = key.fileobj.recv(65536)
            assert data.startswith(b"HTTP/1.1 200"), data[:200]
            took.append((time.monotonic() - begin) * 1000)
            selector.unregister(key.fileobj)
    for sock, _ in socks:
        sock.close()
    return took


def measure_burst(test, count, rounds):
    conf = "worker_threads 2; http { server { listen 127.0.0.1:@port@;\n"
    conf += "".join(f"route /b{i} {{ app b{i}; }}\n" for i in range(count)) + "} }\n"
    conf += "".join(f"app b{i} {{ image {harness.APP}; network none; replicas 1 1; "
                    "freeze_after 2s; keep_primed 0; }\n" for i in range(count))
    berth = test.berth(conf)
    found = {"frozen": [], "ready": []}

    def all_frozen():
        apps = berth.status()["apps"]
        return all([r["state"] for r in a["replicas"]] == ["frozen"] for a in apps)

    targets = [f"/b{i}/hash" for i in range(count)]
    for n in range(rounds + 1):
        harness.wait_until(all_frozen, 180, "all frozen", interval=0.2)
        time.sleep(0.1)
        frozen = burst(berth.port, targets)
        ready = burst(berth.port, targets)
        if n > 0:
            found["frozen"].append(max(frozen))
            found["ready"].append(max(ready))
    berth.stop()
    return found


# --- a large one -----------------------------------------------------------------


def measure_large(test, mib, folder):
    """An app that has filled its memory, hibernated."""
    with swap(folder, mib + 256):
        berth = test.berth(f"""
            http {{ server {{ listen 127.0.0.1:@port@; route /a {{ app a; }} }} }}
            app a {{ image {harness.APP}; network none; keep_primed 0; freeze_after 500ms;
                hibernate_after 500ms; env TESTAPP_MEMORY {mib}; }}""")
        assert berth.get("/a/touch").status == 200
        before = berth.app("a")["replicas"][0]["memory"]
        begin = time.monotonic()
        wait_for_rung(berth, "a", "hibernated")
        down = time.monotonic() - begin - 1.0
        after = berth.app("a")["replicas"][0]["memory"]
        first = berth.get("/a/hash")
        again = berth.get("/a/touch", timeout=60)
        assert first.status == again.status == 200
        berth.stop()
        return {"resident_before": before["resident"], "resident_after": after["resident"],
                "swapped": after["swapped"], "down_s": down,
                "first_byte_ms": first.first_byte_ms, "all_back_ms": again.first_byte_ms}


# --- telling ---------------------------------------------------------------------


def print_starts(found, starts):
    columns = ["queue", "pull", "create", "prime", "start", "boot", "ready", "thaw",
               "first_byte"]
    print(f"{starts} starts each, in turn; ms from the request's first byte to the answer's;"
          " phases and own: p50")
    print(f"{'from':12}{'network':11}{'p50':>7}{'p90':>7}{'p99':>7}{'max':>7}"
          + "".join(f"{c:>{max(8, len(c) + 1)}}" for c in columns)
          + f"{'own':>7}{'own p90':>8}{'cpu':>7}{'cpu p90':>8}{'off core':>9}"
          + f"{'raw calls':>11}{'podman run':>11}")
    for app, rows in found["starts"].items():
        rung, way = app.split("-")
        totals = [r["total"] for r in rows]
        line = f"{rung:12}{way:11}" + "".join(
            f"{v:7.2f}" for v in [statistics.median(totals), quantile(totals, 0.9),
                                  quantile(totals, 0.99), max(totals)])
        if rung == "ready":
            print(line)
            continue
        line += "".join(f"{statistics.median(r.get(c, 0) for r in rows):{max(8, len(c) + 1)}.2f}"
                        for c in columns)
        own, cpu = [r["own"] for r in rows], [r["cpu"] for r in rows]
        line += f"{statistics.median(own):7.2f}{quantile(own, 0.9):8.2f}"
        line += f"{statistics.median(cpu):7.2f}{quantile(cpu, 0.9):8.2f}"
        line += f"{statistics.median(r['off_core'] for r in rows):9.2f}"
        line += f"{statistics.median(c[rung] for c in found['raw'][way]):11.2f}"
        line += f"{statistics.median(found['run'][way]):11.1f}"
        print(line)
    print("own: total - (create + prime + start + boot), target 5; cpu: of keeper and front for"
          " that start; off core: that they waited for one (all threads)")
    print_targets(found)
    print("raw calls: the same Podman calls by a script (create and start; start of one that"
          " was initialised; unpause). podman run: until the command returns.")


def print_targets(found):
    """What the issue asks of the rungs, as far as this run can say."""
    for app, rows in found["starts"].items():
        rung, way = app.split("-")
        if rung == "primed":
            rest = [r["total"] - r.get("boot", 0) for r in rows]
            print(f"primed, {way}: without the app's boot p50 {statistics.median(rest):.1f} ms"
                  " (target 40)")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--rungs", default=",".join(RUNGS), help="only these")
    parser.add_argument("--burst", type=int, default=100, help="frozen apps asked at once; 0: skip")
    parser.add_argument("--large", type=int, default=512, help="MB of an app; 0: skip")
    parser.add_argument("--no-swap", action="store_true", help="no rung hibernated")
    parser.add_argument("--pairs", type=int, default=400, help="frozen and ready; 0: skip")
    parser.add_argument("--quick", action="store_true",
                        help="a look: 5 starts, 40 pairs, 20 at once, no large one")
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.quick:
        options.starts, options.pairs, options.burst, options.large = 5, 40, 20, 0
    folder = tempfile.mkdtemp(prefix="berth-t-")
    rungs = [r for r in options.rungs.split(",") if r != "hibernated" or not options.no_swap]
    found, wrong = {}, []

    def part(name, run):
        test = harness.Test(name, str(pathlib.Path(folder) / name))
        pathlib.Path(test.dir).mkdir()
        try:
            return run(test)
        finally:
            wrong.extend(test.finish())

    try:
        with swap(folder, 256) if "hibernated" in rungs else contextlib.nullcontext():
            found = part("starts", lambda t: measure(t, rungs, options.starts))
        print_starts(found, options.starts)
        if options.pairs:
            found["pairs"] = part("pairs", lambda t: measure_pairs(t, options.pairs))
            print_pairs(found["pairs"])
        if options.burst:
            found["burst"] = part("burst", lambda t: measure_burst(t, options.burst, 5))
            print(f"{options.burst} apps asked at once, ms until the last one's first byte: "
                  + ", ".join(f"{k} {statistics.median(v):.1f} (max {max(v):.1f})"
                              for k, v in found["burst"].items()))
        if options.large and not options.no_swap:
            found["large"] = part(
                "large", lambda t: measure_large(t, options.large, folder))
            print(f"an app of {options.large} MB, hibernated: "
                  + ", ".join(f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v >> 20} MB"
                              for k, v in found["large"].items()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
