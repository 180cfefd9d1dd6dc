/* SPDX-License-Identifier: MIT */
/* How long does a call take? Stamps around it, their own cost taken off, the least of many. */
#include <pawl/clock.h>

#include <stdio.h>
#include <time.h>

int main(void)
{
    printf("%s, %llu Hz: %s\n", pawl_clock_source(), (unsigned long long)pawl_clock_hz(),
           pawl_clock_reason());

    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 10000; i++) {
        struct timespec now;
        uint64_t start = pawl_clock_start();
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t cycles = pawl_clock_elapsed_cycles(start, pawl_clock_stop());
        least = cycles < least ? cycles : least;
    }
    printf("clock_gettime: %llu cycles, %llu ns (the stamps' own %llu cycles taken off)\n",
           (unsigned long long)least, (unsigned long long)pawl_clock_cycles_to_ns(least),
           (unsigned long long)pawl_clock_stamp_cost());

    uint64_t deadline = pawl_clock_cycles() + pawl_clock_ns_to_cycles(1000000);
    uint64_t begun = pawl_clock_ns(), turns = 0;
    while ((int64_t)(deadline - pawl_clock_cycles()) > 0)
        turns++;
    printf("%llu turns until a deadline in 1 ms; %llu us by pawl_clock_ns()\n", (unsigned long long)turns,
           (unsigned long long)(pawl_clock_ns() - begun) / 1000);
    return turns == 0;
}
