#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The library under another libc, which registers nobody: built statically, run, and again where it may not
# register either.
#
#   test_musl.sh MUSL_GCC SOURCE_ROOT [SOURCE...]      the library's sources, as the build knows them
set -u

compiler=$1 root=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# musl-gcc looks at musl's headers alone; the kernel's are the same for every libc.
mkdir "$work/kernel"
for folder in linux asm-generic; do
    ln -s "/usr/include/$folder" "$work/kernel/$folder"
done
for asm in "/usr/include/$(uname -m)-linux-gnu/asm" /usr/include/asm; do
    [[ -d $asm ]] && ln -s "$asm" "$work/kernel/asm" && break
done

number=0
failed=0
promise() { # SENTENCE COMMAND...
    local sentence=$1 output
    shift
    number=$((number + 1))
    if output=$("$@" 2>&1); then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        failed=1
    fi
    printf '%s\n' "$output" | sed 's/^/# /' | head -40
}

promise 'the library and a program compile and link without glibc' \
    "$compiler" -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -I"$root/include" \
    -idirafter "$work/kernel" "$@" "$here/plain.c" -o "$work/plain"
promise 'threads register themselves' "$work/plain" own
promise 'it runs with sequences switched off' env PAWL_RSEQ=off "$work/plain" off
echo "1..$number"
exit $failed
