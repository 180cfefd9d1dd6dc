/* SPDX-License-Identifier: MIT */
/* What the tests of the map of words share: one map, and looks at it. */
#ifndef TESTS_MAP_U64MAP_TEST_H
#define TESTS_MAP_U64MAP_TEST_H

#include "../../sync/sync_test.h"

#include "../../../src/core/map/u64map.h"

enum { MANY = PAWL_INSTRUMENTED ? 2000 : 20000 };

extern struct pawl_u64map map;

void open_map(size_t entries);
uint64_t value_of(uint64_t key);
void expect_absent(uint64_t key);
size_t keys_by_a_walk(void);

uint64_t random_key(uint64_t i);
/* All of one line, in a table of any size: the highest 40 bits of the hash are the same. */
uint64_t on_one_line(uint64_t i);

extern const struct CMUnitTest u64map_walk_tests[];
extern const size_t u64map_walk_test_count;

#endif
