/* SPDX-License-Identifier: MIT */
/* What a program does between two operations. */
#ifndef PAWL_BENCH_WORK_H
#define PAWL_BENCH_WORK_H

#include <stdint.h>

/* A chain of multiplications that the operations do not depend on: about 15 cycles. */
static inline uint64_t work(uint64_t x)
{
    for (int i = 0; i < 4; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

#endif
