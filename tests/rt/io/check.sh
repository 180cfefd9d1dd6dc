#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

chunk() { # SENTENCE DEFINES
    explore "chunk: $1" tests/rt/io/check_chunk.c "$2" '' ''
}

event() { # SENTENCE DEFINES OPTIONS
    explore "event: $1" tests/rt/io/check_event.c "$2" src/rt/event.c "$3"
}

chunk 'one holder beside the loop' '-DHOLDERS=1'
chunk 'two holders' ''
chunk 'one holds it twice' '-DHOLDERS=1 -DAGAIN=1'
event 'two raisers' '' ''
event 'one that raises twice' '-DRAISERS=1 -DRAISES=2' ''
event 'two raisers, stopped by the first' '-DSTOP=1' ''
event 'two raisers, stopped meanwhile' '-DSTOP=2' ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    event 'two raise it twice' '-DRAISES=2' --max-time=100
    event 'three raisers, stopped by the first' '-DRAISERS=3 -DSTOP=1' --max-time=100
    chunk 'two hold it twice' '-DAGAIN=1'
    chunk 'three holders' '-DHOLDERS=3'
fi
end_closures
