#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

handover() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/handover/check_handover.c "$2" \
        'src/core/queue/handover.c src/core/sync/eventcount.c src/core/reclaim/fence.c' "$3"
}

handover 'a popper that sleeps is woken' -DCLOSE=0 ''
handover 'also between processes' '-DCLOSE=0 -DFLAGS=PAWL_SHARED' ''
handover 'closing ends a wait, and loses nothing' -DCLOSE=1 ''
handover 'two pushers and a popper for a while' '-DCLOSE=0 -DPUSHERS=2 -DPOPPERS=2' --bound=1
handover 'closing ends the waits of two' '-DCLOSE=1 -DPOPPERS=2' --bound=2
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    handover 'two pushers, two poppers' '-DCLOSE=0 -DPUSHERS=2 -DPOPPERS=2' --bound=3
fi
end_closures
