/* SPDX-License-Identifier: MIT */
/* The deque: order, growth, thieves, what happens at the edges, and nothing lost or taken twice under
 * stress. */
#include "../../sync/sync_test.h"

#include <pawl/deque.h>

#include <errno.h>

/* ---- allocation that fails ---- */

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
static __thread bool refuse;

void *__wrap_malloc(size_t bytes)
{
    if (!refuse)
        return __real_malloc(bytes);
    errno = ENOMEM;
    return NULL;
}

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    if (!refuse)
        return __real_aligned_alloc(alignment, bytes);
    errno = ENOMEM;
    return NULL;
}

static void *number(uintptr_t n)
{
    return (void *)(n * 8);
}

static void push(struct pawl_deque *deque, uintptr_t n)
{
    assert_int_equal(pawl_deque_push(deque, number(n)), 0);
}

static void expect_pop(struct pawl_deque *deque, uintptr_t n)
{
    void *pointer = NULL;

    assert_int_equal(pawl_deque_pop(deque, &pointer), 0);
    assert_ptr_equal(pointer, number(n));
}

static void expect_steal(struct pawl_deque *deque, uintptr_t n)
{
    void *pointer = NULL;

    assert_int_equal(pawl_deque_steal(deque, &pointer), 0);
    assert_ptr_equal(pointer, number(n));
}

static void expect_empty(struct pawl_deque *deque)
{
    void *pointer = deque;

    assert_int_equal(pawl_deque_pop(deque, &pointer), -EAGAIN);
    assert_int_equal(pawl_deque_steal(deque, &pointer), -EAGAIN);
    assert_int_equal(pawl_deque_steal_half(deque, &pointer, 1), -EAGAIN);
    assert_ptr_equal(pointer, deque);
    assert_true(pawl_deque_empty(deque));
    assert_int_equal(pawl_deque_size(deque), 0);
}

static void for_each_kind(void (*promise)(struct pawl_deque *deque))
{
    static const size_t capacities[] = {1, 2, 3, 1000};
    static const uint64_t starts[] = {0, UINT32_MAX - UINT64_C(2), INT64_MAX - UINT64_C(2), UINT64_MAX - 2};

    for (size_t c = 0; c < sizeof capacities / sizeof capacities[0]; c++)
        for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++)
            for (int flags = 0; flags <= PAWL_DEQUE_RARELY_STOLEN; flags++) {
                struct pawl_deque *deque = pawl_deque_open(capacities[c], flags);

                assert_non_null(deque);
                pawl_deque_start_at_(deque, starts[s]);
                promise(deque);
                pawl_deque_free(deque);
            }
}

static void last_in_first_out(struct pawl_deque *deque)
{
    expect_empty(deque);
    for (uintptr_t i = 0; i < 20; i++)
        push(deque, i);
    assert_int_equal(pawl_deque_size(deque), 20);
    for (uintptr_t i = 20; i-- > 0;)
        expect_pop(deque, i);
    expect_empty(deque);
}

static void the_owner_pops_what_it_pushed_last(void **state)
{
    (void)state;
    for_each_kind(last_in_first_out);
}

static void oldest_first(struct pawl_deque *deque)
{
    for (uintptr_t i = 0; i < 20; i++)
        push(deque, i);
    for (uintptr_t i = 0; i < 10; i++)
        expect_steal(deque, i);
    for (uintptr_t i = 20; i-- > 10;)
        expect_pop(deque, i);
    expect_empty(deque);
}

static void a_thief_takes_the_oldest(void **state)
{
    (void)state;
    for_each_kind(oldest_first);
}

static void halves(struct pawl_deque *deque)
{
    static const size_t expected[] = {10, 5, 2, 1, 1};
    void *pointers[64];
    uintptr_t next = 0;

    for (uintptr_t i = 0; i < 19; i++)
        push(deque, i);
    for (size_t round = 0; round < sizeof expected / sizeof expected[0]; round++) {
        assert_int_equal(pawl_deque_steal_half(deque, pointers, 64), expected[round]);
        for (size_t i = 0; i < expected[round]; i++)
            assert_ptr_equal(pointers[i], number(next++));
    }
    expect_empty(deque);
}

static void steal_half_takes_half_rounded_up_oldest_first(void **state)
{
    (void)state;
    for_each_kind(halves);
}

static void at_most_max(struct pawl_deque *deque)
{
    void *pointers[3];

    for (uintptr_t i = 0; i < 100; i++)
        push(deque, i);
    assert_int_equal(pawl_deque_steal_half(deque, pointers, 3), 3);
    assert_ptr_equal(pointers[2], number(2));
    assert_int_equal(pawl_deque_steal_half(deque, pointers, 0), -EINVAL);
    assert_int_equal(pawl_deque_size(deque), 97);
    expect_pop(deque, 99);
}

static void steal_half_takes_no_more_than_asked_for(void **state)
{
    (void)state;
    for_each_kind(at_most_max);
}

static void batches(struct pawl_deque *deque)
{
    void *pointers[10];

    for (uintptr_t i = 0; i < 10; i++)
        pointers[i] = number(i);
    for (int round = 0; round < 5; round++) {
        assert_int_equal(pawl_deque_push_n(deque, pointers, 10), 0);
        assert_int_equal(pawl_deque_push_n(deque, pointers, 0), 0);
        for (uintptr_t i = 0; i < 5; i++)
            expect_steal(deque, i);
        for (uintptr_t i = 10; i-- > 5;)
            expect_pop(deque, i);
        expect_empty(deque);
    }
}

static void a_batch_is_pushed_in_order(void **state)
{
    (void)state;
    for_each_kind(batches);
}

static void more_than_one_steal_can_hold(void **state)
{
    struct pawl_deque *deque = pawl_deque_open(1, 0);
    void **pointers = calloc(200000, sizeof *pointers);

    (void)state;
    assert_non_null(deque);
    assert_non_null(pointers);
    for (uintptr_t i = 0; i < 200000; i++)
        push(deque, i);
    assert_int_equal(pawl_deque_steal_half(deque, pointers, 200000), PAWL_DEQUE_STEAL_MAX);
    assert_ptr_equal(pointers[PAWL_DEQUE_STEAL_MAX - 1], number(PAWL_DEQUE_STEAL_MAX - 1));
    expect_steal(deque, PAWL_DEQUE_STEAL_MAX);
    free(pointers);
    pawl_deque_free(deque);
}

static void null_is_a_pointer_like_any_other(void **state)
{
    struct pawl_deque *deque = pawl_deque_open(1, 0);
    void *pointer = deque;

    (void)state;
    assert_non_null(deque);
    assert_int_equal(pawl_deque_push(deque, NULL), 0);
    assert_int_equal(pawl_deque_pop(deque, &pointer), 0);
    assert_null(pointer);
    pawl_deque_free(deque);
    pawl_deque_free(NULL);
}

static void bad_arguments_are_refused(void **state)
{
    struct pawl_deque deque;

    (void)state;
    assert_int_equal(pawl_deque_init(&deque, 0, 0), -EINVAL);
    assert_int_equal(pawl_deque_init(&deque, ((size_t)1 << 40) + 1, 0), -EINVAL);
    assert_int_equal(pawl_deque_init(&deque, 1, 2), -EINVAL);
    errno = 0;
    assert_null(pawl_deque_open(0, 0));
    assert_int_equal(errno, EINVAL);
}

static void steal_from_itself(void *deque)
{
    void *pointer;

    (void)!pawl_deque_steal_into(deque, deque, &pointer);
}

static void stealing_from_itself_aborts(void **state)
{
    struct pawl_deque *deque = pawl_deque_open(1, 0);

    (void)state;
    expect_abort(steal_from_itself, deque, "pawl_deque_steal_into: a deque cannot steal from itself");
    pawl_deque_free(deque);
}

/* The first test: nothing that all deques share is there yet. */
static void a_deque_without_memory_leaves_later_ones_alone(void **state)
{
    struct pawl_deque deque;

    (void)state;
    refuse = true;
    assert_int_equal(pawl_deque_init(&deque, 4, 0), -ENOMEM);
    refuse = false;
    assert_int_equal(pawl_deque_init(&deque, 4, 0), 0);
    push(&deque, 1);
    expect_steal(&deque, 1);
    pawl_deque_destroy(&deque);
}

static void a_push_that_finds_no_memory_changes_nothing(void **state)
{
    struct pawl_deque *deque = pawl_deque_open(4, 0), failed;
    void *pointers[2] = {NULL, NULL};

    (void)state;
    assert_non_null(deque);
    for (uintptr_t i = 0; i < 4; i++)
        push(deque, i);
    refuse = true;
    assert_int_equal(pawl_deque_push(deque, number(4)), -ENOMEM);
    assert_int_equal(pawl_deque_push_n(deque, pointers, 2), -ENOMEM);
    assert_int_equal(pawl_deque_reserve(deque, SIZE_MAX / 2), -ENOMEM);
    assert_int_equal(pawl_deque_trim(deque), 0); /* nothing to trim, nothing allocated */
    assert_int_equal(pawl_deque_init(&failed, 1, 0), -ENOMEM);
    refuse = false;
    assert_int_equal(pawl_deque_size(deque), 4);
    for (uintptr_t i = 0; i < 4; i++)
        expect_steal(deque, i);
    expect_empty(deque);
    pawl_deque_free(deque);
}

static void reserve_makes_room_and_trim_gives_it_back(void **state)
{
    struct pawl_deque *deque = pawl_deque_open(1, 0);

    (void)state;
    assert_non_null(deque);
    push(deque, 0);
    assert_int_equal(pawl_deque_reserve(deque, 999), 0);
    assert_int_equal(deque->own->mask, 1023);
    refuse = true;
    for (uintptr_t i = 1; i < 1024; i++)
        push(deque, i);
    refuse = false;
    for (uintptr_t i = 1024; i-- > 40;)
        expect_pop(deque, i);
    assert_int_equal(pawl_deque_trim(deque), 0);
    assert_int_equal(deque->own->mask, 127);
    for (uintptr_t i = 0; i < 40; i++)
        expect_steal(deque, i);
    assert_int_equal(pawl_deque_trim(deque), 0);
    assert_int_equal(deque->own->mask, 63);
    expect_empty(deque);
    pawl_deque_free(deque);
}

/* ---- a thief that was stopped holding a claim ---- */

static void claim(struct pawl_deque *deque, uint64_t n)
{
    struct pawl_pair top = pawl_load_pair_acquire(&deque->top);

    top.hi = ((top.hi >> PAWL_DEQUE_CLAIM_BITS_) + 1) << PAWL_DEQUE_CLAIM_BITS_ | n;
    pawl_pair_init(&deque->top, top.lo, top.hi);
}

static bool claimed(struct pawl_deque *deque)
{
    return (pawl_load_pair_acquire(&deque->top).hi & PAWL_DEQUE_STEAL_MAX) != 0;
}

static void stopped_thief_and_owner(struct pawl_deque *deque)
{
    for (uintptr_t i = 0; i < 6; i++)
        push(deque, i);
    claim(deque, 3);
    for (uintptr_t i = 6; i-- > 3;)
        expect_pop(deque, i); /* beyond the claim */
    assert_true(claimed(deque));
    push(deque, 9);
    expect_pop(deque, 9);
    assert_true(claimed(deque));
    expect_pop(deque, 2); /* withdraws it */
    assert_false(claimed(deque));
    expect_pop(deque, 1);
    claim(deque, 1);
    expect_pop(deque, 0);
    expect_empty(deque);
    claim(deque, 1); /* of nothing, by a thief that was too late */
    expect_empty(deque);
}

static void a_stopped_thief_does_not_stop_the_owner(void **state)
{
    (void)state;
    for_each_kind(stopped_thief_and_owner);
}

static void stopped_thief_and_thieves(struct pawl_deque *deque)
{
    void *pointers[3];

    for (uintptr_t i = 0; i < 9; i++)
        push(deque, i);
    claim(deque, 3);
    expect_steal(deque, 0); /* from what the other has claimed */
    claim(deque, 2);
    expect_steal(deque, 1);
    claim(deque, 1);
    assert_int_equal(pawl_deque_steal_half(deque, pointers, 3), 3); /* claims more */
    assert_ptr_equal(pointers[2], number(4));
    claim(deque, 100); /* of more than there is */
    assert_int_equal(pawl_deque_steal_half(deque, pointers, 3), 2);
    expect_pop(deque, 8);
    expect_steal(deque, 7);
    expect_empty(deque);
}

static void a_stopped_thief_does_not_stop_other_thieves(void **state)
{
    (void)state;
    for_each_kind(stopped_thief_and_thieves);
}

/* ---- claims for the next thief ---- */

/* Changes of the top word since it was `before`. */
static uint64_t changes(struct pawl_deque *deque, uint64_t before)
{
    uint64_t now = pawl_load_pair_acquire(&deque->top).hi;

    return ((now >> PAWL_DEQUE_CLAIM_BITS_) - (before >> PAWL_DEQUE_CLAIM_BITS_)) &
           (UINT64_MAX >> PAWL_DEQUE_CLAIM_BITS_);
}

static void one_by_one(struct pawl_deque *deque)
{
    uint64_t before = pawl_load_pair_acquire(&deque->top).hi;

    for (uintptr_t i = 0; i < 20; i++)
        push(deque, i);
    for (uintptr_t i = 0; i < 20; i++)
        expect_steal(deque, i);
    assert_int_equal(changes(deque, before), 21); /* a claim, and one change for each */
    expect_empty(deque);
    for (uintptr_t i = 20; i < 80; i++) {
        push(deque, i);
        expect_steal(deque, i); /* the claim was made before it was pushed */
    }
    assert_int_equal(changes(deque, before), 81);
}

static void who_steals_one_by_one_claims_once(void **state)
{
    (void)state;
    for_each_kind(one_by_one);
}

static void owner_within(struct pawl_deque *deque)
{
    uint64_t before;

    for (uintptr_t i = 0; i < 9; i++)
        push(deque, i);
    expect_steal(deque, 0);
    expect_steal(deque, 1);
    before = pawl_load_pair_acquire(&deque->top).hi;
    for (uintptr_t i = 9; i-- > 2;)
        expect_pop(deque, i);
    expect_empty(deque);
    push(deque, 2);
    expect_pop(deque, 2);
    assert_int_equal(changes(deque, before), 1); /* withdrawn by the first pop */
    for (uintptr_t i = 3; i < 6; i++)
        push(deque, i);
    expect_steal(deque, 3);
    expect_pop(deque, 5);
    expect_steal(deque, 4);
    expect_empty(deque);
}

static void the_owner_withdraws_such_a_claim_once(void **state)
{
    (void)state;
    for_each_kind(owner_within);
}

/* An owner that was stopped in a pop of the last pointer, between its look at the index and its CAS. What a thief has seen
 * there, another may still take: so nobody says that there is nothing. */
static void stopped_owner(struct pawl_deque *deque)
{
    uint64_t bottom;
    void *pointers[3] = {NULL, NULL, NULL}, *mine = NULL;

    for (uintptr_t i = 0; i < 2; i++)
        push(deque, i);
    expect_steal(deque, 0);
    bottom = pawl_load_relaxed(&deque->bottom) - 1; /* the first step of pawl_deque_pop() */
    pawl_store_release(&deque->bottom, bottom);
    assert_int_equal(pawl_deque_steal_half(deque, pointers, 3), 1);
    assert_ptr_equal(pointers[0], number(1));
    assert_int_equal(pawl_deque_pop_contended_(deque, bottom, &mine), -EAGAIN); /* the last one */
    expect_empty(deque);

    for (uintptr_t i = 2; i < 4; i++)
        push(deque, i);
    expect_steal(deque, 2);
    bottom = pawl_load_relaxed(&deque->bottom) - 1;
    pawl_store_release(&deque->bottom, bottom);
    assert_int_equal(pawl_deque_pop_contended_(deque, bottom, &mine), 0);
    assert_ptr_equal(mine, number(3));
    expect_empty(deque);
}

static void what_a_stopped_owner_may_not_get_is_not_hidden(void **state)
{
    (void)state;
    for_each_kind(stopped_owner);
}

static void beyond_it(struct pawl_deque *deque)
{
    uint64_t before;

    for (uintptr_t i = 0; i < 400; i++)
        push(deque, i);
    expect_steal(deque, 0);
    before = pawl_load_pair_acquire(&deque->top).hi;
    for (uintptr_t i = 400; i-- > 300;)
        expect_pop(deque, i);
    assert_int_equal(changes(deque, before), 0); /* far from it: without a CAS */
    for (uintptr_t i = 1; i < 300; i++)
        expect_steal(deque, i);
    expect_empty(deque);
}

static void the_owner_pops_freely_beyond_it(void **state)
{
    (void)state;
    for_each_kind(beyond_it);
}

static void a_steal_into_gives_one_and_pushes_the_rest(void **state)
{
    struct pawl_deque *from = pawl_deque_open(1, 0), *to = pawl_deque_open(1, 0);
    void *pointer = NULL;

    (void)state;
    assert_true(from != NULL && to != NULL);
    assert_int_equal(pawl_deque_steal_into(from, to, &pointer), -EAGAIN);
    for (uintptr_t i = 0; i < 9; i++)
        push(from, i);
    assert_int_equal(pawl_deque_steal_into(from, to, &pointer), 0);
    assert_ptr_equal(pointer, number(0));
    for (uintptr_t i = 5; i-- > 1;)
        expect_pop(to, i);
    expect_empty(to);
    assert_int_equal(pawl_deque_size(from), 4);
    pawl_deque_free(from);
    pawl_deque_free(to);
}

static void use_in_child(void *argument)
{
    struct pawl_deque *deque = argument;
    void *pointer;

    for (uintptr_t i = 0; i < 100; i++)
        if (pawl_deque_push(deque, number(i)) != 0)
            _exit(1);
    for (int i = 0; i < 103; i++)
        if ((i % 2 == 0 ? pawl_deque_pop(deque, &pointer) : pawl_deque_steal(deque, &pointer)) != 0)
            _exit(2);
    if (!pawl_deque_empty(deque))
        _exit(3);
    pawl_deque_free(deque);
}

static void a_forked_child_uses_its_copy(void **state)
{
    struct pawl_deque *deque = pawl_deque_open(2, 0);

    (void)state;
    for (uintptr_t i = 0; i < 3; i++)
        push(deque, i);
    claim(deque, 2); /* of a thread that the child does not have */
    assert_int_equal(status_of_child(use_in_child, deque), 0);
    expect_pop(deque, 2);
    pawl_deque_free(deque);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deque_without_memory_leaves_later_ones_alone),
        cmocka_unit_test(the_owner_pops_what_it_pushed_last),
        cmocka_unit_test(a_thief_takes_the_oldest),
        cmocka_unit_test(steal_half_takes_half_rounded_up_oldest_first),
        cmocka_unit_test(steal_half_takes_no_more_than_asked_for),
        cmocka_unit_test(a_batch_is_pushed_in_order),
        cmocka_unit_test(more_than_one_steal_can_hold),
        cmocka_unit_test(null_is_a_pointer_like_any_other),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(stealing_from_itself_aborts),
        cmocka_unit_test(a_push_that_finds_no_memory_changes_nothing),
        cmocka_unit_test(reserve_makes_room_and_trim_gives_it_back),
        cmocka_unit_test(a_stopped_thief_does_not_stop_the_owner),
        cmocka_unit_test(a_stopped_thief_does_not_stop_other_thieves),
        cmocka_unit_test(who_steals_one_by_one_claims_once),
        cmocka_unit_test(the_owner_withdraws_such_a_claim_once),
        cmocka_unit_test(what_a_stopped_owner_may_not_get_is_not_hidden),
        cmocka_unit_test(the_owner_pops_freely_beyond_it),
        cmocka_unit_test(a_steal_into_gives_one_and_pushes_the_rest),
        cmocka_unit_test(a_forked_child_uses_its_copy),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("deque", tests, NULL, NULL);
}
