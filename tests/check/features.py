# SPDX-License-Identifier: MIT
"""Every construct the checker models: exact counts where they are known, and the same outcomes by two explorers.

usage: features.py PAWL-CC DIRECTORY [NAME...]     compilers and levels: builds.py
       PAWL_CHECK_RUNNER: what runs their programs
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import builds

ORACLE_LIMIT = 50000
RUNNER = os.environ.get("PAWL_CHECK_RUNNER", "").split()


def run(program, *options):
    command = [*RUNNER, str(program), "--json", "--outcomes", "--distinct", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def explored(program, *options):
    answer = run(program, *options)
    if answer.returncode not in (0, 3):
        sys.exit(f"{answer.args}: status {answer.returncode}\n{answer.stdout}{answer.stderr}")
    answer = json.loads(answer.stdout)
    return answer, {o["text"] for o in answer["outcomes"]}


def check(pawl_cc, compiler, level, source, directory):
    program = directory / source.stem
    subprocess.run([pawl_cc, level, str(source), "-o", str(program)], env=dict(os.environ, PAWL_CC=compiler), check=True)
    where = f"{compiler} {level} {source.stem}"
    counts, all_outcomes = {}, set()
    for model in ("rc11", "tso", "sc"):
        answer, outcomes = explored(program, f"--model={model}")
        counts[model] = answer["complete"]
        all_outcomes |= outcomes
        if answer["verdict"] != "PASS" or answer["duplicates"]:
            sys.exit(f"{where} {model}: {answer}")
    expected, more = re.search(r"executions: (\w+)( or more)?", source.read_text()).groups()
    # Without optimisation a loop's first round may leave other traces on the stack than its second; some loops' do with it.
    more = more or level == "-O0"
    if expected != "any" and (counts["rc11"] < int(expected) if more else counts["rc11"] != int(expected)):
        sys.exit(f"{where}: {counts['rc11']} executions under rc11, not {expected}")
    slow, slow_outcomes = explored(program, "--model=sc", "--interleavings", f"--max-executions={ORACLE_LIMIT}")
    if slow["verdict"] == "PASS" and slow_outcomes != outcomes:
        sys.exit(f"{where}: outcomes {outcomes}, but {slow_outcomes} by interleavings")
    brute = run(program, "--model=sc", "--no-await", "--interleavings", f"--max-executions={ORACLE_LIMIT}")
    if brute.returncode == 0: # no endless loop, and not too many
        exact = explored(program, "--model=sc", "--no-await")[0]["complete"]
        distinct = json.loads(brute.stdout)["distinct"]
        if exact != distinct:
            sys.exit(f"{where}: {exact} executions under sc, but interleavings reach {distinct}")
    random, random_outcomes = explored(program, "--random=200", "--seed=3")
    if not random["complete"] or not random_outcomes <= all_outcomes:
        sys.exit(f"{where}: random: {random}, {counts}")
    print(f"{where:32} {counts}  interleavings {slow['complete']} ({slow['verdict']})")


def main():
    pawl_cc, directory, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    with tempfile.TemporaryDirectory() as scratch:
        for number, source in enumerate(sorted(directory.glob("*.c"))):
            if names and source.stem not in names:
                continue
            for compiler, level in builds.of(number):
                check(pawl_cc, compiler, level, source, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
