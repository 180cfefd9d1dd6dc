/* SPDX-License-Identifier: MIT */
/* Grace periods: begin, scan, end; and waiting for them.
 *
 * Why one scan is enough (liburcu's phases need two): numbers do not come back. Let U be what the caller did
 * before its target was read, H the heavy fence in begin(), n the number.
 *   - A reader that entered before H, as H orders it: its word is visible to the scan, with a number < n, as
 * n is
 *     published after H. The scan waits for it.
 *   - A reader that enters after H sees U, whatever number it copied. An old number (it was loaded long ago)
 *     makes a scan wait without need.
 *   - A reader that shows n has loaded it after H, and sees U.
 *
 * By marks (epochs): in place of H there is a mark (pass.h), made by the leader after `starting`, and one by each caller before
 * it reads its target: as both are read-modify-writes of one word, the leader's comes after that of each caller whose
 * target is n. A word is looked at after its thread has passed the mark, and so
 *   - a reader that entered before it passed is visible, and waited for,
 *   - one that enters afterwards sees U,
 *   - one that shows n has acquired it (E) from the leader, and sees U, whether it has passed or not.
 *
 * What a section read comes before its end (R), the end before the scan's look at the word (R), and that
 * before the end of the grace period (C) and whatever waits for it. */
#include "grace.h"

#include "pass.h"

#include "../sync/fail.h"
#include "../sync/lsan.h"

#include <pawl/clock.h>
#include <pawl/fence.h>

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define RESERVED ((PAWL_READER_MAX + 1) * PAWL_READER_STRIDE)
#if PAWL_INSTRUMENTED /* time means nothing there */
#define SPINS 0
#define YIELDS 0
#else
#define SPINS 50  /* looks before the processor is offered to others; 2 us */
#define YIELDS 10 /* and offers before the thread sleeps */
#endif
#define BURY_EVERY 64u       /* steps that a reader held up: then a system call says whether it is gone */
#define FIRST_NAP_NS 200000u /* the first sleep; each later one is twice as long */
#define LONGEST_NAP_NS 20000000u
#ifndef NOW /* in the model checker's closures no time passes, and nobody wakes because it has */
#define NOW() pawl_clock_ns()
#define SLEEP(ec, ticket, ns) pawl_eventcount_wait((ec), (ticket), pawl_deadline(ns))
#endif

extern inline PAWL_ATOMIC(uint64_t) * pawl_grace_word_(const struct pawl_grace *grace);
extern inline void pawl_grace_entered_(void);
extern inline void pawl_grace_enter_(struct pawl_grace *grace, PAWL_ATOMIC(uint64_t) * word);
extern inline bool pawl_grace_try_enter_(struct pawl_grace *grace, PAWL_ATOMIC(uint64_t) * word);
extern inline void pawl_grace_leave_(struct pawl_grace *grace, PAWL_ATOMIC(uint64_t) * word);

/* ---- readers, out of line ---- */

void pawl_grace_enter_slow_(struct pawl_grace *grace)
{
    PAWL_ATOMIC(uint64_t) *word = grace_word(grace, pawl_reader_own()->number);
    uint64_t w = pawl_load_relaxed(word); /* orders as in pawl_grace_enter_() */

    if (w == 0)
        pawl_store_release(word, pawl_load_acquire(&grace->entry)); /* acquire E: as in pawl_epoch_pin() */
    else if ((w & PAWL_READER_NESTING) < PAWL_READER_NESTING)
        pawl_store_release(word, w + 1);
    else
        pawl_sync_fail("read_lock", "nested 32767 times: an unlock is missing somewhere");
    pawl_fence_light();
    if (grace->period->by_marks && pawl_load_relaxed(word + 1) != 0) /* relaxed: as in pawl_epoch_pin() */
        pawl_rest_wake(word + 1);
}

void pawl_grace_leave_slow_(struct pawl_grace *grace)
{
    struct pawl_reader *self = pawl_reader_known();
    PAWL_ATOMIC(uint64_t) * word;
    uint64_t w;

    if (self == NULL)
        pawl_sync_fail("read_unlock", "this thread is inside no section");
    word = grace_word(grace, self->number);
    w = pawl_load_relaxed(word); /* orders as in pawl_grace_leave_() */
    if ((w & PAWL_READER_NESTING) == 0)
        pawl_sync_fail("read_unlock", "this thread is inside no section");
    if ((w & PAWL_READER_NESTING) > 1) {
        pawl_store_release(word, w - 1);
        return;
    }
    pawl_store_release(word, UINT64_C(0));
    if ((w & PAWL_READER_WAITED) != 0)
        pawl_eventcount_notify(&grace->period->left);
}

uint64_t pawl_grace_depth(const struct pawl_grace *grace)
{
    const struct pawl_reader *self = pawl_reader_known();

    /* relaxed: the thread's own word */
    return self == NULL ? 0 : pawl_load_relaxed(grace_word(grace, self->number)) & PAWL_READER_NESTING;
}

/* ---- the leader's steps ---- */

static bool take_lead(struct pawl_grace_period *period)
{
    uint32_t nobody = 0;

    /* relaxed first: a held lead is not worth the line. acquire D: pairs with the release in resign() */
    return pawl_load_relaxed(&period->lead) == 0 && pawl_cas_acquire(&period->lead, &nobody, 1u);
}

static void resign(struct pawl_grace_period *period)
{
    /* release D: the next leader goes on where this one stopped */
    pawl_store_release(&period->lead, 0u);
    pawl_eventcount_notify_all(&period->changed);
}

static void begin(struct pawl_grace *grace)
{
    struct pawl_grace_period *period = grace->period;
    uint64_t n = pawl_load_relaxed(&period->starting) + 1; /* relaxed: the leader's */

    pawl_reader_sweep();
    pawl_store_relaxed(&period->starting, n); /* relaxed: ordered by the fence, or published by the mark */
    /* H: heavy. Forbids that a target read before the store above misses this grace period's fence, and that
     * a reader enters unseen and yet misses what was done before. */
    if (period->by_marks)
        period->mark = pawl_pass_mark(pawl_reader_own());
    else
        pawl_fence_heavy();
    /* release E: where there are marks, publishes what was done before this one to who copies the number (else after the
     * fence is what counts) */
    pawl_store_release(&grace->entry, n << PAWL_READER_SHIFT | 1);
    period->cursor = 0;
    period->open = true;
}

enum { PASSES, BLOCKS, MAY_BLOCK };

/* Whether the reader of this word is inside since before grace period n; or may be, unseen, as it has not passed the mark. */
static int look_at(const PAWL_ATOMIC(uint64_t) * word, uint64_t n, bool unpassed)
{
    /* acquire R: pairs with the releases of readers */
    uint64_t w = pawl_load_acquire(word);

    if ((w & PAWL_READER_NESTING) == 0)
        return unpassed ? MAY_BLOCK : PASSES;
    return w >> PAWL_READER_SHIFT != (n << PAWL_READER_SHIFT) >> PAWL_READER_SHIFT ? BLOCKS : PASSES;
}

static bool blocks(const PAWL_ATOMIC(uint64_t) * word, uint64_t n)
{
    return look_at(word, n, false) != PASSES;
}

static void end(struct pawl_grace_period *period)
{
    period->open = false;
    /* release C: pairs with the acquire in pawl_grace_over(); what readers read, they read before what now
     * follows */
    pawl_store_release(&period->completed, pawl_load_relaxed(&period->starting));
}

/* Whether this thread has not passed the mark, and may be inside unseen. */
static bool is_unpassed(const struct pawl_grace_period *period, uint32_t number)
{
    return period->by_marks && !pawl_pass_has(number, period->mark) && !pawl_rest_has(&period->rest, number);
}

/* Goes over the readers from the cursor on. Returns true when none is left, else the cursor is at one that
 * blocks. */
static bool scan(struct pawl_grace *grace)
{
    struct pawl_grace_period *period = grace->period;
    uint64_t n = pawl_load_relaxed(&period->starting); /* relaxed: the leader's */

    for (uint32_t number = pawl_reader_next(period->cursor); number != PAWL_READER_MAX;
         number = pawl_reader_next(number + 1)) {
        PAWL_ATOMIC(uint64_t) *word = grace_word(grace, number);
        /* first: what it stored before it passed, the looks below see */
        bool unpassed = is_unpassed(period, number);
        int found = look_at(word, n, unpassed);

        period->cursor = number;
        if (found != PASSES) {
            /* relaxed: who errs fences too early, or later. A fence helps only against what is unseen. */
            pawl_store_relaxed(&period->unpassed, (uint32_t)(found == MAY_BLOCK));
            return false;
        }
    }
    pawl_store_relaxed(&period->unpassed, 0u);
    end(period);
    return true;
}

/* ---- waiting for a reader ---- */

/* Spins, then lets others run; who is waited for may be one of them. */
static bool comes_true_soon(bool (*condition)(void *argument), void *argument)
{
    for (int i = 0; i < SPINS + YIELDS; i++) {
        if (condition(argument))
            return true;
        if (i < SPINS)
            pawl_relax();
        else
            sched_yield();
    }
    return false;
}

struct blocker {
    const PAWL_ATOMIC(uint64_t) * word;
    uint64_t n;
};

static bool has_left(void *argument)
{
    const struct blocker *blocker = argument;

    return !blocks(blocker->word, blocker->n);
}

/* Sleeps until the reader leaves, at most `nap` ns. */
static void sleep_until_it_leaves(struct pawl_grace_period *period, PAWL_ATOMIC(uint64_t) * word, uint64_t n,
                                  uint64_t nap)
{
    uint32_t ticket = pawl_eventcount_prepare(&period->left);
    uint64_t w = pawl_load_relaxed(word); /* relaxed: a guess that the CAS validates */

    /* W may be lost: the reader's next plain store, decided on before this CAS, overwrites it. Then the nap
     * ends by the clock. relaxed: says only that somebody sleeps; the reader's notify has the fence. */
    if (blocks(word, n) && pawl_cas_relaxed(word, &w, w | PAWL_READER_WAITED) && blocks(word, n))
        SLEEP(&period->left, ticket, nap);
    else
        pawl_eventcount_cancel(&period->left, ticket);
}

static void wait_for_reader(struct pawl_grace *grace)
{
    struct pawl_grace_period *period = grace->period;
    uint32_t number = period->cursor;
    PAWL_ATOMIC(uint64_t) *word = grace_word(grace, number);
    uint64_t n = pawl_load_relaxed(&period->starting); /* relaxed: the leader's */
    struct blocker blocker = {word, n};
    uint64_t nap = FIRST_NAP_NS;
    uint64_t since, report = 0;

    if (comes_true_soon(has_left, &blocker))
        return;
    since = NOW();
    for (;;) {
        sleep_until_it_leaves(period, word, n, nap);
        if (!blocks(word, n) || pawl_reader_bury(number))
            return; /* the latter: the thread ended inside its section, without destructors */
        pawl_grace_stalled(grace, number, NOW() - since, &report);
        nap = nap < LONGEST_NAP_NS ? 2 * nap : nap;
    }
}

/* ---- what callers do ---- */

uint64_t pawl_grace_target(struct pawl_grace *grace)
{
    /* full fence: what the caller did before its look at `starting`; see H */
    pawl_fence_seq_cst();
    return pawl_load_relaxed(&grace->period->starting) +
           1; /* relaxed: an old number is what the fence excludes */
}

uint64_t pawl_grace_target_marked(struct pawl_grace *grace)
{
    (void)pawl_pass_mark(pawl_reader_own());
    /* relaxed: a leader's mark that comes before ours has published its number to us */
    return pawl_load_relaxed(&grace->period->starting) + 1;
}

bool pawl_grace_over(const struct pawl_grace *grace, uint64_t target)
{
    return !before(pawl_load_acquire(&grace->period->completed), target);
}

/* A reader that ended inside, without destructors, is in the way for ever, and who only steps never gets to where others wait
 * for it. */
static void scan_or_bury(struct pawl_grace *grace)
{
    struct pawl_grace_period *period = grace->period;

    if (!scan(grace) && ++period->held_up % BURY_EVERY == 0)
        pawl_reader_try_bury(period->cursor);
}

bool pawl_grace_step(struct pawl_grace *grace, uint64_t target)
{
    struct pawl_grace_period *period = grace->period;

    if (pawl_grace_over(grace, target))
        return true;
    if (!take_lead(period))
        return false;
    if (!pawl_grace_over(grace, target)) {
        if (period->open)
            scan_or_bury(grace);
        if (!period->open && !pawl_grace_over(grace, target)) {
            begin(grace);
            scan_or_bury(grace);
        }
    }
    resign(period);
    return pawl_grace_over(grace, target);
}

struct waiter {
    const struct pawl_grace *grace;
    uint64_t target;
};

/* relaxed look at the lead: who finds it free tries to take it */
static bool over_or_leaderless(void *argument)
{
    const struct waiter *waiter = argument;

    return pawl_grace_over(waiter->grace, waiter->target) ||
           pawl_load_relaxed(&waiter->grace->period->lead) == 0;
}

static void lead(struct pawl_grace *grace, uint64_t target)
{
    struct pawl_grace_period *period = grace->period;

    while (!pawl_grace_over(grace, target)) {
        if (!period->open)
            begin(grace);
        while (!scan(grace))
            wait_for_reader(grace);
    }
    resign(period);
}

/* Who finds the lead taken yields before it sleeps: most grace periods are over in less time than it takes to fall
 * asleep, unless their leader was preempted, and then a yield is what it needs. Asleep at once, 64 writers on two
 * processors stand in a convoy behind that leader, are all woken together by it, and find the next one
 * preempted: 7 us of work a grace period in place of 0.8. */
void pawl_grace_wait(struct pawl_grace *grace, uint64_t target)
{
    struct waiter waiter = {grace, target};

    while (!pawl_grace_over(grace, target)) {
        if (take_lead(grace->period))
            lead(grace, target);
        else if (!comes_true_soon(over_or_leaderless, &waiter))
            pawl_eventcount_await(&grace->period->changed, over_or_leaderless, &waiter, PAWL_FOREVER);
    }
}

/* ---- life ---- */

static struct pawl_grace *grace_of(struct reader_room *room)
{
    return ((struct pawl_grace_period *)(void *)((char *)room - offsetof(struct pawl_grace_period, room)))
        ->grace;
}

static bool inside(struct reader_room *room, uint32_t number)
{
    /* relaxed: the thread's own word */
    return (pawl_load_relaxed(grace_word(grace_of(room), number)) & PAWL_READER_NESTING) != 0;
}

static void clear_word(struct reader_room *room, uint32_t number)
{
    /* release R: a scan that sees this 0 has missed the one of the last unlock */
    pawl_store_release(grace_word(grace_of(room), number), UINT64_C(0));
}

static void room_forked(struct reader_room *room)
{
    pawl_grace_forked(grace_of(room));
}

void pawl_grace_forked(struct pawl_grace *grace)
{
    struct pawl_grace_period *period = grace->period;
    uint64_t n = pawl_load_relaxed(&period->starting); /* relaxed, all: the child has one thread */

    /* A grace period that had begun goes on, from the first reader on: whom its fence was for is gone, or is this
     * thread. Given up, its number would be over with the next one only, and an epoch that has bags for both
     * would need a third. */
    pawl_store_relaxed(&grace->entry, n << PAWL_READER_SHIFT | 1);
    pawl_store_relaxed(&period->lead, 0u);
    period->cursor = 0;
    period->open = pawl_load_relaxed(&period->completed) != n;
    pawl_eventcount_init(&period->changed, PAWL_PRIVATE);
    pawl_eventcount_init(&period->left, PAWL_PRIVATE);
}

char *pawl_grace_reserve(size_t front)
{
    /* NORESERVE: words of threads that never come are addresses only */
    char *pages = mmap(NULL, front + RESERVED, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    PAWL_ATOMIC(uint64_t) * nobody;

    if (pages == MAP_FAILED)
        return NULL;
    pawl_lsan_look_into_(pages, front + RESERVED);     /* an epoch's lists of retired objects */
    madvise(pages, front + RESERVED, MADV_NOHUGEPAGE); /* a huge page would be memory for 16384 threads */
    nobody = (PAWL_ATOMIC(uint64_t) *)(void *)(pages + front + PAWL_READER_MAX * PAWL_READER_STRIDE);
    pawl_store_relaxed(nobody, PAWL_READER_NONE); /* relaxed: not shared yet */
    return pages + front;
}

void pawl_grace_release(char *words, size_t front)
{
    pawl_lsan_look_away_(words - front, front + RESERVED);
    munmap(words - front, front + RESERVED);
}

void pawl_grace_init(struct pawl_grace *grace, struct pawl_grace_period *period,
                     void (*leave)(struct reader_room *room, uint32_t number))
{
    memset(period, 0, sizeof *period);
    grace->period = period;
    period->grace = grace;
    period->room.inside = inside;
    period->room.leave = leave != NULL ? leave : clear_word;
    period->room.forked = room_forked;
    pawl_store_relaxed(&grace->entry, UINT64_C(1)); /* relaxed, as above */
    pawl_reader_enter_room(&period->room);
}

void pawl_grace_detach(struct pawl_grace *grace)
{
    pawl_reader_leave_room(&grace->period->room);
}
