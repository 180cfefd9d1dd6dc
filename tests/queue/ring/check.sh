#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

ring_sources='src/core/queue/ring.c src/core/queue/ring_stamped.c src/core/queue/ring_lockfree.c src/core/queue/handover.c
    src/core/sync/eventcount.c src/core/reclaim/fence.c'
ring() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/ring/check_ring.c "-DPAWL_RING_PATIENCE_=0 -DPAWL_RING_STRIDE_=2 $2" "${ring_sources//$'\n'/ }" "$3"
}
for policy in STAMPED LOCK_FREE; do
    chosen=-DFLAGS=PAWL_RING_$policy
    name=${policy,,}
    name=${name/_/-}
    ring "$name: two pushes and two pops are those of a queue, with tickets that wrap" \
        "$chosen -DSTART=0x3fffffffffffffff -DPOPS=2 -DLIN=1" ''
    ring "$name: displacing beside a pop" "$chosen -DPRODUCERS=1 -DPUSHES=3 -DLIN=1" ''
    ring "$name: displacing beside displacing, counted" "$chosen -DCELLS=1 -DCONSUMERS=0 -DPUSHES=2" --bound=3
    ring "$name: a view is whole" "$chosen -DPRODUCERS=1 -DPUSHES=3 -DCONSUMERS=0 -DVIEW=1" ''
    ring "$name: closing beside two pushes" "$chosen -DCELLS=1 -DCONSUMERS=0 -DCLOSE=1" ''
    ring "$name: never empty while the own entry is inside" "$chosen -DCONSUMERS=0 -DSELF=1 -DLIN=1" --bound=2
    if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
        ring "$name: two pushes into one cell, and a pop" "$chosen -DCELLS=1 -DLIN=1" --bound=2
        ring "$name: closing beside two pushes and a pop" "$chosen -DCLOSE=1" --bound=1
        ring "$name: a ring of one cell" "$chosen -DCELLS=1 -DPRODUCERS=1 -DPUSHES=2 -DPOPS=2 -DLIN=1" ''
        ring "$name: tickets around 2^32" "$chosen -DSTART=0xffffffff -DPOPS=2" ''
        ring "$name: positions around 2^63" "$chosen -DSTART=0x1fffffffffffffff -DPOPS=2" ''
        ring "$name: a view beside a push and a pop" "$chosen -DCELLS=1 -DPRODUCERS=1 -DPUSHES=2 -DVIEW=1" ''
        ring "$name: closing loses nothing" "$chosen -DCELLS=1 -DPRODUCERS=1 -DPUSHES=2 -DCLOSE=1" ''
        ring "$name: two pushes into one cell, and a pop, in full" "$chosen -DCELLS=1 -DLIN=1" --max-time=100
        ring "$name: the same with a pop of each pusher" "$chosen -DCELLS=1 -DCONSUMERS=0 -DSELF=1 -DLIN=1" --max-time=100
        ring "$name: two pops beside pushes" "$chosen -DPRODUCERS=1 -DPUSHES=3 -DCONSUMERS=2" --max-time=100
        ring "$name: two pops and one cell" "$chosen -DCELLS=1 -DPRODUCERS=1 -DPUSHES=2 -DCONSUMERS=2 -DLIN=1" --bound=3
        ring "$name: two pushes of each" "$chosen -DCONSUMERS=0 -DPUSHES=2 -DLIN=1" --max-time=100
        ring "$name: closing beside all" "$chosen -DCLOSE=1" --max-time=100
    fi
done
end_closures
