#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

# No clock, no membarrier (closures.sh), no thread that ended without destructors. An execution in which a writer falls
# asleep over a reader is given up: its nap ends by the clock, and then it is one in which the writer came later.
still='-DPAWL_READER_MAX=64 -DNOW()=1 -DSLEEP(ec,ticket,ns)=pawl_check_assume((ticket)!=(ticket)) -include pawl/check.h
    -DKERNEL_KNOWS(tid)=1'
still=${still//$'\n'/ }
no_worker=-Dpthread_create=refuse_thread
# For what is too large to exhaust: a bound has all interleavings with so few preemptions, and no weak outcome. These have.
weak='--random=2000 --seed=1'
below=("${objects[@]}")
libraries=0

# The rooms' sources, built once for the closures that follow, as they need them.
library() { # DEFINES
    local -a defines
    read -ra defines <<<"$still $1"
    libraries=$((libraries + 1))
    mkdir "$work/$libraries"
    (cd "$work/$libraries" &&
        "$pawl_cc" "${flags[@]}" "${defines[@]}" -c "$core"/reclaim/{epoch,grace,hazard,pass,rcu,rcu_call,rcu_cell,reader,rest}.c \
            "$core"/sync/eventcount.c && "$pawl_cc" "${flags[@]}" -c "$core/reclaim/fence.c") || exit 1
    objects=("${below[@]}" "$work/$libraries"/*.o)
}

reclaim() { # SENTENCE CLOSURE DEFINES OPTIONS
    explore "$1" "tests/reclaim/check_$2.c" "$still $3" '' "$4"
}

library ''
reclaim 'an object is not poisoned while a reader has it' rcu '' ''
reclaim '... in the second of two sections' rcu -DSECTIONS=2 ''
reclaim '... after an inner section' rcu -DNEST=1 ''
reclaim 'another thread carries the grace period on' rcu_shared '' ''
reclaim 'an online thread keeps what it has until it is quiescent' qsbr '' ''
reclaim '... or offline' qsbr -DOFFLINE=1 ''
reclaim '... and inner sections end nothing' qsbr -DINNER=1 ''
reclaim 'synchronize waits for the reader, and returns' rcu_wait -DREADER=1 ''
reclaim 'of two that synchronize both return' rcu_wait -DWRITERS=2 ''
reclaim 'a callback is run by the worker, which is woken and stopped' rcu_call -DWORKER=1 --bound=1
reclaim 'what a pinned thread has is not reclaimed' epoch -DRETIRES=2 --bound=1
reclaim '... nor what it finds when it pins again' epoch -DREPIN=1 --bound=2
reclaim '... nor with two readers' epoch -DREADERS=2 --bound=1
reclaim 'nor, in executions at random, of two that were retired' epoch -DRETIRES=2 "$weak"
reclaim '... by who pins again' epoch -DREPIN=1 "$weak"
reclaim '... by two readers' epoch -DREADERS=2 "$weak"
reclaim 'what an ended thread left is reclaimed once' epoch '-DREADERS=0 -DRETIRERS=2' --bound=2
reclaim '... and in executions at random' epoch '-DREADERS=0 -DRETIRERS=2' "$weak"
reclaim '... also if the domain is closed meanwhile' epoch '-DREADERS=0 -DRETIRERS=2 -DUNJOINED=1 -DCOLLECT=0' ''
reclaim 'what a slot holds is not reclaimed' hazard -DRETIRES=2 ''
reclaim '... after it held another' hazard -DTWICE=1 ''
reclaim '... before it was taken again' hazard -DAGAIN=1 ''
reclaim '... nor with two readers' hazard -DREADERS=2 --bound=1
reclaim '... and in executions at random' hazard -DREADERS=2 "$weak"
reclaim 'what an ended thread left is scanned once' hazard '-DREADERS=0 -DRETIRERS=2' ''
reclaim '... also if the domain is closed meanwhile' hazard '-DREADERS=0 -DRETIRERS=2 -DUNJOINED=1 -DCOLLECT=0' ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    reclaim 'two readers' rcu -DREADERS=2 ''
    reclaim 'a domain of its own' rcu -DDOMAIN=1 ''
    reclaim 'a reader, and two that synchronize' rcu_wait '-DREADER=1 -DWRITERS=2' --max-time=100
    reclaim 'the worker, further' rcu_call -DWORKER=1 --max-time=100
    reclaim 'what a pinned thread has' epoch '' --max-time=200
    reclaim '... and finds when it pins again' epoch -DREPIN=1 --max-time=100
    reclaim '... of two that were retired' epoch -DRETIRES=2 --max-time=100
    reclaim 'an epoch of an ended thread' epoch '-DREADERS=0 -DRETIRERS=2' --max-time=100
    reclaim 'an epoch with two readers' epoch -DREADERS=2 --max-time=100
    reclaim 'an epoch with two that retire' epoch -DRETIRERS=2 --max-time=100
    reclaim 'hazard pointers with two readers' hazard -DREADERS=2 --max-time=100
    reclaim 'hazard pointers with two that retire' hazard -DRETIRERS=2 --max-time=100
fi

library "$no_worker"
reclaim 'a callback runs after the section and before the barrier returns' rcu_call "$no_worker -DREADER=1" ''
reclaim '... of two callers' rcu_call "$no_worker -DCALLERS=2" --bound=1
reclaim 'a version is dropped after who looks' cell "$no_worker" ''
reclaim '... with two publishers' cell "$no_worker -DHOLD=1 -DPUBLISHERS=2" --bound=1
reclaim '... and in executions at random' cell "$no_worker -DHOLD=1 -DPUBLISHERS=2" "$weak"
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    reclaim 'a version is dropped after who holds' cell "$no_worker -DHOLD=1" ''
    reclaim 'two callers, further' rcu_call "$no_worker -DCALLERS=2" --max-time=100
    reclaim 'two publishers, further' cell "$no_worker -DPUBLISHERS=2" --max-time=100
fi

no_lists="$no_worker -Dpawl_percpu_open=refuse_lists"
library "$no_lists"
reclaim 'two callers without memory for lists' rcu_call "$no_lists -DSPILL=1 -DCALLERS=2" --bound=2
reclaim '... and in executions at random' rcu_call "$no_lists -DSPILL=1 -DCALLERS=2" "$weak"

# Over fences as membarrier makes them: two light ones order nothing, so a mark that is passed must. Every thread may rest. And
# with what readers do inline: elsewhere the checker, which has no membarrier, sends them out of line.
light="-DPAWL_HAZARD_SLOTS=1u -DMARK_EVERY=1u -DBATCH_LEAST=1u -DLATE_BY=-1 -DCOLLECT=0 -include $root/tests/reclaim/light.h"
library "$light"
reclaim 'an object is not poisoned while a reader has it, inline' rcu "$light -DSECTIONS=2" ''
reclaim '... in a domain of its own' rcu "$light -DSECTIONS=2 -DDOMAIN=1" ''
reclaim '... after inner sections' rcu "$light -DSECTIONS=2 -DNEST=1" ''
reclaim 'another thread carries the grace period on, by a heavy fence' rcu_shared "$light" ''
reclaim 'an online thread keeps what it has until it is quiescent, inline' qsbr "$light" ''
reclaim '... and inner sections end nothing' qsbr "$light -DINNER=1" ''
reclaim 'synchronize waits for a reader that has not fenced' rcu_wait "$light -DREADER=1" ''
reclaim 'what a slot holds that was taken again, inline' hazard "$light -DAGAIN=1" ''
reclaim 'a mark is before who begins after it' pass "$light" ''
reclaim '... and between what a thread did before it passed, and after it' pass "$light -DPASS=1" ''
reclaim '... the other way round' pass "$light -DPASS=2" ''
reclaim '... by a mark of its own' pass "$light -DPASS=3" ''
reclaim '... who rests while it fences' pass "$light -DPASS=4" ''
reclaim '... who fences afterwards' pass "$light -DPASS=5" ''
reclaim 'a thread that was found to rest sees what was done before a mark, when it comes' rest "$light" ''
reclaim '... again' rest "$light -DBEFORE=1" ''
reclaim '... and is not found to rest while it is inside' rest "$light -DHOLD=1" ''
reclaim 'retire alone reclaims nothing that a slot holds' hazard "$light -DRETIRES=2" ''
reclaim '... of a thread that comes after a rest' hazard "$light -DRETIRES=2 -DREST=1" --bound=2
reclaim '... and in executions at random' hazard "$light -DRETIRES=2 -DREST=1" "$weak"
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    reclaim 'a mark is passed by a fence of a third thread' pass "$light -DFENCER=1" ''
    reclaim 'a slot of a thread that passes the mark while it holds' hazard "$light -DRETIRES=2 -DPASS=1" ''
    reclaim '... or before it holds' hazard "$light -DRETIRES=2 -DPASS=2" ''
    reclaim 'a mark that nobody passes ends in a fence' hazard "$light -DRETIRES=3" ''
    reclaim 'a rest that a third thread found' rest "$light -DFENCER=1" --max-time=100
    reclaim '... with what it used before' rest "$light -DFENCER=1 -DBEFORE=1" --max-time=100
    reclaim '... or two found' rest "$light -DFENCER=2" --max-time=100
    reclaim 'a slot that is taken after a rest' hazard "$light -DRETIRES=2 -DREST=1" --max-time=200
    reclaim '... by a thread that had taken it before' hazard "$light -DRETIRES=2 -DREST=2" --max-time=100
    reclaim 'a third thread fences, further' hazard "$light -DRETIRES=2 -DFENCER=1" --max-time=100
fi

library "$light -DEPOCH_FENCE_AT=99"
reclaim 'without a fence nothing is reclaimed that a pinned thread has' epoch "$light" ''
reclaim '... when it pins again, inline' epoch "$light -DREPIN=1" ''
reclaim '... or one that has passed the mark' epoch "$light -DPASS=2" --bound=2
reclaim '... and in executions at random' epoch "$light -DPASS=2" "$weak"
library "$light -DEPOCH_FENCE_AT=1"
reclaim '... nor by a fence' epoch "$light" --bound=2
reclaim '... and in executions at random' epoch "$light" "$weak"
reclaim '... nor from one that comes after a rest' epoch "$light -DREST=1" --bound=2
reclaim '... and in executions at random' epoch "$light -DREST=1" "$weak"
reclaim '... or a second rest' epoch "$light -DREST=2" "$weak"
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    reclaim 'an epoch and a fence, further' epoch "$light" --max-time=200
    reclaim 'an epoch and a rest, further' epoch "$light -DREST=1" --max-time=200
    reclaim 'an epoch and a second rest' epoch "$light -DREST=2" --max-time=100
    library "$light -DEPOCH_FENCE_AT=99"
    reclaim 'an epoch whose reader passes the mark while it is pinned' epoch "$light -DPASS=1" --max-time=200
    reclaim '... or before' epoch "$light -DPASS=2" --max-time=200
    reclaim 'an epoch with two retired' epoch "$light -DRETIRES=2" --max-time=100
fi

one_slot=-DPAWL_HAZARD_SLOTS=1u
library "$one_slot"
reclaim 'what a slot in a page holds is not reclaimed' hazard "$one_slot -DPAGE=1" --max-events=4000
end_closures
