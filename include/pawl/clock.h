/* SPDX-License-Identifier: MIT */
/* A clock at six tenths of the cost of clock_gettime(), and stamps around code to be timed.
 *
 * Purpose    Timestamps where clock_gettime() is too dear or too coarse: latency histograms, timeouts
 *            of spinning waiters, benchmarks. Not for the time of day, nor for comparing machines.
 * Model      A counter of the processor that runs at one constant rate on all CPUs: the invariant TSC
 *            (x86-64; only if the kernel itself keeps time by it), cntvct_el0 (aarch64). Where that
 *            cannot be relied on (no invariant TSC, marked unstable, another clocksource in use), every
 *            call is clock_gettime(CLOCK_MONOTONIC) and a cycle is a nanosecond.
 *            The first call calibrates: at once if the processor states its frequency and 2 ms agree
 *            with it, else in 20 ms. PAWL_CLOCK in the environment: "monotonic" forces the fallback,
 *            "counter" skips the question which clocksource the kernel uses.
 * ns         pawl_clock_ns() follows CLOCK_MONOTONIC: a straight line through the last anchor, a pair
 *            (counter, CLOCK_MONOTONIC) read together. An anchor serves 10 ms; the first call after
 *            that takes a new one (five readings of both clocks). No thread runs in
 *            the background.
 *            Monotonic within a thread, signal handlers on it and its later children. Across threads
 *            pawl_clock_ns_ordered() is: if one call of it happens before another, by whatever
 *            synchronisation, its result is not greater. The line may step forward at an anchor, it
 *            never steps back: where it was ahead it runs slower until it no longer is.
 *            Drift: within half the width of the pair (typically 20 to 50 ns) plus 10 ms times the
 *            change of rate since the last 100 ms (NTP slews by at most 500 ppm: 5 us). After the
 *            counter jumped (resume from suspend) up to 10 ms ahead, made good within 20 ms.
 * Progress   Cycles and stamps: wait-free. ns: lock-free; no call waits for another thread's
 *            calibration or anchor: whoever meets one under way asks the kernel instead. A thread
 *            that is stopped while it takes an anchor makes the others slower, not wrong. The first
 *            call allocates one page.
 * Signals    Every function may be called from signal handlers, the first call too.
 * fork       The child continues its parent's clock.
 * Suspend    CLOCK_MONOTONIC does not count it, nor does this clock. A counter that jumped or was reset
 *            is noticed by its next use; one that changes rate (a virtual machine moved without TSC
 *            scaling) is given up for CLOCK_MONOTONIC after three anchors.
 * Emulators  valgrind passes the TSC through and qemu-user supplies cntvct; both work.
 * Cost       See docs/clock.md. pawl_clock_ns(): counter, one line read, one multiplication.
 * Source     Intel SDM vol. 3, "Time-Stamp Counter"; G. Paoloni, "How to benchmark code
 *            execution times" (Intel, 2010);
 *            Linux Documentation/virt/kvm/x86/timekeeping.rst; Arm ARM, generic timer.
 */
#ifndef PAWL_CLOCK_H
#define PAWL_CLOCK_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

enum pawl_clock_mode {
    PAWL_CLOCK_UNKNOWN, /* nobody asked yet */
    PAWL_CLOCK_COUNTER, /* the processor's counter */
    PAWL_CLOCK_KERNEL,  /* clock_gettime(CLOCK_MONOTONIC) */
};

/* ---- time ---- */

/* Nanoseconds of CLOCK_MONOTONIC, as described above. Not ordered against the code around it: on
 * x86-64 the processor may read the counter while earlier instructions still execute, so the result
 * can be early by its out-of-order window (some 100 ns), and a thread that learns another's reading
 * can then read a smaller one. Two reads by one thread stay in order on the processors we tested
 * (tests/percpu/test_clock); Intel's and AMD's manuals do not promise it. aarch64 reads are ordered. */
PAWL_API uint64_t pawl_clock_ns(void);

/* The same, read after everything before it has executed: for readings that threads compare with one
 * another. Costs about what clock_gettime() does, which gives the same promise. */
PAWL_API uint64_t pawl_clock_ns_ordered(void);

/* ---- what was found ---- */

/* Calibrate now rather than at the first use. Never fails; a second call does nothing. */
PAWL_API void pawl_clock_calibrate(void);

PAWL_API const char *pawl_clock_source(void); /* "tsc", "cntvct" or "monotonic"; static */
PAWL_API const char *pawl_clock_reason(void); /* why that one, one English phrase; static */

/* Cycles of the source per second. Measured frequencies are good to about 5 ppm. */
PAWL_API uint64_t pawl_clock_hz(void);

/* ---- cycles and conversion ---- */

/* Convert a duration, both ways, rounded down; UINT64_MAX if the result is larger. Within two
 * units of the exact result for durations of a hundred years. */
PAWL_API uint64_t pawl_clock_cycles_to_ns(uint64_t cycles);
PAWL_API uint64_t pawl_clock_ns_to_cycles(uint64_t ns);

/* The mode, for the inline functions. Set once. */
extern PAWL_API PAWL_ATOMIC(uint32_t) pawl_clock_mode_;

/* What the inline functions do before the first calibration and without a counter. */
PAWL_API PAWL_COLD uint64_t pawl_clock_cycles_ask(void);
PAWL_API PAWL_COLD uint64_t pawl_clock_start_ask(void);
PAWL_API PAWL_COLD uint64_t pawl_clock_stop_ask(void);

#if !PAWL_INSTRUMENTED && (defined(__x86_64__) || defined(__aarch64__))
#define PAWL_CLOCK_INLINE 1
#else
#define PAWL_CLOCK_INLINE 0 /* no counter, or a checker that wants to supply the time */
#endif

#if defined(__x86_64__) || defined(__aarch64__)
#include <pawl/arch/clock_counter.h>
#endif

/* The counter now. Not ordered against the code around it, which may be executing before or after:
 * for timeouts and sampling. */
PAWL_API PAWL_INLINE uint64_t pawl_clock_cycles(void)
{
#if PAWL_CLOCK_INLINE
    /* relaxed: the mode alone is used, not what else the calibration found */
    if (PAWL_LIKELY(pawl_load_relaxed(&pawl_clock_mode_) == PAWL_CLOCK_COUNTER))
        return pawl_clock_counter();
#endif
    return pawl_clock_cycles_ask();
}

/* Stamps around code to be timed:
 *     uint64_t start = pawl_clock_start();
 *     code();
 *     uint64_t ns = pawl_clock_elapsed_ns(start, pawl_clock_stop());
 * start: everything before has completed, and nothing of the code has begun, when it is taken;
 * stop: the code has completed, and nothing after it has begun. "Completed": its instructions have
 * executed; its stores may still be in the store buffer. */
PAWL_API PAWL_INLINE uint64_t pawl_clock_start(void)
{
#if PAWL_CLOCK_INLINE
    if (PAWL_LIKELY(pawl_load_relaxed(&pawl_clock_mode_) == PAWL_CLOCK_COUNTER)) /* relaxed: as above */
        return pawl_clock_counter_start();
#endif
    return pawl_clock_start_ask();
}

PAWL_API PAWL_INLINE uint64_t pawl_clock_stop(void)
{
#if PAWL_CLOCK_INLINE
    if (PAWL_LIKELY(pawl_load_relaxed(&pawl_clock_mode_) == PAWL_CLOCK_COUNTER)) /* relaxed: as above */
        return pawl_clock_counter_stop();
#endif
    return pawl_clock_stop_ask();
}

/* What an inlined start and stop with nothing between them show, in cycles: the least of many,
 * measured at calibration. */
PAWL_API uint64_t pawl_clock_stamp_cost(void);

/* From start to stop without the stamps' own cost; 0 if less than that. */
PAWL_API uint64_t pawl_clock_elapsed_cycles(uint64_t start, uint64_t stop);
PAWL_API uint64_t pawl_clock_elapsed_ns(uint64_t start, uint64_t stop);

PAWL_END_DECLS
#endif
