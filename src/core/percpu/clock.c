/* SPDX-License-Identifier: MIT */
/* Reading the clock: the line through the last anchor, and taking the next one.
 *
 * The line                       ns ^            . kernel's CLOCK_MONOTONIC
 *   line(t) = ns + (t - base) * rate |         .´________ next line: starts at
 *   for t in [base, base + span);    |      .´/|           max(kernel, line(end))
 *   nobody returns more than         |   .´/   |
 *   line(base + span) from it.       |.´_______|____> counter
 *                                    base      end = base + span
 *
 * M1  A value returned from a line is not above its end, and the next line starts there or later. So a
 *     reader that still uses a line which has been replaced is below all values of the next: no
 *     reader has to be excluded.
 * M2  Values that did not come from a line came from the kernel, between two lines. They are at least
 *     the end of the line before, and are put into `floor` before they are returned. No result is
 *     below the floor.
 * M3  M1, M2 and a counter that does not run backwards make results monotonic; how far is a matter
 *     of the order in which the counter is read (clock.h, "ns").
 *
 * The line is guarded by a sequence number, odd while it is being replaced. A reader that meets an odd
 * number does not wait but asks the kernel (M2), so a thread that is stopped while it takes an anchor,
 * or interrupted by a signal handler that reads the clock, stops nobody. For such readers the ends of
 * the last two lines are kept aside: the replacement writes one and leaves the other alone. */
#include "clock.h"

#include <pawl/clock.h>

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#define SPAN_NS UINT64_C(10000000)  /* how long an anchor serves */
#define RATE_NS UINT64_C(100000000) /* the rate is measured over at least this */
#define BEHIND_NS UINT64_C(1000000) /* a counter this little before the base: another CPU's, not a jump */
#define TRIES 4                     /* a reader meets a second anchor only if it was stopped for a span */
#define STRIKES 3                   /* implausible anchors in a row until the counter is given up */

#if !defined(__x86_64__) && !defined(__aarch64__)
/* Never the mode there; keeps one source for all architectures. */
#define pawl_clock_counter() pawl_clock_kernel_ns(CLOCK_MONOTONIC)
#define pawl_clock_counter_ordered() pawl_clock_kernel_ns(CLOCK_MONOTONIC)
#define pawl_clock_counter_start() pawl_clock_kernel_ns(CLOCK_MONOTONIC)
#define pawl_clock_counter_stop() pawl_clock_kernel_ns(CLOCK_MONOTONIC)
#else
extern inline uint64_t pawl_clock_counter(void);
extern inline uint64_t pawl_clock_counter_ordered(void);
extern inline uint64_t pawl_clock_counter_start(void);
extern inline uint64_t pawl_clock_counter_stop(void);
#endif
extern inline uint64_t pawl_clock_cycles(void);
extern inline uint64_t pawl_clock_start(void);
extern inline uint64_t pawl_clock_stop(void);

PAWL_ATOMIC(uint32_t) pawl_clock_mode_;

static PAWL_ATOMIC(const struct clock_calibration *) calibration;

/* Every call reads this; one in 10 ms writes. */
static struct {
    PAWL_ATOMIC(uint64_t) seq;     /* odd: the line is being replaced */
    PAWL_ATOMIC(uint64_t) base;    /* counter at the anchor */
    PAWL_ATOMIC(uint64_t) span;    /* cycles that the line serves; 0: none yet */
    PAWL_ATOMIC(uint64_t) ns;      /* at the base */
    PAWL_ATOMIC(uint64_t) rate;    /* ns per cycle << shift */
    PAWL_ATOMIC(uint32_t) shift;   /* the same in every line */
    PAWL_ATOMIC(bool) given_up;    /* the counter's rate cannot be trusted after all */
    PAWL_ATOMIC(uint64_t) floor;   /* M2 */
    PAWL_ATOMIC(uint64_t) ends[2]; /* the last time of a line; of the one with seq: ends[seq / 2 % 2] */
} PAWL_LINE_PAIR_ALIGNED line;

/* Belongs to whoever made line.seq odd. */
static struct {
    struct clock_pair since; /* the rate was measured from here; width 0: not begun */
    uint64_t rate;
    uint32_t strikes;
} tracker;

/* ---- calibration ---- */

static const struct clock_calibration *calibrated(void)
{
    /* acquire: pairs with the release in pawl_clock_calibrate(), which publishes the contents */
    const struct clock_calibration *found = pawl_load_acquire(&calibration);
    if (PAWL_UNLIKELY(!found)) {
        pawl_clock_calibrate();
        found = pawl_load_acquire(&calibration); /* acquire: as above */
    }
    return found;
}

void pawl_clock_calibrate(void)
{
    /* For want of a page: exact conversions and no counter. */
    static const struct clock_calibration without_memory = {
        "monotonic",
        "no memory to calibrate",
        CLOCK_NS_PER_S,
        0,
        {UINT64_C(1) << 63, 63},
        {UINT64_C(1) << 63, 63},
        PAWL_CLOCK_KERNEL,
    };
    int saved_errno = errno;
    const struct clock_calibration *found = pawl_load_acquire(&calibration); /* acquire: as above */
    if (!found) {
        struct clock_calibration *own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        const struct clock_calibration *mine = &without_memory;
        if (own != MAP_FAILED) {
            pawl_clock_calibrate_into(own);
            mine = own;
        }
        /* acq_rel: the release pairs with calibrated(); the acquire is for the winner's, on failure */
        if (pawl_cas_acq_rel(&calibration, &found, mine))
            found = mine;
        else if (own != MAP_FAILED)
            munmap(own, sizeof(*own));
    }
    /* release: pairs with the acquire in slow_ns(); all who come here store the same */
    pawl_store_release(&pawl_clock_mode_, found->mode);
    errno = saved_errno;
}

const char *pawl_clock_source(void)
{
    return calibrated()->source;
}

const char *pawl_clock_reason(void)
{
    return calibrated()->reason;
}

uint64_t pawl_clock_hz(void)
{
    return calibrated()->hz;
}

uint64_t pawl_clock_stamp_cost(void)
{
    return calibrated()->stamp_cost;
}

/* ---- cycles ---- */

uint64_t pawl_clock_cycles_ask(void)
{
    if (calibrated()->mode == PAWL_CLOCK_COUNTER)
        return pawl_clock_counter();
    return pawl_clock_kernel_ns(CLOCK_MONOTONIC);
}

uint64_t pawl_clock_start_ask(void)
{
    if (calibrated()->mode == PAWL_CLOCK_COUNTER)
        return pawl_clock_counter_start();
    return pawl_clock_kernel_ns(CLOCK_MONOTONIC);
}

uint64_t pawl_clock_stop_ask(void)
{
    if (calibrated()->mode == PAWL_CLOCK_COUNTER)
        return pawl_clock_counter_stop();
    return pawl_clock_kernel_ns(CLOCK_MONOTONIC);
}

uint64_t pawl_clock_cycles_to_ns(uint64_t cycles)
{
    return pawl_clock_scale(calibrated()->to_ns, cycles);
}

uint64_t pawl_clock_ns_to_cycles(uint64_t ns)
{
    return pawl_clock_scale(calibrated()->to_cycles, ns);
}

uint64_t pawl_clock_elapsed_cycles(uint64_t start, uint64_t stop)
{
    uint64_t cost = pawl_clock_stamp_cost();
    /* By difference: the counter may wrap, and on another CPU it may be a little behind. */
    int64_t cycles = (int64_t)(stop - start);
    return cycles > 0 && (uint64_t)cycles > cost ? (uint64_t)cycles - cost : 0;
}

uint64_t pawl_clock_elapsed_ns(uint64_t start, uint64_t stop)
{
    return pawl_clock_cycles_to_ns(pawl_clock_elapsed_cycles(start, stop));
}

/* ---- ns: the slow path ---- */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t line_at(uint64_t ns, uint64_t rate, uint32_t shift, uint64_t cycles)
{
    return ns + (uint64_t)(((unsigned __int128)cycles * rate) >> shift);
}

/* M2: the kernel's time, but not below `least`; put into the floor before it is returned. */
static uint64_t from_kernel(uint64_t least)
{
    uint64_t now = larger(CLOCK_KERNEL_NS(), least);
    /* relaxed: a maximum of one word; a call that happens after this one sees it by coherence */
    uint64_t floor = pawl_load_relaxed(&line.floor);
    while (floor < now && !pawl_cas_weak_relaxed(&line.floor, &floor, now))
        ; /* retries when another thread raised the floor */
    return larger(now, floor);
}

/* The end of the line with sequence number `seq`, and of the one that an odd `seq` replaces. */
static PAWL_ATOMIC(uint64_t) * end_of(uint64_t seq)
{
    return &line.ends[seq / 2 % 2];
}

/* The counter moved as the kernel's clock did, within what the kernel may slew (adjtimex: 10 %). */
static bool plausible(uint64_t kernel_ns, uint64_t counter_ns)
{
    uint64_t difference = kernel_ns > counter_ns ? kernel_ns - counter_ns : counter_ns - kernel_ns;
    return difference <= kernel_ns / 8 + BEHIND_NS;
}

/* Follow the rate of CLOCK_MONOTONIC against the counter, in units of ns/cycle << shift. */
static void track_rate(const struct clock_calibration *found, const struct clock_pair *now, uint32_t shift)
{
    uint64_t nominal = found->to_ns.mult >> 1; /* shift is one less than to_ns.shift */
    uint64_t cycles = now->cycles - tracker.since.cycles;
    uint64_t ns = now->ns - tracker.since.ns;
    if (tracker.since.width == 0) {
        tracker.rate = nominal;
    } else if (!plausible(ns, pawl_clock_scale(found->to_ns, cycles))) {
        tracker.rate = nominal;
        tracker.strikes++;
    } else if (ns >= RATE_NS) {
        tracker.rate = (uint64_t)(((unsigned __int128)ns << shift) / cycles);
        tracker.strikes = 0;
    } else {
        return; /* too short to measure a rate, long enough to keep the old one */
    }
    tracker.since = *now;
    tracker.since.width = 1;
}

/* Slower in proportion to how far the line is ahead of the kernel, so that one span makes it good,
 * but never less than half the rate. */
static uint64_t rate_after(uint64_t rate, uint64_t ahead_ns)
{
    if (ahead_ns >= SPAN_NS / 2)
        return rate / 2;
    return rate - (uint64_t)((unsigned __int128)rate * ahead_ns / SPAN_NS);
}

/* Nothing of the counter any more: the floor alone carries monotonicity from here. */
static void give_up(uint64_t reached)
{
    uint64_t floor = pawl_load_relaxed(&line.floor); /* relaxed: as in from_kernel() */
    while (floor < reached && !pawl_cas_weak_relaxed(&line.floor, &floor, reached))
        ;                                     /* retries when another thread raised the floor */
    pawl_store_relaxed(&line.span, 0);        /* relaxed: published with the line */
    pawl_store_release(&line.given_up, true); /* release: after the floor; pairs with slow_ns() */
}

/* Replace the line; line.seq is `odd` and ours. Everything is relaxed: published by the seq after it,
 * kept from readers by the fence before it (take_anchor). Returns the time now. */
static uint64_t replace_line(const struct clock_calibration *found, uint64_t odd)
{
    uint32_t shift = found->to_ns.shift - 1; /* room for rates up to twice the nominal */
    uint64_t span = pawl_clock_scale(found->to_cycles, SPAN_NS);
    struct clock_pair now = CLOCK_PAIR();
    track_rate(found, &now, shift);
    /* Not the floor: if this thread was stopped since it read the pair, others have raised that to the
     * time it is by now, and the line would begin with it too early. Readers look at it themselves. */
    uint64_t start = larger(now.ns, pawl_load_relaxed(end_of(odd)));
    uint64_t rate = rate_after(tracker.rate, start - now.ns);
    pawl_store_relaxed(&line.base, now.cycles);
    pawl_store_relaxed(&line.ns, start);
    pawl_store_relaxed(&line.rate, rate);
    pawl_store_relaxed(&line.shift, shift);
    pawl_store_relaxed(&line.span, span);
    pawl_store_relaxed(end_of(odd + 1), line_at(start, rate, shift, span));
    if (tracker.strikes >= STRIKES)
        give_up(start);
    return larger(start, pawl_load_relaxed(&line.floor));
}

/* Take an anchor unless the line changed since `seq` or somebody is changing it: then false. */
static bool take_anchor(const struct clock_calibration *found, uint64_t seq, uint64_t *now)
{
    /* acquire: pairs with the release below, for the tracker */
    if (!pawl_cas_acquire(&line.seq, &seq, seq + 1))
        return false;
    /* release: the odd number becomes visible before any store to the line; pairs with the acquire
     * fence in read_line() */
    pawl_fence_release();
    *now = replace_line(found, seq + 1);
    pawl_store_release(&line.seq, seq + 2); /* release: publishes the line; pairs with read_line() */
    return true;
}

/* ---- ns: the line ---- */

enum reading {
    READ,    /* *ns is the time */
    PAST,    /* the line under *seq has ended, or the counter jumped */
    CHANGED, /* the line is being or was replaced meanwhile */
};

static inline __attribute__((always_inline)) enum reading read_line(bool ordered, uint64_t *seq,
                                                                    uint64_t *now)
{
    *seq = pawl_load_acquire(&line.seq); /* acquire: pairs with the release in take_anchor() */
    /* relaxed: one line or a mixture, told apart by the second look at seq */
    uint64_t base = pawl_load_relaxed(&line.base);
    uint64_t span = pawl_load_relaxed(&line.span);
    uint64_t ns = pawl_load_relaxed(&line.ns);
    uint64_t rate = pawl_load_relaxed(&line.rate);
    uint32_t shift = pawl_load_relaxed(&line.shift);
    uint64_t floor = pawl_load_relaxed(&line.floor);
    /* acquire: a store of the next line that was seen above makes its odd seq seen below */
    pawl_fence_acquire();
    if (PAWL_UNLIKELY((*seq & 1) || pawl_load_relaxed(&line.seq) != *seq))
        return CHANGED;
#if !defined(__x86_64__)
    ordered = true; /* aarch64 may otherwise reorder two reads of the counter by one thread */
#endif
    uint64_t cycles = CLOCK_COUNTER(ordered) - base;
    if (PAWL_UNLIKELY(cycles >= span)) {
        /* Just before the base: the counter was read before the line, or on a CPU that is a little
         * behind. Anything else is the end of the span, or a jump. */
        if (span == 0 || -cycles >= span / (SPAN_NS / BEHIND_NS))
            return PAST;
        cycles = 0;
    }
    *now = larger(line_at(ns, rate, shift, cycles), floor);
    return READ;
}

static PAWL_COLD uint64_t slow_ns(void)
{
    const struct clock_calibration *found = calibrated();
    /* acquire: pairs with the release in give_up(), so that the floor it raised is seen */
    if (found->mode != PAWL_CLOCK_COUNTER || pawl_load_acquire(&line.given_up))
        return from_kernel(0);
    for (int i = 0; i < TRIES; i++) {
        uint64_t seq, now;
        enum reading reading = read_line(true, &seq, &now);
        if (reading == READ || (reading == PAST && take_anchor(found, seq, &now)))
            return now;
        if (seq & 1) {
            uint64_t end = pawl_load_relaxed(end_of(seq)); /* relaxed: before the next look at seq, by: */
            pawl_fence_acquire(); /* acquire: a later end seen above makes its odd seq seen below */
            if (pawl_load_relaxed(&line.seq) == seq)
                return from_kernel(end);
        }
        /* retries when another thread completed an anchor */
    }
    /* relaxed: too late is good enough, and at most one span late */
    return from_kernel(larger(pawl_load_relaxed(&line.ends[0]), pawl_load_relaxed(&line.ends[1])));
}

static inline __attribute__((always_inline)) uint64_t read_clock(bool ordered)
{
    uint64_t seq, now;
    /* relaxed: the calibration is not read here; an unset mode or line goes the slow way */
    if (PAWL_LIKELY(pawl_load_relaxed(&pawl_clock_mode_) == PAWL_CLOCK_COUNTER) &&
        PAWL_LIKELY(read_line(ordered, &seq, &now) == READ))
        return now;
    return slow_ns();
}

uint64_t pawl_clock_ns(void)
{
    return read_clock(false);
}

uint64_t pawl_clock_ns_ordered(void)
{
    return read_clock(true);
}

/* ---- fork ---- */

/* A thread that the child does not have may have been replacing the line: what it left is a mixture.
 * The end of the line before is all that the next anchor needs. */
static void repair_line(void)
{
    uint64_t seq = pawl_load_relaxed(&line.seq); /* relaxed, all: the child has one thread */
    if (!(seq & 1))
        return;
    pawl_store_relaxed(end_of(seq + 1), pawl_load_relaxed(end_of(seq)));
    pawl_store_relaxed(&line.span, 0);
    tracker.since.width = 0;
    pawl_store_release(&line.seq, seq + 1); /* release: pairs with read_line() */
}

__attribute__((constructor)) static void watch_forks(void)
{
    /* Fails only for want of memory; then a child forked in the middle of an anchor asks the kernel. */
    (void)pthread_atfork(NULL, NULL, repair_line);
}
