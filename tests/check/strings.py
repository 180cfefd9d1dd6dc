# SPDX-License-Identifier: MIT
"""What functions of libc read and write: a race with the last byte of it is found, and none with the byte behind.

usage: strings.py PAWL-CC strings.c     compilers and levels: builds.py
       PAWL_CHECK_RUNNER: what runs their programs
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import builds

RUNNER = os.environ.get("PAWL_CHECK_RUNNER", "").split()


def explore(program, number, byte):
    environment = dict(os.environ, CASE=str(number), BYTE=byte)
    answer = subprocess.run([*RUNNER, str(program), "--json", "--outcomes"], env=environment, capture_output=True,
        text=True, check=False, timeout=60)
    return answer.returncode, answer.stdout, answer.stderr


def check(program, number):
    """The name of a case, or none behind the last; and what is wrong."""
    status, answer, complaint = explore(program, number, "behind")
    if status != 0:
        return number, f"the byte behind, status {status}: {answer}{complaint}"
    outcome = json.loads(answer)["outcomes"][0]["text"]
    if not outcome.startswith("case "):
        return None, None
    name = outcome.split()[1]
    status, answer, complaint = explore(program, number, "last")
    if status != 1 or "ERROR: data race" not in complaint:
        return name, f"the last byte, status {status}: {answer}{complaint}"
    return name, None


def main():
    pawl_cc, source = sys.argv[1], pathlib.Path(sys.argv[2])
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        program = pathlib.Path(scratch) / source.stem
        for compiler in builds.COMPILERS:
            for level in builds.LEVELS:
                environment = dict(os.environ, PAWL_CC=compiler)
                subprocess.run([pawl_cc, level, "-w", str(source), "-o", str(program)], env=environment, check=True)
                names = []
                while True:
                    name, complaint = check(program, len(names))
                    if name is None:
                        break
                    names.append(name)
                    if complaint:
                        wrong.append(f"{compiler} {level} {name}: {complaint}")
                print(f"{compiler} {level}: {len(names)} cases")
                if not names:
                    wrong.append("no cases")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
