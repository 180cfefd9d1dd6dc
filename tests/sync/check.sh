#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

sync() { # SENTENCE CLOSURE DEFINES SOURCES OPTIONS
    local -a sources
    read -ra sources <<<"$4"
    explore "$1" "tests/sync/check_$2.c" "$3" "${sources[*]/#/src/core/sync/}" "$5"
}

# The stand-in of check_rwlock_cpu.c for the room of per-CPU data.
cpus='-DNOW()=1 -Dpawl_rseq_available=cpu_available -Dpawl_rseq_fence=cpu_fence'
cpus+=' -Dpawl_percpu_load_slow=cpu_load -Dpawl_percpu_add_via_slow=cpu_add_via'
elision='elide.c mutex.c spin.c ../percpu/counter.c ../percpu/slice_words.c'
# For what is too large to exhaust: a bound has all interleavings with so few preemptions, and no weak outcome. These have.
weak='--random=2000 --seed=1'

sync 'a parker sees what its unparker did' park '' park.c ''
sync 'a token that comes with the deadline is not lost' park -DDEADLINE=1 park.c ''
sync 'two tokens are of both unparkers' park -DUNPARKERS=2 park.c ''
sync 'a waiter of an eventcount is always woken' eventcount '' eventcount.c ''
sync 'and also when its first wait times out' eventcount -DDEADLINE=1 eventcount.c ''
sync 'a waiter of an eventcount is always woken by notify_all' eventcount -DALL=1 eventcount.c ''
sync 'two waiters and two notifications' eventcount -DWAITERS=2 eventcount.c --bound=2
sync 'two waiters and two notifications of all' eventcount '-DWAITERS=2 -DALL=1' eventcount.c --bound=2
sync '... in executions at random' eventcount '-DWAITERS=2 -DALL=1' eventcount.c "$weak"
sync 'two waiters and two notifications, in executions at random' eventcount -DWAITERS=2 eventcount.c "$weak"
sync 'the mutex excludes, publishes, wakes, and is left alone' mutex '' mutex.c ''
sync 'the mutex with trylock' mutex -DTRY=1 mutex.c ''
sync 'the mutex with deadlines' mutex -DDEADLINE=1 mutex.c ''
sync 'the mutex among three threads' mutex -DTHREADS=3 mutex.c --bound=3
sync '... in executions at random' mutex -DTHREADS=3 mutex.c "$weak"
sync 'the spin lock' spin '-DLOCK=spin -DTHREADS=3' 'spin.c mutex.c' ''
sync 'the ticket lock' spin '-DLOCK=ticket -DTHREADS=3' 'spin.c mutex.c' ''
sync 'the MCS lock' spin '-DLOCK=mcs -DMCS=1 -DTHREADS=3' 'spin.c mutex.c' ''
sync 'a snapshot of a seqlock is whole and newer' seqlock '-DWRITES=2 -DREADS=2' seqlock.c ''
sync 'two writers of a seqlock' seqlock -DWRITERS=2 seqlock.c ''
sync 'a snapshot of a latch is whole and newer' seqlock '-DLATCH=1 -DWRITES=2 -DREADS=2' seqlock.c ''
sync 'the rwlock, unbiased' rwlock '-DNOW()=1' 'rwlock.c bias.c ../percpu/slice_words.c mutex.c' ''
sync 'a writer revokes the bias of a rwlock' rwlock_cpu "$cpus" 'rwlock.c bias.c mutex.c' ''
sync 'a rwlock becomes biased while a reader comes' rwlock_cpu "$cpus -DGRANTING=1" 'rwlock.c bias.c mutex.c' ''
sync 'the rwlock, unbiased, two readers' rwlock '-DNOW()=1 -DREADERS=2' 'rwlock.c bias.c ../percpu/slice_words.c mutex.c' --bound=2
sync '... in executions at random' rwlock '-DNOW()=1 -DREADERS=2' 'rwlock.c bias.c ../percpu/slice_words.c mutex.c' "$weak"
sync 'elided sections of a spin lock' elide '-DNOW()=1 -DSPIN=1' "$elision" ''
sync 'an elided section and a holder of the mutex' elide '-DNOW()=1 -DHOLDER=1' "$elision" ''
sync 'an elided section and a holder of the spin lock' elide '-DNOW()=1 -DHOLDER=1 -DSPIN=1' "$elision" ''
sync 'elision with trylock' elide '-DNOW()=1 -DTRY=1' "$elision" ''
sync 'elision that has been learnt to skip' elide '-DNOW()=1 -DLEARNING=1' "$elision" ''
wanted=1 sync 'a transaction that does not look at the lock breaks into a section' \
    elide '-DNOW()=1 -DUNSUBSCRIBED=1 -DATOMIC=1' "$elision" ''
nested='-DNOW()=1 -DTRANSACTIONS_NEST=1'
sync 'an elided section in an elided section, and a holder of the inner lock' \
    elide_nested "$nested -DHOLDER=1" "$elision" ''
sync '... and a holder of the outer lock' elide_nested "$nested -DHOLDER=1 -DOUTER=1" "$elision" ''
sync '... where the outer lock is let go first' elide_nested "$nested -DHOLDER=1 -DCROSSED=1" "$elision" ''
sync 'a lock taken for real in an elided section' elide_nested "$nested -DHOLDER=1 -DSKIP_INNER=1" "$elision" ''
sync 'a mutex in an elided section' elide_nested "$nested -DPLAIN=1" "$elision" ''
sync 'an elided section in one that took its lock' elide_nested "$nested -DHOLDER=1 -DSKIP_OUTER=1" "$elision" ''
wanted=1 sync 'an inner section that does not look at its lock breaks into another one' \
    elide_nested "$nested -DHOLDER=1 -DALONE=1" "$elision" ''

if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    sync 'the mutex taken twice by each' mutex -DTURNS=2 mutex.c --max-time=100
    sync 'the mutex among three threads, further' mutex -DTHREADS=3 mutex.c --max-time=100
    sync 'the rwlock, biased, and revoked' rwlock '-DNOW()=1 -DBIASED=1' 'rwlock.c bias.c ../percpu/slice_words.c mutex.c' ''
    sync 'a rwlock becomes biased again' rwlock_cpu "$cpus -DGRANTING=1 -DAGAIN=1" 'rwlock.c bias.c mutex.c' ''
    sync 'elided sections of a mutex' elide '-DNOW()=1' "$elision" ''
    sync 'two elided sections, one in another' elide_nested "$nested" "$elision" --max-time=100
    sync 'two elided sections, each of the outer lock' elide_nested "$nested -DOUTER=1" "$elision" --max-time=100
    sync 'two elided sections each' elide '-DNOW()=1 -DSPIN=1 -DTURNS=2' "$elision" --max-time=100
    sync 'three writes of a latch' seqlock '-DLATCH=1 -DWRITES=3' seqlock.c ''
fi
end_closures
