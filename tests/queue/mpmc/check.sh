#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

lanes() { # SENTENCE DEFINES
    explore "slots: $1" tests/queue/mpmc/check_lanes.c "$2" \
        'src/core/queue/handover.c src/core/sync/eventcount.c src/core/reclaim/fence.c' ''
}

lanes 'who waits for a lane is woken by one that had it and waited' -DOTHER=WAITS
lanes '... by a batch' -DOTHER=BATCH
lanes '... by one that left it in vain' -DOTHER=VAIN
lanes '... also between processes' '-DOTHER=BATCH -DFLAGS=PAWL_SHARED'
lanes '... in vain, between processes' '-DOTHER=VAIN -DFLAGS=PAWL_SHARED'

passing() { # SENTENCE DEFINES OPTIONS
    explore "ring: $1" tests/queue/mpmc/check_passing_on.c "$2" \
        'src/core/queue/handover.c src/core/sync/eventcount.c src/core/reclaim/fence.c' "$3"
}

passing 'a push that ends after the closing leaves nobody asleep' -DCLOSED=1 --bound=2
passing '... nor one that ends beside it' -DCLOSED=2 --bound=2
passing 'elements that were complete too early are popped' -DCLOSED=0 --bound=2
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    passing 'who was told of the end tells others' -DCLOSED=1 ''
    passing '... also between processes' '-DCLOSED=1 -DFLAGS=PAWL_SHARED' ''
fi

# In the others nobody sleeps. As in tests/reclaim/check.sh: the unbounded queue stands on hazard pointers.
still='-DPAWL_READER_MAX=64 -DNOW()=1 -DSLEEP(ec,ticket,ns)=pawl_check_assume((ticket)!=(ticket)) -include pawl/check.h
    -DKERNEL_KNOWS(tid)=1'
still=${still//$'\n'/ }

# What the queues stand on, built once.
read -ra defines <<<"$still"
for source in "$core"/queue/handover.c "$core"/sync/eventcount.c "$core"/reclaim/*.c; do
    object=$work/$(basename "$source" .c).o
    "$pawl_cc" "${flags[@]}" "${defines[@]}" -c "$source" -o "$object" || exit 1
    objects+=("$object")
done

mpmc() { # SENTENCE DEFINES PROGRAMS [OPTIONS]
    explore "$1" tests/queue/mpmc/check_mpmc.c "$still $2" '' "${4-} -- $3"
}

mpmc 'an element is pushed and popped, and what was done before is seen' '' '- p p o o'
mpmc 'full for one is not empty for another' '' 'p p p oo'
mpmc '... nor when another one has moved head' '' 'p p p o o'
mpmc 'batches' '' 'p P p OO'
mpmc '... full by a batch' '' '- P p oo'
mpmc 'closed while it is pushed to and popped from' '' 'pp p c oo'
mpmc 'closed while it is full' '-DCAPACITY=1' 'p c o op'
mpmc 'around the end of the tickets, one cell' '-DCAPACITY=1 -DSTART=UINT64_MAX' '- po po'
mpmc 'a look at it' '' 'p p pe oes'
mpmc '... by one who reads where the other has got to' '' '- po pe'
mpmc 'batches begin where another one has got to' '' '- po pO'
mpmc '... and others where a batch has got to' -DCAPACITY=4 '- ppO pe'
mpmc 'slots: full for one is not empty for another' -DBYTES=16 'p p p oo'
mpmc 'slots: ... nor when another one has moved head' -DBYTES=16 'p p p o o'
mpmc 'slots: batches' -DBYTES=16 'p P p oO'
mpmc 'slots: closed' -DBYTES=16 'pp p c oo'
mpmc 'slots: around the end of the tickets' '-DBYTES=16 -DCAPACITY=1 -DSTART=UINT64_MAX' 'p po op'
mpmc 'ring: two pushers, two poppers' -DQUEUE=mpmc_ring '- p p oo o'
mpmc 'ring: one cell, around the end' '-DQUEUE=mpmc_ring -DCAPACITY=1 -DSTART=INT64_MAX' 'p op op'
mpmc 'ring: batches' -DQUEUE=mpmc_ring 'p P p OO'
mpmc 'ring: a look at it while others pop' '-DQUEUE=mpmc_ring -DCAPACITY=4' 'ppp o e o'
mpmc 'ring: closed' -DQUEUE=mpmc_ring 'p p c oo'
mpmc 'list: a segment is full, and the next is linked' '-DQUEUE=mpmc_list -DCAPACITY=1' 'p p oo'
mpmc 'list: two link one' '-DQUEUE=mpmc_list -DCAPACITY=1' 'p p p' --bound=1
mpmc 'list: closed' '-DQUEUE=mpmc_list -DCAPACITY=1' 'p p c' --bound=1
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    mpmc 'two pushers twice, and a popper' '' '- pp pp oo'
    mpmc 'empty for a batch' '' 'p p p o O'
    mpmc 'all that there is' '' 'p c po op'
    mpmc 'slots: full for one is not empty for another that looks' -DBYTES=16 'p p p oe'
    mpmc 'slots: full by a batch' -DBYTES=16 '- P p oo'
    mpmc 'slots: batches begin where another one has got to' -DBYTES=16 '- po pO'
    mpmc 'slots: ... and others where a batch has got to' '-DBYTES=16 -DCAPACITY=4' '- ppO pe'
    mpmc 'slots: two pushers twice, and a popper' -DBYTES=16 '- pp pp oo' --max-time=120
    mpmc 'list: linked, unlinked and reclaimed under a popper' '-DQUEUE=mpmc_list -DCAPACITY=1' 'pp p oo o' '--bound=2 --max-time=120'
    mpmc 'list: batches over segments' '-DQUEUE=mpmc_list -DCAPACITY=2' 'p P OO' --max-time=120
fi
end_closures
