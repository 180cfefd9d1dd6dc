# SPDX-License-Identifier: MIT
"""Random litmus tests: the checker explores exactly the executions that the axioms allow, each once. With transactions:
exactly those that all interleavings with all values reach.

usage: differential.py LITMUS COUNT [SEED]     LITMUS: litmus.c built with pawl-cc
"""
import collections
import json
import random
import re
import subprocess
import sys

import oracle
from shapes import SHAPES

VALUES = (1, 2)
# Executions of these were once lost: one in thousands of random programs shows such a thing.
TRANSACTIONS = (
    "w x r 2  r y a | c y a r 2 1  {  c y s a 0 1  } | {  r x a  w y r 1  }",
    "{  w x s 2  w y s 2  } | {  w x s 1  } | w y s 1 | {  r y r  x x a 1  }",
    "w y s 1  r x a  r y r | c x l r 0 1  {  w x r 1  r y s  }",
    "r y s  {  r y s  w x l 2  } | w x r 2  c x l r 1 2 | {  r x s  c y b a 0 3  }",
)
# The order of sequentially consistent accesses reaches into a thread that is created between them.
STARTED = (
    "w x s 1  s 1 | r y s | w y s 1  r x s",
    "w x s 1  s 1  j 1  r z s | r y s | w y s 1  w z s 1  r x s",
)
# The plain write came first when the race with it was looked for, and was taken for a program that changes by itself.
NEW_LIFE = "a x r 1  f l | R q  a x r 1  W x 1"
EQUAL = (
    "w x s 1 | w x s 1 | r x s | x x b 2 | x x b 2",
    "r y a | a x s 2  w y s 2 | a x s 2  w y s 2 | w x r 1",
    "r x s | r y r  x x r 2 | r y r  x x r 2 | a y l 2",
)


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


def random_fences(rng):
    """A classical test, or a random one, with light and heavy fences."""
    while True:
        parts = [part.split("  ") for part in (random_shape(rng) if rng.random() < 0.7 else random_test(rng, 6)).split(" | ")]
        for ops in parts:
            for _ in range(rng.randint(0, 2)):
                ops.insert(rng.randint(0, len(ops)), rng.choice("lh"))
        test = " | ".join("  ".join(ops) for ops in parts)
        if 0 < test.count("l  ") * test.count("h  ") <= 4 and cost(test) < 300: # the oracle tries every way for each pair
            return test


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


def random_transactions(rng):
    """Some neighbours of a random test become transactions."""
    parts = []
    for part in random_test(rng, 6).split(" | "):
        ops = part.split("  ")
        if rng.random() < 0.6:
            first = rng.randrange(len(ops))
            last = rng.randint(first, len(ops) - 1)
            ops = [*ops[:first], "{", *ops[first:last + 1], "}", *ops[last + 1:]]
        parts.append("  ".join(ops))
    return " | ".join(parts)


def random_symmetric(rng):
    """Some neighbours are equal."""
    while True:
        parts = random_test(rng, 5).split(" | ")[:3]
        equal = rng.randrange(len(parts))
        parts[equal:equal + 1] = [parts[equal]] * rng.choice((2, 2, 3))
        if rng.random() < 0.2:
            parts.append(parts[-1])
        test = " | ".join(parts)
        if len(parts) <= 5 and cost(test) <= 3000:
            return test


def random_threads(rng):
    """A random test whose threads also have plain accesses, a mutex, loops that wait, and threads of their own."""
    while True:
        parts = [part.split("  ") for part in (random_shape(rng) if rng.random() < 0.4 else random_test(rng, 6)).split(" | ")]
        for ops in parts:
            for at, op in enumerate(ops):
                if op.startswith("r ") and rng.random() < 0.2:
                    ops[at] = "v" + op[1:] + f" {rng.choice(VALUES)}"
            for _ in range(rng.choice((0, 0, 1, 1, 2))):
                ops.insert(rng.randint(0, len(ops)), rng.choice(("R p", "R p", "R q", "W p 1", "W q 2", "R x", "W x 1")))
            if rng.random() < 0.35:
                first = rng.randint(0, len(ops))
                ops.insert(rng.randint(first, len(ops)), "u")
                ops.insert(first, "m")
        for child in range(1, len(parts)):
            ops = parts[rng.randrange(child)]
            if rng.random() < 0.4 and "m" not in ops: # what it waits for may want the mutex
                at = rng.randint(0, len(ops))
                if rng.random() < 0.6:
                    ops.insert(rng.randint(at, len(ops)), f"j {child}")
                ops.insert(at, f"s {child}")
        test = " | ".join("  ".join(ops) for ops in parts)
        if cost(test) < 2000:
            return test


def compare_threads(litmus, test, model):
    """What the checker said, if it agrees: PASS, or the bug. Which waits nobody ends the oracle does not know."""
    expected = collections.Counter(v if v == oracle.RACE else " ".join(map(str, v)) for v in oracle.executions(test, model))
    answer, outcomes = checked(litmus, test, model)
    verdict = answer.get("bug", answer["verdict"])
    right = verdict == "data race" or verdict in ("livelock", "deadlock") and "v " in test
    if verdict == "PASS":
        if "v " in test: # rounds of it that read something else are executions of their own
            expected = dict.fromkeys(expected)
            outcomes = dict.fromkeys(outcomes)
        right = outcomes == expected and not answer["duplicates"]
    elif verdict == "data race" and not expected[oracle.RACE]: # before a wait that nobody ends?
        endless = re.sub(r"v (.) (.) .", r"r \1 \2", test)
        right = endless != test and oracle.RACE in oracle.executions(endless, model)
    if not right:
        sys.exit(f"{model}: {test}\n  oracle  {dict(expected)}\n  checker {outcomes}\n  {answer}")
    return verdict


def compare_orbits(litmus, test, model):
    expected = oracle.orbits(test, model)
    answer, _ = checked(litmus, "= " + test, model, "--symmetry")
    if answer["complete"] != expected or answer["duplicates"]:
        sys.exit(f"{model}: {test}\n  orbits  {expected}\n  checker {answer}")
    everything, _ = checked(litmus, "= " + test, model)
    return expected, everything["complete"]


def compare_explorers(litmus, test, model):
    """Executions, or 0 when there are too many interleavings."""
    answer, outcomes = checked(litmus, test, model)
    slow, slow_outcomes = checked(litmus, test, model, "--all-values", "--max-executions=30000")
    if slow["verdict"] != "PASS":
        return 0
    if answer["duplicates"] or answer["complete"] != slow["distinct"] or set(outcomes) != set(slow_outcomes):
        sys.exit(f"{model}: {test}\n  interleavings {slow}\n  checker       {answer}")
    return answer["complete"]


def checked(litmus, test, model, *options):
    command = [litmus, f"--model={model}", "--json", "--outcomes", "--distinct", *options, "--", test]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1, 3):
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
        test = random_test(rng, 9) if done % 3 == 1 else (random_shape, random_fences)[done % 3 // 2](rng)
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
    symmetric = [compare_orbits(litmus, test, model) for test in (*EQUAL, *(random_symmetric(rng) for _ in range(count // 2)))
                 for model in ("rc11", "sc", "tso")]
    print(f"{len(symmetric)} with equal threads, {sum(n for _, n in symmetric)} executions, {sum(n for n, _ in symmetric)} orbits")
    verdicts = collections.Counter(compare_threads(litmus, test, model)
                                   for test in [*STARTED, NEW_LIFE, *(random_threads(rng) for _ in range(count // 3))] for model in ("rc11", "sc", "tso"))
    print(f"{sum(verdicts.values())} with plain accesses, a mutex, waits and threads: {dict(verdicts)}")
    tried = [compare_explorers(litmus, test, model) for test in (*TRANSACTIONS, *(random_transactions(rng) for _ in range(count // 2)))
             for model in ("rc11", "sc", "tso")]
    print(f"{len(tried)} with transactions, {sum(map(bool, tried))} exhausted, {sum(tried)} executions: as all interleavings")


if __name__ == "__main__":
    main()
