# SPDX-License-Identifier: MIT
"""Random litmus tests: the checker explores exactly the executions that the axioms allow, each once.

usage: differential.py LITMUS COUNT [SEED]     LITMUS: litmus.c built with pawl-cc
"""
import collections
import json
import random
import subprocess
import sys

import oracle
from shapes import SHAPES

VALUES = (1, 2)


def random_test(rng, most):
    threads, locations = rng.randint(2, 4), "xyz"[: rng.randint(1, 3)]
    total, parts = rng.randint(3, most), []
    sizes = [1] * threads
    while sum(sizes) < total:
        sizes[rng.randrange(threads)] += 1
    strong = rng.random()
    for size in sizes:
        words = []
        for _ in range(size):
            kind = rng.choices("wrxacf", (6, 6, 1, 1, 2, 2 if strong < 0.6 else 0))[0]
            loc = rng.choice(locations)
            pick = lambda orders: "s" if rng.random() < 0.35 else rng.choice(orders)
            value = rng.choice(VALUES)
            if kind == "w":
                words.append(f"w {loc} {pick('rl')} {value}")
            elif kind == "r":
                words.append(f"r {loc} {pick('ra')}")
            elif kind in "xa":
                words.append(f"{kind} {loc} {pick('ralb')} {value}")
            elif kind == "c":
                words.append(f"c {loc} {pick('ralb')} {rng.choice('ras')} {rng.choice((0, 0, 1, 2))} {rng.choice((1, 2, 3))}")
            else:
                words.append(f"f {pick('alb')}")
        parts.append("  ".join(words))
    return " | ".join(parts)


def random_shape(rng):
    """A classical test with random orders, a write here and there done by a read-modify-write, and fences."""
    words, strong = [], rng.random() < 0.3
    for part in rng.choice(SHAPES)[1].split("|"):
        ops = []
        for op in part.strip().split("  "):
            kind, loc, *rest = op.split()
            order = rng.choice("sssrla" if strong else "rrlabs")
            if kind == "w":
                kind = rng.choices("wxa", (6, 1, 1))[0]
                order = {"a": "l", "b": "l"}.get(order, order) if kind == "w" else order
            elif kind == "r":
                order = {"l": "a", "b": "a"}.get(order, order)
            elif kind == "c":
                rest[1] = rng.choice("ras")
            rest[0] = order
            ops.append(" ".join([kind, loc, *rest]))
            if rng.random() < 0.35:
                ops.append("f " + rng.choice("alss"))
        words.append("  ".join(ops))
    return " | ".join(words)


def checked(litmus, test, model, *options):
    command = [litmus, f"--model={model}", "--json", "--outcomes", "--distinct", *options, "--", test]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{command}: status {run.returncode}\n{run.stdout}{run.stderr}")
    answer = json.loads(run.stdout)
    outcomes = {o["text"].strip(): o["count"] for o in answer["outcomes"]}
    return answer, outcomes


def cost(test):
    """Candidates that the oracle would have to look at."""
    events = oracle.build(oracle.parse(test))
    candidates, writes = 1, collections.Counter(e.loc for e in events if e.kind == "W")
    for e in events:
        if e.kind == "R":
            candidates *= writes[e.loc]
    for n in writes.values():
        for k in range(2, n):
            candidates *= k
    return candidates


def main():
    litmus, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    rng = random.Random(seed)
    done, total = 0, 0
    while done < count:
        test = random_test(rng, 9) if done % 2 else random_shape(rng)
        if cost(test) > 2000:
            continue
        for model in ("rc11", "sc", "tso"):
            expected = collections.Counter(" ".join(map(str, v)) for v in oracle.executions(test, model))
            answer, outcomes = checked(litmus, test, model)
            total += answer["complete"]
            if outcomes != expected or answer["duplicates"] or answer["distinct"] != answer["complete"]:
                sys.exit(f"{model}: {test}\n  oracle  {dict(expected)}\n  checker {outcomes}\n  {answer}")
            slow, slow_outcomes = checked(litmus, test, model, "--all-values", "--max-executions=20000")\
                if done % 8 == 0 and answer["complete"] < 10 else (None, None)
            if slow and slow["verdict"] == "PASS" and set(slow_outcomes) != set(expected):
                sys.exit(f"{model}, interleavings: {test}\n  oracle  {dict(expected)}\n  checker {slow_outcomes}")
        done += 1
    print(f"{done} tests (seed {seed}), 3 models, {total} executions: as the axioms say, each once")


if __name__ == "__main__":
    main()
