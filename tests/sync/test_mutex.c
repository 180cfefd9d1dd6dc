/* SPDX-License-Identifier: MIT */
/* The mutex: sleeping, deadlines, no lost wake-up, lifetime, processes. */
#include "sync_test.h"

#include <pawl/mutex.h>

#include <errno.h>

enum { WAITERS = 8, STRESS = 3000, OBJECTS = 3000 };

static uint32_t word(struct pawl_mutex *mutex)
{
    return pawl_load_relaxed(&mutex->state);
}

static void an_uncontended_mutex_leaves_nothing_behind(void **state)
{
    struct pawl_mutex mutex = PAWL_MUTEX_INIT;

    (void)state;
    pawl_mutex_lock(&mutex);
    assert_int_equal(word(&mutex), PAWL_MUTEX_LOCKED);
    pawl_mutex_unlock(&mutex);
    assert_int_equal(pawl_mutex_timedlock(&mutex, 0), 0);
    pawl_mutex_unlock(&mutex);
    assert_int_equal(word(&mutex), 0);
    assert_int_equal(pawl_load_relaxed(&mutex.wake), 0);
}

struct taker {
    struct pawl_mutex *mutex;
    PAWL_ATOMIC(pid_t) tid;
    uint64_t deadline;
    int *plain;
};

static void *take(void *argument)
{
    struct taker *taker = argument;
    int status;

    pawl_store_release(&taker->tid, gettid());
    status = pawl_mutex_timedlock(taker->mutex, taker->deadline);
    if (status == 0) {
        (*taker->plain)++;
        pawl_mutex_unlock(taker->mutex);
    }
    return (void *)(intptr_t)status;
}

static void a_deadline_passes_while_the_mutex_is_held(void **state)
{
    struct pawl_mutex mutex = PAWL_MUTEX_INIT;
    int plain = 0;
    struct taker taker = {.mutex = &mutex, .plain = &plain, .deadline = pawl_deadline(20 * MILLISECOND)};

    (void)state;
    pawl_mutex_lock(&mutex);
    assert_int_equal((intptr_t)join(start(take, &taker)), -ETIMEDOUT);
    assert_true(monotonic_ns() >= taker.deadline);
    assert_int_equal(word(&mutex), PAWL_MUTEX_LOCKED); /* no waiter left, none awake */
    pawl_mutex_unlock(&mutex);
    assert_int_equal(word(&mutex), 0);
}

static void every_sleeper_gets_the_mutex(void **state)
{
    struct pawl_mutex mutex = PAWL_MUTEX_INIT;
    int plain = 0;
    struct taker takers[WAITERS];
    pthread_t threads[WAITERS];

    (void)state;
    memset(takers, 0, sizeof takers);
    pawl_mutex_lock(&mutex);
    for (int i = 0; i < WAITERS; i++) {
        takers[i].mutex = &mutex;
        takers[i].plain = &plain;
        takers[i].deadline = PAWL_FOREVER;
        threads[i] = start(take, &takers[i]);
        until_asleep(&takers[i].tid);
    }
    assert_int_equal(word(&mutex) / PAWL_MUTEX_WAITER, WAITERS);
    pawl_mutex_unlock(&mutex);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal((intptr_t)join(threads[i]), 0);
    assert_int_equal(plain, WAITERS);
    assert_int_equal(word(&mutex), 0);
}

/* While one waiter is awake, unlocks wake no other. */
static void one_waiter_is_woken_at_a_time(void **state)
{
    struct pawl_mutex mutex = PAWL_MUTEX_INIT;
    uint32_t before;

    (void)state;
    pawl_store_relaxed(&mutex.state, PAWL_MUTEX_LOCKED + PAWL_MUTEX_AWAKE + 3 * PAWL_MUTEX_WAITER);
    before = pawl_load_relaxed(&mutex.wake);
    pawl_mutex_unlock(&mutex);
    assert_int_equal(pawl_load_relaxed(&mutex.wake), before);
    assert_int_equal(word(&mutex), PAWL_MUTEX_AWAKE + 3 * PAWL_MUTEX_WAITER);
    assert_int_equal(pawl_mutex_trylock(&mutex), 0); /* newcomers get in meanwhile */
    pawl_store_relaxed(&mutex.state, PAWL_MUTEX_LOCKED + 3 * PAWL_MUTEX_WAITER);
    pawl_mutex_unlock(&mutex);
    assert_int_not_equal(pawl_load_relaxed(&mutex.wake), before);
    assert_int_equal(word(&mutex), PAWL_MUTEX_AWAKE + 3 * PAWL_MUTEX_WAITER);
}

/* ---- stress: deadlines race with wake-ups; a lost one hangs the threads that have none ---- */

struct storm {
    struct pawl_mutex mutex;
    int rounds;
    long plain;
    PAWL_ATOMIC(long) successes;
};

/* With the mutex held. */
static void rest(int i)
{
    if (i % 16 == 0)
        sched_yield();
    if (i % 128 == 0)
        sleep_ms(1);
}

static void *storm_patiently(void *argument)
{
    struct storm *storm = argument;

    for (int i = 0; i < storm->rounds; i++) {
        pawl_mutex_lock(&storm->mutex);
        storm->plain++;
        rest(i);
        pawl_mutex_unlock(&storm->mutex);
    }
    pawl_fetch_add_relaxed(&storm->successes, (long)storm->rounds);
    return NULL;
}

static void *storm_impatiently(void *argument)
{
    struct storm *storm = argument;
    long successes = 0;

    for (int i = 0; i < storm->rounds; i++) {
        if (pawl_mutex_timedlock(&storm->mutex, pawl_deadline((uint64_t)(i % 50) * 1000)) != 0)
            continue;
        storm->plain++;
        rest(i + 7);
        pawl_mutex_unlock(&storm->mutex);
        successes++;
    }
    pawl_fetch_add_relaxed(&storm->successes, successes);
    return NULL;
}

static void no_wake_up_is_lost_to_deadlines(void **state)
{
    struct storm storm = {.rounds = rounds(STRESS)};
    pthread_t threads[WAITERS];

    (void)state;
    for (int i = 0; i < WAITERS; i++)
        threads[i] = start(i % 2 != 0 ? storm_patiently : storm_impatiently, &storm);
    for (int i = 0; i < WAITERS; i++)
        join(threads[i]);
    assert_int_equal(storm.plain, pawl_load_relaxed(&storm.successes));
    assert_int_equal(word(&storm.mutex), 0);
}

/* The 32 bits of `wake` wrap without touching the bit below. */
static void the_count_of_wake_ups_wraps(void **state)
{
    struct storm storm = {.rounds = 300};
    pthread_t threads[4];

    (void)state;
    pawl_mutex_init(&storm.mutex, PAWL_SHARED);
    pawl_store_relaxed(&storm.mutex.wake, UINT32_MAX - 4);
    for (int i = 0; i < 4; i++)
        threads[i] = start(storm_patiently, &storm);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    assert_int_equal(storm.plain, 4 * 300);
    assert_int_equal(pawl_load_relaxed(&storm.mutex.wake) & PAWL_SHARED, PAWL_SHARED);
}

/* ---- lifetime: the last holder frees it ---- */

struct object {
    struct pawl_mutex mutex;
    int owners;
};

static void *drop(void *argument)
{
    struct object *object = argument;
    int left;

    pawl_mutex_lock(&object->mutex);
    left = --object->owners;
    pawl_mutex_unlock(&object->mutex);
    if (left == 0) {
        memset(object, 0xa5, sizeof *object); /* an unlock that still looks would not like it */
        free(object);
    }
    return NULL;
}

static void *drop_many(void *argument)
{
    struct object **objects = argument;

    for (int i = 0; objects[i] != NULL; i++)
        drop(objects[i]);
    return NULL;
}

static void the_last_holder_may_free_the_mutex(void **state)
{
    int count = rounds(OBJECTS);
    struct object **objects = calloc((size_t)count + 1, sizeof *objects);
    pthread_t threads[3];

    (void)state;
    assert_non_null(objects);
    for (int i = 0; i < count; i++) {
        objects[i] = calloc(1, sizeof **objects);
        assert_non_null(objects[i]);
        objects[i]->owners = 3;
    }
    for (int i = 0; i < 3; i++)
        threads[i] = start(drop_many, objects);
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    free(objects);
}

/* ---- processes ---- */

struct shared {
    struct pawl_mutex mutex;
    long plain;
};

static void add_many(void *argument)
{
    struct shared *shared = argument;

    for (int i = 0; i < 5000; i++) {
        pawl_mutex_lock(&shared->mutex);
        shared->plain++;
        if (i % 500 == 0)
            sched_yield();
        pawl_mutex_unlock(&shared->mutex);
    }
}

static void processes_exclude_one_another(void **state)
{
    struct shared *shared = map_shared(sizeof *shared);
    pid_t children[3];

    (void)state;
    pawl_mutex_init(&shared->mutex, PAWL_SHARED);
    for (int i = 0; i < 3; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            expect_end_within(60);
            add_many(shared);
            _exit(0);
        }
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(status_of(children[i]), 0);
    assert_int_equal(shared->plain, 15000);
    munmap(shared, sizeof *shared);
}

/* Without a deadline: who gives up takes a lock that is free. */
static void *lock_it(void *mutex)
{
    pawl_mutex_lock(mutex);
    return mutex;
}

static void await_waiters(struct pawl_mutex *mutex, uint32_t count)
{
    while (pawl_load_relaxed(&mutex->state) / PAWL_MUTEX_WAITER < count)
        sched_yield();
}

/* Without naps it sleeps on: the wake-up went to the one that was killed, and is thought to be on its way. */
static void a_waiter_gets_the_lock_after_another_one_was_killed(void **state)
{
    struct pawl_mutex *mutex = map_shared(sizeof *mutex);
    pthread_t thread;
    void *locked;
    pid_t child;

    (void)state;
    pawl_mutex_init(mutex, PAWL_SHARED);
    pawl_mutex_lock(mutex);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        lock_it(mutex);
        _exit(0);
    }
    await_waiters(mutex, 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    pawl_mutex_unlock(mutex);
    pawl_mutex_lock(mutex);
    assert_int_equal(pthread_create(&thread, NULL, lock_it, mutex), 0);
    await_waiters(mutex, 2);
    pawl_mutex_unlock(mutex);
    pthread_join(thread, &locked);
    assert_ptr_equal(locked, mutex);
    munmap(mutex, sizeof *mutex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_uncontended_mutex_leaves_nothing_behind),
        cmocka_unit_test(a_deadline_passes_while_the_mutex_is_held),
        cmocka_unit_test(every_sleeper_gets_the_mutex),
        cmocka_unit_test(one_waiter_is_woken_at_a_time),
        cmocka_unit_test(no_wake_up_is_lost_to_deadlines),
        cmocka_unit_test(the_count_of_wake_ups_wraps),
        cmocka_unit_test(the_last_holder_may_free_the_mutex),
        cmocka_unit_test(processes_exclude_one_another),
        cmocka_unit_test(a_waiter_gets_the_lock_after_another_one_was_killed),
    };

    expect_end_within(150);
    return cmocka_run_group_tests_name("mutex", tests, NULL, NULL);
}
