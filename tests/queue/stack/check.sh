#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

stack() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/stack/check_stack.c "-DPAWL_READER_MAX=64 $2" \
        'src/core/queue/stack.c src/core/reclaim/hazard.c src/core/reclaim/reader.c src/core/reclaim/pass.c src/core/reclaim/rest.c src/core/reclaim/fence.c' "$3"
}
parts() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/queue/stack/check_percpu.c "-DPAWL_READER_MAX=64 $2" \
        'src/core/queue/stack.c src/core/queue/stack_percpu.c src/core/reclaim/hazard.c src/core/reclaim/reader.c src/core/reclaim/pass.c src/core/reclaim/rest.c src/core/reclaim/fence.c' "$3"
}

stack 'pushed and popped once each' '' ''
stack 'histories of two threads' '-DLINEAR=1' ''
stack 'a node that comes back is not taken for one that stayed' '-DSTEPS="--+" -DBEFORE=3' ''
stack 'who takes all leaves nothing' '-DSTEPS="+*"' ''
stack 'a node that was offered comes back, is popped, and is offered again' '-DSTEPS="!-" -DOTHERS="?!" -DBEFORE=0' ''
stack '... and nobody else takes that offer back' '-DSTEPS="!" -DOTHERS="?!-" -DBEFORE=0 -DLINEAR=1' ''
stack 'three poppers' '-DSTEPS="-" -DTHREADS=3 -DBEFORE=2' ''
stack 'with hazard pointers, two pushers and a popper' '-DHAZARD=1 -DSTEPS="+" -DOTHERS="+-" -DBEFORE=0' ''
stack 'with hazard pointers, histories' '-DHAZARD=1 -DLINEAR=1 -DSTEPS="-" -DBEFORE=2' ''
parts 'what others move is found' '' '--bound=2'
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    stack 'with hazard pointers, two threads' '-DHAZARD=1' ''
    stack 'three threads' '-DTHREADS=3 -DBEFORE=0' --max-time=200
    stack 'a node comes back under the eyes of two' '-DSTEPS="--+" -DBEFORE=4 -DTHREADS=3' '--bound=2 --max-time=200'
    parts 'what two others move is found' '-DOTHERS=2' '--bound=1 --max-time=200'
fi
end_closures
