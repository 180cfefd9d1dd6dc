# SPDX-License-Identifier: MIT
# Promises of the completion for bash: what Tab offers after a beginning.
# Usage: test_completion.bash PAWL COMPLETION-FILE
set -u
pawl=$1
failed=0
# shellcheck disable=SC1090,SC1091 # the file under test comes as an argument
source "$2" || exit 1
# Outside an interactive line there is no completion whose options could be changed.
compopt() { :; }

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
for name in queue percpu-add percpu-list; do
    printf '#!/bin/sh\n' > "$folder/bench-$name"
    chmod +x "$folder/bench-$name"
done
touch "$folder/machine.xml"
export PAWL_BENCH_DIR=$folder

# offers EXPECTED WORD...: the last word is the one being completed
offers()
{
    local expected=$1
    shift
    COMP_WORDS=("$pawl" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _pawl "$pawl"
    if [[ "${COMPREPLY[*]-}" != "$expected" ]]; then
        echo "after 'pawl $*': offered '${COMPREPLY[*]-}', expected '$expected'"
        failed=1
    fi
}

offers "bench help rseq-check run tap topo version --help --version" ""
offers "--hardened --help" run --h
offers "topo" to
offers "--follow" tap --f
offers "vital" tap --class v
offers "--json" topo --j
offers "$folder/machine.xml" topo --xml "$folder/ma"
offers "" topo --synthetic ""
offers "percpu-add percpu-list" bench percpu
offers "--all --help --list percpu-add percpu-list queue" bench ""
offers "version" help v
offers "--help --json" version ""

# Every command of the table can be completed, and every completed one exists.
commands=$("$pawl" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | sort | tr '\n' ' ')
COMP_WORDS=("$pawl" "")
COMP_CWORD=1
_pawl "$pawl"
offered=$(printf '%s\n' "${COMPREPLY[@]}" | grep -v '^-' | sort | tr '\n' ' ')
if [[ $commands != "$offered" ]]; then
    echo "commands '$commands' but completion '$offered'"
    failed=1
fi
exit $failed
