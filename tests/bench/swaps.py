"""The measuring part of swaps.sh: needs BERTH_TEST_PODMAN, as root.

Each way is measured twice. "at once": the next request comes the moment the
last one was answered, so the app that must go was used this moment, and keeps
its place for half of what its start takes. "after a pause": it has not been
used for a second, and may go at once: that is the swap itself.
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
from resources_test import Devices  # noqa: E402

PAUSES = {"at once": 0, "after a pause": 1}
PHASES = ["evict", "queue", "pull", "create", "prime", "start", "boot", "ready"]


def conf_of(resources, more):
    routes = "".join(f"route /{a} {{ app {a}; }}" for a in "ab")
    apps = "".join(
        f"app {a} {{ image {harness.APP}; network none; replicas 0 1; {more} }}\n"
        for a in "ab"
    )
    return (f"resources {{ {resources} }} http {{ server {{"
            f" listen 127.0.0.1:@port@; {routes} }} }}\n{apps}")


def ways(test):
    devices = Devices(test, 1)
    return {
        "one device": (devices.conf(), "gpus 1;"),
        "memory for one": ("memory 400m;", "memory 300m;"),
    }


def measure(berth, swaps, pause):
    """A row of milliseconds for each swap."""
    rows = []
    for n in range(swaps + 2):
        app = "ab"[n % 2]
        answer = berth.get(f"/{app}/hash")
        assert answer.status == 200, answer
        if n > 1:  # the first one of each is no swap
            start = berth.status(app)["last_start"]
            row = {p["name"]: p["us"] / 1000 for p in start["phases"]}
            rows.append(row | {"total": answer.first_byte_ms})
        time.sleep(pause)
    return rows


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def print_rows(way, rows):
    totals = [row["total"] for row in rows]
    line = f"{way:32}{statistics.median(totals):8.0f}{quantile(totals, 0.9):8.0f}{max(totals):8.0f}"
    for phase in PHASES:
        line += f"{statistics.median(row.get(phase, 0) for row in rows):8.1f}"
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--json")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="berth-t-")
    test = harness.Test("swaps", folder)
    found = {}
    wrong = []
    print(f"{options.swaps} swaps each; ms; phases: p50")
    print(f"{'':32}{'p50':>8}{'p90':>8}{'max':>8}"
          + "".join(f"{p:>8}" for p in PHASES))
    try:
        for way, (resources, more) in ways(test).items():
            for n, (how, pause) in enumerate(PAUSES.items()):
                berth = test.berth(conf_of(resources, more),
                                   name=f"b{len(found)}{n}")
                rows = measure(berth, options.swaps, pause)
                berth.stop()
                found[f"{way}, {how}"] = rows
                print_rows(f"{way}, {how}", rows)
    finally:
        wrong = test.finish()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
