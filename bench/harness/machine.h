/* SPDX-License-Identifier: MIT */
/* What the figures were measured on, for the head of a report. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

struct bench_machine {
    char cpu[128]; /* model, or the architecture where the kernel names none */
    char kernel[128];
    char governor[32];    /* frequency governor of the first CPU; "" where there is none */
    char compiler[64];    /* of the benchmark */
    const char *handicap; /* what makes the figures of this build worthless; NULL: nothing */
    double load;          /* 1-minute load average; negative: unknown */
};

void bench_machine_describe(struct bench_machine *machine);

#endif
