#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

source=tests/map/u64map/check_u64map.c

map() { # SENTENCE PROGRAMS [PATIENCE] [OPTIONS]: compiled once for each patience
    local object=$work/check_u64map${3-}.o

    if [[ ! -f $object ]]; then
        "$pawl_cc" "${flags[@]}" "-DPAWL_U64MAP_PATIENCE=${3-99}" -c "$root/$source" -o "$object" || exit 1
    fi
    explore "$1" "$(realpath --relative-to="$root" "$object")" '' '' "${4-} -- $2"
}

map 'two insert a key' '- i i g'
map 'two keys in one line' '- iG Ig'
map 'two keys that meet in a cell on different ways' 't iG Ig'
map 'inserted, replaced, deleted, read' 'i p d g'
map 'replaced by two, and read' 'i p p g'
map 'deleted and inserted again beside a reader' 'i di gg'
map 'added to and deleted' 'i u d u'
map 'compare-exchange' 'i c c g'
map 'compare-exchange and deletion' 'i c dp g'
map 'the line is full, and two begin a successor' 'f i I'
map 'the line is full: read beside it' 'f i gg'
moving=rhhhhhhh # all but the line is moved
others=kkkkkkk  # all but the line is for others to move
map 'moved beside a reader' "i$moving h gg"
map 'moved by two beside a reader' "i$moving h h g"
map 'moved while replaced' "i$moving h pg"
map 'moved while deleted and inserted' "i$moving h di"
map 'a successor from its begin to its end beside a reader' 'i rhhhhhhhh g'
map 'inserted where the empty cell is frozen' "$moving h i"
map 'moved while a key comes on another way' "ti${moving} h I"
map 'two insert while it moves' "${moving}k i i"
map 'its mover is gone: two write, one reads' "i${moving}k p d g"
map '... two read' "i${moving}k p d g g"
map 'its mover is gone: deleted where it never came' "i${moving}k d u g"
map 'its mover is gone: replaced, then moved, then read' "i${moving}k p m g"
map 'its mover is gone: inserted, then moved, then read' "${moving}k i m g"
map 'its mover is gone, and is replaced' "i${moving}k p g" 0
map 'a still table moved beside a reader' "iq$moving h gg"
map 'a still table moved by two beside a reader' "iq$moving h h g"
map 'a still table moved while its key is replaced' "iq$moving h pg"
map 'a still table moved while its key is deleted and inserted' "iq$moving h di"
map 'inserted in a still table' "q$moving h i g"
map 'a table becomes still beside one who does not know its successor' "iq$others po rh nh"
map '... deleted and inserted' "iq$others dio rh nh"
map 'a walk beside a change' 'iI w pd'
map 'a walk beside a change of a key on another way' 'tI w i'
map 'a walk beside a move' "iI$moving w h"
map 'a walk beside a move and a change' "I${moving} w i"
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    map 'a successor from its begin to its end beside a writer' 'i rhhhhhhhh p' 99 --max-time=120
    map '... and read' "$moving h i g"
    map 'a table becomes still beside one who does not know its successor, and one who does' "iq$others po rh np"
    map '... and read' "iq$others po rh npg"
    map 'moved by two, the same block' "i$moving h h" 0 --max-time=120
    map 'moved twice' "i${moving} hshhhhhhhhhhhhhhhh g"
fi
end_closures
