#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

pool() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/pool/check_pool.c "-DPAWL_READER_MAX=64 $2" \
        'src/core/pool/pool.c src/core/pool/map.c src/core/queue/stack.c src/core/queue/handover.c src/core/sync/eventcount.c src/core/reclaim/hazard.c src/core/reclaim/reader.c src/core/reclaim/pass.c src/core/reclaim/rest.c src/core/reclaim/fence.c' "$3"
}

pool 'one object each: nobody is refused' -DKEEP=1 ''
pool 'one object each, given back' '' --bound=1
pool 'one object for both: who waits gets it' '-DCOUNT=1 -DWAIT=1' --bound=2
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    pool 'one object each, given back, further' '' '--max-time=300'
    pool 'one object each of three' '-DKEEP=1 -DTHREADS=3' '--bound=2 --max-time=200'
    pool 'one object each, in batches of one' '-DCACHE=2' --max-time=200
    pool 'one object each, twice' '-DGETS=2' '--bound=2 --max-time=200'
fi
end_closures
