/* SPDX-License-Identifier: MIT */
/* The lock-free queue by one thread: sizes, wrap-around, closing; and what a stopped thread leaves behind. */
#include "kind.h"

#include "../../../src/core/queue/mpmc.h"

static const size_t capacities[] = {1, 2, 3, 4, 7, 64, 1000}; /* some are rounded up */
static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 12, 16, 17, 64, 100, 1021, 4096};
enum { CAPACITIES = sizeof capacities / sizeof capacities[0], SIZES = sizeof sizes / sizeof sizes[0] };

/* The number is in the last byte as well as in the first ones. */
static void make(unsigned char *element, size_t bytes, unsigned number)
{
    memset(element, (int)(number % 251), bytes);
    element[bytes - 1] = (unsigned char)(number % 241);
}

static void push_number(struct pawl_mpmc *q, unsigned number)
{
    unsigned char element[4097];

    make(element + 1, q->element_bytes, number); /* not aligned */
    assert_int_equal(pawl_mpmc_push(q, element + 1), 0);
}

static void pop_number(struct pawl_mpmc *q, unsigned number)
{
    unsigned char element[4098], expected[4096];

    make(expected, q->element_bytes, number);
    memset(element, 0xee, sizeof element);
    assert_int_equal(pawl_mpmc_pop(q, element + 1), 0);
    assert_memory_equal(element + 1, expected, q->element_bytes);
    assert_int_equal(element[0], 0xee);
    assert_int_equal(element[1 + q->element_bytes], 0xee);
}

/* Fill and drain, then keep it half full for three times around. */
static void go_around(struct pawl_mpmc *q)
{
    unsigned capacity = (unsigned)pawl_mpmc_capacity(q), pushed = 0, popped = 0;
    unsigned char element[4096] = {0};

    assert_true(pawl_mpmc_empty(q));
    assert_int_equal(pawl_mpmc_pop(q, element), -EAGAIN);
    while (pushed < capacity) {
        assert_int_equal(pawl_mpmc_size(q), pushed);
        push_number(q, pushed++);
    }
    assert_int_equal(pawl_mpmc_push(q, element), -EAGAIN);
    assert_int_equal(pawl_mpmc_size(q), capacity);
    assert_false(pawl_mpmc_empty(q));
    while (popped < pushed)
        pop_number(q, popped++);
    assert_int_equal(pawl_mpmc_pop(q, element), -EAGAIN);
    while (pushed < 4 * capacity) {
        push_number(q, pushed++);
        if (pushed - popped > capacity / 2)
            pop_number(q, popped++);
    }
    while (popped < pushed)
        pop_number(q, popped++);
    assert_true(pawl_mpmc_empty(q));
    assert_int_equal(pawl_mpmc_size(q), 0);
}

static void any_capacity_and_any_size(void **state)
{
    (void)state;
    for (size_t c = 0; c < CAPACITIES; c++)
        for (size_t s = 0; s < SIZES; s++) {
            struct pawl_mpmc *q = pawl_mpmc_open(capacities[c], sizes[s]);

            assert_non_null(q);
            assert_true(pawl_mpmc_capacity(q) >= capacities[c] && pawl_mpmc_capacity(q) < 2 * capacities[c]);
            go_around(q);
            pawl_mpmc_free(q);
        }
}

static void tickets_wrap(void **state)
{
    static const uint64_t starts[] = {UINT64_C(1) << 32, UINT64_C(1) << 56, UINT64_C(1) << 62,
                                      UINT64_C(1) << 63, 0};

    (void)state;
    for (size_t c = 0; c < CAPACITIES - 1; c++)
        for (size_t s = 0; s < SIZES; s++)
            for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
                struct pawl_mpmc *q = pawl_mpmc_open(capacities[c], sizes[s]);

                assert_non_null(q);
                pawl_mpmc_start_at_(q, starts[i] - capacities[c] - 1);
                go_around(q);
                pawl_mpmc_free(q);
            }
}

static void batches_take_what_there_is(void **state)
{
    unsigned char in[20 * 24], out[20 * 24];

    (void)state;
    for (size_t bytes = 1; bytes <= 24; bytes++) {
        struct pawl_mpmc *q = pawl_mpmc_open(16, bytes);

        assert_non_null(q);
        pawl_mpmc_start_at_(q, UINT64_MAX - 20);
        for (unsigned i = 0; i < 20; i++)
            make(in + i * bytes, bytes, i);
        for (int round = 0; round < 5; round++) {
            assert_int_equal(pawl_mpmc_pop_n(q, out, 20), 0);
            assert_int_equal(pawl_mpmc_push_n(q, in, 0), 0);
            assert_int_equal(pawl_mpmc_push_n(q, in, 4), 4);
            assert_int_equal(pawl_mpmc_push_n(q, in + 4 * bytes, 16), 12);
            assert_int_equal(pawl_mpmc_push_n(q, in, 16), 0);
            assert_int_equal(pawl_mpmc_pop_n(q, out, 0), 0);
            assert_int_equal(pawl_mpmc_pop_n(q, out, 5), 5);
            assert_int_equal(pawl_mpmc_pop_n(q, out + 5 * bytes, 15), 11);
            assert_memory_equal(in, out, 16 * bytes);
        }
        pawl_mpmc_close(q);
        assert_int_equal(pawl_mpmc_push_n(q, in, 4), -EPIPE);
        assert_int_equal(pawl_mpmc_pop_n(q, out, 4), -EPIPE);
        pawl_mpmc_free(q);
    }
}

static void closing_a_full_a_half_full_and_an_empty_one(void **state)
{
    unsigned char element[16] = {0};

    (void)state;
    for (size_t c = 0; c < CAPACITIES; c++)
        for (size_t bytes = 8; bytes <= 16; bytes += 8)
            for (size_t fill = 0; fill < 3; fill++) {
                struct pawl_mpmc *q = pawl_mpmc_open(capacities[c], bytes);
                unsigned inside;

                assert_non_null(q);
                inside = (unsigned)(fill * pawl_mpmc_capacity(q) / 2);
                for (unsigned i = 0; i < inside; i++)
                    push_number(q, i);
                assert_false(pawl_mpmc_closed(q));
                assert_int_equal(pawl_mpmc_close(q), 0);
                assert_true(pawl_mpmc_closed(q));
                assert_int_equal(pawl_mpmc_close(q), -EALREADY);
                assert_int_equal(pawl_mpmc_size(q), inside);
                assert_int_equal(pawl_mpmc_push(q, element), -EPIPE);
                assert_int_equal(pawl_mpmc_push_n(q, element, 1), -EPIPE);
                assert_int_equal(pawl_mpmc_push_wait(q, element, PAWL_FOREVER), -EPIPE);
                for (unsigned i = 0; i < inside; i++)
                    pop_number(q, i);
                assert_int_equal(pawl_mpmc_pop(q, element), -EPIPE);
                assert_int_equal(pawl_mpmc_pop_wait(q, element, PAWL_FOREVER), -EPIPE);
                assert_int_equal(pawl_mpmc_push(q, element), -EPIPE);
                assert_true(pawl_mpmc_empty(q));
                pawl_mpmc_free(q);
            }
}

static void deadlines_pass(void **state)
{
    struct pawl_mpmc *q = pawl_mpmc_open(1, 8);
    uint64_t element = 3;

    (void)state;
    assert_non_null(q);
    assert_int_equal(pawl_mpmc_pop_wait(q, &element, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(pawl_mpmc_push_wait(q, &element, 0), 0);
    assert_int_equal(pawl_mpmc_push_wait(q, &element, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(pawl_mpmc_pop_wait(q, &element, 0), 0);
    assert_int_equal(element, 3);
    pawl_mpmc_free(q);
}

static void what_cannot_be_is_refused(void **state)
{
    struct pawl_mpmc *q = aligned_alloc(PAWL_CACHELINE_PAIR, 2 * sizeof *q);

    (void)state;
    errno = 0;
    assert_int_equal(pawl_mpmc_bytes(0, 8), 0);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(pawl_mpmc_bytes(8, 0), 0);
    assert_int_equal(pawl_mpmc_bytes((UINT64_C(1) << 31) + 1, 8), 0);
    assert_int_equal(errno, EINVAL);
    assert_true(pawl_mpmc_bytes(UINT64_C(1) << 31, 8) > 0);
    assert_int_equal(pawl_mpmc_bytes(8, UINT64_C(1) << 32), 0);
    assert_int_equal(errno, EOVERFLOW);
    assert_int_equal(pawl_mpmc_bytes(UINT64_C(1) << 31, (UINT64_C(1) << 32) - 8), 0);
    assert_int_equal(errno, EOVERFLOW);
    assert_null(pawl_mpmc_open(0, 8));
    assert_int_equal(pawl_mpmc_init(q, 0, 8, PAWL_PRIVATE), -EINVAL);
    assert_int_equal(pawl_mpmc_init(q, 1, 8, 2), -EINVAL);
    assert_int_equal(pawl_mpmc_init((struct pawl_mpmc *)(void *)((char *)q + 8), 1, 8, PAWL_PRIVATE),
                     -EINVAL);
    assert_int_equal(pawl_mpmc_init(q, 8, UINT64_C(1) << 32, PAWL_PRIVATE), -EOVERFLOW);
    free(q);
    pawl_mpmc_free(NULL);
}

/* ---- threads that were stopped in the middle ---- */

/* Between the CAS of the cell and the store of the hint: everything goes on, wherever the hint is. */
static void who_is_stopped_before_its_hint_stops_nobody(void **state)
{
    (void)state;
    for (size_t bytes = 8; bytes <= 16; bytes += 8)
        for (uint64_t behind = 0; behind < 40; behind++) {
            struct pawl_mpmc *q = pawl_mpmc_open(8, bytes);
            unsigned char element[16] = {0};
            unsigned pushed = 0, popped = 0;

            assert_non_null(q);
            for (int i = 0; i < 40; i++) {
                push_number(q, pushed++);
                if (pushed - popped > 4)
                    pop_number(q, popped++);
            }
            /* a store that comes late */
            pawl_store_relaxed(&q->tail, pawl_load_relaxed(&q->tail) - behind);
            pawl_store_relaxed(&q->head, pawl_load_relaxed(&q->head) - behind);
            assert_int_equal(pawl_mpmc_size(q), pushed - popped);
            while (pushed - popped < 8)
                push_number(q, pushed++);
            pawl_store_relaxed(&q->tail, pawl_load_relaxed(&q->tail) - behind);
            assert_int_equal(pawl_mpmc_push(q, element), -EAGAIN);
            pawl_store_relaxed(&q->tail, pawl_load_relaxed(&q->tail) - behind);
            assert_int_equal(pawl_mpmc_close(q), 0);
            assert_int_equal(pawl_mpmc_push(q, element), -EPIPE);
            while (popped < pushed)
                pop_number(q, popped++);
            assert_int_equal(pawl_mpmc_pop(q, element), -EPIPE);
            pawl_mpmc_free(q);
        }
}

static mpmc_word *lane_at(struct pawl_mpmc *q, size_t i)
{
    return (mpmc_word *)(void *)((char *)q + q->lanes + i * PAWL_CACHELINE_PAIR);
}

/* With a lane in its hand, before or after its CAS. */
static void pushers_stopped_with_a_lane_stop_nobody_until_all_lanes_are_gone(void **state)
{
    struct pawl_mpmc *q = pawl_mpmc_open(4, 16);
    unsigned char element[16] = {0};
    unsigned number = 0;
    uint64_t slot;

    (void)state;
    assert_non_null(q);
    for (size_t taken = 0; taken < PAWL_MPMC_LANES; taken++) {
        go_around(q);
        slot = pawl_exchange_relaxed(lane_at(q, taken), UINT64_MAX);
        assert_true(slot < 4 + PAWL_MPMC_LANES);
    }
    assert_int_equal(pawl_mpmc_push(q, element), -EAGAIN);
    assert_int_equal(pawl_mpmc_push_n(q, element, 1), 0);
    assert_int_equal(pawl_mpmc_push_wait(q, element, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    pawl_store_relaxed(lane_at(q, 17), slot);
    push_number(q, number);
    pop_number(q, number);
    go_around(q);
    pawl_mpmc_free(q);
}

static void *push_for_ever(void *q)
{
    unsigned char element[16] = {0};

    return (void *)(intptr_t)pawl_mpmc_push_wait(q, element, PAWL_FOREVER);
}

/* Nobody pops, and there is room. */
static void a_pusher_that_waits_for_a_lane_is_woken_when_one_comes_back(void **state)
{
    struct pawl_mpmc *q = pawl_mpmc_open(4, 16);
    unsigned char elements[2][16] = {{0}};
    uint64_t slot[PAWL_MPMC_LANES];
    struct timespec limit;
    pthread_t pusher;
    void *status;

    (void)state;
    assert_non_null(q);
    for (int batch = 0; batch < 2; batch++) {
        for (size_t i = 0; i < PAWL_MPMC_LANES; i++)
            slot[i] = pawl_exchange_relaxed(lane_at(q, i), UINT64_MAX);
        assert_int_equal(pthread_create(&pusher, NULL, push_for_ever, q), 0);
        while ((pawl_load_relaxed(&q->handover.room.state) & PAWL_EVENTCOUNT_WAITERS_) == 0)
            sched_yield();
        usleep(20000); /* asleep, usually: in no case does it hang */
        for (size_t i = 0; i < PAWL_MPMC_LANES; i++)
            pawl_store_release(lane_at(q, i), slot[i]);
        /* The last of those who had one is done. */
        if (batch == 0)
            assert_int_equal(pawl_mpmc_push(q, elements), 0);
        else
            assert_int_equal(pawl_mpmc_push_n(q, elements, 1), 1);
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 60;
        assert_int_equal(pthread_timedjoin_np(pusher, &status, &limit), 0);
        assert_int_equal((intptr_t)status, 0);
        assert_int_equal(pawl_mpmc_size(q), 2 * (batch + 1));
    }
    pawl_mpmc_free(q);
}

static void no_slot_is_lost_or_shared(void **state)
{
    struct pawl_mpmc *q = pawl_mpmc_open(5, 40);
    bool found[8 + PAWL_MPMC_LANES] = {false};

    (void)state;
    assert_non_null(q);
    go_around(q);
    for (uint64_t i = 0; i < 8 + PAWL_MPMC_LANES; i++) {
        uint64_t word = i < 8 ? pawl_load_relaxed(mpmc_word_cell(q, i))
                              : pawl_load_relaxed(lane_at(q, i - 8));
        uint64_t slot = word & mpmc_slot_mask(q);

        assert_true(slot < 8 + PAWL_MPMC_LANES);
        assert_false(found[slot]);
        found[slot] = true;
    }
    pawl_mpmc_free(q);
}

/* ---- processes ---- */

static void a_child_goes_on_with_its_copy(void **state)
{
    struct pawl_mpmc *q = pawl_mpmc_open(8, 24);
    int status;
    pid_t child;

    (void)state;
    assert_non_null(q);
    push_number(q, 5);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pop_number(q, 5);
        go_around(q);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pop_number(q, 5);
    pawl_mpmc_free(q);
}

static void it_is_mapped_at_two_addresses(void **state)
{
    size_t bytes = pawl_mpmc_bytes(8, 24);
    FILE *file = tmpfile();
    struct pawl_mpmc *here, *there;

    (void)state;
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)bytes), 0);
    here = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    there = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    assert_true(here != MAP_FAILED && there != MAP_FAILED && here != there);
    assert_int_equal(pawl_mpmc_init(here, 8, 24, PAWL_SHARED), 0);
    for (unsigned i = 0; i < 30; i++) {
        push_number(i % 2 == 0 ? here : there, i);
        pop_number(i % 2 == 0 ? there : here, i);
    }
    munmap(here, bytes);
    munmap(there, bytes);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_capacity_and_any_size),
        cmocka_unit_test(tickets_wrap),
        cmocka_unit_test(batches_take_what_there_is),
        cmocka_unit_test(closing_a_full_a_half_full_and_an_empty_one),
        cmocka_unit_test(deadlines_pass),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(who_is_stopped_before_its_hint_stops_nobody),
        cmocka_unit_test(pushers_stopped_with_a_lane_stop_nobody_until_all_lanes_are_gone),
        cmocka_unit_test(a_pusher_that_waits_for_a_lane_is_woken_when_one_comes_back),
        cmocka_unit_test(no_slot_is_lost_or_shared),
        cmocka_unit_test(a_child_goes_on_with_its_copy),
        cmocka_unit_test(it_is_mapped_at_two_addresses),
    };

    return cmocka_run_group_tests_name("mpmc", tests, NULL, NULL);
}
