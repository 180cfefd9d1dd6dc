/* SPDX-License-Identifier: MIT */
/* One owner, many thieves: every pointer is taken once, whatever its thief, and the array grows and
 * shrinks. */
#include "../../sync/sync_test.h"

#include <pawl/deque.h>

#include <errno.h>

enum { PUSHES = 1000000, BATCH = 64 };

struct contest {
    struct pawl_deque deque;
    PAWL_ATOMIC(unsigned char) * taken; /* of each number: how often */
    PAWL_ATOMIC(long) stolen;
    PAWL_ATOMIC(int) over;
    PAWL_ATOMIC(uint64_t) seed;
    long pushes;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void take(struct contest *contest, void *pointer)
{
    uintptr_t n = (uintptr_t)pointer - 1;

    if (n >= (uintptr_t)contest->pushes || pawl_fetch_add_relaxed(&contest->taken[n], 1) != 0)
        abort();
}

static void *steal(void *argument)
{
    struct contest *contest = argument;
    uint64_t seed = pawl_fetch_add_relaxed(&contest->seed, UINT64_C(1));
    void *pointers[BATCH];
    long stolen = 0;

    for (bool over = false; !over;) {
        bool one = next_random(&seed) % 2 == 0;
        ptrdiff_t n;

        over = pawl_load_acquire(&contest->over) != 0;
        n = one ? pawl_deque_steal(&contest->deque, pointers)
                : pawl_deque_steal_half(&contest->deque, pointers, 1 + next_random(&seed) % BATCH);
        if (one && n == 0)
            n = 1;
        for (ptrdiff_t i = 0; i < n; i++)
            take(contest, pointers[i]);
        stolen += n > 0 ? n : 0;
        if (n <= 0)
            sched_yield();
        over = over && n == -EAGAIN;
    }
    pawl_fetch_add_relaxed(&contest->stolen, stolen);
    return NULL;
}

/* Pushes and pops at random, tending to be full for a while, then empty. Returns how many it popped. */
static long own(struct contest *contest, uint64_t seed)
{
    long pushed = 0, popped = 0;
    void *pointer;

    while (pushed < contest->pushes) {
        unsigned tendency = pushed / 5000 % 2 == 0 ? 3 : 6;

        if (next_random(&seed) % 8 > tendency || next_random(&seed) % 8 > 3) {
            assert_int_equal(pawl_deque_push(&contest->deque, (void *)(uintptr_t)++pushed), 0);
        } else if (pawl_deque_pop(&contest->deque, &pointer) == 0) {
            take(contest, pointer);
            popped++;
        }
        if (next_random(&seed) % 4096 == 0)
            assert_int_equal(pawl_deque_trim(&contest->deque), 0);
    }
    while (next_random(&seed) % 1024 != 0 && pawl_deque_pop(&contest->deque, &pointer) == 0) {
        take(contest, pointer);
        popped++;
    }
    return popped;
}

static void run(int thieves, int flags, size_t capacity)
{
    struct contest contest = {.pushes = rounds(PUSHES)};
    const char *given = getenv("PAWL_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : monotonic_ns();
    pthread_t threads[16];
    long popped;

    print_message("           PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    pawl_store_relaxed(&contest.seed, seed + 1);
    contest.taken = calloc((size_t)contest.pushes, sizeof contest.taken[0]);
    assert_non_null(contest.taken);
    assert_int_equal(pawl_deque_init(&contest.deque, capacity, flags), 0);
    for (int i = 0; i < thieves; i++)
        threads[i] = start(steal, &contest);
    popped = own(&contest, seed);
    pawl_store_release(&contest.over, 1);
    for (int i = 0; i < thieves; i++)
        join(threads[i]);
    assert_true(pawl_deque_empty(&contest.deque));
    assert_int_equal(popped + pawl_load_relaxed(&contest.stolen), contest.pushes);
    pawl_deque_destroy(&contest.deque);
    free((void *)(uintptr_t)contest.taken);
}

static void every_pointer_is_taken_once_by_one_thief(void **state)
{
    (void)state;
    run(1, 0, 1);
}

static void every_pointer_is_taken_once_by_many(void **state)
{
    (void)state;
    run(3, 0, 1000);
    run(16, 0, 2);
}

static void the_same_without_a_fence_in_pop(void **state)
{
    (void)state;
    run(1, PAWL_DEQUE_RARELY_STOLEN, 1);
    run(4, PAWL_DEQUE_RARELY_STOLEN, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pointer_is_taken_once_by_one_thief),
        cmocka_unit_test(every_pointer_is_taken_once_by_many),
        cmocka_unit_test(the_same_without_a_fence_in_pop),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("deque stress", tests, NULL, NULL);
}
