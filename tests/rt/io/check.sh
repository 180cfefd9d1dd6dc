#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

chunk() { # SENTENCE DEFINES
    explore "chunk: $1" tests/rt/io/check_chunk.c "$2" '' ''
}

chunk 'one holder beside the loop' '-DHOLDERS=1'
chunk 'two holders' ''
chunk 'one holds it twice' '-DHOLDERS=1 -DAGAIN=1'
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    chunk 'two hold it twice' '-DAGAIN=1'
    chunk 'three holders' '-DHOLDERS=3'
fi
end_closures
