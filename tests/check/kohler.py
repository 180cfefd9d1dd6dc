# SPDX-License-Identifier: MIT
"""examples/check/tso.c: 20 interleavings in 3 outcomes under sequential consistency, one outcome more without it.

usage: kohler.py PAWL-CC TSO.C
"""
import json
import subprocess
import sys
import tempfile

SC = {"r1 r2 = 1 0, r3 r4 = 1 2\n": 1, "r1 r2 = 1 2, r3 r4 = 1 2\n": 15, "r1 r2 = 1 2, r3 r4 = 0 2\n": 4}
WEAK = "r1 r2 = 1 0, r3 r4 = 0 2\n"


def outcomes(program, *options):
    run = subprocess.run([program, "--json", "--outcomes", *options], capture_output=True, text=True, check=True)
    return {o["text"]: o["count"] for o in json.loads(run.stdout)["outcomes"]}


def main():
    with tempfile.TemporaryDirectory() as scratch:
        program = scratch + "/tso"
        subprocess.run([sys.argv[1], sys.argv[2], "-o", program], check=True)
        assert outcomes(program, "--model=sc", "--interleavings") == SC
        assert outcomes(program, "--model=sc") == {text: 1 for text in SC}
        for model in "tso", "rc11":
            assert outcomes(program, f"--model={model}") == {text: 1 for text in [*SC, WEAK]}


if __name__ == "__main__":
    main()
