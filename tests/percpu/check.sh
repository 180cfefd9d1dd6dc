#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

counter() { # SENTENCE DEFINES OPTIONS
    explore "$1" tests/percpu/check_counter.c "$2" 'src/core/percpu/counter.c src/core/percpu/slice_words.c' "$3"
}

counter 'a counter has every add' '' ''
counter '... of two each' -DADDS=2 ''
counter 'what is read beside the adds only grows' -DREADS=2 ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    counter '... beside two adds each' '-DADDS=2 -DREADS=2' --max-time=100
fi
end_closures
