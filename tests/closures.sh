# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For the check.sh of a room, which sources it: each closure of the room, explored by the model checker.
#
#   check.sh PAWL_CC SOURCE_ROOT
#
# A closure is built with its room's sources by the checker's compiler. PAWL_TEST_LONG=1 asks for the larger ones
# too. What a bound leaves open is said in the output. Options of the checker: docs/check.md.
set -u

pawl_cc=$1 root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
core=$root/src/core
number=0
failed=0

flags=(-std=gnu17 -D_GNU_SOURCE -O2 -pthread -I"$root/include" -I"$core/sync")

# What nearly every room stands on: compiled once, without a closure's defines.
floor=("$core"/percpu/{atomic,clock,clock_calibrate,cpu,cpuset,locked,percpu,region,rseq,turn}.c
    "$core"/sync/{backoff,fail,futex}.c)
objects=()
for source in "${floor[@]}"; do
    object=$work/$(basename "$source" .c).o
    "$pawl_cc" "${flags[@]}" -c "$source" -o "$object" || exit 1
    objects+=("$object")
done

# explore SENTENCE CLOSURE DEFINES SOURCES OPTIONS: CLOSURE and SOURCES are files, from the root of the sources.
# With wanted=1 in front the checker must find a bug: what the closure is about has been left out.
# The checker sees fences of both sides, so membarrier is out of it (<pawl/fence.h>).
explore() {
    local sentence=$1 closure=$2 output status
    local -a defines sources options
    read -ra defines <<<"$3"
    read -ra sources <<<"$4"
    read -ra options <<<"$5"
    number=$((number + 1))
    output=$(export PAWL_MEMBARRIER=off
        "$pawl_cc" "${flags[@]}" "${defines[@]}" "$root/$closure" "${sources[@]/#/$root/}" "${objects[@]}" \
            -o "$work/closure" 2>&1 && "$work/closure" "${options[@]}" 2>&1)
    status=$?
    # 1 is also what a compiler ends with that found an error
    if [[ ${wanted:-0} == 1 ]]; then
        [[ $status == 1 && $output == *': FAIL, '* ]] && status=0 || status=1
    fi
    # 3: no bug, and not everything explored, which is what a bound asks for
    if ((status == 0 || (status == 3 && ${#options[@]} > 0))); then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        failed=1
    fi
    printf '%s\n' "$output" | sed 's/^/# /' | tail -60
}

# The last line of a check.sh.
end_closures() {
    echo "1..$number"
    exit $failed
}
