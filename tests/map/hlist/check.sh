#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

walk() { # SENTENCE CHANGE
    explore "a walk finds all that stays, $1" tests/map/hlist/check_hlist.c "-DCHANGE=$2" src/core/map/hlist.c ''
}

walk 'while a node is linked at the head' 1
walk 'while a node is linked at the end' 2
walk 'while a node is unlinked' 3
walk 'while a node is replaced' 4
walk 'while a fresh node comes behind one that goes' 5
end_closures
