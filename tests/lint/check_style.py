#!/usr/bin/env python3
"""Fail where a file breaks a rule of the house style that a machine can see.

usage: tests/lint/check_style.py ROOT

  size      a function of at most 100 lines, a .c file of 900, a .h file of 250;
            how many pass 60, 600 and 150, which is what one aims at, is only told
  tests     every test asserts something, itself or by what it calls
  leftovers no TODO, FIXME or XXX
  format    clang-format, in the version that the tree is formatted with

style_exceptions.txt holds what is excused from "size": `PATH LINES` for a file,
`PATH FUNCTION LINES` for a function. LINES has to be what it is today, so an
exception shrinks with what it excuses, and goes when it is not needed.
"""

import ast
import pathlib
import re
import shutil
import subprocess
import sys

CLANG_FORMAT = 14
FUNCTION, FUNCTION_AIM = 100, 60
FILE = {".c": (900, 600), ".h": (250, 150)}
TEXTS = {".c", ".h", ".def", ".py", ".sh", ".txt", ".conf", ".md", ".json"}
ASSERTION = re.compile(r"\bcr_(assert|expect|fail)\w*\b|\b(abort|__builtin_trap)\(")
CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")


def sources(root):
    """What git has, and new files that it would take; without git or its folder
    (an unpacked archive), all but what is built."""
    try:
        names = subprocess.run(
            ["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
            check=True, capture_output=True, text=True,
        ).stdout.splitlines()
    except (FileNotFoundError, subprocess.CalledProcessError):
        names = [f.relative_to(root) for f in sorted(root.rglob("*"))
                 if not f.relative_to(root).parts[0].startswith(("build", ".git"))]
    return [root / name for name in names if (root / name).is_file()]


def functions(lines):
    """(name, first line, last line, body) of each function; Test(suite, name)
    is "suite, name". A body's braces stand alone in the first column."""
    head = []
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            found = re.search(r"\bTest\(([^)]*?)[,)]?\s*(\.\w.*)?$", " ".join(head)) \
                or re.search(r"(\w+)\((?!\()", " ".join(head))
            name = found[1].strip(" ,") if found else "?"
            yield name, start, number, "\n".join(lines[start:number - 1])
            head, start = [], None
        elif not start:
            plain = line and line[0] not in " \t"
            head = [line] if plain and not line.startswith((")", "{")) and \
                not (head and head[-1].rstrip().endswith(",")) else head + [line]


def check_sizes(root, files, bad):
    excused = {}
    path = root / "tests/lint/style_exceptions.txt"
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            excused[" ".join(words[:-1])] = int(words[-1])
    beyond_aim = 0

    def measure(what, lines, most, aim):
        nonlocal beyond_aim
        beyond_aim += lines > aim
        allowed = excused.pop(what, None)
        if allowed is None and lines > most:
            bad.append(f"{what}: {lines} lines, more than {most}")
        elif allowed is not None and lines <= most:
            bad.append(f"{what}: needs no exception any more: {lines} lines")
        elif allowed is not None and lines != allowed:
            bad.append(f"{what}: {lines} lines, its exception says {allowed}")

    for file in files:
        if file.suffix in FILE:
            name = str(file.relative_to(root))
            lines = file.read_text().splitlines()
            measure(name, len(lines), *FILE[file.suffix])
            for function, first, last, _ in functions(lines):
                measure(f"{name} {function}", last - first + 1, FUNCTION,
                        FUNCTION_AIM)
    bad.extend(f"{what}: an exception for what is not there" for what in excused)
    return beyond_aim


def asserting_names(texts):
    """The functions and macros below tests/ that assert, by what they call too."""
    bodies = {}
    for text in texts:
        for name, _, _, body in functions(text.splitlines()):
            bodies[name] = bodies.get(name, "") + body
        for name, body in re.findall(
            r"^#define (\w+)\([^)]*\)((?:.*\\\n)*.*)", text, re.M
        ):
            bodies[name] = bodies.get(name, "") + body
    known = {name for name, body in bodies.items() if ASSERTION.search(body)}
    grown = True
    while grown:
        more = {name for name, body in bodies.items()
                if name not in known and known & set(CALL.findall(body))}
        known |= more
        grown = bool(more)
    return known


def check_c_tests(root, files, bad):
    texts = {f: f.read_text() for f in files
             if f.suffix in FILE and f.is_relative_to(root / "tests")}
    known = asserting_names(texts.values())
    for file, text in texts.items():
        if not file.name.endswith("_test.c"):
            continue
        name, tests = file.relative_to(root), 0
        for function, first, _, body in functions(text.splitlines()):
            if "," not in function:
                continue
            tests += 1
            if not ASSERTION.search(body) and not known & set(CALL.findall(body)):
                bad.append(f"{name}:{first}: the test {function} asserts nothing")
        if tests == 0:
            bad.append(f"{name}: has no test")


def check_python_tests(root, files, bad):
    for file in files:
        if not file.name.endswith("_test.py"):
            continue
        defined = {node.name: node for node in ast.parse(file.read_text()).body
                   if isinstance(node, ast.FunctionDef)}

        def asserts(node, seen):
            for inner in ast.walk(node):
                if isinstance(inner, (ast.Assert, ast.Raise)):
                    return True
                if isinstance(inner, ast.Call):
                    name = getattr(inner.func, "id", getattr(inner.func, "attr", ""))
                    if name.startswith("wait_"):
                        return True
                    if name in defined and name not in seen and \
                            asserts(defined[name], seen | {name}):
                        return True
            return False

        for name, node in defined.items():
            if name.startswith("test_") and not asserts(node, {name}):
                bad.append(f"{file.relative_to(root)}:{node.lineno}: "
                           f"the test {name} asserts nothing")


def check_leftovers(root, files, bad):
    for file in files:
        if file.suffix not in TEXTS or file == pathlib.Path(__file__).resolve():
            continue
        for number, line in enumerate(
            file.read_text(errors="replace").splitlines(), 1
        ):
            if found := re.search(r"\b(TODO|FIXME|XXX)\b", line):
                bad.append(f"{file.relative_to(root)}:{number}: {found[0]}")


def check_format(root, files, bad):
    """What was not checked, and why; None when it was."""
    tool = next(filter(None, map(
        shutil.which, (f"clang-format-{CLANG_FORMAT}", "clang-format"))), None)
    if not tool:
        return "clang-format is not installed"
    says = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"version (\d+)", says)
    if not version or int(version[1]) != CLANG_FORMAT:
        return f"clang-format {CLANG_FORMAT} is not installed: {says.strip()}"
    done = subprocess.run(
        [tool, "--dry-run", "-Werror", *(str(f) for f in files if f.suffix in FILE)],
        capture_output=True, text=True,
    )
    wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error:", done.stderr, re.M)))
    bad.extend(f"{pathlib.Path(f).relative_to(root)}: clang-format -i" for f in wrong)
    if done.returncode != 0 and not wrong:
        bad.append(f"clang-format: {done.stderr.strip()}")
    return None


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    files, bad = sources(root), []
    beyond_aim = check_sizes(root, files, bad)
    check_c_tests(root, files, bad)
    check_python_tests(root, files, bad)
    check_leftovers(root, files, bad)
    unformatted = check_format(root, files, bad)
    print("\n".join(bad) or f"{len(files)} files, no violation")
    print(f"{beyond_aim} files and functions are longer than what one aims at")
    if unformatted:
        print(f"format was not checked: {unformatted}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
