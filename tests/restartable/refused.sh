#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Bodies that cannot be sequences are refused when they are compiled, with a message that says why.
#
#   refused.sh ROOT COMPILER...
#
# Speaks TAP.
set -u

root=$1
shift
number=0 status=0

# compiler, promise, what the message says, body
refuses() {
    local compiler=$1 promise=$2 message=$3 output
    number=$((number + 1))
    output=$("$compiler" -std=gnu17 -D_GNU_SOURCE -O2 "-I$root/include" -x c -c -o /dev/null - 2>&1 <<EOT
#include <pawl/restartable.h>
struct slice { long a, b; struct { long x, y; } pair; };
$4
long call(struct pawl_percpu *pc, long n);
long call(struct pawl_percpu *pc, long n) { return (long)f(pc, n); }
EOT
    )
    if [[ -n $message && $output == *"$message"* ]] || [[ -z $message && -z $output ]]; then
        echo "ok $number - $(basename "$compiler"): $promise"
    else
        echo "not ok $number - $(basename "$compiler"): $promise"
        printf '%s\n' "expected: $message" "$output" | sed 's/^/# /' | head -20
        status=1
    fi
}

head='PAWL_RESTARTABLE(long, f, (struct pawl_percpu *pc, long n), (pc, n)) { struct slice *s = PAWL_RS_BEGIN(pc, struct slice);'

for compiler; do
    refuses "$compiler" 'the control: a right body is compiled without a word' '' \
        "$head PAWL_RS_COMMIT(s->a, PAWL_RS_LOAD(s->a) + n); return 0; }"
    refuses "$compiler" 'two commits' 'a_restartable_body_has_one_commit' \
        "$head PAWL_RS_COMMIT(s->a, n); PAWL_RS_COMMIT(s->b, n); return 0; }"
    refuses "$compiler" 'a commit on each of two ways' 'a_restartable_body_has_one_commit' \
        "$head if (n) PAWL_RS_COMMIT(s->a, n); else PAWL_RS_COMMIT(s->b, n); return 0; }"
    refuses "$compiler" 'a commit of 16 bytes' 'a commit is one store, of at most 8 bytes' \
        "$head PAWL_RS_COMMIT(s->pair, s->pair); return 0; }"
    refuses "$compiler" 'an int to return' 'a restartable function returns a long or a pointer' \
        "${head/long, f/int, f} PAWL_RS_COMMIT(s->a, n); return 0; }"
    # gcc leaves it to the assembler, whose words we choose; clang sees the distance that is none.
    message='the sequence before this one has no commit'
    "$compiler" --version | grep -q clang && message='difference across sections'
    refuses "$compiler" 'no commit, before another sequence' "$message" \
        "${head/long, f/long, e} return PAWL_RS_LOAD(s->a); } $head PAWL_RS_COMMIT(s->a, e(pc, n)); return 0; }"
    refuses "$compiler" 'no commit at all' '7705' \
        "$head return PAWL_RS_LOAD(s->a); }"
done
echo "1..$number"
exit "$status"
