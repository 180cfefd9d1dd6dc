#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The checker on aarch64, under qemu's user-mode emulation: programs of the gallery and of the features that meet the
# parts in assembly (switch, thread-local variables, faults, what is compared of a loop).
#
#   aarch64.sh COMPILER QEMU PYTHON SOURCE_ROOT [all]
set -eu -o pipefail

compiler=$1 qemu=$2 python=$3 root=$4
here=$root/tests/check
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The libraries that its programs are linked with.
loader=$("$compiler" -print-file-name=ld-linux-aarch64.so.1)
libraries=$(cd "$(dirname "$loader")/.." && pwd)

"$compiler" -std=gnu17 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -Wno-builtin-declaration-mismatch -fno-builtin-malloc \
    -fvisibility=hidden -fPIC -shared -pthread -I"$root/include" "$root"/src/check/*.c "$root"/src/check/*_aarch64.S \
    -o "$work/libpawl-check.so"
nm -D --defined-only "$work/libpawl-check.so" | sed -n 's/.* __wrap_/-Wl,--wrap=/p' >"$work/check.args"
sed -e "s:@libdir@:$work:; s:@includedir@:$root/include:; s:@wrapped@:$work/check.args:" \
    "$root/tools/pawl-cc/pawl-cc.in" >"$work/pawl-cc"
chmod +x "$work/pawl-cc"

export PAWL_CHECK_COMPILERS=$compiler PAWL_CHECK_RUNNER="$qemu -L $libraries"
if [[ ${5:-} == all ]]; then
    features=() gallery=()
else
    export PAWL_CHECK_LEVELS=-O2
    features=(before_main loop_over_array mutex_counter state_is_fresh)
    gallery=(jump_to_nowhere stack_overflow uninitialised_local treiber_aba)
fi
"$python" "$here/features.py" "$work/pawl-cc" "$here/features" "${features[@]}"
"$python" "$here/gallery.py" "$work/pawl-cc" "$here/gallery" "${gallery[@]}"
