#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What compilers and linkers make of correct sequences, at every level and in every kind of file, is accepted.
#
#   accepted.sh PAWL ROOT LIBRARY... -- COMPILER...
#
# LIBRARY are linked files that must be accepted as they are. Speaks TAP.
set -u

pawl=$1 root=$2
shift 2
here=$root/tests/rseq_check/good
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0 status=0

report() {
    number=$((number + 1))
    printf '%s %d - %s\n' "$1" "$number" "$2"
    [[ $1 == ok ]] && return
    sed 's/^/# /' "$work/log"
    status=1
}

# The file is accepted, and has at least so many sequences.
accepts() {
    local promise=$1 file=$2 least=$3 found
    if "$pawl" rseq-check "$file" >"$work/log" 2>&1; then
        found=$(sed -n 's/.*: \([0-9]*\) sequences\?, .*/\1/p' "$work/log")
        if ((${found:-0} >= least)); then
            report ok "$promise: $found sequences"
            return
        fi
        echo "expected $least sequences at least" >>"$work/log"
    fi
    report 'not ok' "$promise"
}

while [[ $1 != -- ]]; do
    accepts "$(basename "$1")" "$1" 20
    shift
done
shift

# name|flags: the library is not linked, because nothing runs
kinds=(
    'shared object|-shared -fPIC -Wl,--unresolved-symbols=ignore-all'
    'position-independent program|-pie -fPIE -nostdlib -Wl,-e,main -Wl,--unresolved-symbols=ignore-all'
    'static program|-static -nostdlib -Wl,-e,main -Wl,--unresolved-symbols=ignore-all'
    'collected sections|-shared -fPIC -ffunction-sections -Wl,--gc-sections -Wl,--unresolved-symbols=ignore-all'
    'packed relocations|-shared -fPIC -Wl,-z,pack-relative-relocs -Wl,--unresolved-symbols=ignore-all'
)

compile() {
    # shellcheck disable=SC2086  # flags are words
    "$1" -std=gnu17 -D_GNU_SOURCE "-I$root/include" $2 $3 "$here/$4.c" -o "$work/file" >"$work/log" 2>&1
}

for compiler; do
    for level in -O0 -O1 -O2 -O3 -Os; do
        for kind in "${kinds[@]}"; do
            flags=${kind#*|} promise="$(basename "$compiler") $level ${kind%%|*}"
            if ! compile "$compiler" "$level" "$flags" every; then
                [[ $flags == *pack-relative* ]] && continue # this linker is older
                report 'not ok' "$promise compiles"
                continue
            fi
            accepts "$promise" "$work/file" 27
            [[ $level == -O2 ]] || continue
            strip -o "$work/stripped" "$work/file" 2>/dev/null || "${compiler%gcc}strip" -o "$work/stripped" "$work/file"
            accepts "$promise, stripped" "$work/stripped" 27
        done
        [[ $level == -O0 ]] && continue
        if compile "$compiler" "$level" "${kinds[0]#*|}" written_in_c; then
            accepts "$(basename "$compiler") $level in C" "$work/file" 4
        else
            report 'not ok' "$(basename "$compiler") $level in C compiles"
        fi
    done
done
echo "1..$number"
exit $status
