#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

flags+=(-I"$root/src/malloc")

# What no closure changes, built once.
for source in "$root/src/malloc/fail.c" "$core/sync/mutex.c"; do
    object=$work/malloc-$(basename "$source" .c).o
    "$pawl_cc" "${flags[@]}" -c "$source" -o "$object" || exit 1
    objects+=("$object")
done

floor_objects=("${objects[@]}")

# The closures with the same defines follow each other: the allocator is built once for them.
built=
malloc() { # SENTENCE DEFINES PROGRAMS [OPTIONS]
    local -a defines
    read -ra defines <<<"$2"
    if [[ $built != "x$2" ]]; then
        objects=("${floor_objects[@]}" "$work/check_malloc.o")
        "$pawl_cc" "${flags[@]}" "${defines[@]}" -c "$root/tests/malloc/check_malloc.c" -o "$work/check_malloc.o" ||
            exit 1
        built=x$2
    fi
    explore "$1" tests/malloc/check_kernel.c "$2" '' "${4-} -- $3"
}

locked=''
cpu='-DSEQUENCES'
pinned='-DSEQUENCES -DCPUS=2 -DPINNED'
tick='-DSEQUENCES -DTICK'

malloc 'locked caches: freed by one, allocated by another' "$locked" 'm f m'
malloc '... both free, and the cache runs over' "$locked" 'mm f f'
malloc '... emptied meanwhile' "$locked" 'mm f d'
malloc '... while all is counted' "$locked" 'mm f s'
malloc '... and a fork comes between' "$locked" 'mm f k'
malloc 'transfer layer: given by two, and there is room for one chain' "$locked" 'gg p p'
malloc '... taken by two' "$locked" 'gp g g'
malloc '... a fork while chains come and go' "$locked" 'gg pg k'
malloc '... aged while a chain is taken' "$locked" 'gp g a' '--model=rc11 --bound=2'
malloc 'caches of CPUs: freed by one, allocated by another' "$cpu" 'm f m'
malloc '... both free and allocate, chains change hands' "$cpu" 'mmm fm fm'
malloc '... emptied from outside while blocks are freed and allocated' "$cpu" 'mmm fm d'
malloc '... emptied from outside, and all goes to the spans' "$cpu" 'mm f da'
malloc '... emptied by two at once' "$cpu" 'm d d'
malloc '... made while a block is freed' "$cpu" 'g f c'
malloc '... a fork, while the spans serve' "$cpu" 'mm m k'
malloc 'pages: a run goes from thread to thread' "$cpu" 'l L l'
malloc '... is given to the kernel while another one is taken' "$cpu" 'lL l r'
malloc '... grows while another one is taken' "$cpu" 'l x l'
malloc '... grows while free ones are given to the kernel' "$cpu" 'l x r'
malloc '... a fork' "$cpu" 'l L k'
malloc '... the last blocks of a span and a large block, and a cache is emptied' "$cpu" 'ml fL d'
malloc 'two CPUs: freed on one, allocated on the other' "$pinned" 'm f m'
malloc '... emptied from the other while it is used' "$pinned" 'mm f d'
malloc 'housekeeping: a quiet cache is emptied while blocks are freed' "$tick" 'mm f t'
malloc '... two find it due' "$tick" 'm t t'
malloc '... and pages go while others are taken' "$tick" 'lL l t'
malloc 'a slab ends while caches are emptied' '-DSLAB_CLASSES=1' 'oO d e'
malloc '... while the transfer layer is' '-DSLAB_CLASSES=1' 'oP a e'
malloc 'the first calls of the process, at once' '-DSTART' '- - -'
malloc '... before there is an environment' '-DSTART -DEARLY' '- - -'
wanted=1 malloc 'without the fence a cache is emptied under a sequence' "$pinned -DNO_FENCE" 'mm f d'
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    malloc 'locked caches: two run dry at once' "$locked" '- m m' --max-time=90
    malloc '... both free and allocate' "$locked" 'mm fm fm' --max-time=90
    malloc 'transfer layer: aged while a chain is taken' "$locked" 'gp g a' --max-time=90
    malloc '... by three' "$locked" 'ggg p p p' --max-time=90
    malloc '... given and taken' "$locked" 'gg pg pg' --max-time=90
    malloc 'caches of CPUs: two begin' "$cpu" '- m m' --max-time=90
    malloc 'large blocks of zeros while free pages go' "$cpu" 'l Lz r' --max-time=90
    malloc 'two CPUs: a thread on each begins' "$pinned" '- m m' --max-time=90
    malloc '... emptied from the other while it runs over and dry' "$pinned" 'mm fm d' --max-time=90
    malloc 'housekeeping while blocks are freed and allocated' "$tick" 'mm fm t' --max-time=90
    malloc 'a slab ends while caches of CPUs are emptied' '-DSEQUENCES -DSLAB_CLASSES=1' 'oO d e'
    malloc 'a slab ends, and a fork' '-DSEQUENCES -DSLAB_CLASSES=1' 'oO k e' --max-time=90
    malloc 'threads that may be moved at every step' '-DSEQUENCES -DCPUS=2' 'm f m' --max-time=90
    malloc 'the first blocks of the process' '-DSTART' '- m m' --max-time=90
fi
end_closures
