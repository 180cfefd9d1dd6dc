# SPDX-License-Identifier: MIT
"""Random programs of blocking calls: the checker finds the outcomes that visiting every state finds, and the same hangs.

usage: blocking.py BLOCKING COUNT [SEED]     BLOCKING: blocking.c built with pawl-cc
       PAWL_CHECK_RUNNER: what runs it
"""
import collections
import json
import os
import random
import subprocess
import sys

import states

RUNNER = os.environ.get("PAWL_CHECK_RUNNER", "").split()
STATES = 100000 # more of them: too large to be compared
FEW = 100 # executions that all interleavings still reach in time
# A letter of these becomes the operations that it stands for; the sets of families that a program is made of.
FAMILIES = {
    "conditions": ("lock", "lock", "wait", "wait", "timed wait", "signal held", "signal", "broadcast", "broadcast held", "trylock",
                   "trylock", "poll", "poll", "wait in rounds", "lock both",
                   "try until taken"),
    "semaphore": ("P", "P", "V", "V", "V", "T", "G", "O", "Q", "Y"),
    "barrier": ("b",),
    "futex": ("F", "F", "K", "K", "H", "store and wake", "futex in rounds"),
    "rwlock": ("d", "d", "e", "y", "z", "z", "look while reading", "look while holding", "look while holding", "trylock"),
    "once": ("o",),
}
# Once each was answered wrongly.
BY_HAND = (
    "A0 | A1", # rounds that only each other's have seen
    "w01 s1 | A0 | ~ m1 r0 D1 w02 u1 m1 E12 u1", # tries what a loop gives back in each of its rounds
    "~ b b | b | b", # two writes that a detached thread does not wait for
    "t0 r0 u0 x02 | ~ a01 L00", # rounds before the one that was answered
    "L10 | ~ L12 | w01", # loops that let each other go in each of their rounds
    "L12 | L12 | m1 u1 L12", # ... and hang only together
    "A0 | m0 E02 | t0 a01 u0 | m0 u0 L02", # rounds that answer each other, for ever
    "W1 w02 | L12", # attempts that never fail miss what fails them
    "o s2 j2 | K01 s3 o j3 | H10 | r1 w11 K11 r0", # threads' numbers by who is started first
)
OFTEN = (*FAMILIES, "conditions", "futex")


def random_access(rng, loc):
    return rng.choice((f"w{loc}{rng.choice((1, 2))}", f"r{loc}", f"r{loc}", f"a{loc}1", f"x{loc}2"))


def expanded(rng, word):
    """The operations that a word of FAMILIES stands for."""
    i, loc = rng.choice((0, 0, 0, 1)), rng.choice((0, 0, 1))
    maybe = lambda chance: [random_access(rng, loc)] if rng.random() < chance else []
    under_lock = {"lock": [], "wait": [f"C{i}"], "timed wait": [f"D{i}"], "signal held": [f"S{i}"], "broadcast held": [f"B{i}"]}
    if word in under_lock:
        return [f"m{i}", *maybe(0.4), *under_lock[word], *maybe(0.3), f"u{i}"]
    if word == "trylock":
        return [f"t{i}", *maybe(0.5), f"u{i}"]
    if word in ("signal", "broadcast"):
        return [word[0].upper() + str(i)]
    if word in "deyz":
        return [word, *maybe(0.6), "n"]
    if word in "FH":
        return [f"{word}{loc}{rng.choice((0, 0, 0, 1))}"]
    if word == "K":
        return [f"K{loc}{rng.choice((1, 1, 2))}"]
    if word == "poll":
        return [f"{rng.choice('lL')}{i}{rng.choice((0, 1, 1, 2))}"]
    if word == "lock both":
        return [f"A{i}"]
    if word == "look while reading":
        return [f"c{i}{rng.choice((0, 1, 1, 2))}"]
    if word == "try until taken":
        return [f"W{i}"]
    if word == "look while holding":
        return [f"R{rng.choice((0, 1))}{rng.choice((0, 1, 1, 2))}"]
    if word == "wait in rounds":
        return [f"m{i}", f"E{i}{rng.choice((0, 1, 1, 2))}", f"u{i}"]
    if word == "futex in rounds":
        return [f"Z{loc}{rng.choice((0, 1, 1, 2))}"]
    if word == "store and wake":
        return [f"w{loc}1", f"K{loc}{rng.choice((1, 2))}"]
    if word == "access":
        return [random_access(rng, loc)]
    if word == "loop":
        return [f"v{loc}{rng.choice((0, 1, 1, 2))}"]
    return [word]


def start_some(rng, parts):
    """Some threads are started, and maybe waited for, by one before them; one may be detached."""
    for child in range(1, len(parts)):
        ops = parts[rng.randrange(child)]
        if rng.random() < 0.25:
            at = rng.randint(0, len(ops))
            if rng.random() < 0.6:
                ops.insert(rng.randint(at, len(ops)), f"j{child}")
            ops.insert(at, f"s{child}")
    free = [t for t in range(len(parts)) if not any(f"{kind}{t}" in ops for ops in parts for kind in "sj")
            and not any(op[0] in "sj" for op in parts[t])]
    if free and rng.random() < 0.15:
        parts[rng.choice(free)].insert(0, "~")


def random_program(rng):
    threads = rng.choice((2, 3, 3, 3, 4))
    words = ["access"] + (["loop"] if rng.random() < 0.15 else [])
    families = rng.sample(OFTEN, rng.choice((1, 1, 2)))
    sizes = [1] * threads
    for _ in range(rng.randint(1, 9 - threads)):
        sizes[rng.randrange(threads)] += 1
    pick = lambda: rng.choice(FAMILIES[rng.choice(families)] if rng.random() < 0.7 else words)
    parts = [[op for _ in range(size) for op in expanded(rng, pick())] for size in sizes]
    start_some(rng, parts)
    if max(map(len, parts)) > 15: # blocking.c has room for so many
        return random_program(rng)
    return " | ".join(" ".join(ops) for ops in parts)


def check_replay(blocking, program, printed):
    """The execution that failed, step by step."""
    command = [*RUNNER, blocking, f"--replay={blocking}.trace", "--", program]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 1 or run.stderr.rstrip() != printed.partition("\nto run this execution again:")[0].rstrip():
        sys.exit(f"{command}: status {run.returncode}, not what failed\n{printed}\n{run.stderr}")


def checked(blocking, program, *options):
    command = [*RUNNER, blocking, "--json", "--outcomes", "--distinct", "--max-time=20", *options, "--", program]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1, 3):
        sys.exit(f"{command}: status {run.returncode}\n{run.stdout}{run.stderr}")
    answer = json.loads(run.stdout)
    if answer["verdict"] == "FAIL":
        check_replay(blocking, program, run.stderr)
    return answer, {o["text"].strip() for o in answer["outcomes"]}


def difference(answer, outcomes, expected, hangs, model):
    """What is wrong with the checker's answer, or None. A weaker model may have outcomes and hangs of its own."""
    verdict = answer.get("bug", answer["verdict"])
    if answer["duplicates"]:
        return "the same execution twice"
    if verdict == "PASS":
        if hangs:
            return "a thread that waits for ever was missed"
        if not expected <= outcomes or model == "sc" and outcomes != expected:
            return f"outcomes missed {sorted(expected - outcomes)}, of its own {sorted(outcomes - expected)}"
        return None
    if verdict in ("deadlock", "livelock"):
        return None if hangs or model != "sc" else "no thread waits for ever"
    return f"verdict {verdict}"


def compare(blocking, program, model, expected, hangs):
    """The checker's verdict, if it agrees."""
    answer, outcomes = checked(blocking, program, f"--model={model}")
    if answer["verdict"] not in ("PASS", "FAIL"):
        return "too many executions"
    wrong = difference(answer, outcomes, expected, hangs, model)
    if wrong:
        sys.exit(f"{model}: {program}\n  {wrong}\n  {answer}")
    if answer["verdict"] == "PASS" and answer["complete"] < FEW and not set("vlLEZAcWRQY") & set(program):
        compare_explorers(blocking, program, model, answer["complete"])
    return answer.get("bug", "PASS")


def compare_explorers(blocking, program, model, complete):
    """As many executions as all interleavings with all values reach; also where they have the same outcome.

    Not for loops, whose rounds count.
    """
    answer, _ = checked(blocking, program, f"--model={model}", "--interleavings", "--all-values", "--no-await",
                        "--max-executions=12000")
    if answer["verdict"] == "PASS" and answer["distinct"] != complete:
        sys.exit(f"{model}: {program}\n  {complete} executions, by interleavings {answer['distinct']}")


def main():
    blocking, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    rng = random.Random(seed)
    verdicts, done, outcomes = collections.Counter(), 0, 0
    by_hand = list(BY_HAND)
    while done < count:
        program = by_hand.pop() if by_hand else random_program(rng)
        reached = states.explore(program, STATES)
        if reached is None:
            continue
        for model in ("sc", "rc11"):
            verdicts[compare(blocking, program, model, *reached)] += 1
        outcomes += len(reached[0])
        done += 1
    print(f"{done} programs (seed {seed}), {outcomes} outcomes, 2 models: {dict(verdicts)}: as all their states say")


if __name__ == "__main__":
    main()
