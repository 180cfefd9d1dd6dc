/* SPDX-License-Identifier: MIT */
/* Between clock.c (reading) and clock_calibrate.c (finding out what to read). */
#ifndef PAWL_CORE_CLOCK_H
#define PAWL_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_NS_PER_S UINT64_C(1000000000)

/* x units of one kind are x * mult >> shift of the other. mult has its top bit set, so that rounding
 * it costs less than one part in 2^63; the product has 128 bits. */
struct clock_ratio {
    uint64_t mult;
    uint32_t shift;
};

struct clock_calibration {
    const char *source;
    const char *reason;
    uint64_t hz;
    uint64_t stamp_cost; /* cycles */
    struct clock_ratio to_ns;
    struct clock_ratio to_cycles;
    uint32_t mode; /* enum pawl_clock_mode */
};

/* to/from as a ratio; both below 2^63 and not 0, their quotient between 2^-63 and 2^63. */
struct clock_ratio pawl_clock_ratio_of(uint64_t to, uint64_t from);

/* Rounded down; UINT64_MAX if the result does not fit. */
uint64_t pawl_clock_scale(struct clock_ratio ratio, uint64_t x);

/* A kernel clock in nanoseconds. */
uint64_t pawl_clock_kernel_ns(int id);

/* A reading of a kernel clock and of the counter at the same moment, within +-width/2 cycles. */
struct clock_pair {
    uint64_t cycles;
    uint64_t ns;
    uint64_t width;
};
struct clock_pair pawl_clock_read_pair(int id);

/* What the line is drawn from. A test of the line defines its own before it includes clock.c. */
#ifndef CLOCK_COUNTER
#define CLOCK_COUNTER(ordered) ((ordered) ? pawl_clock_counter_ordered() : pawl_clock_counter())
#define CLOCK_KERNEL_NS() pawl_clock_kernel_ns(CLOCK_MONOTONIC)
#define CLOCK_PAIR() pawl_clock_read_pair(CLOCK_MONOTONIC)
#endif

/* Find the source and measure it. Keeps no state: several threads may do it at the same time. */
void pawl_clock_calibrate_into(struct clock_calibration *found);

#endif
