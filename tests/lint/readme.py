#!/usr/bin/env python3
"""readme.py - the tables of README.md are those of the code.

    tests/lint/readme.py TOOL [--write]

TOOL is the built tool_readme_tables. What stands in README.md between

    <!-- table: NAME -->  and  <!-- end -->

must be what `TOOL NAME` prints; --write puts it there.
"""

import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
TABLE = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end -->)", re.S)


def main():
    tool, *options = sys.argv[1:]
    text = README.read_text()

    def made(match):
        done = subprocess.run([tool, match[2]], check=True, capture_output=True,
                              text=True)
        return f"{match[1]}\n{done.stdout}\n{match[4]}"

    if not TABLE.search(text):
        sys.exit("README.md has no table that is made from the code")
    wanted = TABLE.sub(made, text)
    if wanted == text:
        return
    if options == ["--write"]:
        README.write_text(wanted)
        return
    old, new = text.splitlines(), wanted.splitlines()
    for line in [f"- {line}" for line in old if line not in new][:20] + [
            f"+ {line}" for line in new if line not in old][:20]:
        print(line)
    sys.exit(f"README.md is not up to date: {__file__} {tool} --write")


main()
