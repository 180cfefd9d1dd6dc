#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

# Built once: closures differ in their arguments.
"$pawl_cc" "${flags[@]}" -c "$root/tests/map/map/check_map.c" -o "$work/check_map.o" || exit 1
closure=$(realpath --relative-to="$root" "$work/check_map.o")

map() { # SENTENCE HOW PROGRAMS [OPTIONS]
    explore "$1" "$closure" '' '' "${4-} -- $2 $3"
}

map 'inserted and found' '0' '- i0 g0g0'
map 'deleted while it is looked for' '0' 'i0 d0 g0g0'
map 'a slot is used again under a reader' '=' 'i0 d0i1 g0g1'
map '... with the same tag, by two' '=' 'i0 d0 i1 g0'
map '... and what was found stays found' '=' 'i0 d0i1 g1g1'
map '... by a batch' '=' 'i0 d0i1 b1b1'
map '... when the key is the same' 0 'i0 d0i0 g0g0'
map 'what was deleted before is not found' 0 'i0d0 i0 g0'
map '... by a batch' 0 'i0d0 i0 b0'
map 'deleted and inserted again' '0' 'i0 d0i0 g0 g0'
map 'upserts race' '0' '- p0 p0 g0'
map '... with a delete' '0' 'i0 p0 p0 d0'
map 'of two inserts one wins' '0' '- i0 i0 g0'
map '... or gets what the other inserted' '0' '- o0 o0 d0'
map 'compare and replace, of two one' '0' 'i0 c0 c0 g0'
map '... against delete and replace' '0' 'i0 c0 x0 r0'
map 'a bucket overflows under readers of its last slot' '6' 'i0 i1 g0g1'
map '... of one tag' '6=' 'i0 i1 g0g1'
map '... in a batch' '6' 'i0 i1 b0b1'
map '... while it is walked' '7' '- i1 W0'
map '... and becomes empty again, and its place is taken' '6' 'i0i1 d0d1i2 g0g2'
map '... by an other thread' '7' 'i0 d0 i1 g0'
map '... and a slot of the second bucket is used again' '7=' 'i0 d0i1 g1g1'
map 'deleted from the third bucket of a chain' '12=' 'i0i1i2 d1d0 g2'
map 'inserted into the second bucket of a chain' 7 'i0 i1 g1'
map 'it grows under a reader' g 'i0i1 H0 g0g1'
map 'a writer that carries it on, two readers' g 'i0 i1 g0 g1'
map '... and under a writer' g 'i0 H0 p0 g0'
map '... with chains' 14g 'i0i1 H0 g0g1'
map '... while it is walked' 8g '- H0 W0'
map '... while a key goes' g 'i0i1 H0 d0'
map '... by two that help' g 'i0i1 H0 H0' --max-time=2
map '... by who inserts' g 'i0 i1 d0' --max-time=1
map '... begun by one of two that insert' '=f' '- i0 i1' --max-time=1
map '... and ended while another one inserts' g '- i0 H0' --max-time=1
map '... and while a batch is looked for' g 'i0 H0 b0'
map 'it shrinks under a reader' s 'i0i1 H0 g0g1'
map '... and under a writer' s 'i0i1 H0 p1 g1'
map '... with chains' 14s 'i0i1 H0 g0g1'
map '... while it is walked' 8s '- H0 W0' --max-time=1
map '... while a key goes' s 'i0i1 H0 d0'
map 'without memory nothing is lost' 7g=n '- i0 H0' --max-time=1
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    map 'it grows by two that help, under a reader' g 'i0i1 H0 H0 g1' --max-time=120
    map '... under a batch' g '- i0 H0 b0' --max-time=120
    map '... begun and ended while another one inserts' '=f' '- i0i2 i1' --max-time=120
    map '... and another one helps' '=f' '- i0i2 H0' --max-time=120
    map '... while keys come and go' g 'i0i1 H0 d0 i2' --max-time=120
    map '... by who inserts and deletes, under a reader' g 'i0 i1 d0 g1' --max-time=120
    map '... begun by who inserts, with chains' 7=f '- i0 i1' --max-time=120
    map 'it shrinks by two that help' s 'i0i1 H0 H0 g1' --max-time=120
    map '... while it is walked' 8s '- H0 W0' --max-time=120
    map 'chains, two writers, a reader' 6= 'i0i1 d0d1 i2 g1g2' --max-time=120
fi
end_closures
