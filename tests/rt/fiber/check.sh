#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

pool() { # SENTENCE DEFINES OPTIONS
    explore "pool: $1" tests/rt/fiber/check_pool.c "$2" src/core/sync/park.c "$3"
}

fiber() { # SENTENCE DEFINES OPTIONS
    explore "fiber: $1" tests/rt/fiber/check_fiber.c "-fno-builtin-memset -ffunction-sections -Wl,--gc-sections $2" '' "$3"
}

fiber 'a cancel ends a park' '-DCANCEL=1' ''
fiber 'a cancel meets the end of the fiber' '-DCANCEL=1 -DDEADLINE=1' ''
fiber 'an unpark ends a park' '-DUNPARK=1' ''
fiber 'an unpark meets a cancel' '-DUNPARK=1 -DCANCEL=1' ''
fiber 'an unpark meets the deadline' '-DUNPARK=1 -DDEADLINE=1' ''
pool 'a job, and the end' '' ''
pool 'two jobs and one thread, which may have gone between them' '-DJOBS=2' ''
pool 'two who queue' '-DJOBS=2 -DTWO=1' ''
pool 'a job is taken back' '-DCANCEL=1' ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    pool 'two jobs, one is taken back' '-DJOBS=2 -DCANCEL=1' --max-time=100
    pool 'two jobs and two threads' '-DJOBS=2 -DMOST=2' --max-time=100
    pool 'three jobs and two threads' '-DJOBS=3 -DMOST=2' --max-time=100
    pool 'two who queue, two threads' '-DJOBS=2 -DMOST=2 -DTWO=1' --max-time=100
fi
end_closures
