# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For scripts that speak TAP of programs which may not be installed; they source it, and have a folder $work. In the end:
# $number promises, $failed is 1 if one was not kept.
number=0
failed=0

promise() { # SENTENCE PROGRAM COMMAND...
    local sentence=$1 program=$2
    shift 2
    number=$((number + 1))
    if ! command -v "$program" >/dev/null; then
        echo "ok $number - $sentence # SKIP $program is not installed"
    elif "$@" >"$work/said" 2>&1; then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        tail -20 "$work/said" | sed 's/^/# /'
        failed=1
    fi
}
