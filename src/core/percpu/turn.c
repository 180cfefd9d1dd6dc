/* SPDX-License-Identifier: MIT */
/* Taking turns on the locked slots: what an operation does where no sequence can run.
 *
 * A thread tries the slot that it had last, then the others of its level, and waits only when all are held.
 * A level is how many operations of the thread itself this one interrupts:
 *
 *      level 0      operations that interrupt none             slots 0 .. n-1
 *      level 1      of a signal handler inside one of those    the next 8
 *      level 2..15  of handlers inside handlers                one each
 *
 * Who waits on a level holds slots of lower levels only, so the waits cannot form a circle, however many
 * threads are interrupted inside operations at the same moment. Still deeper, nobody waits: -EBUSY. */
#include "region.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

/* Never 0. Changed by the atfork handler of a child, which is alone then. */
static PAWL_ATOMIC(uint32_t) fork_generation = 1;

/* This thread's number, 0 until its first turn, and the slot that it had last. initial-exec: a signal
 * handler that touches them first must not allocate. */
static __thread uint32_t my_number __attribute__((tls_model("initial-exec")));
static __thread uint32_t last_turn __attribute__((tls_model("initial-exec")));
static PAWL_ATOMIC(uint32_t) last_number;

/* Operations that this thread is inside of: raised before the first attempt to lock, lowered behind the
 * unlock, so that a handler that comes in between counts them all. Only this thread and its handlers look. */
static __thread volatile uint32_t level __attribute__((tls_model("initial-exec")));

static void forget_parents_threads(void)
{
    /* relaxed: the child has one thread */
    uint32_t next = pawl_load_relaxed(&fork_generation) + 1;

    pawl_store_relaxed(&fork_generation, next != 0 ? next : 1);
}

__attribute__((constructor(101))) static void watch_fork(void)
{
    pthread_atfork(NULL, NULL, forget_parents_threads);
}

static uint32_t number_of_thread(void)
{
    /* relaxed: any number does that no other thread has. A handler that comes between leaves a number
     * unused. */
    if (my_number == 0)
        my_number = pawl_fetch_add_relaxed(&last_number, 1u) + 1;
    return my_number;
}

static bool try_lock(struct slot_lock *lock)
{
    uint32_t me = number_of_thread();
    /* relaxed: only the atfork handler of a single thread changes it */
    uint64_t generation = (uint64_t)pawl_load_relaxed(&fork_generation) << 32;
    /* relaxed: a guess that the exchange below validates */
    uint64_t seen = pawl_load_relaxed(&lock->holder);

    /* Held by a thread of this process; or by this thread, which forked in a handler that interrupted its
     * own turn, and will end it when the handler returns. */
    if (seen >> 32 == generation >> 32 || (uint32_t)seen == me)
        return false;
    /* acquire: pairs with the release L in pawl_turn_end, sees what the last holder did */
    return pawl_cas_acquire(&lock->holder, &seen, generation | me);
}

static uint32_t enter_level(void)
{
    uint32_t mine = level;

    level = mine + 1;
    pawl_fence_compiler(); /* the mark before the locks, for this thread's handlers */
    return mine;
}

static void leave_level(void)
{
    pawl_fence_compiler(); /* the locks before the mark, likewise */
    level = level - 1;
}

static void unlock(struct slot_lock *lock)
{
    /* release L: publishes what this turn did; pairs with the acquire in try_lock */
    pawl_store_release(&lock->holder, UINT64_C(0));
}

void pawl_turn_end(struct turn *turn)
{
    unlock(turn->lock);
    leave_level();
}

/* Finds the slice of a slot whose lock is held; gives the lock back when it has none. */
static bool keep_slot(struct pawl_percpu *pc, struct turn *turn)
{
    uintptr_t word;

    pawl_region_use(pc, turn->slot);
    /* acquire: pairs with the release in pawl_percpu_attach, publishes what the slice holds */
    word = pawl_load_acquire(&pc->slice[turn->slot]);
    if ((word & 1) == 0) {
        turn->slice = (char *)word;
        return true;
    }
    unlock(turn->lock);
    return false;
}

/* The locked slots of a level, counted from pc->limit. */
struct group {
    uint32_t first;
    uint32_t count;
};

static struct group group_of(const struct pawl_percpu *pc, uint32_t my_level)
{
    uint32_t ordinary = pc->slots - pc->limit - LOCKED_SLOTS_NESTED;
    uint32_t deep = my_level < LOCKED_LEVELS ? my_level : LOCKED_LEVELS - 1;

    if (deep == 0)
        return (struct group){0, ordinary};
    if (deep == 1)
        return (struct group){ordinary, LOCKED_SLOTS_LEVEL_1};
    return (struct group){ordinary + LOCKED_SLOTS_LEVEL_1 + (deep - 2), 1};
}

/* Where to begin: with the slot that served last, or one by the thread's number, which spreads threads. */
static uint32_t first_turn(const struct group *group)
{
    return (last_turn != 0 ? last_turn - 1 : number_of_thread()) % group->count;
}

/* One round over the slots of a level. Returns 0, -EAGAIN (some were held), -EBUSY (none has a slice). */
static int try_all(struct pawl_percpu *pc, struct turn *turn, uint32_t my_level)
{
    struct group group = group_of(pc, my_level);
    uint32_t first = first_turn(&group);
    int status = -EBUSY;

    for (uint32_t i = 0; i < group.count; i++) {
        uint32_t k = group.first + (first + i) % group.count;

        turn->slot = pc->limit + k;
        turn->lock = &region_of(pc)->locks[k];
        if (!try_lock(turn->lock)) {
            status = -EAGAIN;
        } else if (keep_slot(pc, turn)) {
            if (my_level == 0)
                last_turn = 1 + k;
            return 0;
        }
    }
    return status;
}

int pawl_turn_begin(struct pawl_percpu *pc, struct turn *turn)
{
    uint32_t my_level = enter_level();
    int status = try_all(pc, turn, my_level);

    while (status == -EAGAIN && my_level < LOCKED_LEVELS) {
        sched_yield();
        status = try_all(pc, turn, my_level);
    }
    if (status != 0)
        leave_level();
    return status == -EAGAIN ? -EBUSY : status;
}

int pawl_turn_begin_at(struct pawl_percpu *pc, uint32_t slot, struct turn *turn)
{
    turn->slot = slot;
    turn->lock = &region_of(pc)->locks[slot - pc->limit];
    enter_level();
    /* Never wait for one certain slot: a signal handler may have interrupted its holder. */
    if (!try_lock(turn->lock)) {
        leave_level();
        return -EXDEV;
    }
    if (!keep_slot(pc, turn)) {
        leave_level();
        return -EBUSY;
    }
    return 0;
}

void pawl_turn_pass(struct pawl_percpu *pc, uint32_t slot)
{
    struct turn turn = {.lock = &region_of(pc)->locks[slot - pc->limit]};

    enter_level();
    while (!try_lock(turn.lock))
        sched_yield();
    pawl_turn_end(&turn);
}
