# SPDX-License-Identifier: MIT
"""The classical litmus tests under every combination of orders and fences.

For each: the outcomes, and how often each is reached, are those of the axioms (oracle.py); and, for uniform orders,
whether the weak outcome is allowed is what the literature says.

usage: litmus_suite.py LITMUS
"""
import collections
import itertools
import sys

import oracle
from differential import checked, cost
from shapes import SHAPES

UNIFORM = {"relaxed": ("r", "r", False), "release/acquire": ("l", "a", False), "seq_cst": ("s", "s", False),
           "fences": ("r", "r", True)}
MODELS = ("rc11", "sc", "tso")
COMBINATIONS_MAX = 100


def instance(text, orders, fence):
    orders = iter(orders)
    words = [next(orders) if word in ("W", "R") else word for word in text.split(" ")]
    text = " ".join(words)
    if not fence:
        return text
    return " | ".join(f"  f {fence}  ".join(o for o in part.strip().split("  ")) for part in text.split("|"))


def compare(litmus, name, test, model):
    expected = collections.Counter(" ".join(map(str, v)) for v in oracle.executions(test, model))
    answer, outcomes = checked(litmus, test, model)
    if outcomes != expected or answer["duplicates"]:
        sys.exit(f"{name} {model}: {test}\n  oracle  {dict(expected)}\n  checker {outcomes}")
    return outcomes, answer["complete"]


def main():
    litmus = sys.argv[1]
    tests = executions = 0
    for name, text, weak, allowed in SHAPES:
        slots = [word for word in text.split(" ") if word in ("W", "R")]
        verdicts = []
        for (_, (w, r, fenced)), expected in zip(UNIFORM.items(), allowed):
            test = instance(text, [w if s == "W" else r for s in slots], "s" if fenced else None)
            outcomes, n = compare(litmus, name, test, "rc11")
            if (weak in outcomes) != expected:
                sys.exit(f"{name}: {test}: {weak} should be {'allowed' if expected else 'forbidden'}: {outcomes}")
            verdicts.append(f"{'yes' if expected else 'no':3} {n:4}")
            for model in MODELS[1:]:
                compare(litmus, name, test, model)
            tests += 3
        print(f"{name:14} {weak:8} " + "  ".join(verdicts))
        # Every combination of orders, or a fixed sample of them, and weaker fences.
        choices = list(itertools.product(*["rls" if s == "W" else "ras" for s in slots]))
        most = COMBINATIONS_MAX if cost(instance(text, choices[0], None)) < 300 else COMBINATIONS_MAX // 5
        step = (len(choices) + most - 1) // most
        for orders in choices[::step]:
            executions += compare(litmus, name, instance(text, orders, None), "rc11")[1]
            tests += 1
        for fence in "alb":
            test = instance(text, ["r"] * len(slots), fence)
            executions += compare(litmus, name, test, "rc11")[1]
            tests += 1
    print(f"{tests} tests, as the axioms say")


if __name__ == "__main__":
    main()
