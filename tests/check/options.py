# SPDX-License-Identifier: MIT
"""The command line: exit statuses, limits, several processes, random runs, mutants, damaged replay files.

usage: options.py PAWL-CC PAWL-CHECK DIRECTORY-OF-TESTS
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PASS, BUG, USAGE, PARTIAL, FATAL = range(5)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=60)


def expect(status, *command):
    answer = run(*command)
    if answer.returncode != status:
        sys.exit(f"{command}: status {answer.returncode}, not {status}\n{answer.stdout}{answer.stderr}")
    return answer


def test_limits(mpmc):
    assert "4770 executions" in expect(PASS, mpmc).stdout
    assert "PARTIAL" in expect(PARTIAL, mpmc, "--max-executions=100").stdout
    assert "PARTIAL" in expect(PARTIAL, mpmc, "--random=50").stdout
    assert "PARTIAL" in expect(PARTIAL, mpmc, "--bound=0").stdout
    expect(BUG, mpmc, "--max-events=5")


def test_wrong_options(mpmc):
    for wrong in ("--model=arm", "--jobs=0", "--no-such-option", "argument", "--max-events=x", "--jobs=2 --bound=1"):
        answer = expect(USAGE, mpmc, *wrong.split())
        assert answer.stderr, wrong


def test_a_result_that_is_lost(mpmc, broken):
    for options in ([], ["--json"], ["--outcomes", "--jobs=2"]):
        for program, status in (mpmc, FATAL), (broken, BUG):
            with open("/dev/full", "w", encoding="utf-8") as full:
                answer = subprocess.run([str(program), *options], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            assert answer.returncode == status and answer.stderr, (program, options, answer)


def test_processes_together_explore_what_one_does(mpmc, broken):
    options = "--json", "--outcomes", "--distinct"
    alone, *others = (json.loads(expect(PASS, mpmc, *options, f"--jobs={n}").stdout) for n in (1, 2, 3, 7))
    for together in others:
        for key in ("complete", "blocked", "moot", "distinct", "duplicates", "outcomes"):
            assert alone[key] == together[key], key
    answer = expect(PARTIAL, mpmc, "--json", "--jobs=3", "--max-executions=2000")
    assert 2000 <= sum(json.loads(answer.stdout)[key] for key in ("complete", "blocked", "moot")) < 2010
    assert "FAIL" in expect(BUG, broken, "--jobs=2").stdout


def test_a_bound_on_weak_models(weak, strong):
    """Store buffering shows with preemptions bounded too, when the model is said."""
    assert "(sc)" in expect(PARTIAL, weak, "--bound=2").stdout
    for model, status in ("sc", PARTIAL), ("tso", BUG), ("rc11", BUG):
        expect(status, weak, "--bound=2", f"--model={model}")
        expect(PARTIAL, strong, f"--model={model}", "--bound=2")


def test_a_random_run_is_repeatable(mpmc):
    first, again = (json.loads(run(mpmc, "--json", "--distinct", "--random=300", f"--seed={s}").stdout)
                           for s in (5, 5))
    assert first["distinct"] == again["distinct"] and first["distinct"] > 1


def test_equal_threads(elision, told_apart):
    counts = [json.loads(expect(PASS, elision, "--json", *o).stdout)["complete"] for o in ((), ("--symmetry",))]
    assert counts == [10, 5], counts
    expect(USAGE, elision, "--symmetry", "--random=5")
    for program, why in told_apart:
        expect(PASS, program)
        answer = expect(FATAL, program, "--symmetry")
        assert re.search(rf"T1 and T2 are not symmetric: .*{why}", answer.stderr), answer


def test_random_finds(broken):
    for option in ("--random=20000", "--bound=2"):
        answer = run(broken, option)
        assert answer.returncode == BUG, answer.stdout


def test_mutants(fixed, mutants):
    answer, together = run(fixed, "--mutate"), run(fixed, "--mutate", "--jobs=3")
    assert re.search(mutants, answer.stdout) and answer.stdout == together.stdout, answer.stdout


def test_damaged_replay_files(broken, scratch):
    trace = scratch / "trace"
    expect(BUG, broken, f"--trace={trace}", f"--dot={scratch / 'dot'}")
    assert (scratch / "dot").read_text().startswith("digraph")
    good = trace.read_text().splitlines()
    expect(BUG, broken, f"--replay={trace}")
    for n, damaged in enumerate((good[:-3], good[1:], ["x"], good[:1] + good[2:], good + ["event 1 2"],
                                 [good[0]] + [line.replace(" 0 ", " 99 ", 2) for line in good[1:]])):
        trace.write_text("\n".join(damaged) + "\n")
        answer = run(broken, f"--replay={trace}")
        assert answer.returncode in (PASS, BUG, FATAL), (n, answer)
    source, value = 10, 14
    read, create, join = "0", "3", "4"
    for kind, field, wrong in ((create, value, "0"), (create, value, "ffff"), (join, value, "ffff"),
                               (join, source, "-1"), (read, source, "-2")):
        lines = [line.split() for line in good]
        next(line for line in lines if line[:2] == ["event", kind])[field] = wrong
        trace.write_text("".join(" ".join(line) + "\n" for line in lines))
        expect(FATAL, broken, f"--replay={trace}")
    expect(FATAL, broken, "--replay=/no/such/file")


def main():
    pawl_cc, pawl_check, tests = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)

        def build(source, name, *flags):
            subprocess.run([pawl_cc, "-O2", *flags, tests / source, "-o", scratch / name], check=True,
                           env=dict(os.environ, PAWL_CC="gcc" if shutil.which("gcc") else "cc"))
            return scratch / name

        mpmc = build("structures/mpmc.c", "mpmc", "-DPRODUCERS=3", "-DCONSUMERS=2", "-DITEMS=1")
        test_limits(mpmc)
        test_wrong_options(mpmc)
        test_a_random_run_is_repeatable(mpmc)
        aba = build("gallery/treiber_aba.c", "aba")
        test_processes_together_explore_what_one_does(mpmc, aba)
        test_a_result_that_is_lost(mpmc, aba)
        test_random_finds(aba)
        test_damaged_replay_files(aba, scratch)
        dekker = build("gallery/dekker.c", "dekker", "-DFIXED")
        test_mutants(dekker, r"killed +fence: seq_cst -> acq_rel")
        test_a_bound_on_weak_models(build("gallery/dekker.c", "weak_dekker"), dekker)
        ways = {"SELF": "pthread_self", "VALUE": "exit value", "CPU": "processor", "JOIN": "joined"}
        test_equal_threads(build("gallery/elision.c", "elision", "-DFIXED"),
                           [(build("told_apart.c", f"told_{way}", f"-D{way}"), why) for way, why in ways.items()])
        spsc = build("gallery/spsc_release.c", "spsc", "-DFIXED")
        test_mutants(spsc, r"4 mutants, 4 killed, 0 survived")
        # Distributions build C with it too.
        expect(PASS, build("features/cleanup.c", "cleanup", "-fexceptions"))
        # A compiled part, linked later.
        expect(0, pawl_cc, "-c", tests / "gallery/dekker.c", "-DFIXED", "-o", scratch / "part.o")
        expect(0, pawl_cc, scratch / "part.o", "-o", scratch / "linked")
        expect(PASS, scratch / "linked")
        (scratch / "other.cc").write_text("int main() {}\n")
        for wrong in (["-static", tests / "gallery/dekker.c"], ["-c", scratch / "part.o"], ["-o"], [],
                      [scratch / "other.cc", "-o", scratch / "other"]):
            assert expect(USAGE, pawl_cc, *wrong).stderr, wrong
        assert expect(0, pawl_cc, "--help").stdout
        # Where a compiler's options stand must not matter: the name joined to -o, and -E behind -I.
        expect(0, pawl_cc, tests / "gallery/dekker.c", "-DFIXED", f"-o{scratch / 'joined'}")
        expect(PASS, scratch / "joined")
        (scratch / "one.h").write_text("int from_the_folder;\n")
        (scratch / "one.c").write_text("#include <one.h>\n#include <pawl/atomic.h>\n")
        assert "from_the_folder" in expect(0, pawl_cc, f"-I{scratch}", "-E", scratch / "one.c").stdout
        assert expect(USAGE, pawl_check, "-j2", scratch / "joined").stderr
        # What cannot be built, or is not there, is no bug that was found.
        assert expect(USAGE, pawl_check, scratch / "no program").stderr
        (scratch / "no program.c").write_text("int main(void) { return nothing; }\n")
        assert "nothing" in expect(USAGE, pawl_check, scratch / "no program.c").stderr
        # Built by pawl-check, the program is gone afterwards: what it says leads to the same execution.
        failed = subprocess.run([pawl_check, tests / "gallery/dekker.c"], cwd=scratch, capture_output=True, text=True,
                                check=False)
        again = failed.stderr.splitlines()[-1].split()
        replay = again.index("pawl-check", 1)
        answer = subprocess.run([pawl_check, *again[replay + 1:]], cwd=scratch, capture_output=True, check=False)
        assert (failed.returncode, answer.returncode) == (BUG, BUG), (failed, answer)
        weak = build("features/weak_cas.c", "weak")
        for option, count in ("--quiet", 2), ("--spurious", 3):
            assert json.loads(expect(PASS, weak, "--json", option).stdout)["complete"] == count
        example = tests / "../../examples/check/spsc.c"
        expect(BUG, build(example, "example"), f"--trace={scratch / 'trace'}")
        expect(PASS, build(example, "example", "-DFIXED"))
        answer = run(pawl_check, "--model=tso", "--json", scratch / "example")
        assert json.loads(answer.stdout)["model"] == "tso", answer
        assert "PASS" in expect(PASS, pawl_check, "--model=sc", example, "-DFIXED").stdout
        own = build("own_options.c", "own")
        assert json.loads(expect(PASS, own).stdout)["complete"] == 3
        assert json.loads(expect(PASS, own, "--model=tso", "--", "argument").stdout)["complete"] == 4
        expect(BUG, own, "--", "x")
        broken_lin = build("lin_stack.c", "lin", "-DBROKEN")
        expect(BUG, broken_lin)
        expect(PASS, build("lin_stack.c", "lin"))


if __name__ == "__main__":
    main()
