#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pawl run: a program under Pawl's malloc, from outside. Speaks TAP.
#
#   run.sh PAWL
set -u

pawl=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
failed=0

promise() { # SENTENCE COMMAND...
    local sentence=$1
    shift
    number=$((number + 1))
    if "$@" >"$work/log" 2>&1; then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        sed 's/^/# /' "$work/log"
        failed=1
    fi
}

status_of() { # EXPECTED COMMAND...
    local expected=$1
    shift
    "$@"
    (($? == expected))
}

summary_on_stderr() {
    [[ $("$pawl" run -- /bin/echo hello 2>"$work/stderr") == hello ]] &&
        grep -q '^pawl-malloc: caches: ' "$work/stderr" && grep -q ' used  in blocks of the program$' "$work/stderr"
}

quiet_is_quiet() {
    [[ $("$pawl" run --quiet /bin/echo hello 2>&1) == hello ]]
}

hardened_is_hardened() {
    "$pawl" run --hardened -- /bin/true 2>&1 | grep -q '^pawl-malloc: caches: .*hardened$'
}

leaks_are_told() {
    "$pawl" run --quiet --leaks -- /bin/true 2>&1 | grep -q '^pawl-malloc: not freed: .* in all$'
}

a_profile_is_written() {
    "$pawl" run --quiet "--profile=$work/heap" -- /bin/ls / && head -1 "$work/heap" | grep -q '^heap profile: '
}

# Under the numbers where the copy of stderr is, or could be.
files_of_the_program_are_its_own() {
    local program="exec 3>$work/data 100>$work/data; echo hello >&2"
    "$pawl" run -- bash -c "$program" 2>"$work/stderr" && [[ ! -s $work/data ]] &&
        grep -q '^pawl-malloc: caches: ' "$work/stderr" && "$pawl" run -- bash -c "$program; exec 2>$work/data" &&
        [[ ! -s $work/data ]]
}

settings_are_kept() {
    PAWL_MALLOC=leaks "$pawl" run -- /bin/true 2>&1 | grep -q 'not freed'
}

promise 'the output is the program its own, a summary follows on stderr' summary_on_stderr
promise 'quietly' quiet_is_quiet
promise 'the exit status is the program its own' status_of 7 "$pawl" run --quiet -- /bin/sh -c 'exit 7'
promise 'hardened' hardened_is_hardened
promise 'leaks' leaks_are_told
promise 'a heap profile' a_profile_is_written
promise 'files of the program are left alone' files_of_the_program_are_its_own
promise 'settings of the environment are kept' settings_are_kept
promise 'a program that is not there' status_of 1 "$pawl" run -- "$work/nothing"
promise 'no program' status_of 2 "$pawl" run
promise 'an unknown option' status_of 2 "$pawl" run --hardend -- /bin/true
promise 'help' "$pawl" run --help
echo "1..$number"
exit $failed
