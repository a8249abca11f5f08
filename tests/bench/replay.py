"""The measuring part of replay.sh: needs BERTH_TEST_PODMAN, as root.

The trace's requests come when it says, speed times as fast; each is answered by
the test app after as long as the model says (it sleeps), divided by speed. What
berth has by itself (windows, ticks, delays) is not compressed, neither here nor
in the simulator: both get the same compressed workload.

Waits are berth's own (Server-Timing: queue and start). Replica-seconds are from
berth's log: from the beginning of a start until nothing is in flight any more.
The simulator gets what was measured before the replay: how long a start takes
alone, how much longer for each other one, and what a request costs beyond its
sleep.
"""

import argparse
import asyncio
import csv
import datetime
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.path.insert(0, str(ROOT / "tests" / "bench"))
import benchlib  # noqa: E402
import harness  # noqa: E402

PROMPT_MS, GENERATED_MS = 0.025, 20
IDLE_S = 20
QUEUE_TIMEOUT_S = 60
CONF = """
http {{ server {{ listen 127.0.0.1:@port@; server_timing on; route /a {{ app a; }} }} }}
app a {{ image {image}; network none; command --start-delay={boot_ms};
        concurrency {concurrency}; replicas {replicas}; keep_primed 0;
        idle_timeout {idle}s; queue_timeout {timeout}s; queue_size 10000; }}
"""


def read_trace(path, minutes, speed):
    """[(seconds from the first, milliseconds of service)…], compressed."""
    rows = []
    with open(path, newline="", encoding="ascii") as file:
        for row in csv.DictReader(file):
            stamp = row["TIMESTAMP"][:26]  # to the microsecond
            at = datetime.datetime.fromisoformat(stamp).timestamp()
            service = (int(row["ContextTokens"]) * PROMPT_MS
                       + int(row["GeneratedTokens"]) * GENERATED_MS)
            rows.append((at, service / speed))
    begin = rows[0][0]
    return [((at - begin) / speed, service) for at, service in rows
            if at - begin < minutes * 60]


# --- one berth ------------------------------------------------------------------


def start_berth(test, options, replicas, name):
    return test.berth(
        CONF.format(
            image=harness.APP, boot_ms=options.boot_ms, replicas=replicas,
            concurrency=options.concurrency, idle=IDLE_S,
            timeout=QUEUE_TIMEOUT_S),
        name=name, podman_more=f"max_parallel_starts {options.parallel};")


STATE = re.compile(r"^(\S+) info \S+ replica changed its state app=a replica=(\S+) "
                   r"from=(\S+) to=(\S+)")


def lives_of(berth):
    """{replica: {state it went to: when, the first time}}; "began": the first."""
    lives = {}
    for line in berth.log.splitlines():
        match = STATE.match(line)
        if not match:
            continue
        stamp, replica, _, state = match.groups()
        at = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
        life = lives.setdefault(replica, {"began": at})
        life.setdefault(state, at)
    return lives


def start_times(lives):
    return [life["ready"] - life["began"] for life in lives.values() if "ready" in life]


def replica_seconds(lives):
    return sum(life.get("stopping", life.get("gone", life["began"])) - life["began"]
               for life in lives.values())


def most_at_once(lives):
    changes = []
    for life in lives.values():
        changes.append((life["began"], 1))
        changes.append((life.get("stopping", life["began"]), -1))
    count = most = 0
    for _, change in sorted(changes):
        count += change
        most = max(most, count)
    return most


# --- before: what the simulator is to know -----------------------------------------


def calibrate(test, options):
    """Seconds of a start alone, more for each other one, and milliseconds that a
    request takes beyond its sleep."""
    alone, extra = [], []
    for i in range(3):
        berth = start_berth(test, options, "0 1", f"alone{i}")
        assert berth.get("/a/hash").status == 200
        alone += start_times(lives_of(berth))
        for _ in range(20):
            answer = berth.get("/a/delay?ms=100")
            extra.append(timing_of(answer.field("Server-Timing"))["app"] - 100)
        berth.stop()
    berth = start_berth(test, options, "4 4", "together")
    harness.wait_until(lambda: len(start_times(lives_of(berth))) == 4, 60)
    together = start_times(lives_of(berth))
    berth.stop()
    start = statistics.median(alone)
    growth = max(0.0, (statistics.mean(together) - start) / 1.5)
    return start, growth, max(0.0, statistics.median(extra))


def predict(options, start_s, growth_s, extra_ms):
    command = [
        f"{os.environ['BUILD']}/tests/bench/autoscale_sim",
        "--json", "--trace", options.trace, "--minutes", options.minutes,
        "--speed", options.speed, "--prompt-ms", PROMPT_MS / options.speed,
        "--generated-ms", GENERATED_MS / options.speed, "--service-ms", extra_ms,
        "--concurrency", options.concurrency, "--cap", options.cap,
        "--start", start_s, "--start-growth", growth_s, "--queue-size", 10000,
        "--queue-timeout", QUEUE_TIMEOUT_S, "--idle-timeout", IDLE_S, "--tail", 200,
    ]
    done = subprocess.run([str(word) for word in command], capture_output=True,
                          text=True, check=True)
    rows = json.loads(done.stdout)[0]["policies"]
    row = next(row for row in rows if row["policy"] == "berth")
    return {"p50": row["wait_p50_s"], "p95": row["wait_p95_s"], "p99": row["wait_p99_s"],
            "max": row["wait_max_s"], "refused": row["refused"],
            "most": row["replicas_most"], "replica_seconds": row["replica_seconds"],
            "starts": row["starts"]}


# --- the replay -----------------------------------------------------------------------


def timing_of(field):
    """{"queue": ms, "start": ms, "app": ms} of a Server-Timing field."""
    return {name: float(value)
            for name, value in re.findall(r"(\w+);dur=([\d.]+)", field or "")}


async def ask(port, service_ms, seen):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /a/delay?ms={round(service_ms)} HTTP/1.1\r\nHost: localhost\r\n"
                 "Connection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode("latin-1")
    writer.close()
    status = int(answer.split(" ", 2)[1])
    field = re.search(r"(?im)^server-timing: (.*)$", answer)
    timing = timing_of(field[1] if field else "")
    seen.append({"status": status, "service_ms": service_ms, **timing})


async def replay(port, requests):
    seen, tasks = [], []
    late = 0.0
    begin = time.monotonic()
    for at, service_ms in requests:
        delay = at - (time.monotonic() - begin)
        if delay > 0:
            await asyncio.sleep(delay)
        late = max(late, time.monotonic() - begin - at)
        tasks.append(asyncio.create_task(ask(port, service_ms, seen)))
    await asyncio.gather(*tasks)
    return seen, late


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def measure(test, options, requests):
    berth = start_berth(test, options, f"0 {options.cap}", "replay")
    seen, late = asyncio.run(replay(berth.port, requests))
    harness.wait_until(lambda: not berth.containers("a"), IDLE_S + 60, "all replicas go")
    lives = lives_of(berth)
    served = [one for one in seen if one["status"] == 200]
    waits = [(one["queue"] + one["start"]) / 1000 for one in served]
    return {
        "p50": quantile(waits, 0.5), "p95": quantile(waits, 0.95),
        "p99": quantile(waits, 0.99), "max": max(waits),
        "refused": len(seen) - len(served), "most": most_at_once(lives),
        "replica_seconds": replica_seconds(lives), "starts": len(start_times(lives)),
    }, {
        "requests": len(seen), "late_s": late,
        "start_s": statistics.mean(start_times(lives)),
        "start_max_s": max(start_times(lives)),
        "extra_ms": statistics.mean(one["app"] - one["service_ms"] for one in served),
    }


def print_table(rows):
    columns = ["p50", "p95", "p99", "max", "refused", "most", "replica_seconds", "starts"]
    print(f"{'':34}" + "".join(f"{name:>16}" for name in columns))
    for name, row in rows.items():
        print(f"{name:34}" + "".join(f"{row[column]:16.3f}" for column in columns))


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trace", nargs="?",
                        default="/work/shared/traces/azure_llm_code_2023.csv")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--speed", type=float, default=4)
    parser.add_argument("--boot-ms", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--cap", type=int, default=16)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--json", help="write all figures to this file")
    return parser.parse_args(arguments)


def main():
    options = options_of(sys.argv[1:])
    requests = read_trace(options.trace, options.minutes, options.speed)
    print(f"{len(requests)} requests in {requests[-1][0]:.0f} s "
          f"({options.minutes:g} minutes, {options.speed:g} times as fast); "
          f"{benchlib.machine_text()}", flush=True)
    folder = tempfile.mkdtemp(prefix="berth-t-")
    test = harness.Test("replay", folder)
    try:
        start_s, growth_s, extra_ms = calibrate(test, options)
        print(f"before: a start takes {start_s:.2f} s, {growth_s:.2f} s more for each "
              f"other one under way; a request {extra_ms:.1f} ms beyond its sleep",
              flush=True)
        rows = {"predicted": predict(options, start_s, growth_s, extra_ms)}
        rows["measured"], during = measure(test, options, requests)
    finally:
        wrong = test.finish()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"during: starts took {during['start_s']:.2f} s (at most "
          f"{during['start_max_s']:.2f}), a request {during['extra_ms']:.1f} ms beyond "
          f"its sleep; sent at most {during['late_s'] * 1000:.0f} ms late; "
          f"load {os.getloadavg()[0]:.1f}")
    rows["with what was measured during it"] = predict(
        options, during["start_s"], 0, during["extra_ms"])
    print_table(rows)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"rows": rows, "during": during, "start_s": start_s,
                        "growth_s": growth_s, "extra_ms": extra_ms}, indent=1),
            encoding="utf-8")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
