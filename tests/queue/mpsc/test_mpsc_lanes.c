/* SPDX-License-Identifier: MIT */
/* The queue of lanes: what it promises. */
#include "../../sync/sync_test.h"

#include <pawl/mpsc_lanes.h>

#include <errno.h>

static void impossible_queues_are_refused(void **state)
{
    (void)state;
    errno = 0;
    assert_null(pawl_mpsc_lanes_open(0, 8));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(pawl_mpsc_lanes_open(SIZE_MAX, 8));
    assert_int_equal(errno, EOVERFLOW);
    pawl_mpsc_lanes_free(NULL);
}

static void elements_of_one_thread_come_in_order(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(100, 8);
    uint64_t in = 0, out = 0, word = 0;

    (void)state;
    assert_non_null(q);
    assert_int_equal(pawl_mpsc_lanes_pop(q, &word), -EAGAIN);
    assert_int_equal(pawl_mpsc_lanes_count(q), 0);
    for (int round = 0; round < 10; round++) {
        while (pawl_mpsc_lanes_push(q, &in) == 0)
            in++;
        assert_true(in - out >= 100);
        assert_int_equal(pawl_mpsc_lanes_size(q), in - out);
        while (pawl_mpsc_lanes_pop(q, &word) == 0)
            assert_int_equal(word, out++);
        assert_int_equal(out, in);
    }
    assert_int_equal(pawl_mpsc_lanes_count(q), 1);
    pawl_mpsc_lanes_free(q);
}

/* Of other sizes than a word: other blocks, and many of them. */
static void long_elements_come_as_they_went(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(100, 9 * sizeof(uint64_t));
    uint64_t in = 0, out = 0, element[9];

    (void)state;
    assert_non_null(q);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 100; i++, in++) {
            for (uint64_t word = 0; word < 9; word++)
                element[word] = in + word;
            assert_int_equal(pawl_mpsc_lanes_push(q, element), 0);
        }
        while (pawl_mpsc_lanes_pop(q, element) == 0) {
            for (uint64_t word = 0; word < 9; word++)
                assert_int_equal(element[word], out + word);
            out++;
        }
        assert_int_equal(out, in);
    }
    pawl_mpsc_lanes_free(q);
}

static void batches(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(1000, 8);
    uint64_t words[600], in = 0, out = 0;

    (void)state;
    for (int round = 0; round < 20; round++) {
        ptrdiff_t n;

        for (uint64_t i = 0; i < 600; i++)
            words[i] = in + i;
        n = pawl_mpsc_lanes_push_n(q, words, 600);
        assert_int_equal(n, 600);
        in += 600;
        n = pawl_mpsc_lanes_pop_n(q, words, 500); /* longer than the stay in one lane */
        assert_int_equal(n, 500);
        for (ptrdiff_t i = 0; i < n; i++)
            assert_int_equal(words[i], out++);
        while ((n = pawl_mpsc_lanes_pop_n(q, words, 77)) > 0)
            for (ptrdiff_t i = 0; i < n; i++)
                assert_int_equal(words[i], out++);
        assert_int_equal(out, in);
    }
    pawl_mpsc_lanes_free(q);
}

static void *push_three(void *q)
{
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(pawl_mpsc_lanes_push(q, &i), 0);
    return NULL;
}

static void a_lane_is_left_to_a_later_thread(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(1000, 8);
    uint64_t word = 0;

    (void)state;
    for (int i = 0; i < 50; i++)
        join(start(push_three, q));
    assert_int_equal(pawl_mpsc_lanes_count(q), 1); /* one after the other: one number, one lane */
    for (int i = 0; i < 50; i++)
        for (uint64_t k = 0; k < 3; k++) {
            assert_int_equal(pawl_mpsc_lanes_pop(q, &word), 0);
            assert_int_equal(word, k);
        }
    assert_int_equal(pawl_mpsc_lanes_pop(q, &word), -EAGAIN);
    pawl_mpsc_lanes_free(q);
}

static void *fill(void *argument)
{
    struct pawl_mpsc_lanes *q = argument;
    uint64_t word = 1;

    while (pawl_mpsc_lanes_push(q, &word) == 0)
        continue; /* until the lane is full */
    return NULL;
}

static void every_lane_gets_its_turn(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(2000, 8);
    uint64_t mine = 0, word = 0, taken = 0;

    (void)state;
    assert_int_equal(pawl_mpsc_lanes_push(q, &mine), 0); /* this thread's lane, with one element */
    join(start(fill, q));
    do {
        assert_int_equal(pawl_mpsc_lanes_pop(q, &word), 0);
        taken++;
    } while (word != mine);
    assert_true(taken <= 257);
    pawl_mpsc_lanes_free(q);
}

static void a_full_lane_is_the_producers_own_affair(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(1, 8);
    uint64_t word = 0;

    (void)state;
    assert_int_equal(pawl_mpsc_lanes_push(q, &word), 0);
    assert_int_equal(pawl_mpsc_lanes_push(q, &word), -EAGAIN);
    join(start(fill, q)); /* pushes one, then finds its own full */
    assert_int_equal(pawl_mpsc_lanes_size(q), 2);
    assert_int_equal(pawl_mpsc_lanes_pop(q, &word), 0);
    assert_int_equal(pawl_mpsc_lanes_pop(q, &word), 0);
    pawl_mpsc_lanes_free(q);
}

static void after_close_pushes_fail_and_pops_drain(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(4, 8);
    uint64_t word = 0;

    (void)state;
    assert_int_equal(pawl_mpsc_lanes_push(q, &word), 0);
    assert_int_equal(pawl_mpsc_lanes_push(q, &word), 0);
    assert_int_equal(pawl_mpsc_lanes_close(q), 0);
    assert_int_equal(pawl_mpsc_lanes_close(q), -EALREADY);
    assert_int_equal(pawl_mpsc_lanes_push(q, &word), -EPIPE);
    assert_int_equal(pawl_mpsc_lanes_push_n(q, &word, 1), -EPIPE);
    assert_int_equal(pawl_mpsc_lanes_push_wait(q, &word, PAWL_FOREVER), -EPIPE);
    assert_int_equal(pawl_mpsc_lanes_pop(q, &word), 0);
    assert_int_equal(pawl_mpsc_lanes_pop_n(q, &word, 1), 1);
    assert_int_equal(pawl_mpsc_lanes_pop(q, &word), -EPIPE);
    assert_int_equal(pawl_mpsc_lanes_pop_n(q, &word, 1), -EPIPE);
    assert_int_equal(pawl_mpsc_lanes_pop_wait(q, &word, PAWL_FOREVER), -EPIPE);
    pawl_mpsc_lanes_free(q);
    q = pawl_mpsc_lanes_open(4, 8); /* closed without a lane */
    assert_int_equal(pawl_mpsc_lanes_close(q), 0);
    assert_int_equal(pawl_mpsc_lanes_pop(q, &word), -EPIPE);
    assert_int_equal(pawl_mpsc_lanes_push(q, &word), -EPIPE);
    pawl_mpsc_lanes_free(q);
}

static void *push_and_wait(void *q)
{
    uint64_t word = 0;

    while (pawl_mpsc_lanes_push(q, &word) == 0)
        continue; /* until the lane is full */
    return (void *)(intptr_t)pawl_mpsc_lanes_push_wait(q, &word, PAWL_FOREVER);
}

static void close_wakes_who_waits_for_room(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(1, 8);
    pthread_t thread = start(push_and_wait, q);

    (void)state;
    while (pawl_mpsc_lanes_size(q) == 0)
        sched_yield();
    sleep_ms(5);
    assert_int_equal(pawl_mpsc_lanes_close(q), 0);
    assert_int_equal((intptr_t)join(thread), -EPIPE);
    pawl_mpsc_lanes_free(q);
}

static void waits_end_at_their_deadline(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(1, 8);
    uint64_t word = 0, deadline = pawl_deadline(3 * MILLISECOND);

    (void)state;
    assert_int_equal(pawl_mpsc_lanes_pop_wait(q, &word, deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(pawl_mpsc_lanes_push_wait(q, &word, 0), 0);
    assert_int_equal(pawl_mpsc_lanes_push_wait(q, &word, 0), -ETIMEDOUT);
    assert_int_equal(pawl_mpsc_lanes_pop_wait(q, &word, 0), 0);
    pawl_mpsc_lanes_free(q);
}

static void use_in_child(void *q)
{
    uint64_t word = 0;

    if (pawl_mpsc_lanes_pop(q, &word) != 0 || word != 5 || pawl_mpsc_lanes_push(q, &word) != 0 ||
        pawl_mpsc_lanes_pop(q, &word) != 0 || pawl_mpsc_lanes_pop(q, &word) != -EAGAIN)
        _exit(1);
}

static void a_forked_child_goes_on_with_its_copy(void **state)
{
    struct pawl_mpsc_lanes *q = pawl_mpsc_lanes_open(4, 8);
    uint64_t word = 5;

    (void)state;
    assert_int_equal(pawl_mpsc_lanes_push(q, &word), 0);
    assert_int_equal(status_of_child(use_in_child, q), 0);
    assert_int_equal(pawl_mpsc_lanes_pop(q, &word), 0);
    pawl_mpsc_lanes_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_queues_are_refused),
        cmocka_unit_test(a_lane_is_left_to_a_later_thread),
        cmocka_unit_test(elements_of_one_thread_come_in_order),
        cmocka_unit_test(long_elements_come_as_they_went),
        cmocka_unit_test(batches),
        cmocka_unit_test(every_lane_gets_its_turn),
        cmocka_unit_test(a_full_lane_is_the_producers_own_affair),
        cmocka_unit_test(after_close_pushes_fail_and_pops_drain),
        cmocka_unit_test(close_wakes_who_waits_for_room),
        cmocka_unit_test(waits_end_at_their_deadline),
        cmocka_unit_test(a_forked_child_goes_on_with_its_copy),
    };

    expect_end_within(60);
    return cmocka_run_group_tests_name("mpsc_lanes", tests, NULL, NULL);
}
