# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For the check.sh of a room, which sources it: each closure of the room, explored by the model checker.
#
#   check.sh PAWL_CC SOURCE_ROOT [FLOOR]
#
# FLOOR is an object with what nearly every room stands on, which the build makes by running this file itself with the
# same arguments; a check.sh that gets none makes its own.
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

# Without a closure's defines. What it depends on goes to DEPENDENCIES, for make.
make_floor() { # OBJECT DEPENDENCIES
    local source part
    local -a parts=()
    for source in "$core"/percpu/{atomic,clock,clock_calibrate,cpu,cpuset,locked,percpu,region,rseq,turn}.c \
        "$core"/sync/{backoff,fail,futex}.c; do
        part=$work/$(basename "$source" .c)
        parts+=("$part.o")
        "$pawl_cc" "${flags[@]}" -MMD -MT "$1" -MF "$part.d" -c "$source" -o "$part.o" || exit 1
    done
    ld -r "${parts[@]}" -o "$1" && cat "${parts[@]/%.o/.d}" >"$2" || exit 1
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    make_floor "$3" "$4"
    exit
fi
floor=${3-$work/floor.o}
[[ -n ${3-} ]] || make_floor "$floor" /dev/null
objects=("$floor")

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
