#!/usr/bin/env python3
"""Run end-to-end tests, some side by side. See harness.py for how to write one.

usage: tests/e2e/run.py [OPTION…] [FILE…]     all tests/e2e/*_test.py unless named

  --match WORD       only tests whose file or name contains it (may be repeated)
  --tag NAME         only tests with this tag
  --jobs N           N at a time, each in a Podman and a network of its own (1)
  --keep-podman DIR  use, and leave for the next run, the Podman in DIR (DIR-2 …)
  --list             only name the tests
  --results FILE     append "N passed, N failed" there instead of printing it

The longest (by their limits) come first, those marked `alone` last, one by one.
BERTH_BIN is the binary (build/berth). Needs root. Exit code 1 if a test failed.
"""

import argparse
import atexit
import importlib.util
import os
import pathlib
import selectors
import signal
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import harness  # noqa: E402
import lane as lanes  # noqa: E402
import run_dir  # noqa: E402


def parse():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--match", action="append", default=[])
    parser.add_argument("--tag")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep-podman")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--results")
    parser.add_argument("-h", "--help", action="help")
    return parser.parse_args()


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [
        test
        for name, test in vars(module).items()
        if name.startswith("test_") and callable(test)
    ]


def chosen(options):
    files = [pathlib.Path(f).resolve() for f in options.files]
    for path in files or sorted(HERE.glob("*_test.py")):
        for test in load(path):
            name = f"{path.stem}.{test.__name__}"
            if options.tag and options.tag not in getattr(test, "tags", ()):
                continue
            if all(word in name for word in options.match):
                yield name, test


def podman_dirs(options):
    """A folder a lane; those of a run of its own are removed with it."""
    first = options.keep_podman
    if not first:
        first = tempfile.mkdtemp(prefix="p", dir=run_dir.path())
    first = os.path.abspath(first)
    return [first] + [f"{first}-{n}" for n in range(2, options.jobs + 1)]


def in_order(tests):
    """Where the next test is taken from: what may run beside others, the longest
    first; then what needs the machine alone."""
    limit = lambda i: -getattr(tests[i][1], "limit_s", 60)  # noqa: E731
    alone = [i for i, (_, test) in enumerate(tests) if getattr(test, "alone", False)]
    beside = [i for i in range(len(tests)) if i not in set(alone)]
    return sorted(beside, key=limit), alone


def results_of(tests, all_lanes, ready):
    """Hand tests to lanes that are free; yield (index, seconds, what was said)."""
    beside, alone = in_order(tests)
    for queue, some in ((beside, all_lanes), (alone, all_lanes[:1])):
        for lane in some:
            if queue:
                lane.give(queue.pop(0))
        while any(lane.test is not None for lane in some):
            for key, _ in ready.select():
                lane = key.data
                result = lane.take(tests)
                if queue and lane.is_alive:
                    lane.give(queue.pop(0))
                yield result
        # Only when every lane died is there anything left.
        for i in queue:
            yield i, 0, "not run: the lanes are dead"


def run_all(tests, options):
    """Run them and say how each went; the number that failed, and the times."""
    keep = bool(options.keep_podman)
    all_lanes = [lanes.Lane(dir, keep, tests) for dir in podman_dirs(options)]
    ready = selectors.DefaultSelector()
    for lane in all_lanes:
        ready.register(lane.socket, selectors.EVENT_READ, lane)
    failed, times = 0, []
    try:
        for i, took, what in results_of(tests, all_lanes, ready):
            name = tests[i][0]
            failed += what is not None
            times.append((took, name))
            print(f"{'PASS' if what is None else 'FAIL'} {took:6.1f} s  {name}")
            if what is not None:
                print("".join(f"      | {l}\n" for l in what.splitlines()), end="")
            sys.stdout.flush()
    finally:
        for lane in all_lanes:
            lane.end()
    return failed, times


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tests = list(chosen(options))
    if options.list:
        print("\n".join(name for name, _ in tests))
        return 0
    if os.geteuid() != 0:
        print("run.py: end-to-end tests need root", file=sys.stderr)
        return 1
    if not os.access(harness.berth_bin(), os.X_OK):
        print(f"run.py: there is no {harness.berth_bin()}: build it first",
              file=sys.stderr)
        return 1
    atexit.register(run_dir.begin())
    failed, times = run_all(tests, options)
    if len(times) > 20:
        print("the slowest:", ", ".join(
            f"{name} {took:.0f} s" for took, name in sorted(times, reverse=True)[:10]
        ))
    line = f"{len(times) - failed} passed, {failed} failed"
    if options.results:
        with open(options.results, "a") as out:
            print(line, file=out)
    else:
        print(f"\n{line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
