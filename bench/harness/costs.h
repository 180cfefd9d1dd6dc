/* SPDX-License-Identifier: MIT */
/* What an operation costs on a machine of any size: atomic read-modify-writes, fences, lines written, system calls.
 *
 * A time is of this machine and this moment. These counts are of the code: they say what will happen where 100
 * processors do the same. They are found by running a contender in a process of its own, in one thread (a second one sleeps:
 * with one alone, libc leaves atomic instructions out), one instruction at a time (ptrace), and looking at each instruction
 * before it is executed. */
#ifndef BENCH_COSTS_H
#define BENCH_COSTS_H

#include "bench.h"

/* Each a mean for one operation of one thread that is alone. */
struct bench_costs {
    bool known;
    double rmw;    /* atomic read-modify-writes */
    double fences; /* full fences */
    double
        lines; /* different lines written in one call of run(), over its operations: neither stack nor thread-local */
    double kernel; /* system calls */
};

struct bench_decoder;

/* To be called while this process has one thread. Leaves costs->known false when nothing can be said: the contender
 * waits for others, takes too long, or this machine does not let us look. */
void bench_costs_count(struct bench_decoder *decoder, const struct bench_group *group,
                       const struct bench_contender *contender, struct bench_costs *costs);

#endif
