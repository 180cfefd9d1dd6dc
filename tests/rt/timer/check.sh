#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

alarm() { # SENTENCE DEFINES OPTIONS
    explore "alarm: $1" tests/rt/timer/check_alarm.c "$2" src/rt/alarm.c "$3"
}

alarm 'a cancel against the deadline' '' ''
alarm 'two cancels against the deadline' '-DCANCELS=2' ''
alarm 'a cancel, and no deadline' '-DFIRE=0' ''
alarm 'two cancels, and no deadline' '-DCANCELS=2 -DFIRE=0' ''
alarm 'it is started again' '-DAGAIN=1' ''
alarm 'it is started again elsewhere' '-DELSEWHERE=1' ''
alarm 'it is started again elsewhere, and no deadline' '-DELSEWHERE=1 -DFIRE=0' ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    alarm 'it is started again, two cancels' '-DAGAIN=1 -DCANCELS=2' --max-time=100
    alarm 'three cancels against the deadline' '-DCANCELS=3' --max-time=100
fi
end_closures
