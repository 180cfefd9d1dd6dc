/* SPDX-License-Identifier: MIT */
/* Taking turns on the locked slots: what an operation does where no sequence can run.
 *
 * A thread tries the slot that it had last, then the others, and waits only when all are held. So a
 * signal handler that interrupts an operation of its own thread finds another slot and never waits
 * for the one below it, unless 16 handlers interrupt one another inside operations. */
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

void pawl_turn_end(struct turn *turn)
{
    /* release L: publishes what this turn did */
    pawl_store_release(&turn->lock->holder, UINT64_C(0));
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
    pawl_turn_end(turn);
    return false;
}

/* The slot that served last, or one by the thread's number: threads start spread over the slots. */
static uint32_t first_turn(uint32_t count)
{
    return (last_turn != 0 ? last_turn - 1 : number_of_thread()) % count;
}

/* One round over all locked slots. Returns 0, -EAGAIN (some were held), -EBUSY (none has a slice). */
static int try_all(struct pawl_percpu *pc, struct turn *turn)
{
    uint32_t count = pc->slots - pc->limit;
    uint32_t first = first_turn(count);
    int status = -EBUSY;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = (first + i) % count;

        turn->slot = pc->limit + k;
        turn->lock = &region_of(pc)->locks[k];
        if (!try_lock(turn->lock)) {
            status = -EAGAIN;
        } else if (keep_slot(pc, turn)) {
            last_turn = 1 + k;
            return 0;
        }
    }
    return status;
}

int pawl_turn_begin(struct pawl_percpu *pc, struct turn *turn)
{
    int status;

    while ((status = try_all(pc, turn)) == -EAGAIN)
        sched_yield();
    return status;
}

int pawl_turn_begin_at(struct pawl_percpu *pc, uint32_t slot, struct turn *turn)
{
    turn->slot = slot;
    turn->lock = &region_of(pc)->locks[slot - pc->limit];
    /* Never wait for one certain slot: a signal handler may have interrupted its holder. */
    if (!try_lock(turn->lock))
        return -EXDEV;
    return keep_slot(pc, turn) ? 0 : -EBUSY;
}

void pawl_turn_pass(struct pawl_percpu *pc, uint32_t slot)
{
    struct turn turn = {.lock = &region_of(pc)->locks[slot - pc->limit]};

    while (!try_lock(turn.lock))
        sched_yield();
    pawl_turn_end(&turn);
}
