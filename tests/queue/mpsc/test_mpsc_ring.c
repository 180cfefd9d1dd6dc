/* SPDX-License-Identifier: MIT */
/* The bounded queue of many producers and one consumer: what it promises, one step at a time. */
#include "../../sync/sync_test.h"

#include <pawl/mpsc_ring.h>

#include <errno.h>

static const size_t capacities[] = {1, 2, 3, 8, 100, 1000};
static const size_t sizes[] = {1, 3, 8, 12, 64, 4096};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { LARGEST = 4096 };

static int push_number(struct pawl_mpsc_ring *q, uint64_t number)
{
    unsigned char element[LARGEST];

    memset(element, (int)(number % 251), q->element_bytes);
    return pawl_mpsc_ring_push(q, element);
}

static int pop_number(struct pawl_mpsc_ring *q, uint64_t number)
{
    unsigned char element[LARGEST], expected[LARGEST];
    int status = pawl_mpsc_ring_pop(q, element);

    memset(expected, (int)(number % 251), q->element_bytes);
    if (status == 0)
        assert_memory_equal(element, expected, q->element_bytes);
    return status;
}

static void impossible_queues_are_refused(void **state)
{
    struct pawl_mpsc_ring *q;

    (void)state;
    errno = 0;
    assert_int_equal(pawl_mpsc_ring_bytes(0, 8), 0);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(pawl_mpsc_ring_open(8, 0));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_int_equal(pawl_mpsc_ring_bytes(1, PAWL_MPSC_RING_MAX_ELEMENT + 1), 0);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_int_equal(pawl_mpsc_ring_bytes(SIZE_MAX, 1), 0);
    assert_int_equal(errno, EOVERFLOW);
    errno = 0;
    assert_int_equal(pawl_mpsc_ring_bytes((size_t)1 << 50, PAWL_MPSC_RING_MAX_ELEMENT), 0);
    assert_int_equal(errno, EOVERFLOW);
    q = pawl_mpsc_ring_open(1, 1);
    assert_non_null(q);
    assert_int_equal(pawl_mpsc_ring_init(q, 1, 1, 42), -EINVAL);
    assert_int_equal(pawl_mpsc_ring_init((void *)((char *)q + 64), 1, 1, PAWL_PRIVATE), -EINVAL);
    assert_int_equal(pawl_mpsc_ring_init(q, 0, 1, PAWL_PRIVATE), -EINVAL);
    assert_int_equal(pawl_mpsc_ring_init(q, SIZE_MAX, 1, PAWL_PRIVATE), -EOVERFLOW);
    pawl_mpsc_ring_free(q);
    pawl_mpsc_ring_free(NULL);
}

static void elements_come_out_as_they_went_in(void **state)
{
    static const uint64_t starts[] = {0, (UINT64_C(1) << 31) - 5, (UINT64_C(1) << 32) - 5,
                                      (UINT64_C(1) << 63) - 5};

    (void)state;
    for (size_t c = 0; c < COUNT(capacities); c++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            for (size_t k = 0; k < COUNT(starts); k++) {
                struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(capacities[c], sizes[s]);
                uint64_t in = 0, out = 0;

                assert_non_null(q);
                assert_int_equal(pawl_mpsc_ring_capacity(q), capacities[c]);
                pawl_mpsc_ring_start_at_(q, starts[k]);
                for (int round = 0; round < 4; round++) {
                    while (push_number(q, in) == 0)
                        in++;
                    assert_true(in - out >= capacities[c]);
                    if (capacities[c] < 16) /* above, the consumer may keep some of the room */
                        assert_int_equal(in - out, capacities[c]);
                    assert_int_equal(pawl_mpsc_ring_size(q), in - out);
                    while (pop_number(q, out) == 0)
                        out++;
                    assert_int_equal(out, in);
                    assert_int_equal(pop_number(q, out), -EAGAIN);
                }
                pawl_mpsc_ring_free(q);
            }
}

static void capacity_is_there_at_every_position(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(capacities); c++) {
        struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(capacities[c], 8);
        uint64_t in = 0, out = 0;

        while (in < capacities[c])
            assert_int_equal(push_number(q, in++), 0);
        for (int i = 0; i < 3000; i++) {
            assert_int_equal(pop_number(q, out++), 0);
            assert_int_equal(push_number(q, in++), 0);
        }
        pawl_mpsc_ring_free(q);
    }
}

static void batches_go_in_whole_or_not_at_all(void **state)
{
    struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(10, 8);
    uint64_t words[20];

    (void)state;
    for (uint64_t i = 0; i < 20; i++)
        words[i] = i;
    assert_int_equal(pawl_mpsc_ring_push_n(q, words, 0), -EINVAL);
    assert_int_equal(pawl_mpsc_ring_push_n(q, words, 11), -EINVAL);
    assert_int_equal(pawl_mpsc_ring_push_n(q, words, 7), 0);
    assert_int_equal(pawl_mpsc_ring_push_n(q, words + 7, 4), -EAGAIN);
    assert_int_equal(pawl_mpsc_ring_push_n(q, words + 7, 3), 0);
    assert_int_equal(pawl_mpsc_ring_push_n(q, words + 10, 1), -EAGAIN);
    memset(words, 0, sizeof words);
    assert_int_equal(pawl_mpsc_ring_pop_n(q, words, 0), 0);
    assert_int_equal(pawl_mpsc_ring_pop_n(q, words, 4), 4);
    assert_int_equal(pawl_mpsc_ring_pop_n(q, words + 4, 16), 6);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(words[i], i);
    assert_int_equal(pawl_mpsc_ring_pop_n(q, words, 16), 0);
    assert_int_equal(pawl_mpsc_ring_push_n(q, words, 10), 0);
    pawl_mpsc_ring_free(q);
}

/* A producer stopped between reserving and filling: what it does then is done here by hand. */
static void a_place_that_is_not_filled_hides_what_comes_after_it(void **state)
{
    struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(4, 8);

    (void)state;
    assert_int_equal(push_number(q, 0), 0);
    pawl_fetch_add_relaxed(&q->tail, PAWL_MPSC_RING_STEP_);
    assert_int_equal(push_number(q, 2), 0);
    assert_int_equal(pawl_mpsc_ring_skip(q), -EAGAIN); /* the oldest is filled */
    assert_int_equal(pop_number(q, 0), 0);
    assert_int_equal(pop_number(q, 2), -EAGAIN);
    assert_int_equal(pawl_mpsc_ring_size(q), 2); /* not empty */
    assert_int_equal(pawl_mpsc_ring_skip(q), 0); /* its producer is dead */
    assert_int_equal(pop_number(q, 2), 0);
    assert_int_equal(pawl_mpsc_ring_skip(q), -EAGAIN); /* nothing is reserved */
    for (uint64_t i = 0; i < 300; i++) {               /* the place is used again */
        assert_int_equal(push_number(q, i), 0);
        assert_int_equal(pop_number(q, i), 0);
    }
    pawl_mpsc_ring_free(q);
}

static void a_place_that_is_given_up_is_room_again(void **state)
{
    (void)state;
    for (size_t capacity = 1; capacity <= 64; capacity *= 4) {
        struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(capacity, 8);

        while (push_number(q, 0) == 0) /* full, be it of more than was asked for */
            assert_true(pawl_mpsc_ring_size(q) <= 2 * capacity);
        while (pawl_mpsc_ring_size(q) > 0)
            assert_int_equal(pop_number(q, 0), 0);
        while (pawl_mpsc_ring_size(q) < capacity) /* producers that were killed */
            pawl_fetch_add_relaxed(&q->tail, PAWL_MPSC_RING_STEP_);
        while (pawl_mpsc_ring_size(q) > 0)
            assert_int_equal(pawl_mpsc_ring_skip(q), 0);
        for (uint64_t i = 0; i < capacity; i++) /* without a look at the empty queue */
            assert_int_equal(push_number(q, i), 0);
        for (uint64_t i = 0; i < capacity; i++)
            assert_int_equal(pop_number(q, i), 0);
        pawl_mpsc_ring_free(q);
    }
}

/* A consumer that was killed as soon as it had popped: again by hand. */
static void room_that_a_dead_consumer_kept_is_given_by_the_next(void **state)
{
    struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(1, 8);

    (void)state;
    assert_int_equal(push_number(q, 0), 0);
    pawl_store_relaxed(&q->head,
                       pawl_load_relaxed(&q->head) + PAWL_MPSC_RING_STEP_); /* relaxed, both: alone */
    assert_int_equal(push_number(q, 1), -EAGAIN);
    assert_int_equal(pop_number(q, 1), -EAGAIN);
    assert_int_equal(push_number(q, 1), 0);
    assert_int_equal(pop_number(q, 1), 0);
    pawl_mpsc_ring_free(q);
}

static void after_close_pushes_fail_and_pops_drain(void **state)
{
    struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(4, 8);
    uint64_t word = 0;

    (void)state;
    assert_int_equal(push_number(q, 0), 0);
    assert_int_equal(push_number(q, 1), 0);
    assert_int_equal(pawl_mpsc_ring_close(q), 0);
    assert_int_equal(pawl_mpsc_ring_close(q), -EALREADY);
    assert_int_equal(push_number(q, 2), -EPIPE);
    assert_int_equal(pawl_mpsc_ring_push_n(q, &word, 1), -EPIPE);
    assert_int_equal(pawl_mpsc_ring_push_wait(q, &word, PAWL_FOREVER), -EPIPE);
    pawl_fetch_add_relaxed(&q->tail, PAWL_MPSC_RING_STEP_); /* one that looked before it was closed */
    assert_int_equal(pawl_mpsc_ring_size(q), 2);
    assert_int_equal(pop_number(q, 0), 0);
    assert_int_equal(pawl_mpsc_ring_pop_n(q, &word, 1), 1);
    assert_int_equal(pop_number(q, 2), -EPIPE);
    assert_int_equal(pawl_mpsc_ring_pop_n(q, &word, 1), -EPIPE);
    assert_int_equal(pawl_mpsc_ring_pop_wait(q, &word, PAWL_FOREVER), -EPIPE);
    pawl_mpsc_ring_free(q);
}

/* Killed before it had marked the end, and after; others pushed meanwhile, or found it closed. */
static void who_closes_after_a_killed_closer_ends_it(void **state)
{
    (void)state;
    for (int marked = 0; marked < 2; marked++) {
        struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(4, 8);
        uint64_t pushed = 0;

        assert_int_equal(push_number(q, pushed++), 0);
        pawl_store_relaxed(&q->final, pawl_load_relaxed(&q->tail));
        if (marked != 0) {
            pawl_fetch_or_relaxed(&q->tail, PAWL_MPSC_RING_BIT_);
            pawl_fetch_add_relaxed(&q->tail, PAWL_MPSC_RING_STEP_); /* one that looked before */
            assert_int_equal(push_number(q, pushed), -EPIPE);
        } else {
            assert_int_equal(push_number(q, pushed++), 0);
        }
        assert_int_equal(pawl_mpsc_ring_close(q), 0);
        assert_int_equal(pawl_mpsc_ring_close(q), -EALREADY);
        assert_int_equal(pawl_mpsc_ring_size(q), pushed);
        for (uint64_t i = 0; i < pushed; i++)
            assert_int_equal(pop_number(q, i), 0);
        assert_int_equal(pop_number(q, pushed), -EPIPE);
        pawl_mpsc_ring_free(q);
    }
}

static void waits_end_at_their_deadline(void **state)
{
    struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(1, 8);
    uint64_t word = 0, deadline = pawl_deadline(3 * MILLISECOND);

    (void)state;
    assert_int_equal(pawl_mpsc_ring_pop_wait(q, &word, deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(pawl_mpsc_ring_push_wait(q, &word, 0), 0);
    assert_int_equal(pawl_mpsc_ring_push_wait(q, &word, 0), -ETIMEDOUT);
    assert_int_equal(pawl_mpsc_ring_pop_wait(q, &word, 0), 0);
    pawl_mpsc_ring_free(q);
}

/* As many pushes as there are spare places find no room although all had looked: they land, the next waits. */
static void pushes_that_looked_at_once_have_places(void **state)
{
    struct pawl_mpsc_ring *q = pawl_mpsc_ring_open(1, 8);
    uint64_t places = q->places / PAWL_MPSC_RING_STEP_;

    (void)state;
    assert_true(places >= 1 + PAWL_MPSC_RING_AT_ONCE);
    for (uint64_t i = 0; i < 1 + PAWL_MPSC_RING_AT_ONCE; i++) {
        uint64_t ticket = pawl_fetch_add_relaxed(&q->tail, PAWL_MPSC_RING_STEP_);
        struct pawl_mpsc_ring_place_ *place = pawl_mpsc_ring_place_of_(q, ticket);

        assert_true(ticket - pawl_load_relaxed(&q->room) < q->places);
        memset(place->element, (int)i, 8);
        pawl_store_release(&place->filled, ticket | PAWL_MPSC_RING_BIT_);
    }
    assert_int_equal(push_number(q, 0), -EAGAIN);
    for (uint64_t i = 0; i < 1 + PAWL_MPSC_RING_AT_ONCE; i++)
        assert_int_equal(pop_number(q, i), 0);
    assert_int_equal(pop_number(q, 0), -EAGAIN);
    pawl_mpsc_ring_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_queues_are_refused),
        cmocka_unit_test(elements_come_out_as_they_went_in),
        cmocka_unit_test(capacity_is_there_at_every_position),
        cmocka_unit_test(batches_go_in_whole_or_not_at_all),
        cmocka_unit_test(a_place_that_is_not_filled_hides_what_comes_after_it),
        cmocka_unit_test(a_place_that_is_given_up_is_room_again),
        cmocka_unit_test(room_that_a_dead_consumer_kept_is_given_by_the_next),
        cmocka_unit_test(after_close_pushes_fail_and_pops_drain),
        cmocka_unit_test(who_closes_after_a_killed_closer_ends_it),
        cmocka_unit_test(waits_end_at_their_deadline),
        cmocka_unit_test(pushes_that_looked_at_once_have_places),
    };

    expect_end_within(60);
    return cmocka_run_group_tests_name("mpsc_ring", tests, NULL, NULL);
}
