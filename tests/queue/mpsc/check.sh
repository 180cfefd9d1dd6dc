#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

# The checker sees copies of any length as calls only. Grace periods as in tests/reclaim/check.sh: no clock, and no nap.
common='-DPAWL_READER_MAX=64 -fno-builtin-memcpy -fno-builtin-memset'
still='-DNOW()=1 -DSLEEP(ec,ticket,ns)=pawl_check_assume((ticket)!=(ticket)) -include pawl/check.h -DKERNEL_KNOWS(tid)=1'
waiting='src/core/queue/handover.c src/core/sync/eventcount.c src/core/reclaim/fence.c'
threads='src/core/reclaim/reader.c src/core/reclaim/pass.c src/core/reclaim/rest.c src/core/sync/park.c src/core/sync/mutex.c'
rcu='src/core/reclaim/rcu.c src/core/reclaim/grace.c src/core/reclaim/rcu_call.c'

nodes() { # SENTENCE DEFINES OPTIONS
    explore "nodes: $1" tests/queue/mpsc/check_mpsc.c "$common $still $2" \
        "src/core/queue/mpsc.c $waiting $threads $rcu" "$3"
}

ring() {
    explore "ring: $1" tests/queue/mpsc/check_mpsc_ring.c "$common -DPAWL_MPSC_RING_AT_ONCE=0 $2" \
        "src/core/queue/mpsc_ring.c $waiting" "$3"
}

lanes() {
    explore "lanes: $1" tests/queue/mpsc/check_mpsc_lanes.c "$common $2" \
        "src/core/queue/mpsc_lanes.c src/core/queue/spsc.c $waiting $threads" "$3"
}

nodes 'two producers' '' ''
nodes 'two nodes, one after the other' '-DPRODUCERS=1 -DPUSHES=2' ''
nodes 'chains' '-DPUSHES=2 -DCHAIN=1' ''
nodes 'a node is pushed again' '-DPRODUCERS=1 -DPUSHES=2 -DREUSE=1' ''
nodes 'closed at any moment' '-DPRODUCERS=1 -DCLOSE=1' ''
nodes 'waiting' '-DPRODUCERS=1 -DWAIT=1' --bound=1
ring 'two producers' '-DCAPACITY=2' ''
ring 'two producers and one place, twice' '-DPUSHES=2' ''
ring 'one place too few for who looked' '-DPRODUCERS=3' ''
ring 'positions wrap' '-DPRODUCERS=1 -DPUSHES=5 -DSTART=INT64_MAX-1' ''
ring 'batches' '-DPUSHES=2 -DCAPACITY=2 -DBATCH=1' ''
ring 'batches of wide elements' '-DPUSHES=2 -DCAPACITY=2 -DBATCH=1 -DWORDS=2' ''
ring 'places for a part of a batch of wide elements' '-DPUSHES=3 -DCAPACITY=3 -DBATCH=1 -DWORDS=2' ''
ring 'closed at any moment' '-DCAPACITY=2 -DCLOSE=1' ''
ring 'closed by two' '-DPRODUCERS=1 -DCLOSE=2' ''
ring 'waiting for elements and room' -DWAIT=1 --bound=1
lanes 'they are made meanwhile' '' --bound=1
lanes 'closed at any moment' '-DPRODUCERS=1 -DCLOSE=1' --bound=1
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    nodes 'closed at any moment, two producers' '-DCLOSE=1' --max-time=100
    nodes 'waiting, further' '-DWAIT=1' --bound=2
    ring 'waiting, further' '-DWAIT=1' --bound=3
    ring 'waiting, closed' '-DWAIT=1 -DCLOSE=1' --bound=2
    lanes 'they are made meanwhile, further' '' --max-time=100
    lanes 'closed at any moment, further' '-DPRODUCERS=1 -DCLOSE=1' --max-time=100
    lanes 'closed at any moment, two producers' '-DCLOSE=1' --bound=2
fi
end_closures
