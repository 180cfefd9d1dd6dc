/* SPDX-License-Identifier: MIT */
/* The timing wheel of a worker: one thread's, without a lock. The contract is in <pawl/timer.h>.
 *
 * Time is counted in ticks of a millisecond. All timers with tick <= `elapsed` have left the slots. Of the others, one
 * whose tick differs from `elapsed` first in the 6 bits of level l stands at level l, in the slot of those bits:
 *
 *     level 0   64 slots of 1 ms      what is left of the present 64 ms
 *     level 1   64 slots of 64 ms     what is left of the present 4096 ms
 *     level 2   64 slots of 4096 ms   ...
 *
 * It follows that every slot in use of a level lies behind the slot that `elapsed` is in, without wrapping around; that
 * whatever stands at a level comes before whatever stands at a higher one; and so the first bit of the first bitmap that
 * is not zero is the earliest slot. When time reaches a slot of level 0, its timers are due. When it reaches one of
 * a higher level, each of its timers goes to a level below, or is due: at most seven moves in a timer's life, one or
 * none for most. Both stop when the budget is used up, and go on in the next call.
 *
 * A timer that was put off stands where its first tick belongs, until time gets there: its tick is no less than the slot's.
 */
#ifndef PAWL_RT_WHEEL_H
#define PAWL_RT_WHEEL_H

#include <pawl/timer.h>

#include <stdbool.h>
#include <stdint.h>

enum {
    PAWL_WHEEL_BITS_ = 6,
    PAWL_WHEEL_SLOTS_ = 1 << PAWL_WHEEL_BITS_,
    PAWL_WHEEL_LEVELS_ = 8, /* 2^48 ms: the clock's 2^64 ns are less than 2^45 */
    /* Two lists more behind the slots, with a bit each in a bitmap of their own. */
    PAWL_WHEEL_DUE_ = PAWL_WHEEL_LEVELS_ *
                      PAWL_WHEEL_SLOTS_, /* started too late; or found due: for the next call */
    PAWL_WHEEL_RUNNING_,                 /* the present call's */
    PAWL_WHEEL_LISTS_,
    PAWL_WHEEL_TICK_NS_ = 1000000,
};

struct pawl_wheel {
    uint64_t elapsed; /* in ticks */
    uint64_t next;    /* the earliest tick, or a lower bound; only if next_known */
    bool next_known;
    bool advancing;                        /* a timer's function runs */
    int16_t cascading;                     /* the slot whose timers are being moved down; -1: none */
    uint64_t armed;                        /* timers */
    uint64_t used[PAWL_WHEEL_LEVELS_ + 1]; /* a bit for each list that is not empty */
    struct pawl_timer_link list[PAWL_WHEEL_LISTS_];
};

/* Empty, at `now`: nanoseconds of CLOCK_MONOTONIC, as all times here. */
void pawl_wheel_init_(struct pawl_wheel *wheel, uint64_t now);

/* Arms an idle timer whose tick and period_ms are set. */
void pawl_wheel_insert_(struct pawl_wheel *wheel, struct pawl_timer *timer);

/* Arms an idle timer: fires at `deadline`, once, without slack. */
void pawl_wheel_add_(struct pawl_wheel *wheel, struct pawl_timer *timer, uint64_t deadline);

/* Gives an armed timer another tick. A later one is only noted: the timer goes on from where it stands when time gets there, be it put
 * off a thousand times before. */
void pawl_wheel_move_(struct pawl_wheel *wheel, struct pawl_timer *timer, uint64_t tick);

/* Disarms an armed timer. */
void pawl_wheel_del_(struct pawl_wheel *wheel, struct pawl_timer *timer);

/* When advance must be called next: 0 for at once (also in the past), UINT64_MAX for never. An idle worker that sleeps
 * until then wakes for a timer, or rarely to spread out a slot of many, or where one stood that was put off. */
uint64_t pawl_wheel_next_(struct pawl_wheel *wheel);

/* Runs what is due at `now`, at most `budget` timers, and moves at most four times as many. Returns how many ran; next
 * is 0 if there is more. Not from a timer's function. */
unsigned pawl_wheel_advance_(struct pawl_wheel *wheel, uint64_t now, unsigned budget);

/* Takes some armed timer out, or returns NULL: for the end of a worker. */
struct pawl_timer *pawl_wheel_drain_(struct pawl_wheel *wheel);

/* The tick in which a deadline has passed, with slack: the next multiple of 2^shift. */
static inline uint64_t pawl_wheel_tick_(uint64_t deadline, uint32_t slack_shift)
{
    uint64_t tick = deadline / PAWL_WHEEL_TICK_NS_ + (deadline % PAWL_WHEEL_TICK_NS_ != 0);
    uint64_t below = (UINT64_C(1) << slack_shift) - 1;

    return (tick + below) & ~below;
}

/* The shift for a slack in nanoseconds: no deadline is put off by more. */
static inline uint32_t pawl_wheel_slack_shift_(uint64_t slack)
{
    uint64_t ticks = slack / PAWL_WHEEL_TICK_NS_ + 1; /* multiples of n put off by n - 1 at most */

    return 63 - (uint32_t)__builtin_clzll(ticks);
}

#endif
