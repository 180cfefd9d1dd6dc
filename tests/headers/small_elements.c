/* SPDX-License-Identifier: MIT */
/* The queues have a path for elements of 8 bytes in their headers. Who pushes an `int` must not be warned of it:
 * this is only compiled, with every warning an error. */
#include <pawl/mpmc.h>
#include <pawl/mpmc_ring.h>
#include <pawl/mpsc_lanes.h>
#include <pawl/mpsc_ring.h>
#include <pawl/ring.h>
#include <pawl/spsc.h>

#define SMALL(name, push, pop)                             \
    int small_##name##_push(struct pawl_##name *q, int v); \
    int small_##name##_pop(struct pawl_##name *q);         \
    int small_##name##_push(struct pawl_##name *q, int v)  \
    {                                                      \
        return push;                                       \
    }                                                      \
    int small_##name##_pop(struct pawl_##name *q)          \
    {                                                      \
        int v = 0;                                         \
        return (pop) == 0 ? v : -1;                        \
    }

SMALL(spsc, pawl_spsc_push(q, &v), pawl_spsc_pop(q, &v))
SMALL(mpsc_ring, pawl_mpsc_ring_push(q, &v), pawl_mpsc_ring_pop(q, &v))
SMALL(mpsc_lanes, pawl_mpsc_lanes_push(q, &v), pawl_mpsc_lanes_pop(q, &v))
SMALL(mpmc, pawl_mpmc_push(q, &v), pawl_mpmc_pop(q, &v))
SMALL(mpmc_ring, pawl_mpmc_ring_push(q, &v), pawl_mpmc_ring_pop(q, &v))
SMALL(ring, pawl_ring_push(q, &v, NULL), pawl_ring_pop(q, &v, NULL))
