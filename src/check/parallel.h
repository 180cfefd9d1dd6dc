/* SPDX-License-Identifier: MIT */
/* Exploring in several processes. */
#ifndef PAWL_CHECK_PARALLEL_H
#define PAWL_CHECK_PARALLEL_H

#include <stdbool.h>
#include <stdint.h>

/* Explore until nothing is left or `enough` executions are queued; false when stopped before. */
typedef bool explore_fn(int enough);

/* --jobs: share the queue out. The exit status. */
int jobs_explore(explore_fn *explore);
/* --mutate: run the test once for every weakened memory order. The exit status. */
int mutate(explore_fn *explore);
/* The order that the running mutant has at this place of the program. */
int mutated_order(uint64_t pc, int name, int order, bool failure);

#endif
