# SPDX-License-Identifier: MIT
"""Real data structures, exhausted: the numbers of executions are those that their sources state, and for the
smallest sizes those that all interleavings with all values lead to. Without the recognition of loops that wait, which
depends on the code that a compiler makes; with it, the outcomes are the same.

usage: structures.py PAWL-CC DIRECTORY [--long]
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def explored(program, *options):
    run = subprocess.run([str(program), "--json", "--distinct", "--outcomes", *options], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{program}: status {run.returncode}\n{run.stdout}{run.stderr}")
    return json.loads(run.stdout)


def outcomes(answer):
    return {o["text"] for o in answer["outcomes"]}


def main():
    pawl_cc, directory, long = sys.argv[1], pathlib.Path(sys.argv[2]), "--long" in sys.argv
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        program = pathlib.Path(scratch) / "program"
        for source in sorted(directory.glob("*.c")):
            for note, sizes, count, moot in re.findall(r"executions(, [a-z ]+)?: (.*): (\d+)(?: and (\d+) moot)?$", source.read_text(), re.M):
                if note == ", long" and not long:
                    continue
                defines = [f"-D{size}" for size in sizes.split()]
                for compiler in ("gcc", "clang"):
                    if not shutil.which(compiler):
                        continue
                    subprocess.run([pawl_cc, "-O2", *defines, str(source), "-o", str(program)], check=True,
                                   env=dict(os.environ, PAWL_CC=compiler))
                    answer = explored(program, "--no-await")
                    waits = explored(program)
                    total = answer["complete"] + answer["blocked"] + answer["moot"]
                    print(f"{source.stem:12} {sizes:32} {compiler:5} {answer['complete']:7} executions, {answer['blocked']}"
                          f" blocked, {answer['moot']} moot, {answer['seconds']:.3f} s, {total / answer['seconds']:.0f}/s")
                    if answer["complete"] != int(count) or answer["duplicates"] or (moot and answer["moot"] != int(moot)):
                        print(f"FAILED: {count} executions expected, {answer['duplicates']} duplicates")
                        failed += 1
                    if outcomes(waits) != outcomes(answer) or waits["duplicates"]:
                        print(f"FAILED: other outcomes when waits are recognised: {waits}")
                        failed += 1
                    if note == ", brute force too":
                        brute = explored(program, "--no-await", "--interleavings", "--all-values")
                        if brute["distinct"] != int(count):
                            print(f"FAILED: every interleaving with every value gives {brute['distinct']}")
                            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
