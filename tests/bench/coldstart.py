"""The measuring part of coldstart.sh: needs BERTH_TEST_PODMAN, as root.

berth's own share = the client's time to the first byte - Podman's create and
start calls - the app's boot (until it accepts a connection), all of one start.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

WAYS = {
    "none, inside": "network none;",
    "private, inside": "",
    "none, Unix socket": "network none; socket app.sock; command --unix;",
    "private, published": "port 8000 published;",
}
RAW = {
    "none, inside": {"netns": {"nsmode": "none"}},
    "private, published": {
        "netns": {"nsmode": "bridge"},
        "portmappings": [{"container_port": 8000, "host_ip": "127.0.0.1"}],
    },
}


def raw_start(podman, spec, name):
    """Create and start by bare calls of the API; milliseconds of both."""
    limits = [{"type": kind, "soft": 1024, "hard": 1024} for kind in ("nofile", "nproc")]
    body = {"image": harness.APP, "name": name, "r_limits": limits,
            "healthconfig": {"Test": ["NONE"]}, **spec}
    begin = time.monotonic()
    made = podman.api("POST", "/containers/create", body).json()
    podman.api("POST", f"/containers/{made['Id']}/start")
    took = (time.monotonic() - begin) * 1000
    podman.api("DELETE", f"/containers/{made['Id']}?force=true&timeout=0")
    return took




def measure(test, starts):
    conf = "http { server { listen 127.0.0.1:@port@;\n"
    for i in range(len(WAYS)):
        conf += f"route /w{i} {{ app w{i}; }}\n"
    conf += "} }\n"
    for i, how in enumerate(WAYS.values()):
        conf += f"app w{i} {{ image {harness.APP}; replicas 0 1; idle_timeout 100ms; {how} }}\n"
    berth = test.berth(conf)
    rows = {way: [] for way in WAYS}
    raw = {way: [] for way in RAW}
    for n in range(starts + 1):
        for i, way in enumerate(WAYS):
            answer = berth.get(f"/w{i}/hash")
            assert answer.status == 200, answer
            start = berth.status(f"w{i}")["last_start"]
            phases = {p["name"]: p["us"] / 1000 for p in start["phases"]}
            known = phases["create"] + phases["start"] + phases["boot"]
            harness.wait_until(lambda: not berth.containers(), 20, "idle app is gone")
            if n > 0:  # the first one of each warms caches
                rows[way].append(
                    phases | {"total": answer.first_byte_ms,
                              "own": answer.first_byte_ms - known})
        for way, spec in RAW.items():
            took = raw_start(test.podman, spec, f"raw-{n}-{len(way)}")
            if n > 0:
                raw[way].append(took)
    return rows, raw


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--json")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="berth-t-")
    test = harness.Test("coldstart", folder)
    try:
        rows, raw = measure(test, options.starts)
    finally:
        wrong = test.finish()
        shutil.rmtree(folder, ignore_errors=True)
    columns = ["total", "queue", "pull", "create", "start", "boot", "ready", "own"]
    print(f"{options.starts} starts each, in turn; ms, p50 (p90, max of total and own)")
    print(f"{'way':20}" + "".join(f"{c:>9}" for c in columns)
          + f"{'total p90':>11}{'max':>8}{'own p90':>9}{'max':>8}{'raw calls':>11}")
    for way, found in rows.items():
        p50 = [statistics.median(r[c] for r in found) for c in columns]
        tail = [quantile([r[c] for r in found], q) for c in ("total", "own") for q in (0.9, 1)]
        beside = f"{statistics.median(raw[way]):11.1f}" if way in raw else f"{'':>11}"
        print(f"{way:20}" + "".join(f"{v:9.1f}" for v in p50)
              + f"{tail[0]:11.1f}{tail[1]:8.1f}{tail[2]:9.1f}{tail[3]:8.1f}" + beside)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"starts": rows, "raw": raw}, indent=1))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
