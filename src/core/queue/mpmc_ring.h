/* SPDX-License-Identifier: MIT */
#ifndef PAWL_CORE_QUEUE_MPMC_RING_H
#define PAWL_CORE_QUEUE_MPMC_RING_H

#include <pawl/mpmc_ring.h>

/* The same as if tickets began at `ticket`. For tests of what happens when they wrap; nobody uses the ring
 * yet. */
void pawl_mpmc_ring_start_at_(struct pawl_mpmc_ring *q, uint64_t ticket);

#endif
