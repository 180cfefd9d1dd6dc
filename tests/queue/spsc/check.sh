#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

spsc() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/spsc/check_spsc.c "-DPAWL_READER_MAX=64 -fno-builtin-memcpy $2" \
        'src/core/queue/spsc.c src/core/queue/handover.c src/core/sync/eventcount.c src/core/reclaim/fence.c' "$3"
}

spsc 'one place' '-DPUSHES=3' ''
spsc 'three places, positions wrap' '-DPUSHES=4 -DCAPACITY=3 -DSTART=-2' ''
spsc 'never more than there are places' '-DPUSHES=2 -DLOOK=1' ''
spsc 'closed at any moment' '-DPUSHES=2 -DCAPACITY=2 -DCLOSE=1' ''
spsc 'closed while it is full' '-DPUSHES=2 -DCAPACITY=1 -DCLOSE=1' ''
spsc 'closed, in shared memory' '-DPUSHES=1 -DCLOSE=1 -DSHARED=1' ''
spsc 'blocks of two, in batches' '-DPUSHES=4 -DCAPACITY=16 -DWIDE=1 -DBATCH=3' ''
spsc 'batches, closed' '-DPUSHES=3 -DCAPACITY=16 -DWIDE=1 -DBATCH=3 -DCLOSE=1' ''
spsc 'waiting for elements and room' '-DPUSHES=2 -DWAIT=1' --bound=2
spsc 'waiting, closed' '-DPUSHES=1 -DWAIT=1 -DCLOSE=1' --bound=2
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    spsc 'one place, more' '-DPUSHES=5' --max-time=60
    spsc 'closed, more' '-DPUSHES=3 -DCAPACITY=2 -DCLOSE=1' --max-time=100
    spsc 'waiting' '-DPUSHES=3 -DWAIT=1' --max-time=100
    spsc 'a batch of lines' '-DPUSHES=14 -DCAPACITY=64 -DBATCH=14' --max-time=60
fi
end_closures
