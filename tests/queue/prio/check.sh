#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

prio() { # SENTENCE DEFINES PROGRAMS [OPTIONS]
    explore "$1" tests/queue/prio/check_prio.c "$2" \
        'src/core/queue/handover.c src/core/sync/eventcount.c src/core/reclaim/fence.c' "${4-} -- $3"
}

prio 'a withdrawn bit hides nothing' '' '0o11 0o o'
prio 'two withdraw at once' '' '0o 0o o'
prio 'closed while it is pushed to' '' '01 0 c o'
prio 'with relief' -DRELIEF=2 '01 0o o'
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    prio '... not even one of two elements' '' '0o11 00oo o'
    prio 'two withdraw, and one pushes' '' '0o1 0 o o'
    prio 'a second turn' '' '0o11 0o oo'
fi
end_closures
