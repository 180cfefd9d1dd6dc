#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How many atomic read-modify-writes each operation has, by what the compiler made of it (x86-64). Fences, which only queues in
# shared memory and kernels without membarrier take, do not count.
#
#   count.sh LIBRARY
set -u

library=$1
number=0
failed=0

count() { # FUNCTION CMPXCHG16B CMPXCHG XCHG
    local found
    number=$((number + 1))
    found=$(objdump -d --no-show-raw-insn "$library" | awk -v name="<$1>:" '
        $2 == name { inside = 1; seen = 1 }
        inside && /cmpxchg16b/ { pair++; next }
        inside && /lock cmpxchg/ { word++; next }
        inside && /(xchg|xadd) .*\(/ { other++; next }
        inside && /lock (inc|dec|add|sub|and|xor|bt)/ { other++ }
        inside && NF == 0 { inside = 0 }
        END { print seen ? pair + 0 " " word + 0 " " other + 0 : "no such function" }')
    if [[ $found == "$2 $3 $4" ]]; then
        echo "ok $number - $1: $2 of a pair, $3 of a word, $4 exchanges"
    else
        echo "not ok $number - $1: $2 $3 $4 expected, $found found"
        failed=1
    fi
}

count pawl_mpmc_push_word_ 1 0 0
count pawl_mpmc_pop_word_ 0 1 0
count pawl_mpmc_ring_put_ 0 1 0
count pawl_mpmc_ring_take_ 0 1 0
count pawl_mpmc_ring_push_n 0 1 0
count pawl_mpmc_ring_pop_n 0 1 0
echo "1..$number"
exit $failed
