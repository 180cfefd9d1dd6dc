#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

task() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/rt/sched/check_task.c "$2" '' "$3"
}

sleeping() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/rt/sched/check_sleep.c "$2" '' "$3"
}

ending() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/rt/sched/check_ending.c "$2" '' "$3"
}

task 'a task and two wakers' '' ''
task 'two workers and a waker' '-DWORKERS=2 -DWAKERS=1' ''
task 'two workers and a waker that cancels' '-DWORKERS=2 -DWAKERS=1 -DCANCELS=1' ''
task 'a cancel while the task is spawned' '-DWAKERS=1 -DEARLY=1' ''
task 'a task that lets others go first' '-DAGAIN=1' ''
sleeping 'one worker, one piece of work' '-DWORKERS=1' ''
sleeping 'one worker, one message' '-DWORKERS=1 -DMAIL=1' ''
sleeping 'two workers, one piece of work' '' --max-time=2
sleeping 'two workers that may both search' '-DMOST=2' --max-time=1
sleeping 'one worker, two pieces of work' '-DWORKERS=1 -DITEMS=2' --max-time=1
ending 'a runtime that ends' '' ''
ending 'a runtime with a task ends, which spawns another' '-DEARLY=1 -DCHILD=1' ''
ending 'a spawn from outside while it closes' '-DLATE=1 -DSPAWNS=1' ''
ending '... and from before that' '-DIDLE=0 -DSPAWNS=1' ''
wanted=1 ending '... which is lost without the grace period' '-DLATE=1 -DSPAWNS=1 -DGRACE=0' ''
ending 'a hold while it closes' '-DLATE=1 -DHOLDS=1' ''
ending 'a release while it closes' '-DLATE=1 -DRELEASES=1' ''
wanted=1 ending '... after which nobody counts without the grace period' '-DLATE=1 -DRELEASES=1 -DGRACE=0' ''
ending 'two workers, and a task for the one' '-DIDLE=0 -DLATE=1 -DWORKERS=2 -DEARLY=1' ''
ending 'two workers, and a task that finds the one quiet and spawns another' \
    '-DIDLE=0 -DLATE=1 -DQUIET=1 -DWORKERS=2 -DEARLY=1 -DCHILD=1' ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    ending 'two workers, and a task that spawns one for the other' \
        '-DIDLE=0 -DLATE=1 -DWORKERS=2 -DEARLY=1 -DCHILD=1' ''
    ending 'two workers, and a release while it closes' '-DIDLE=0 -DLATE=1 -DWORKERS=2 -DRELEASES=1' ''
    ending 'two workers, and a spawn from outside' '-DIDLE=0 -DLATE=1 -DWORKERS=2 -DSPAWNS=1' ''
    ending 'two workers that sleep, and a task for the one' '-DLATE=1 -DWORKERS=2 -DEARLY=1' ''
    ending 'two workers that sleep, and a task that spawns one for the other' \
        '-DLATE=1 -DWORKERS=2 -DEARLY=1 -DCHILD=1' --max-time=200
    ending 'a worker that sleeps, and a spawn from before it closes' '-DSPAWNS=1' --max-time=100
    task 'two workers and two wakers' '-DWORKERS=2' --max-time=100
    sleeping 'two workers, one piece of work' '' --max-time=300
    sleeping 'two workers, two publishers' '-DPUBLISHERS=2' --max-time=300
    sleeping 'two workers, one message' '-DMAIL=1' --max-time=200
fi
end_closures
