# SPDX-License-Identifier: MIT
"""The gallery of wrong programs: each is found, and can be replayed; its repaired twin passes.

usage: gallery.py PAWL-CC DIRECTORY [NAME...]     compilers and levels: builds.py
       PAWL_CHECK_RUNNER: what runs their programs
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import builds

TIMEOUT = 60
RUNNER = os.environ.get("PAWL_CHECK_RUNNER", "").split()


def build(pawl_cc, compiler, level, source, target, *flags):
    environment = dict(os.environ, PAWL_CC=compiler)
    subprocess.run([pawl_cc, level, "-Wall", *flags, str(source), "-o", str(target)], env=environment, check=True)


def run(*command):
    return subprocess.run([*RUNNER, *(str(c) for c in command)], capture_output=True, text=True, check=False, timeout=TIMEOUT)


def first_error(text):
    match = re.search(r"^ERROR: (.*)$", text, re.M)
    return match.group(1) if match else None


def execution(text):
    """What is printed of the execution that failed; libraries may stand elsewhere the next time."""
    return re.sub(r"\bpc 0x7\w+", "pc", text.partition("\nto run this execution again:")[0].rstrip())


def check(pawl_cc, compiler, level, source, directory):
    """Complaints about one program under one compiler."""
    program, trace = directory / source.stem, directory / "trace"
    expected = re.search(r"expect: (.*)$", source.read_text(), re.M).group(1)
    build(pawl_cc, compiler, level, source, program)
    broken = run(program, f"--trace={trace}", f"--dot={directory / 'graph'}")
    error = first_error(broken.stderr)
    if broken.returncode != 1 or not error or not error.startswith(expected + ":"):
        return f"expected {expected}, got status {broken.returncode}:\n{broken.stdout}{broken.stderr}"
    graph = (directory / "graph").read_text()
    if f'label="{expected}: ' not in graph or expected == "data race" and "race0 [" not in graph:
        return f"the graph does not say it:\n{graph}"
    if expected != "nondeterminism":
        again = run(program, f"--replay={trace}")
        if again.returncode != 1 or execution(again.stderr) != execution(broken.stderr):
            return f"replay differs:\n{broken.stderr}\n{again.stdout}{again.stderr}"
    build(pawl_cc, compiler, level, source, program, "-DFIXED")
    fixed = run(program, "--distinct")
    if fixed.returncode != 0 or "PASS" not in fixed.stdout or " 0 duplicates" not in fixed.stdout:
        return f"the repaired twin fails:\n{fixed.stdout}{fixed.stderr}"
    print(f"{compiler} {level} {source.stem:16} {error[:90]}")
    return None


def main():
    pawl_cc, directory, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    sources = [s for s in sorted(directory.glob("*.c")) if not names or s.stem in names]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number, source in enumerate(sources):
            for compiler, level in builds.of(number):
                complaint = check(pawl_cc, compiler, level, source, pathlib.Path(scratch))
                if complaint:
                    print(f"FAILED {compiler} {level} {source.stem}: {complaint}")
                    failed += 1
    sys.exit(1 if failed or not sources else 0)


if __name__ == "__main__":
    main()
