#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

broadcast() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/broadcast/check_broadcast.c "$2" \
        'src/core/queue/broadcast.c src/core/queue/broadcast_open.c src/core/queue/handover.c src/core/sync/eventcount.c src/core/reclaim/fence.c src/core/sync/seqlock.c' "$3"
}

broadcast 'one producer, one consumer' '-DFLAGS=2 -DCAPACITY=2' ''
broadcast 'a cell is written again when it was read' '-DFLAGS=2 -DCAPACITY=1' ''
broadcast 'overwriting: nothing torn, the lost are counted' '-DFLAGS=6' ''
broadcast 'overwriting: two producers' '-DPRODUCERS=2 -DELEMENTS=1 -DFLAGS=4' ''
broadcast 'two producers' '-DPRODUCERS=2 -DCAPACITY=2 -DSTART=UINT32_MAX' ''
broadcast 'two producers and an early end' '-DPRODUCERS=2 -DELEMENTS=1 -DCLOSE_EARLY=1 -DPOPS=3 -DCAPACITY=2' ''
broadcast 'a consumer after another' '-DCONSUMERS=2 -DCHAIN=1 -DFLAGS=2 -DCAPACITY=2' ''
broadcast 'a consumer that comes late' '-DCONSUMERS=2 -DLATE=1 -DFLAGS=2' ''
broadcast 'nobody listens at first' '-DPRODUCERS=2 -DELEMENTS=1 -DLATE=1' ''
broadcast 'a number that is used again' '-DCONSUMERS=2 -DLATE=1 -DREUSE=1 -DFLAGS=2' ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    broadcast 'two producers, two consumers' '-DPRODUCERS=2 -DCONSUMERS=2 -DELEMENTS=1' --max-time=200
    broadcast 'overwriting: two producers, two each' '-DPRODUCERS=2 -DFLAGS=4 -DSTART=INT64_MAX-1' --max-time=200
    broadcast 'a late consumer and two producers' '-DPRODUCERS=2 -DCONSUMERS=2 -DLATE=1 -DELEMENTS=1' --max-time=200
fi
end_closures
