/* SPDX-License-Identifier: MIT */
/* What the tests of the scheduler share. */
#ifndef PAWL_TESTS_SCHED_TEST_H
#define PAWL_TESTS_SCHED_TEST_H

#include "../../sync/sync_test.h"

#include <errno.h>
#include <pawl/park.h>
#include <pawl/rt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The tests of a file; the result is cmocka's. */
int test_tasks(void);
int test_places(void);

/* cmocka's assertions are for the thread of the test; this is for workers. */
static inline void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

/* A runtime with so many workers, of the engine that the environment names. */
static inline struct pawl_rt *open_rt(uint32_t workers, uint32_t flags)
{
    struct pawl_rt_config config = {.workers = workers, .flags = flags};
    struct pawl_rt *rt = NULL;

    if (pawl_rt_open(&rt, &config) != 0)
        abort();
    return rt;
}

/* The counters of all workers, once so many tasks have ended: the last is counted a moment after its completion. */
static inline struct pawl_rt_counts counts_after(struct pawl_rt *rt, uint64_t finished)
{
    uint64_t deadline = pawl_deadline(UINT64_C(30000000000));
    struct pawl_rt_counts counts;

    do {
        usleep(100);
        must(pawl_rt_stats(rt, PAWL_RT_TOTAL, &counts) == 0, "counters");
    } while (counts.finished < finished && pawl_deadline(0) < deadline);
    return counts;
}

/* Waits until an int has reached a value: for what must come, however long it takes. Half a minute is for ever. */
static inline bool reaches(PAWL_ATOMIC(int) * word, int value)
{
    uint64_t deadline = pawl_deadline(UINT64_C(30000000000));

    while (pawl_load_acquire(word) < value) { /* acquire: what was done before it was counted */
        if (pawl_deadline(0) > deadline)
            return false;
        usleep(100);
    }
    return true;
}

#endif
