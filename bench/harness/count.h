/* SPDX-License-Identifier: MIT */
/* Instruction counts: run each contender a fixed number of times for callgrind. */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include "run.h"

/* Runs every contender of the run in one thread, n and 2n iterations, each followed by a callgrind
 * dump, and prints one line of tabs a contender to standard output for bench/instructions to read:
 *     scenario  contender  iterations  ops  overhead(0|1)
 * or  scenario  contender  -           reason
 * The difference of the two dumps is n iterations without the cost of the call.
 * Scenarios that need several threads at once are left out: how long they wait for each other is
 * valgrind's scheduling, not an instruction count.
 * Returns 0 or a negative errno, said on stderr. */
int bench_count(struct bench_run *run);

#endif
