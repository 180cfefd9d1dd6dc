/* SPDX-License-Identifier: MIT */
/* Torture of all reclamation rooms through the common contract, modelled on the kernel's rcutorture.
 *
 * Cells hold objects; writers replace and retire them; reclaim() poisons the object before it frees it.
 * Readers look at objects for a
 * random time: not at all, spinning, yielding, asleep, nested, from a signal handler; they exit and are born
 * again; are stopped wherever they are; some fork. An object that a reader holds must never be poisoned, and every object that was retired
 * must be reclaimed in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reclaim_test.h"
#include "stopper.h"

#include <pawl/reclaim.h>

#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

enum { CELLS = 16, READERS = 4, WRITERS = 2, LIVE = 0x4c495645, POISON = 0x504f4953 };

struct object {
    struct pawl_retired retired; /* first, as the domain of hazard pointers is told */
    PAWL_ATOMIC(uint32_t) magic;
    PAWL_ATOMIC(uint32_t) check; /* ~number: torn or reused objects do not match */
    uint32_t number;
};

static struct pawl_reclaim by;
static PAWL_ATOMIC(struct object *) cells[CELLS];
static PAWL_ATOMIC(int) stop;
static PAWL_ATOMIC(int) poisoned; /* poison that a reader saw */
static PAWL_ATOMIC(long) made, reclaimed, reads;
static PAWL_ATOMIC(int) tids[READERS]; /* 0: between two generations */
static long stops;
static struct stopper stopper;
static uint64_t seed;

static void poison_and_free(struct pawl_retired *retired)
{
    struct object *object = pawl_retired_of(retired, struct object, retired);

    if (pawl_load_relaxed(&object->magic) != LIVE)
        pawl_fetch_add_relaxed(&poisoned, 1); /* reclaimed twice */
    pawl_store_relaxed(&object->magic, (uint32_t)POISON);
    pawl_store_relaxed(&object->check, object->number);
    pawl_fetch_add_relaxed(&reclaimed, 1L);
    free(object);
}

static struct object *make_object(uint32_t number)
{
    struct object *object = malloc(sizeof *object);

    if (object == NULL)
        abort();
    pawl_store_relaxed(&object->magic, (uint32_t)LIVE);
    pawl_store_relaxed(&object->check, ~number);
    object->number = number;
    pawl_fetch_add_relaxed(&made, 1L);
    return object;
}

static void examine(struct object *object)
{
    if (pawl_load_relaxed(&object->magic) != LIVE || pawl_load_relaxed(&object->check) != ~object->number)
        pawl_fetch_add_relaxed(&poisoned, 1);
}

static void linger(uint64_t *random)
{
    uint32_t dice = test_random(random) % 1000;

    if (dice < 2)
        sleep_ns(200000);
    else if (dice < 20)
        sched_yield();
    else if (dice < 300)
        for (uint32_t i = 0; i < dice; i++)
            pawl_relax();
}

static void read_nested(uint64_t *random, unsigned int depth)
{
    struct pawl_guard guard;
    struct object *object, *second;

    pawl_reclaim_enter(&by, &guard);
    object = pawl_reclaim_protect(&guard, 0, &cells[test_random(random) % CELLS]);
    examine(object);
    if (depth > 0 && test_random(random) % 4 == 0)
        read_nested(random, depth - 1);
    second = pawl_reclaim_protect(&guard, 1, &cells[test_random(random) % CELLS]);
    linger(random);
    examine(second);
    examine(object);
    pawl_reclaim_leave(&guard);
}

/* In a handler, wherever the thread is, also in the middle of enter, leave and retire. */
static void read_in_handler(int signal)
{
    uint64_t random = now_ns();

    (void)signal;
    read_nested(&random, 0);
}

/* The child reads, writes and reclaims what it inherited, then is gone. */
static void fork_and_go_on(uint64_t *random)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        alarm(20);
        for (int i = 0; i < 300; i++) {
            struct object *old = pawl_exchange_acq_rel(&cells[test_random(random) % CELLS],
                                                       make_object((uint32_t)i));

            read_nested(random, 2);
            pawl_reclaim_retire(&by, &old->retired, poison_and_free);
        }
        pawl_reclaim_flush(&by);
        _exit(pawl_load_relaxed(&poisoned) == 0 ? 0 : 1);
    }
    if (child > 0 && (waitpid(child, &status, 0) != child || status != 0)) {
        printf("# a child ended with status %#x\n", (unsigned int)status);
        pawl_fetch_add_relaxed(&poisoned, 1000000);
    }
}

static void *read_a_while(void *argument)
{
    uint64_t random = seed + (uintptr_t)argument;
    long count = 20 + test_random(&random) % 2000;

    pawl_store_relaxed(&tids[(uintptr_t)argument % READERS], (int)syscall(SYS_gettid));
    for (long i = 0; i < count && pawl_load_relaxed(&stop) == 0; i++)
        read_nested(&random, 3);
    pawl_fetch_add_relaxed(&reads, count);
    pawl_store_relaxed(&tids[(uintptr_t)argument % READERS], 0);
    return NULL;
}

/* Generations of readers, each a new thread. */
static void *breed_readers(void *argument)
{
    uintptr_t generation = (uintptr_t)argument;

    while (pawl_load_relaxed(&stop) == 0) {
        pthread_t reader;

        generation += READERS;
        if (pthread_create(&reader, NULL, read_a_while, (void *)generation) != 0)
            abort();
        if (generation % 3 == 0)
            pthread_kill(reader, SIGUSR1);
        pthread_join(reader, NULL);
    }
    return NULL;
}

static void *write_always(void *argument)
{
    uint64_t random = seed ^ (uintptr_t)argument;
    uint32_t i = 0;

    do { /* once in any case: a busy machine may let it begin when all is over */
        /* acq_rel: publishes the new object, takes over the old one */
        struct object *old = pawl_exchange_acq_rel(&cells[test_random(&random) % CELLS], make_object(i));

        pawl_reclaim_retire(&by, &old->retired, poison_and_free);
        if (i++ % 64 == 0)
            linger(&random);
    } while (pawl_load_relaxed(&stop) == 0);
    return NULL;
}

/* A reader stands still for a millisecond, also in the middle of enter, leave, and exit. */
static void stop_one(uint64_t *random)
{
    int tid = pawl_load_relaxed(&tids[test_random(random) % READERS]);

    if (tid == 0 || stopper_stop(&stopper, tid) != 0)
        return;
    stops++;
    sleep_ns(1000000);
    stopper_go(&stopper, tid);
}

static void torture(bool forks)
{
    pthread_t readers[READERS], writers[WRITERS];
    struct sigaction action = {.sa_handler = read_in_handler, .sa_flags = SA_RESTART};
    uint64_t random = seed, end = now_ns() + stress_ms(250) * 1000000u;

    sigaction(SIGUSR1, &action, NULL);
    pawl_store_relaxed(&stop, 0);
    pawl_store_relaxed(&poisoned, 0);
    pawl_store_relaxed(&made, 0L);
    pawl_store_relaxed(&reclaimed, 0L);
    for (int i = 0; i < CELLS; i++)
        pawl_store_relaxed(&cells[i], make_object((uint32_t)i));
    for (uintptr_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, breed_readers, (void *)i), 0);
    for (uintptr_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_always, (void *)(i << 32)), 0);
    while (now_ns() < end) {
        for (int i = 0; i < 5; i++) {
            sleep_ns(3000000);
            stop_one(&random);
        }
        pthread_kill(writers[0], SIGUSR1);
        if (forks)
            fork_and_go_on(&random);
    }
    pawl_store_relaxed(&stop, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    for (int i = 0; i < CELLS; i++)
        pawl_reclaim_retire(&by, &pawl_load_relaxed(&cells[i])->retired, poison_and_free);
    pawl_reclaim_flush(&by);
    assert_int_equal(pawl_load_relaxed(&poisoned), 0);
}

static void everything_was_reclaimed_once(void)
{
    assert_true(pawl_load_relaxed(&made) > CELLS);
    assert_int_equal(pawl_load_relaxed(&made), pawl_load_relaxed(&reclaimed));
    printf("# %ld objects, readers stopped %ld times\n", pawl_load_relaxed(&made), stops);
}

static void no_reader_of_rcu_sees_poison_and_all_is_reclaimed(void **state)
{
    (void)state;
    by = pawl_reclaim_by_rcu(&pawl_rcu_default);
    torture(false);
    everything_was_reclaimed_once();
}

static void no_reader_of_a_domain_of_rcu_sees_poison_and_all_is_reclaimed(void **state)
{
    (void)state;
    by = pawl_reclaim_by_rcu(pawl_rcu_open());
    torture(false);
    pawl_rcu_close(by.domain.rcu);
    everything_was_reclaimed_once();
}

static void no_reader_of_an_epoch_sees_poison_and_all_is_reclaimed(void **state)
{
    (void)state;
    by = pawl_reclaim_by_epoch(pawl_epoch_open());
    torture(false);
    pawl_epoch_close(by.domain.epoch);
    everything_was_reclaimed_once();
}

static void no_reader_of_hazard_pointers_sees_poison_and_all_is_reclaimed(void **state)
{
    (void)state;
    by = pawl_reclaim_by_hazard(pawl_hazard_open(offsetof(struct object, retired)));
    torture(false);
    pawl_hazard_close(by.domain.hazard);
    everything_was_reclaimed_once();
}

/* ThreadSanitizer allows no threads after a fork of a process that has several, and AddressSanitizer's
 * allocator can be locked in such a child for ever. */
static void children_forked_at_any_moment_go_on_reclaiming(void **state)
{
    (void)state;
    if (under_sanitizer())
        skip();
    by = pawl_reclaim_by_rcu(&pawl_rcu_default);
    torture(true);
    by = pawl_reclaim_by_epoch(pawl_epoch_open());
    torture(true);
    pawl_epoch_close(by.domain.epoch);
    everything_was_reclaimed_once();
    by = pawl_reclaim_by_hazard(pawl_hazard_open(offsetof(struct object, retired)));
    torture(true);
    pawl_hazard_close(by.domain.hazard);
    everything_was_reclaimed_once();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_reader_of_rcu_sees_poison_and_all_is_reclaimed),
        cmocka_unit_test(no_reader_of_a_domain_of_rcu_sees_poison_and_all_is_reclaimed),
        cmocka_unit_test(no_reader_of_an_epoch_sees_poison_and_all_is_reclaimed),
        cmocka_unit_test(no_reader_of_hazard_pointers_sees_poison_and_all_is_reclaimed),
        cmocka_unit_test(children_forked_at_any_moment_go_on_reclaiming),
    };

    int failures;

    seed = test_seed();
    stopper_start(&stopper);
    failures = cmocka_run_group_tests_name("torture", tests, NULL, NULL);
    stopper_end(&stopper);
    return failures;
}
