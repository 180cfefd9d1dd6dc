/* SPDX-License-Identifier: MIT */
/* What the tests of fibers share: a runtime of two workers, and fibers that are joined. */
#ifndef PAWL_TESTS_FIBER_TEST_H
#define PAWL_TESTS_FIBER_TEST_H

#include "../../sync/sync_test.h"

#include <pawl/fiber.h>

#define MS UINT64_C(1000000)

extern struct pawl_rt *fiber_rt;

/* cmocka's, of a group: opens fiber_rt, and closes it. */
int fiber_rt_open(void **state);
int fiber_rt_close(void **state);

struct fiber_crowd {
    PAWL_ATOMIC(int) up;
    int n;
};

static inline struct pawl_fiber *go(void (*fn)(void *argument), void *argument)
{
    struct pawl_fiber *fiber;

    assert_int_equal(pawl_fiber_open(&fiber, fiber_rt, fn, argument), 0);
    return fiber;
}

static inline void joined(struct pawl_fiber *fiber)
{
    assert_int_equal(pawl_fiber_join(fiber), 0);
}

extern const struct CMUnitTest fiber_wait_tests[];
extern const size_t fiber_wait_test_count;

#endif
