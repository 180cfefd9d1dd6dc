#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The library on aarch64 under qemu's user-mode emulation, which has no rseq: the locked forms.
#
#   test_qemu.sh COMPILER QEMU SOURCE_ROOT [SOURCE...]
set -u

compiler=$1 qemu=$2 root=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! output=$("$compiler" -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -I"$root/include" "$@" \
    "$here/plain.c" -o "$work/plain" 2>&1); then
    echo 'not ok 1 - compiles for aarch64'
    printf '%s\n' "$output" | sed 's/^/# /' | head -40
    echo '1..1'
    exit 1
fi
echo 'ok 1 - compiles for aarch64'
if output=$("$qemu" "$work/plain" missing 2>&1); then
    echo 'ok 2 - takes the locked forms under emulation'
    status=0
else
    echo 'not ok 2 - takes the locked forms under emulation'
    status=1
fi
printf '%s\n' "$output" | sed 's/^/# /' | head -40
echo '1..2'
exit $status
