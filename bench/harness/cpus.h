/* SPDX-License-Identifier: MIT */
/* The CPUs this process may use, in the order in which threads are placed on them. */
#ifndef BENCH_CPUS_H
#define BENCH_CPUS_H

struct bench_cpus {
    unsigned count;
    int *ids; /* one CPU of each core first, SMT siblings after them */
};

/* Returns 0 or a negative errno. */
int bench_cpus_open(struct bench_cpus *cpus);
void bench_cpus_close(struct bench_cpus *cpus);

/* Pin the calling thread. Returns 0 or a negative errno. */
int bench_cpus_pin(int cpu);

#endif
