/* SPDX-License-Identifier: MIT */
/* How many keys the benchmarks of maps have, how they are picked, and the longest operation. */
#ifndef BENCH_MAP_KEYS_H
#define BENCH_MAP_KEYS_H

#include "bench.h"

#include <stdbool.h>

extern uint64_t bench_map_many; /* --keys */

/* So many keys from now on; with --zipf their frequencies are computed. */
void bench_map_set_keys(uint64_t keys);

/* Runs the program: --longest [N] is time_longest(N), all else the harness's. */
int bench_map_main(int argc, char **argv, const struct bench_program *program,
                   int (*time_longest)(uint64_t n));

/* The longest of some operations: by the clock, which counts whoever else ran, and by the processor time of
 * the thread, which does not. */
struct bench_longest {
    uint64_t wall, cpu, over_5ms;
    uint64_t wall_began, cpu_began;
};

void bench_longest_begin(struct bench_longest *longest);
void bench_longest_end(struct bench_longest *longest);
void bench_longest_print(const struct bench_longest *insert, const struct bench_longest *del);

#endif
