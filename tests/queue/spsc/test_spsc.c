/* SPDX-License-Identifier: MIT */
/* The queue between one producer and one consumer: what it promises, one thread at a time. */
#include "../../sync/sync_test.h"

#include <pawl/spsc.h>

#include <errno.h>

static const size_t capacities[] = {1, 2, 3, 15, 16, 17, 1000};
static const size_t sizes[] = {1, 3, 8, 12, 16, 24, 56, 57, 64, 100, 4096};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { LARGEST = 4096 };

/* The bytes of element `number`: all of them depend on it. */
static void write_element(unsigned char *element, size_t bytes, uint64_t number)
{
    for (size_t i = 0; i < bytes; i++)
        element[i] = (unsigned char)((number >> i % 3 * 8) + i);
}

static void expect_element(const unsigned char *element, size_t bytes, uint64_t number)
{
    unsigned char expected[LARGEST];

    write_element(expected, bytes, number);
    assert_memory_equal(element, expected, bytes);
}

static int push_number(struct pawl_spsc *q, uint64_t number)
{
    unsigned char element[LARGEST];

    write_element(element, q->element_bytes, number);
    return pawl_spsc_push(q, element);
}

static int pop_number(struct pawl_spsc *q, uint64_t number)
{
    unsigned char element[LARGEST];
    int status = pawl_spsc_pop(q, element);

    if (status == 0)
        expect_element(element, q->element_bytes, number);
    return status;
}

static void impossible_queues_are_refused(void **state)
{
    struct pawl_spsc *q;

    (void)state;
    errno = 0;
    assert_int_equal(pawl_spsc_bytes(0, 8), 0);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(pawl_spsc_open(8, 0));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_int_equal(pawl_spsc_bytes(8, PAWL_SPSC_MAX_ELEMENT + 1), 0);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_int_equal(pawl_spsc_bytes(SIZE_MAX, 1), 0);
    assert_int_equal(errno, EOVERFLOW);
    errno = 0;
    assert_int_equal(pawl_spsc_bytes((size_t)1 << 50, PAWL_SPSC_MAX_ELEMENT), 0);
    assert_int_equal(errno, EOVERFLOW);
    q = pawl_spsc_open(1, 1);
    assert_non_null(q);
    assert_int_equal(pawl_spsc_init(q, 1, 1, 42), -EINVAL);
    assert_int_equal(pawl_spsc_init((void *)((char *)q + 64), 1, 1, PAWL_PRIVATE), -EINVAL);
    assert_int_equal(pawl_spsc_init(q, 0, 1, PAWL_PRIVATE), -EINVAL);
    assert_int_equal(pawl_spsc_init(q, SIZE_MAX, 1, PAWL_PRIVATE), -EOVERFLOW);
    pawl_spsc_free(q);
    pawl_spsc_free(NULL);
}

static void small_capacities_are_exact_and_others_at_least_what_was_asked(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(capacities); c++)
        for (size_t s = 0; s < COUNT(sizes); s++) {
            struct pawl_spsc *q = pawl_spsc_open(capacities[c], sizes[s]);
            uint64_t n = 0;

            assert_non_null(q);
            assert_true(pawl_spsc_capacity(q) >= capacities[c]);
            while (push_number(q, n) == 0)
                n++;
            assert_int_equal(push_number(q, n), -EAGAIN);
            assert_true(n >= pawl_spsc_capacity(q));
            if (capacities[c] < 16)
                assert_int_equal(n, capacities[c]);
            assert_int_equal(pawl_spsc_size(q), n);
            pawl_spsc_free(q);
        }
}

/* At every phase of the blocks: the queue is filled and drained at shifted positions, through several laps. */
static void elements_come_out_as_they_went_in(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(capacities); c++)
        for (size_t s = 0; s < COUNT(sizes); s++) {
            struct pawl_spsc *q = pawl_spsc_open(capacities[c], sizes[s]);
            uint64_t in = 0, out = 0;

            for (int round = 0; round < 3; round++) {
                while (push_number(q, in) == 0)
                    in++;
                assert_true(in - out >= pawl_spsc_capacity(q));
                while (pop_number(q, out) == 0)
                    out++;
                assert_int_equal(out, in);
                assert_int_equal(pawl_spsc_size(q), 0);
                for (int i = 0; i <= round; i++) { /* one further in the block each time */
                    assert_int_equal(push_number(q, in++), 0);
                    assert_int_equal(pop_number(q, out++), 0);
                }
            }
            pawl_spsc_free(q);
        }
}

/* Every block announces an element of the first lap. */
static void what_was_in_the_memory_before_is_no_element(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct pawl_spsc *q = pawl_spsc_open(100, sizes[s]);

        assert_non_null(q);
        for (uint64_t block = 0; block <= q->mask; block++)
            *(uint64_t *)((uintptr_t)(q + 1) + block * q->block_bytes) = block * PAWL_SPSC_BLOCK_ + 1;
        assert_int_equal(pawl_spsc_init(q, 100, sizes[s], PAWL_PRIVATE), 0);
        for (uint64_t number = 0; number < 100; number++) {
            assert_int_equal(pop_number(q, number), -EAGAIN);
            assert_int_equal(push_number(q, number), 0);
            assert_int_equal(pop_number(q, number), 0);
        }
        pawl_spsc_free(q);
    }
}

/* A push fails only while `capacity` elements are inside, whatever the consumer keeps of the room. */
static void capacity_is_there_at_every_position(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(capacities); c++) {
        struct pawl_spsc *q = pawl_spsc_open(capacities[c], 8);
        uint64_t in = 0, out = 0;

        for (size_t i = 0; i < pawl_spsc_capacity(q); i++)
            assert_int_equal(push_number(q, in++), 0);
        for (int i = 0; i < 3000; i++) {
            assert_int_equal(pop_number(q, out++), 0);
            assert_int_equal(push_number(q, in++), 0);
        }
        pawl_spsc_free(q);
    }
}

static void positions_wrap(void **state)
{
    static const uint64_t starts[] = {(UINT64_C(1) << 32) - 2, (UINT64_C(1) << 24) - 2,
                                      (UINT64_C(1) << 55) - 2, (UINT64_C(1) << 56) - 2,
                                      (UINT64_C(1) << 56) - 40};

    (void)state;
    for (size_t i = 0; i < COUNT(starts); i++)
        for (size_t c = 0; c < COUNT(capacities); c++) {
            struct pawl_spsc *q = pawl_spsc_open(capacities[c], 8);
            uint64_t in = 0, out = 0;

            pawl_spsc_start_at_(q, starts[i]);
            for (int round = 0; round < 20; round++) {
                for (int k = 0; k < 50 && push_number(q, in) == 0; k++)
                    in++;
                assert_int_equal(pawl_spsc_size(q), in - out);
                while (pop_number(q, out) == 0)
                    out++;
                assert_int_equal(out, in);
            }
            pawl_spsc_free(q);
        }
}

static void batches_of_any_length(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(capacities); c++)
        for (size_t s = 0; s < COUNT(sizes); s++) {
            struct pawl_spsc *q = pawl_spsc_open(capacities[c], sizes[s]);
            static unsigned char many[70 * LARGEST];
            uint64_t in = 0, out = 0;

            for (size_t n = 0; n <= 70; n++) {
                ptrdiff_t done;

                for (size_t i = 0; i < n; i++)
                    write_element(many + i * sizes[s], sizes[s], in + i);
                done = pawl_spsc_push_n(q, many, n);
                assert_true(done >= 0 && (size_t)done <= n);
                assert_true((size_t)done == n || in + (size_t)done - out >= pawl_spsc_capacity(q));
                in += (size_t)done;
                done = pawl_spsc_pop_n(q, many, n / 2 + 1);
                assert_int_equal((size_t)done, in - out < n / 2 + 1 ? in - out : n / 2 + 1);
                for (size_t i = 0; i < (size_t)done; i++)
                    expect_element(many + i * sizes[s], sizes[s], out + i);
                out += (size_t)done;
            }
            pawl_spsc_free(q);
        }
}

static void elements_are_built_and_read_in_place(void **state)
{
    (void)state;
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct pawl_spsc *q = pawl_spsc_open(100, sizes[s]);
        size_t alignment = sizes[s] & -sizes[s];
        uint64_t in = 0, out = 0;

        for (size_t wanted = 1; in < 1000; wanted = wanted % 9 + 1) {
            const void *elements = NULL;
            void *places = NULL;
            ptrdiff_t n = pawl_spsc_reserve(q, &places, wanted);

            assert_true(n > 0 && (size_t)n <= wanted);
            assert_int_equal((uintptr_t)places % (alignment < 64 ? alignment : 64), 0);
            for (ptrdiff_t i = 0; i < n; i++)
                write_element((unsigned char *)places + (size_t)i * sizes[s], sizes[s], in + (size_t)i);
            assert_int_equal(pawl_spsc_size(q), 0); /* not before the commit */
            assert_int_equal(pawl_spsc_commit(q, (size_t)n), 0);
            in += (size_t)n;
            while ((n = pawl_spsc_peek(q, &elements)) > 0) {
                for (ptrdiff_t i = 0; i < n; i++)
                    expect_element((const unsigned char *)elements + (size_t)i * sizes[s], sizes[s],
                                   out + (size_t)i);
                pawl_spsc_release(q, 1); /* the others come again */
                out++;
            }
            assert_int_equal(n, -EAGAIN);
            assert_int_equal(out, in);
        }
        pawl_spsc_free(q);
    }
}

static void a_full_queue_reserves_nothing(void **state)
{
    struct pawl_spsc *q = pawl_spsc_open(2, 8);
    void *places = NULL;

    (void)state;
    assert_int_equal(push_number(q, 0), 0);
    assert_int_equal(push_number(q, 1), 0);
    assert_int_equal(pawl_spsc_reserve(q, &places, 1), -EAGAIN);
    pawl_spsc_free(q);
}

static void after_close_pushes_fail_and_pops_drain(void **state)
{
    struct pawl_spsc *q = pawl_spsc_open(4, 8);
    const void *elements = NULL;
    uint64_t word = 0;
    void *places = NULL;

    (void)state;
    assert_int_equal(push_number(q, 0), 0);
    assert_int_equal(push_number(q, 1), 0);
    assert_int_equal(pawl_spsc_close(q), 0);
    assert_int_equal(pawl_spsc_close(q), -EALREADY);
    assert_int_equal(push_number(q, 2), -EPIPE);
    assert_int_equal(pawl_spsc_push_n(q, &word, 1), -EPIPE);
    assert_int_equal(pawl_spsc_reserve(q, &places, 1), -EPIPE);
    assert_int_equal(pawl_spsc_push_wait(q, &word, PAWL_FOREVER), -EPIPE);
    assert_int_equal(pop_number(q, 0), 0);
    assert_int_equal(pawl_spsc_pop_n(q, &word, 1), 1);
    assert_int_equal(pawl_spsc_pop_n(q, &word, 1), -EPIPE);
    assert_int_equal(pop_number(q, 2), -EPIPE);
    assert_int_equal(pawl_spsc_peek(q, &elements), -EPIPE);
    assert_int_equal(pawl_spsc_pop_wait(q, &word, PAWL_FOREVER), -EPIPE);
    pawl_spsc_free(q);
}

/* What closing decides between a consumer that gives up and a commit that comes too late. */
static void a_commit_after_the_end_was_seen_fails(void **state)
{
    struct pawl_spsc *q = pawl_spsc_open(4, 8);
    uint64_t word;
    void *places = NULL;

    (void)state;
    assert_int_equal(pawl_spsc_reserve(q, &places, 1), 1);
    assert_int_equal(pawl_spsc_close(q), 0);
    assert_int_equal(pawl_spsc_pop(q, &word), -EPIPE);
    memset(places, 1, 8);
    assert_int_equal(pawl_spsc_commit(q, 1), -EPIPE);
    assert_int_equal(pawl_spsc_pop(q, &word), -EPIPE);
    assert_int_equal(pawl_spsc_size(q), 0);
    pawl_spsc_free(q);
}

static void a_commit_before_the_end_was_seen_counts(void **state)
{
    struct pawl_spsc *q = pawl_spsc_open(4, 8);
    uint64_t word = 0;
    void *places = NULL;

    (void)state;
    assert_int_equal(pawl_spsc_reserve(q, &places, 1), 1);
    assert_int_equal(pawl_spsc_close(q), 0);
    memset(places, 1, 8);
    assert_int_equal(pawl_spsc_commit(q, 1), 0);
    assert_int_equal(pawl_spsc_pop(q, &word), 0);
    assert_int_equal(word, UINT64_C(0x0101010101010101));
    assert_int_equal(pawl_spsc_pop(q, &word), -EPIPE);
    pawl_spsc_free(q);
}

static void waits_end_at_their_deadline(void **state)
{
    struct pawl_spsc *q = pawl_spsc_open(1, 8);
    uint64_t word = 0, deadline = pawl_deadline(3 * MILLISECOND);

    (void)state;
    assert_int_equal(pawl_spsc_pop_wait(q, &word, deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(pawl_spsc_push_wait(q, &word, 0), 0);
    assert_int_equal(pawl_spsc_push_wait(q, &word, 0), -ETIMEDOUT);
    assert_int_equal(pawl_spsc_pop_wait(q, &word, 0), 0);
    pawl_spsc_free(q);
}

/* A producer killed between showing its elements and advancing its own position. */
static void repair_finds_what_a_killed_producer_showed(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(capacities); c++) {
        struct pawl_spsc *q = pawl_spsc_open(capacities[c], 8);
        uint64_t tail = pawl_load_relaxed(&q->tail), n = 0;

        while (push_number(q, n) == 0)
            n++;
        pawl_store_relaxed(&q->tail, tail);
        pawl_spsc_repair(q);
        assert_int_equal(pawl_spsc_size(q), n);
        assert_int_equal(push_number(q, n), -EAGAIN);
        for (uint64_t i = 0; i < n; i++)
            assert_int_equal(pop_number(q, i), 0);
        assert_int_equal(pop_number(q, n), -EAGAIN);
        assert_int_equal(push_number(q, n), 0);
        pawl_spsc_repair(q); /* nothing to do */
        assert_int_equal(pop_number(q, n), 0);
        pawl_spsc_free(q);
    }
}

/* ... and before it had woken who sleeps. */
static void repair_wakes_whom_a_killed_producer_did_not(void **state)
{
    struct pawl_spsc *q = pawl_spsc_open(4, 8);
    uint64_t tail = pawl_load_relaxed(&q->tail);

    (void)state;
    pawl_eventcount_prepare(&q->handover.items); /* a consumer that has found nothing */
    pawl_store_release(pawl_spsc_block_(q, pawl_spsc_of_words_(q), tail), tail + 1);
    pawl_spsc_repair(q);
    assert_int_equal(pawl_load_relaxed(&q->handover.items.state) & PAWL_EVENTCOUNT_WAITERS_, 0);
    assert_int_equal(pawl_spsc_size(q), 1);
    pawl_spsc_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_queues_are_refused),
        cmocka_unit_test(small_capacities_are_exact_and_others_at_least_what_was_asked),
        cmocka_unit_test(elements_come_out_as_they_went_in),
        cmocka_unit_test(what_was_in_the_memory_before_is_no_element),
        cmocka_unit_test(capacity_is_there_at_every_position),
        cmocka_unit_test(positions_wrap),
        cmocka_unit_test(batches_of_any_length),
        cmocka_unit_test(elements_are_built_and_read_in_place),
        cmocka_unit_test(a_full_queue_reserves_nothing),
        cmocka_unit_test(after_close_pushes_fail_and_pops_drain),
        cmocka_unit_test(a_commit_after_the_end_was_seen_fails),
        cmocka_unit_test(a_commit_before_the_end_was_seen_counts),
        cmocka_unit_test(waits_end_at_their_deadline),
        cmocka_unit_test(repair_finds_what_a_killed_producer_showed),
        cmocka_unit_test(repair_wakes_whom_a_killed_producer_did_not),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("spsc", tests, NULL, NULL);
}
