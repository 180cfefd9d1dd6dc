/* SPDX-License-Identifier: MIT */
#include "wheel.h"

#include "../core/sync/fail.h"

#include <stddef.h>

PAWL_STATIC_ASSERT(offsetof(struct pawl_timer, link) == 0, "a link leads to its timer");

/* What a timer that runs costs of the budget, in moves from slot to slot. */
enum { RUN_COST = 4 };

/* next_ looks through a slot of so many timers for the earliest; with more it takes the slot's beginning. */
enum { LOOK_AT_MOST = 16 };

static struct pawl_timer *timer_of(struct pawl_timer_link *link)
{
    return (struct pawl_timer *)(void *)link;
}

static void list_init(struct pawl_timer_link *list)
{
    list->next = list->prev = list;
}

static bool list_empty(const struct pawl_timer_link *list)
{
    return list->next == list;
}

void pawl_wheel_init_(struct pawl_wheel *wheel, uint64_t now)
{
    *wheel = (struct pawl_wheel){.elapsed = now / PAWL_WHEEL_TICK_NS_, .cascading = -1};
    for (int i = 0; i < PAWL_WHEEL_LISTS_; i++)
        list_init(&wheel->list[i]);
}

static unsigned bit_of(unsigned index)
{
    return index % PAWL_WHEEL_SLOTS_;
}

static unsigned level_of(unsigned index)
{
    return index / PAWL_WHEEL_SLOTS_;
}

/* Where a timer with this tick stands now. */
static unsigned place(const struct pawl_wheel *wheel, uint64_t tick)
{
    unsigned level;

    if (tick <= wheel->elapsed)
        return PAWL_WHEEL_DUE_;
    level = (63 - (unsigned)__builtin_clzll(tick ^ wheel->elapsed)) / PAWL_WHEEL_BITS_;
    return level * PAWL_WHEEL_SLOTS_ + (unsigned)(tick >> (level * PAWL_WHEEL_BITS_)) % PAWL_WHEEL_SLOTS_;
}

static void append(struct pawl_wheel *wheel, struct pawl_timer *timer, unsigned index)
{
    struct pawl_timer_link *list = &wheel->list[index], *last = list->prev;

    timer->link.next = list;
    timer->link.prev = last;
    last->next = &timer->link;
    list->prev = &timer->link;
    wheel->used[level_of(index)] |= UINT64_C(1) << bit_of(index);
}

/* Out of whichever list it is in: if nothing is left there, both neighbours are the list itself, which says which. */
static void unlink_timer(struct pawl_wheel *wheel, struct pawl_timer *timer)
{
    struct pawl_timer_link *next = timer->link.next, *prev = timer->link.prev;

    next->prev = prev;
    prev->next = next;
    timer->link.next = NULL;
    if (next == prev) {
        unsigned index = (unsigned)(next - wheel->list);

        wheel->used[level_of(index)] &= ~(UINT64_C(1) << bit_of(index));
    }
}

/* All of one list behind another. */
static void splice(struct pawl_wheel *wheel, unsigned from, unsigned to)
{
    struct pawl_timer_link *source = &wheel->list[from], *target = &wheel->list[to];

    if (list_empty(source))
        return;
    source->next->prev = target->prev;
    source->prev->next = target;
    target->prev->next = source->next;
    target->prev = source->prev;
    list_init(source);
    wheel->used[level_of(from)] &= ~(UINT64_C(1) << bit_of(from));
    wheel->used[level_of(to)] |= UINT64_C(1) << bit_of(to);
}

void pawl_wheel_insert_(struct pawl_wheel *wheel, struct pawl_timer *timer)
{
    timer->wheel = wheel;
    append(wheel, timer, place(wheel, timer->tick));
    wheel->armed++;
    if (timer->tick < wheel->next)
        wheel->next = timer->tick;
}

void pawl_wheel_add_(struct pawl_wheel *wheel, struct pawl_timer *timer, uint64_t deadline)
{
    timer->tick = pawl_wheel_tick_(deadline, 0);
    timer->period_ms = 0;
    pawl_wheel_insert_(wheel, timer);
}

void pawl_wheel_move_(struct pawl_wheel *wheel, struct pawl_timer *timer, uint64_t tick)
{
    if (tick >= timer->tick) {
        timer->tick = tick; /* `next` is still a lower bound */
        return;
    }
    pawl_wheel_del_(wheel, timer);
    timer->tick = tick;
    pawl_wheel_insert_(wheel, timer);
}

void pawl_wheel_del_(struct pawl_wheel *wheel, struct pawl_timer *timer)
{
    unlink_timer(wheel, timer);
    wheel->armed--;
    if (timer->tick == wheel->next)
        wheel->next_known = false; /* perhaps it was the only one */
}

/* The earliest slot in use, or -1. */
static int earliest(const struct pawl_wheel *wheel)
{
    for (int level = 0; level < PAWL_WHEEL_LEVELS_; level++)
        if (wheel->used[level] != 0)
            return level * PAWL_WHEEL_SLOTS_ + __builtin_ctzll(wheel->used[level]);
    return -1;
}

/* The first tick of a slot. */
static uint64_t slot_tick(const struct pawl_wheel *wheel, int index)
{
    unsigned shift = level_of((unsigned)index) * PAWL_WHEEL_BITS_;
    uint64_t lap = wheel->elapsed >> (shift + PAWL_WHEEL_BITS_) << PAWL_WHEEL_BITS_;

    return (lap | bit_of((unsigned)index)) << shift;
}

/* The earliest tick of a slot's timers, exact if they are few. Those that were put off beyond the slot count as its last tick: others
 * stand behind it. */
static uint64_t slot_next(const struct pawl_wheel *wheel, int index)
{
    const struct pawl_timer_link *list = &wheel->list[index];
    uint64_t width = UINT64_C(1) << (level_of((unsigned)index) * PAWL_WHEEL_BITS_);
    uint64_t least = slot_tick(wheel, index) + width - 1;
    int looked = 0;

    if (level_of((unsigned)index) == 0)
        return slot_tick(wheel, index);
    for (const struct pawl_timer_link *link = list->next; link != list; link = link->next) {
        uint64_t tick = ((const struct pawl_timer *)(const void *)link)->tick;

        if (++looked > LOOK_AT_MOST)
            return slot_tick(wheel, index);
        if (tick < least)
            least = tick;
    }
    return least;
}

uint64_t pawl_wheel_next_(struct pawl_wheel *wheel)
{
    if (wheel->used[PAWL_WHEEL_LEVELS_] != 0 || wheel->cascading >= 0)
        return 0;
    if (!wheel->next_known) {
        int index = earliest(wheel);

        wheel->next = index < 0 ? UINT64_MAX : slot_next(wheel, index);
        wheel->next_known = true;
    }
    return wheel->next > UINT64_MAX / PAWL_WHEEL_TICK_NS_ ? UINT64_MAX : wheel->next * PAWL_WHEEL_TICK_NS_;
}

/* The first period's end after `now`, in ticks; what was missed is left out. */
static uint64_t next_period(const struct pawl_timer *timer, uint64_t now)
{
    uint64_t passed = timer->tick < now ? (now - timer->tick) / timer->period_ms : 0;

    return timer->tick + (passed + 1) * timer->period_ms;
}

static void run(struct pawl_wheel *wheel, struct pawl_timer *timer, uint64_t now)
{
    unlink_timer(wheel, timer);
    wheel->armed--;
    if (timer->period_ms != 0) { /* armed again before it runs, so that its function may cancel it */
        timer->tick = next_period(timer, now);
        pawl_wheel_insert_(wheel, timer);
    }
    timer->fire(timer);
}

/* One that was put off goes where it belongs now. */
static void run_or_move(struct pawl_wheel *wheel, uint64_t now, unsigned *ran, unsigned *left)
{
    struct pawl_timer *timer = timer_of(wheel->list[PAWL_WHEEL_RUNNING_].next);

    if (timer->tick > wheel->elapsed) {
        unlink_timer(wheel, timer);
        append(wheel, timer, place(wheel, timer->tick));
        --*left;
        return;
    }
    run(wheel, timer, now);
    ++*ran;
    *left = *left > RUN_COST ? *left - RUN_COST : 0;
}

/* Moves timers down from the slot that time has reached. Returns what is left of the budget. */
static unsigned cascade(struct pawl_wheel *wheel, unsigned budget)
{
    struct pawl_timer_link *list = &wheel->list[wheel->cascading];

    for (; budget > 0 && !list_empty(list); budget--) {
        struct pawl_timer *timer = timer_of(list->next);
        unsigned index = place(wheel, timer->tick);

        unlink_timer(wheel, timer);
        append(wheel, timer, index == PAWL_WHEEL_DUE_ ? PAWL_WHEEL_RUNNING_ : index);
    }
    if (list_empty(list))
        wheel->cascading = -1;
    return budget;
}

/* Goes on to the earliest slot that time has reached. False: there is none, and `elapsed` is `now`. */
static bool reach(struct pawl_wheel *wheel, uint64_t now)
{
    int index = earliest(wheel);
    uint64_t tick = index < 0 ? UINT64_MAX : slot_tick(wheel, index);

    if (tick > now) {
        wheel->elapsed = now;
        return false;
    }
    wheel->elapsed = tick;
    if (level_of((unsigned)index) == 0)
        splice(wheel, (unsigned)index, PAWL_WHEEL_RUNNING_);
    else
        wheel->cascading = (int16_t)index;
    return true;
}

unsigned pawl_wheel_advance_(struct pawl_wheel *wheel, uint64_t now_ns, unsigned budget)
{
    uint64_t now = now_ns / PAWL_WHEEL_TICK_NS_;
    unsigned left = budget > UINT32_MAX / RUN_COST ? UINT32_MAX : budget * RUN_COST, ran = 0;

    if (wheel->advancing)
        pawl_sync_fail("pawl_wheel_advance", "called from a timer's function");
    if (now < wheel->elapsed)
        now = wheel->elapsed; /* a clock that went back: what is due is due */
    wheel->advancing = true;
    /* What is started with a deadline in the past from here on waits for the next call: a timer that starts itself
     * at once does not keep this one. */
    splice(wheel, PAWL_WHEEL_DUE_, PAWL_WHEEL_RUNNING_);
    while (left > 0) {
        if (wheel->cascading >= 0) {
            left = cascade(wheel, left);
        } else if (!list_empty(&wheel->list[PAWL_WHEEL_RUNNING_])) {
            run_or_move(wheel, now, &ran, &left);
        } else if (!reach(wheel, now)) {
            break;
        }
    }
    wheel->advancing = false;
    wheel->next_known = false;
    return ran;
}

struct pawl_timer *pawl_wheel_drain_(struct pawl_wheel *wheel)
{
    for (int level = 0; level <= PAWL_WHEEL_LEVELS_; level++) {
        if (wheel->used[level] != 0) {
            int index = level * PAWL_WHEEL_SLOTS_ + __builtin_ctzll(wheel->used[level]);
            struct pawl_timer *timer = timer_of(wheel->list[index].next);

            pawl_wheel_del_(wheel, timer);
            return timer;
        }
    }
    return NULL;
}
