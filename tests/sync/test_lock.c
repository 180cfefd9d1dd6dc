/* SPDX-License-Identifier: MIT */
/* What every lock promises: exclusion, publication, trylock, errors, a stopped holder, fork. */
#include "sync_test.h"

#include <pawl/lock.h>

#include <errno.h>

enum { THREADS = 6, SECTIONS = 20000 };

/* All of them behind one face. */
struct lock {
    struct pawl_spin spin;
    struct pawl_ticket ticket;
    struct pawl_mcs mcs;
    struct pawl_mutex mutex;
    struct pawl_rwlock rwlock;
};

static __thread struct pawl_mcs_node node;

#define FACE(name, type, extra)                  \
    static void lock_##name(struct lock *lock)   \
    {                                            \
        pawl_##name##_lock extra;                \
    }                                            \
    static int try_##name(struct lock *lock)     \
    {                                            \
        return pawl_##name##_trylock extra;      \
    }                                            \
    static void unlock_##name(struct lock *lock) \
    {                                            \
        pawl_##name##_unlock extra;              \
    }

FACE(spin, struct pawl_spin, (&lock->spin))
FACE(ticket, struct pawl_ticket, (&lock->ticket))
FACE(mcs, struct pawl_mcs, (&lock->mcs, &node))
FACE(mutex, struct pawl_mutex, (&lock->mutex))

static void lock_rwlock(struct lock *lock)
{
    pawl_rwlock_wrlock(&lock->rwlock);
}

static int try_rwlock(struct lock *lock)
{
    return pawl_rwlock_trywrlock(&lock->rwlock);
}

static void unlock_rwlock(struct lock *lock)
{
    pawl_rwlock_wrunlock(&lock->rwlock);
}

struct kind {
    const char *name;
    void (*lock)(struct lock *);
    int (*try)(struct lock *);
    void (*unlock)(struct lock *);
    const char *complaint;
    int fifo; /* collapses when threads outnumber CPUs: fewer sections */
};

static struct kind kinds[] = {
    {"spin", lock_spin, try_spin, unlock_spin, "pawl: pawl_spin_unlock: the lock is not locked", 0},
    {"ticket", lock_ticket, try_ticket, unlock_ticket, "pawl: pawl_ticket_unlock: the lock is not locked", 1},
    {"mcs", lock_mcs, try_mcs, unlock_mcs, "pawl: pawl_mcs_unlock: the lock is not locked", 1},
    {"mutex", lock_mutex, try_mutex, unlock_mutex, "pawl: pawl_mutex_unlock: the mutex is not locked", 0},
    {"rwlock", lock_rwlock, try_rwlock, unlock_rwlock, "pawl: pawl_rwlock_wrunlock: no writer holds the lock",
     0},
};

/* ---- one thread ---- */

static void zeroed_memory_is_unlocked(void **state)
{
    const struct kind *kind = *state;
    struct lock lock;

    memset(&lock, 0, sizeof lock);
    kind->lock(&lock);
    kind->unlock(&lock);
    assert_int_equal(kind->try(&lock), 0);
    kind->unlock(&lock);
}

struct probe {
    const struct kind *kind;
    struct lock *lock;
};

static void *try_elsewhere(void *argument)
{
    struct probe *probe = argument;
    int status = probe->kind->try(probe->lock);

    if (status == 0)
        probe->kind->unlock(probe->lock);
    return (void *)(intptr_t)status;
}

static void trylock_tells_locked_from_free(void **state)
{
    const struct kind *kind = *state;
    struct lock lock;
    struct probe probe = {kind, &lock};

    memset(&lock, 0, sizeof lock);
    assert_int_equal((intptr_t)join(start(try_elsewhere, &probe)), 0);
    kind->lock(&lock);
    assert_int_equal((intptr_t)join(start(try_elsewhere, &probe)), -EBUSY);
    assert_int_equal((intptr_t)join(start(try_elsewhere, &probe)), -EBUSY);
    kind->unlock(&lock);
    assert_int_equal((intptr_t)join(start(try_elsewhere, &probe)), 0);
}

static void unlock_what_is_not_locked(void *argument)
{
    struct kind *kind = argument;
    struct lock lock;

    memset(&lock, 0, sizeof lock);
    kind->lock(&lock);
    kind->unlock(&lock);
    kind->unlock(&lock);
}

static void unlocking_what_is_not_locked_aborts_with_one_line(void **state)
{
    struct kind *kind = *state;

    expect_abort(unlock_what_is_not_locked, kind, kind->complaint);
}

/* ---- many threads ---- */

struct race {
    const struct kind *kind;
    struct lock lock;
    int sections;
    uint64_t end; /* on a busy machine each section may wait for a thread's turn: fewer then */
    /* Plain: the lock is all that orders them, and ThreadSanitizer watches. */
    long count;
    long mirror;
    long broken;
};

static void section(struct race *race)
{
    if (race->count != race->mirror)
        race->broken++;
    race->count++;
    __asm__ volatile("" ::: "memory");
    race->mirror++;
}

static void *compete(void *argument)
{
    struct race *race = argument;
    intptr_t i;

    for (i = 0; i < race->sections && (i % 16 != 0 || monotonic_ns() < race->end); i++) {
        if (i % 8 != 0)
            race->kind->lock(&race->lock);
        else
            while (race->kind->try(&race->lock) != 0)
                sched_yield();
        section(race);
        if (i % 1024 == 0)
            sched_yield(); /* with the lock held: the others pile up */
        race->kind->unlock(&race->lock);
    }
    return (void *)i;
}

static void sections_exclude_one_another(void **state)
{
    struct race race;
    pthread_t threads[THREADS];
    int count;
    intptr_t sections = 0;

    memset(&race, 0, sizeof race);
    race.kind = *state;
    race.sections = rounds(race.kind->fifo ? SECTIONS / 20 : SECTIONS);
    race.end = monotonic_ns() + 10000 * MILLISECOND;
    count = race.kind->fifo ? 3 : THREADS;
    for (int i = 0; i < count; i++)
        threads[i] = start(compete, &race);
    for (int i = 0; i < count; i++)
        sections += (intptr_t)join(threads[i]);
    assert_int_equal(race.count, sections);
    assert_int_equal(race.mirror, race.count);
    assert_int_equal(race.broken, 0);
}

/* ---- a holder that is stopped: nobody gets in, and all go on when it does ---- */

struct stopped {
    const struct kind *kind;
    struct lock lock;
    PAWL_ATOMIC(int) held;
    PAWL_ATOMIC(int) entered;
    PAWL_ATOMIC(int) release;
};

static void hold_until_told(void *argument)
{
    struct stopped *stopped = argument;

    stopped->kind->lock(&stopped->lock);
    pawl_store_release(&stopped->held, 1);
    while (pawl_load_acquire(&stopped->release) == 0)
        sched_yield();
    stopped->kind->unlock(&stopped->lock);
}

static void enter_once(void *argument)
{
    struct stopped *stopped = argument;

    stopped->kind->lock(&stopped->lock);
    pawl_store_release(&stopped->entered, 1);
    stopped->kind->unlock(&stopped->lock);
}

static pid_t child_that(void (*run)(void *), void *argument)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(60);
        run(argument);
        _exit(0);
    }
    return child;
}

/* Processes, because a thread cannot be stopped alone; spin, ticket and a shared mutex work there. */
static void a_stopped_holder_keeps_the_others_out_until_it_continues(void **state)
{
    struct stopped *stopped = map_shared(sizeof *stopped);
    pid_t holder, waiter;
    int status;

    stopped->kind = *state;
    if (stopped->kind->lock == lock_mcs || stopped->kind->lock == lock_rwlock)
        skip(); /* not for several processes */
    pawl_mutex_init(&stopped->lock.mutex, PAWL_SHARED);
    holder = child_that(hold_until_told, stopped);
    while (pawl_load_acquire(&stopped->held) == 0)
        sched_yield();
    assert_int_equal(kill(holder, SIGSTOP), 0);
    assert_int_equal(waitpid(holder, &status, WUNTRACED),
                     holder); /* on another CPU it runs on for a moment */
    assert_true(WIFSTOPPED(status));
    pawl_store_release(&stopped->release, 1);
    waiter = child_that(enter_once, stopped);
    sleep_ms(50);
    assert_int_equal(pawl_load_acquire(&stopped->entered), 0);
    assert_int_equal(stopped->kind->try(&stopped->lock), -EBUSY);
    assert_int_equal(kill(holder, SIGCONT), 0);
    assert_int_equal(status_of(holder), 0);
    assert_int_equal(status_of(waiter), 0);
    assert_int_equal(pawl_load_acquire(&stopped->entered), 1);
    munmap(stopped, sizeof *stopped);
}

/* ---- fork ---- */

static void unlock_and_lock_again(void *argument)
{
    struct probe *probe = argument;

    probe->kind->unlock(probe->lock);
    probe->kind->lock(probe->lock);
    if (probe->kind->try(probe->lock) != -EBUSY)
        _exit(1);
    probe->kind->unlock(probe->lock);
}

static void a_child_unlocks_what_its_parents_thread_held(void **state)
{
    struct lock lock;
    struct probe probe = {*state, &lock};

    memset(&lock, 0, sizeof lock);
    probe.kind->lock(&lock);
    assert_int_equal(status_of_child(unlock_and_lock_again, &probe), 0);
    assert_int_equal((intptr_t)join(start(try_elsewhere, &probe)), -EBUSY); /* the parent's is still locked */
    probe.kind->unlock(&lock);
}

/* Tickets do not stop at 2^64. */
static void tickets_wrap(void **state)
{
    struct pawl_ticket ticket;

    (void)state;
    pawl_store_relaxed(&ticket.next, UINT64_MAX - 1);
    pawl_store_relaxed(&ticket.serving, UINT64_MAX - 1);
    for (int i = 0; i < 4; i++) {
        pawl_ticket_lock(&ticket);
        assert_int_equal(pawl_ticket_trylock(&ticket), -EBUSY);
        pawl_ticket_unlock(&ticket);
        assert_int_equal(pawl_ticket_trylock(&ticket), 0);
        pawl_ticket_unlock(&ticket);
    }
    assert_true(pawl_load_relaxed(&ticket.next) == 6);
}

#define EACH(test)                                                                                      \
    {#test " (spin)", test, NULL, NULL, &kinds[0]}, {#test " (ticket)", test, NULL, NULL, &kinds[1]},   \
        {#test " (mcs)", test, NULL, NULL, &kinds[2]}, {#test " (mutex)", test, NULL, NULL, &kinds[3]}, \
    {                                                                                                   \
#test " (rwlock)", test, NULL, NULL, &kinds[4]                                                  \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(zeroed_memory_is_unlocked),
        EACH(trylock_tells_locked_from_free),
        EACH(unlocking_what_is_not_locked_aborts_with_one_line),
        EACH(sections_exclude_one_another),
        EACH(a_stopped_holder_keeps_the_others_out_until_it_continues),
        EACH(a_child_unlocks_what_its_parents_thread_held),
        cmocka_unit_test(tickets_wrap),
    };

    expect_end_within(150);
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
