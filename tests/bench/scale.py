"""The measuring part of scale.sh: needs BERTH_TEST_PODMAN, as root."""

import argparse
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402
from upstream import Upstream  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def app_text(name, more):
    return f"app {name} {{ image {harness.APP}; network none; {more} }}\n"


def conf_of(apps, routes_each, more, workers=1, http=""):
    routes = "".join(
        f"route /a{a}/r{r} {{ app a{a}; }}\n" for a in range(apps) for r in range(routes_each))
    return (f"worker_threads {workers};\nhttp {{ {http} server {{ listen 127.0.0.1:@port@;\n"
            f"{routes} }} }}\n" + "".join(app_text(f"a{a}", more) for a in range(apps)))


def cpu_s(pid):
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def idle_cpu(berth, seconds=4):
    """CPU of each process, in milliseconds a second, when nothing is asked."""
    pids = (berth.keeper_pid, berth.front_pid)
    before = [cpu_s(pid) for pid in pids]
    time.sleep(seconds)
    return [(cpu_s(pid) - b) * 1000 / seconds for pid, b in zip(pids, before)]


def timed(function, count=5):
    """Median milliseconds."""
    took = []
    for _ in range(count):
        begin = time.monotonic()
        function()
        took.append((time.monotonic() - begin) * 1000)
    return statistics.median(took)


def rss_mb(berth):
    return [harness.rss_bytes(pid) / 1e6 for pid in (berth.keeper_pid, berth.front_pid)]


def request_cpu_us(berth, path, seconds=3):
    """CPU of the front for a request, keep-alive, from the load generator."""
    tool = f"{os.environ['BUILD']}/tests/bench/load"
    done = subprocess.run(
        [tool, "-c", "32", "-d", str(seconds), "-w", "0.5", "-p", str(berth.front_pid),
         f"127.0.0.1:{berth.port}", path], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return (found["user_us"] + found["system_us"]) / found["requests"]


def started(test, conf, name, **kw):
    begin = time.monotonic()
    berth = test.berth(conf, name=name, **kw)
    return berth, (time.monotonic() - begin) * 1000


def part_apps(test):
    """Start-up, memory, status, ticks and a request's cost, from 1 app to 1,000."""
    rows = []
    for apps in (1, 100, 1000):
        more = "replicas 0 1; keep_primed 0;"
        berth, start_ms = started(test, conf_of(apps, 10, more), f"apps{apps}", seconds=60)
        last = f"/a{apps - 1}/r9/hash"
        assert berth.get(last, timeout=60).status == 200
        keeper_mb, front_mb = rss_mb(berth)
        keeper_ms, front_ms = idle_cpu(berth)
        rows.append({
            "apps": apps, "routes": apps * 10, "start ms": start_ms,
            "keeper MB": keeper_mb, "front MB": front_mb,
            "status ms": timed(lambda: berth.cli("status", "--json")),
            "metrics ms": timed(lambda: berth.admin("GET", "/metrics")),
            "keeper idle ms/s": keeper_ms, "front idle ms/s": front_ms,
            "request us": request_cpu_us(berth, last),
        })
        berth.stop()
    return rows


def part_live(test):
    """Live replicas: 20, then 200."""
    rows = []
    for live in (20, 200):
        more = "replicas 1 1; keep_primed 0;"
        berth, _ = started(test, conf_of(live, 1, more), f"live{live}", seconds=60)
        begin = time.monotonic()
        harness.wait_until(
            lambda: sum(len(a["replicas"]) > 0 and a["state"] == "ready"
                        for a in berth.status()["apps"]) == live,
            240, "all are ready", interval=0.5)
        took = time.monotonic() - begin
        keeper_mb, front_mb = rss_mb(berth)
        keeper_ms, front_ms = idle_cpu(berth)
        rows.append({
            "replicas": live, "started s": took, "a second": live / took,
            "keeper MB": keeper_mb, "front MB": front_mb,
            "keeper fds": harness.open_fds(berth.keeper_pid),
            "front fds": harness.open_fds(berth.front_pid),
            "status ms": timed(lambda: berth.cli("status", "--json")),
            "keeper idle ms/s": keeper_ms, "front idle ms/s": front_ms,
            "request us": request_cpu_us(berth, "/a0/r0/hash"),
        })
        berth.stop(seconds=200)
    return rows


def part_waiting(test):
    """Requests in one queue, before an app that has one slot."""
    rows = []
    for waiting in (500, 5000):
        conf = ("worker_threads 2;\n"
                "http { server { listen 127.0.0.1:@port@; route / { app a; } } }\n"
                + app_text("a", "replicas 1 1; concurrency 1; queue_size 10000; "
                                "queue_timeout 10m;"))
        berth, _ = started(test, conf, f"waiting{waiting}")
        assert berth.get("/hash").status == 200
        empty_mb = rss_mb(berth)[1]
        with berth.connect() as first:
            first.request("GET", "/delay?ms=30000", read=False)
            harness.wait_until(lambda: berth.metric("berth_in_flight", app="a") == 1, 10)
            conns = []
            begin = time.monotonic()
            for _ in range(waiting):
                sock = socket.create_connection(("127.0.0.1", berth.port))
                sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
                conns.append(sock)
            harness.wait_until(
                lambda: berth.metric("berth_queue_depth", app="a") == waiting, 30)
            queued_s = time.monotonic() - begin
            full_mb = rss_mb(berth)[1]
            cpu = cpu_s(berth.front_pid)
            # All hang up at once: each leaves the middle of the queue.
            begin = time.monotonic()
            for sock in conns:
                sock.close()
            harness.wait_until(lambda: berth.metric("berth_queue_depth", app="a") == 0, 60)
            left_s = time.monotonic() - begin
            rows.append({
                "waiting": waiting, "queued s": queued_s,
                "KB each": (full_mb - empty_mb) * 1000 / waiting,
                "left s": left_s,
                "leave us each": (cpu_s(berth.front_pid) - cpu) * 1e6 / waiting,
            })
        berth.stop()
    return rows


def part_connections(test):
    """Idle keep-alive connections that one berth holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = []
    for count in (1500, 15000):
        app = Upstream(test)
        conf = ("worker_threads 2;\n"
                "http { max_connections 16000; keepalive_timeout 10m;\n"
                "server { listen 127.0.0.1:@port@; route / { app a; } } }\n"
                "app a { upstream 127.0.0.1:@app@; }\n")
        berth, _ = started(test, conf, f"conns{count}", ports={"app": app.port})
        berth.get("/x")
        empty_mb = rss_mb(berth)[1]
        begin = time.monotonic()
        socks = []
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", berth.port))
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            socks.append(sock)
        took = time.monotonic() - begin
        opened = berth.metric("berth_connections")
        full_mb = rss_mb(berth)[1]
        cpu = idle_cpu(berth)[1]
        again = timed(lambda: berth.get("/x"), 20)
        rows.append({
            "connections": count, "held": opened, "opened a second": count / took,
            "B each": (full_mb - empty_mb) * 1e6 / count,
            "front idle ms/s": cpu, "a request ms": again,
        })
        for sock in socks:
            sock.close()
        berth.stop()
    return rows


def raw_burst(podman, count):
    """The same by bare calls of Podman's API, as many at once as berth has."""
    todo = list(range(count))
    made = []
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not todo:
                    return
                n = todo.pop()
            limits = [{"type": k, "soft": 1024, "hard": 1024} for k in ("nofile", "nproc")]
            answer = podman.api("POST", "/containers/create", {
                "image": harness.APP, "name": f"burst-{n}", "r_limits": limits,
                "healthconfig": {"Test": ["NONE"]}, "netns": {"nsmode": "none"}}).json()
            podman.api("POST", f"/containers/{answer['Id']}/start")
            made.append(answer["Id"])

    begin = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(os.cpu_count())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begin
    for name in made:
        podman.api("DELETE", f"/containers/{name}?force=true&timeout=0")
    return took


def part_burst(test):
    """100 containers of 20 apps, started by one burst of requests."""
    more = "replicas 0 5; concurrency 1; keep_primed 0; queue_timeout 3m;"
    berth, _ = started(test, conf_of(20, 1, more, workers=2), "burst")
    begin = time.monotonic()
    firsts = {}

    def ask(n):
        answer = berth.get(f"/a{n % 20}/r0/delay?ms=20000", timeout=180)
        firsts.setdefault(n, time.monotonic() - begin)
        return answer.status

    peak = {"containers": 0, "all": None}

    def watch():
        while peak["all"] is None and time.monotonic() - begin < 120:
            ready = int(berth.metric("berth_replicas", state="ready"))
            peak["containers"] = max(peak["containers"], ready)
            if ready >= 100:
                peak["all"] = time.monotonic() - begin
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    statuses = harness.parallel(100, ask)
    watcher.join()
    assert set(statuses) == {200}, set(statuses)
    berth.stop(seconds=120)
    raw = raw_burst(test.podman, 100)
    took = peak["all"]
    return [{
        "containers": peak["containers"], "all ready s": took or 0,
        "a second": 100 / took if took else 0,
        "Podman alone s": raw, "Podman a second": 100 / raw,
        "ratio": took / raw if took else 0,
    }]


PARTS = {"apps": part_apps, "live": part_live, "waiting": part_waiting,
         "connections": part_connections, "burst": part_burst}


def print_table(rows):
    columns = list(rows[0])
    def text(value):
        if isinstance(value, int) or value == int(value):
            return f"{value:.0f}"
        return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
    cells = [columns] + [[text(row[c]) for c in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(c.rjust(w) for c, w in zip(line, widths)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--json")
    options = parser.parse_args()
    found, wrong = {}, []
    for part in options.only.split(","):
        folder = tempfile.mkdtemp(prefix="berth-s-")
        test = harness.Test(f"scale-{part}", folder)
        print(f"\n{part}: {PARTS[part].__doc__.splitlines()[0]}", flush=True)
        try:
            found[part] = PARTS[part](test)
            print_table(found[part])
        finally:
            wrong += test.finish()
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    if wrong:
        sys.exit("\n".join(wrong))


main()
