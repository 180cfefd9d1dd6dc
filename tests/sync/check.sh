#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The closures of this room, each explored by the model checker.
#
#   check.sh PAWL_CC SOURCE_ROOT
#
# PAWL_TEST_LONG=1: larger ones too. What a bound leaves open is said in the output. Options of the checker: docs/check.md.
set -u

pawl_cc=$1 root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
core=$root/src/core
number=0
failed=0

percpu=("$core"/percpu/{atomic,clock,clock_calibrate,cpu,cpuset,locked,percpu,region,rseq,turn}.c)
waiting=("$core"/sync/{backoff,fail,futex}.c)

explore() { # SENTENCE CLOSURE DEFINES SOURCES OPTIONS
    local sentence=$1 closure=$2 output status
    local -a defines sources options
    read -ra defines <<<"$3"
    read -ra sources <<<"$4"
    read -ra options <<<"$5"
    number=$((number + 1))
    output=$("$pawl_cc" -std=gnu17 -D_GNU_SOURCE -O2 -pthread -I"$core/sync" "${defines[@]}" \
        "$root/tests/sync/check_$closure.c" "${sources[@]/#/$core/sync/}" "${waiting[@]}" "${percpu[@]}" \
        -o "$work/closure" 2>&1 && "$work/closure" "${options[@]}" 2>&1)
    status=$?
    # 3: no bug, and not everything explored, which is what a bound asks for
    if ((status == 0 || (status == 3 && ${#options[@]} > 0))); then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        failed=1
    fi
    printf '%s\n' "$output" | sed 's/^/# /' | tail -60
}

explore 'a parker sees what its unparker did' park '' park.c ''
explore 'a token that comes with the deadline is not lost' park -DDEADLINE=1 park.c ''
explore 'two tokens are of both unparkers' park -DUNPARKERS=2 park.c ''
explore 'a waiter of an eventcount is always woken' eventcount '' eventcount.c ''
explore 'and also when its first wait times out' eventcount -DDEADLINE=1 eventcount.c ''
explore 'two waiters and two notifications' eventcount -DWAITERS=2 eventcount.c --bound=2
explore 'the mutex excludes, publishes, wakes, and is left alone' mutex '' mutex.c ''
explore 'the mutex with trylock' mutex -DTRY=1 mutex.c ''
explore 'the mutex with deadlines' mutex -DDEADLINE=1 mutex.c ''
explore 'the mutex among three threads' mutex -DTHREADS=3 mutex.c --bound=3
explore 'the spin lock' spin '-DLOCK=spin -DTHREADS=3' 'spin.c mutex.c' ''
explore 'the ticket lock' spin '-DLOCK=ticket -DTHREADS=3' 'spin.c mutex.c' ''
explore 'the MCS lock' spin '-DLOCK=mcs -DMCS=1 -DTHREADS=3' 'spin.c mutex.c' ''
explore 'a snapshot of a seqlock is whole and newer' seqlock '-DWRITES=2 -DREADS=2' seqlock.c ''
explore 'two writers of a seqlock' seqlock -DWRITERS=2 seqlock.c ''
explore 'a snapshot of a latch is whole and newer' seqlock '-DLATCH=1 -DWRITES=2 -DREADS=2' seqlock.c ''
explore 'the rwlock, unbiased' rwlock '-DNOW()=1' 'rwlock.c bias.c mutex.c' ''
explore 'the rwlock, unbiased, two readers' rwlock '-DNOW()=1 -DREADERS=2' 'rwlock.c bias.c mutex.c' --bound=2

if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    explore 'the mutex taken twice by each' mutex -DTURNS=2 mutex.c --max-time=100
    explore 'the mutex among three threads, further' mutex -DTHREADS=3 mutex.c --max-time=100
    explore 'the rwlock, biased, and revoked' rwlock '-DNOW()=1 -DBIASED=1' 'rwlock.c bias.c mutex.c' ''
    explore 'three writes of a latch' seqlock '-DLATCH=1 -DWRITES=3' seqlock.c ''
fi
echo "1..$number"
exit $failed
