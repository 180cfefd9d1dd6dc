#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Random calls, with libevent and with libpawl-event: what happens is written down, and must be the same. Speaks TAP.
#
#   same.sh TRACE_EVENT FOLDER
#
# PAWL_TEST_LONG=1: more of them. The first seed is the minute, unless PAWL_TEST_SEED says which.
set -u

program=$1
folder=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seeds=40
[[ -n ${PAWL_TEST_LONG-} ]] && seeds=2000
seed=${PAWL_TEST_SEED-$(($(date +%s) / 60))}
number=0
failed=0

if ! LD_LIBRARY_PATH=$folder ldd "$program" | grep -q "$folder/libevent"; then
    echo "Bail out! $folder has no libevent for $program"
    exit 1
fi

for method in epoll poll buffers bufferevents; do
    number=$((number + 1))
    "$program" $method "$seed" "$seeds" >"$work/libevent" 2>&1
    theirs=$?
    LD_LIBRARY_PATH=$folder "$program" $method "$seed" "$seeds" >"$work/pawl" 2>&1
    ours=$?
    if ((theirs == 0 && ours == 0)) && cmp -s "$work/libevent" "$work/pawl"; then
        echo "ok $number - any sequence of calls has the same effects, $method"
    else
        echo "not ok $number - any sequence of calls has the same effects, $method"
        echo "# seed $seed, $seeds rounds; exit status $theirs and $ours; libevent <, libpawl-event >"
        diff "$work/libevent" "$work/pawl" | head -20 | sed 's/^/# /'
        failed=1
    fi
done
lines=$(wc -l <"$work/pawl")
echo "# $lines lines"
echo "1..$number"
exit "$failed"
