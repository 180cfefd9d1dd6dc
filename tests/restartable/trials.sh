#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What compilers make of plain-C sequences: each is compiled at every level and with the flags that
# distributions and sanitizers add, verified in the linked program, and interrupted at every instruction.
#
#   trials.sh ROOT MACHINE CHECKER COMPILER [RUNNER]
#
# MACHINE is x86_64 or aarch64; CHECKER the pawl command, or - for none; RUNNER an emulator. Speaks TAP.
set -u

# Frames kept aside for that are given out in turn: the same call does not always run the same instructions, each of which is
# to be reached again.
export ASAN_OPTIONS=detect_stack_use_after_return=0

root=$1 machine=$2 checker=$3 compiler=$4 runner=${5-}
here=$root/tests/restartable
harness=$root/tests/percpu/interrupt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[[ $checker == - ]] || checker=$(realpath "$checker")
cd "$work" || exit # compilers and coverage leave files where they run

base=(-std=gnu17 -D_GNU_SOURCE "-I$root/include" "-I$harness" "-I$here" -Wall -Wextra -Werror -pthread)
[[ -n $runner ]] && base+=(-static)
is_clang=$("$compiler" --version | grep -c clang)

# promise|flags of the test's own file|flags of every file
trials=(
    '-O1|-O1|' '-O2|-O2|' '-O3|-O3|' '-Os|-Os|' '-Og|-Og|'
    'without optimisation, the locked form|-O0|'
    'position-independent|-O2|-fPIC'
    'frame pointers|-O2|-fno-omit-frame-pointer'
    'frame pointers, -O1|-O1|-fno-omit-frame-pointer'
    'stack protectors|-O2|-fstack-protector-all -fstack-clash-protection'
    'collected sections|-O2 -ffunction-sections|-Wl,--gc-sections'
    'debug information|-O2 -g3|'
    'instrumented functions|-O2 -finstrument-functions|'
)
[[ $machine == x86_64 ]] && trials+=(
    'control-flow enforcement|-O2 -fcf-protection=full|'
    'coverage|-O2 --coverage|--coverage'
    'at a fixed address|-O2|-fno-pie -no-pie'
    'this machine, loops unrolled|-O3 -march=native -funroll-loops|'
    'the address and undefined-behaviour sanitizers|-O2|-fsanitize=address,undefined'
    'the thread sanitizer, the locked form|-O2|-fsanitize=thread'
)
[[ $machine == aarch64 ]] && trials+=('branch protection|-O2 -mbranch-protection=standard|')
if ((is_clang)); then
    command -v ld.lld >/dev/null && trials+=('link-time optimisation|-O2 -flto|-fuse-ld=lld')
else
    trials+=('link-time optimisation|-O2 -flto|-O2 -flto')
fi

rest=("$root"/src/core/percpu/*.c)
for part in breakpoint coverage engine sweep trap "trap_$machine"; do
    rest+=("$harness/$part.c")
done

# The library and the harness, once for each set of flags that they share with the test.
objects() {
    local folder=$work/rest-$1 source
    shift
    if [[ ! -d $folder ]]; then
        mkdir "$folder"
        for source in "${rest[@]}"; do
            "$compiler" "${base[@]}" -O2 "$@" -Wno-unused-command-line-argument -c "$source" \
                -o "$folder/$(basename "$source" .c).o" || return 1
        done
    fi
}

build() {
    local own=$1 all=$2 key
    key=$(printf '%s' "$all" | tr -c 'a-z0-9' '_')
    # shellcheck disable=SC2086  # flags are words
    objects "$key" $all && "$compiler" "${base[@]}" $own $all "$here/test_interruption.c" "$work/rest-$key"/*.o \
        -o "$work/test"
}

number=0 status=0
report() {
    number=$((number + 1))
    printf '%s %d - %s\n' "$1" "$number" "$2"
    sed 's/^/# /' "$work/log"
    [[ $1 == ok ]] || status=1
}

[[ $compiler == *clang* && $machine == aarch64 ]] && base+=(--target=aarch64-linux-gnu)
for trial in "${trials[@]}"; do
    IFS='|' read -r promise own all <<<"$trial"
    if ! build "$own" "$all" >"$work/log" 2>&1; then
        report 'not ok' "$promise: compiles"
        continue
    fi
    # shellcheck disable=SC2086  # an emulator may be several words, or none
    if $runner ./test ${runner:+once} >"$work/log" 2>&1; then
        report ok "$promise: every instruction interrupted"
    else
        report 'not ok' "$promise: every instruction interrupted"
    fi
    [[ $checker == - ]] && continue
    if "$checker" rseq-check "$work/test" >"$work/log" 2>&1; then
        : >"$work/log"
        report ok "$promise: verified"
    else
        report 'not ok' "$promise: verified"
    fi
done
echo "1..$number"
exit "$status"
