#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

block() { # SENTENCE DEFINES
    explore "block: $1" tests/rt/io/check_block.c "$2" '' ''
}

block 'one holder beside the loop' '-DHOLDERS=1'
block 'two holders' ''
block 'one holds it twice' '-DHOLDERS=1 -DAGAIN=1'
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    block 'two hold it twice' '-DAGAIN=1'
    block 'three holders' '-DHOLDERS=3'
fi
end_closures
