#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

deque() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/deque/check_deque.c "-DPAWL_READER_MAX=64 $2" \
        'src/core/queue/deque.c src/core/reclaim/hazard.c src/core/reclaim/reader.c src/core/reclaim/pass.c src/core/reclaim/rest.c src/core/reclaim/fence.c' "$3"
}

# How long a claim is left for the next thief: here one pointer, of the two to four that there are.
short='-DSTANDING(rarely)=1u'

deque 'the last pointer goes to one of the two' '-DOWNER="+-+-"' ''
deque 'two pointers, the owner takes both' '-DOWNER="++--"' ''
deque '... and where nobody claims more than he takes' "-DOWNER=\"++--\" $short" ''
deque 'the history is that of a deque' "-DOWNER=\"++--\" -DSTEALS=2 -DLINEAR=1 $short" ''
deque '... with claims on what is not there yet' '-DOWNER="++--" -DSTEALS=2 -DLINEAR=1' ''
deque 'one thief reads the claim of the other, and the last pointer' '-DOWNER="+-" -DTHIEVES=2 -DLINEAR=1' ''
deque 'what one thief has seen there another takes' '-DOWNER="++" -DTHIEVES=2' ''
deque 'half of three, indices about to wrap' '-DOWNER="+++--" -DMAX=2 -DSTART=UINT64_MAX-1' ''
deque 'half of it, and the owner pops into the claim' '-DOWNER="+++---" -DMAX=3' ''
deque 'the owner pops into what was seen there' '-DOWNER="+++--" -DSTEALS=2 -DSTANDING(rarely)=2u' ''
deque 'slots are written again only when they were read' '-DOWNER="+++" -DCAPACITY=2' ''
deque 'an array grows while a thief looks at it' '-DOWNER="++-" -DCAPACITY=1' ''
deque 'the fence paid by the thief' '-DOWNER="++--" -DFLAGS=PAWL_DEQUE_RARELY_STOLEN' ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    deque '... by two steals' '-DOWNER="+++" -DCAPACITY=2 -DSTEALS=2' ''
    deque '... of halves' '-DOWNER="++++" -DMAX=2 -DCAPACITY=2 -DSTEALS=2' ''
    deque 'two thieves, one of which takes what the other claimed' '-DOWNER="++-" -DTHIEVES=2' --max-time=100
    deque '... and where nobody claims more than he takes' "-DOWNER=\"++-\" -DTHIEVES=2 $short" --max-time=100
    deque 'a claim that was withdrawn is not taken for one that was made again' '-DOWNER="+-+" -DTHIEVES=2' --max-time=100
    deque 'two thieves, histories' '-DOWNER="++-" -DTHIEVES=2 -DLINEAR=1' --max-time=100
    deque 'two thieves, the owner takes both' '-DOWNER="++--" -DTHIEVES=2' --max-time=200
    deque 'two thieves and a growing array' '-DOWNER="++" -DTHIEVES=2 -DCAPACITY=1' --max-time=200
    deque 'a thief that comes back' '-DOWNER="+++-" -DSTEALS=2' --max-time=100
    deque 'two thieves, half' '-DOWNER="+++--" -DTHIEVES=2 -DMAX=2' --max-time=200
fi
end_closures
