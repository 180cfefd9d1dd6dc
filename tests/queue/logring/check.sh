#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

logring() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/logring/check_logring.c "$2" '' "$3"
}
mistake() { # SENTENCE DEFINES: the planted mistake must be found
    local found
    found=$(logring "$1" "$2" '')
    if grep -q ': FAIL, ' <<<"$found"; then
        number=$((number + 1))
        echo "ok $number - $1"
    else
        number=$((number + 1))
        failed=1
        echo "not ok $number - $1"
        printf '%s\n' "$found"
    fi
}

logring 'what a reader believes is whole' '-DRECORDS=5 -DABORTS=0' ''
logring 'and with a writer that is aborted at any store' -DRECORDS=6 ''
logring 'positions around 2^32' '-DRECORDS=5 -DABORTS=0 -DSTART=0xffffff80' ''
logring 'positions that wrap' '-DRECORDS=4 -DSTART=0x7fffffffffffff80' ''
mistake 'an intent that falls is found' '-DRECORDS=6 -DMISTAKE=1'
mistake 'an intent that is not raised is found' '-DRECORDS=5 -DABORTS=0 -DMISTAKE=2'
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    logring 'two aborts' '-DRECORDS=5 -DABORTS=2' --max-time=100
    logring 'seven records' -DRECORDS=7 --max-time=100
fi
end_closures
