/* SPDX-License-Identifier: MIT */
/* What the two halves of the stress of rings share. */
#ifndef PAWL_TESTS_QUEUE_RING_STRESS_H
#define PAWL_TESTS_QUEUE_RING_STRESS_H

#include "../../sync/sync_test.h"

#include <pawl/ring.h>

#include <errno.h>

struct element {
    uint64_t thread; /* who pushed it */
    uint64_t number; /* its how-manieth */
    uint64_t sum;    /* of both: torn entries do not add up */
};

/* The tests of stopped and killed threads, in a file of their own: how many failed. */
int run_stopped_ring(void);

#endif
