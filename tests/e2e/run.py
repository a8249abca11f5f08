#!/usr/bin/env python3
"""Run end-to-end tests one after the other. See harness.py for how to write one.

usage: tests/e2e/run.py [OPTION…] [FILE…]     all tests/e2e/*_test.py unless named

  --match WORD       only tests whose file or name contains it (may be repeated)
  --tag NAME         only tests with this tag
  --keep-podman DIR  use, and leave for the next run, the Podman in DIR
  --list             only name the tests
  --results FILE     append "N passed, N failed" there instead of printing it

BERTH_BIN is the binary (build/berth). Needs root. Exit code 1 if a test failed.
"""

import argparse
import atexit
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import harness  # noqa: E402


def parse():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--match", action="append", default=[])
    parser.add_argument("--tag")
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
    dir = tempfile.mkdtemp(prefix="berth-t-", dir="/tmp")
    os.chmod(dir, 0o755)  # the front, which is another user, may look
    said = pathlib.Path(dir, "said")
    pid = os.fork()
    if pid == 0:
        os.setsid()
        with open(said, "wb") as out:
            os.dup2(out.fileno(), 1)
        sys.stdout = open(1, "w", closefd=False)
        os._exit(in_child(name, test, dir))
    limit_s = getattr(test, "limit_s", 60)
    # What it needs to clean up comes on top.
    code = wait_child(pid, limit_s + 30)
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


def private_podman(options):
    keep = options.keep_podman
    dir = os.environ.get("BERTH_TEST_PODMAN") or keep
    if not dir:
        dir = tempfile.mkdtemp(prefix="berth-e2e-", dir="/tmp")
    podman = harness.Podman(os.path.abspath(dir))
    fresh = "BERTH_TEST_PODMAN" not in os.environ
    if fresh and not keep:
        atexit.register(podman.destroy)
    os.environ["BERTH_TEST_PODMAN"] = podman.dir
    podman.serve()
    if fresh:
        podman.build_images()
        podman.clear()
    return podman


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
    podman = private_podman(options)
    passed = failed = 0
    for name, test in tests:
        started = time.monotonic()
        try:
            what = run_one(name, test, podman)
        except subprocess.SubprocessError as error:
            what = f"{error}\n"
        took = time.monotonic() - started
        if what is None:
            passed += 1
        else:
            failed += 1
        print(f"{'PASS' if what is None else 'FAIL'} {took:6.1f} s  {name}")
        if what:
            print("".join(f"      | {line}\n" for line in what.splitlines()), end="")
        sys.stdout.flush()
    line = f"{passed} passed, {failed} failed"
    if options.results:
        with open(options.results, "a") as out:
            print(line, file=out)
    else:
        print(f"\n{line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
