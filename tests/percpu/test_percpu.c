/* SPDX-License-Identifier: MIT */
/* What every operation of <pawl/percpu.h> does on one slot, and each of its refusals: words, lists,
 * stacks, bump allocation. Each promise is kept for every way to number the slots. The rest is in
 * test_percpu_slots.c; what many threads see is in test_percpu_stress.c. */
#include "percpu_test.h"

#include <limits.h>

#define COPY_BYTES 96
#define STACK_ITEMS 8
#define CHUNK_SHIFT 12

struct slice {
    long word;
    long guard;
    long first;
    long words[PAWL_PERCPU_SNAPSHOT_MAX];
    struct pawl_percpu_list list;
    long bump;
    _Alignas(16) unsigned char copy[COPY_BYTES];
    _Alignas(16) unsigned char stack[sizeof(struct pawl_percpu_stack) + STACK_ITEMS * sizeof(void *)];
};

#define AT(field) offsetof(struct slice, field)

static enum pawl_percpu_index kind;
static struct pawl_percpu *pc;
static struct slice *mine; /* the slice that the operations of this thread work on */

static const long corners[] = {0,        1,           -1,       7,        INT_MAX,      INT_MIN,
                               1l << 31, -(1l << 40), LONG_MAX, LONG_MIN, LONG_MAX - 1, LONG_MIN + 1};
#define CORNERS (sizeof corners / sizeof corners[0])

static long wrapped_sum(long a, long b)
{
    return (long)((unsigned long)a + (unsigned long)b);
}

static int open_region(void **state)
{
    uint32_t slot;
    struct slice *item;
    long value;

    (void)state;
    pc = pawl_percpu_open(sizeof(struct slice), kind);
    assert_non_null(pc);
    assert_int_equal(pawl_percpu_load(pc, AT(word), &value), 0);
    mine = NULL;
    pawl_percpu_each (pc, slot, item) {
        assert_null(mine);
        mine = item;
    }
    assert_non_null(mine);
    return 0;
}

static int close_region(void **state)
{
    (void)state;
    pawl_percpu_close(pc);
    return 0;
}

static void a_slice_starts_all_zero(void **state)
{
    const char *bytes = (const char *)mine;

    (void)state;
    for (size_t i = 0; i < sizeof *mine; i++)
        assert_int_equal(bytes[i], 0);
}

/* ---- Words ---- */

static void load_reads_the_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < CORNERS; i++) {
        long value = 42;

        mine->word = corners[i];
        assert_int_equal(pawl_percpu_load(pc, AT(word), &value), 0);
        assert_int_equal(value, corners[i]);
    }
}

static void add_wraps_around(void **state)
{
    (void)state;
    for (size_t i = 0; i < CORNERS; i++)
        for (size_t k = 0; k < CORNERS; k++) {
            mine->word = corners[i];
            assert_int_equal(pawl_percpu_add(pc, AT(word), corners[k]), 0);
            assert_int_equal(mine->word, wrapped_sum(corners[i], corners[k]));
        }
}

/* Constants become operands of the instructions where they fit 32 bits, and must not where they do not. */
static void constants_of_any_size_are_added(void **state)
{
    (void)state;
    assert_int_equal(pawl_percpu_add(pc, AT(word), INT_MAX), 0);
    assert_int_equal(pawl_percpu_add(pc, AT(word), INT_MAX + 1l), 0);
    assert_int_equal(pawl_percpu_add(pc, AT(word), INT_MIN), 0);
    assert_int_equal(pawl_percpu_add(pc, AT(word), INT_MIN - 1l), 0);
    assert_int_equal(pawl_percpu_add(pc, AT(word), 1l << 62), 0);
    assert_int_equal(mine->word, (1l << 62) - 2);
    assert_int_equal(pawl_percpu_cas(pc, AT(word), (1l << 62) - 2, 0x7fffffffffff), 0);
    assert_int_equal(pawl_percpu_cas(pc, AT(word), 0x7fffffffffff, -0x80000000l), 0);
    assert_int_equal(pawl_percpu_max(pc, AT(word), -0x7fffffffl), 0);
    assert_int_equal(mine->word, -0x7fffffffl);
}

static void fetch_add_returns_what_was_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < CORNERS; i++)
        for (size_t k = 0; k < CORNERS; k++) {
            long old = 42;

            mine->word = corners[i];
            assert_int_equal(pawl_percpu_fetch_add(pc, AT(word), corners[k], &old), 0);
            assert_int_equal(old, corners[i]);
            assert_int_equal(mine->word, wrapped_sum(corners[i], corners[k]));
        }
}

static void add_via_follows_the_pointer(void **state)
{
    long there[3] = {10, 20, 30};

    (void)state;
    mine->word = (long)&there[1];
    assert_int_equal(pawl_percpu_add_via(pc, AT(word), 0, 1), 0);
    assert_int_equal(pawl_percpu_add_via(pc, AT(word), -(ptrdiff_t)sizeof(long), LONG_MAX), 0);
    assert_int_equal(pawl_percpu_add_via(pc, AT(word), sizeof(long), -31), 0);
    assert_int_equal(there[0], wrapped_sum(10, LONG_MAX));
    assert_int_equal(there[1], 21);
    assert_int_equal(there[2], -1);
    assert_int_equal(mine->word, (long)&there[1]);
}

static void add_via_refuses_a_null_pointer(void **state)
{
    (void)state;
    assert_int_equal(pawl_percpu_add_via(pc, AT(word), 0, 1), -EAGAIN);
    assert_int_equal(pawl_percpu_add_via(pc, AT(word), 1l << 20, 1), -EAGAIN);
    assert_int_equal(mine->word, 0);
}

static void max_keeps_the_larger(void **state)
{
    (void)state;
    for (size_t i = 0; i < CORNERS; i++)
        for (size_t k = 0; k < CORNERS; k++) {
            mine->word = corners[i];
            assert_int_equal(pawl_percpu_max(pc, AT(word), corners[k]), 0);
            assert_int_equal(mine->word, corners[i] > corners[k] ? corners[i] : corners[k]);
        }
}

static void add_limit_saturates_without_overflow(void **state)
{
    (void)state;
    for (size_t i = 0; i < CORNERS; i++)
        for (size_t k = 0; k < CORNERS; k++)
            for (size_t m = 0; m < CORNERS; m++) {
                __int128 sum = (__int128)corners[i] + corners[k];

                if (corners[k] < 0)
                    continue;
                mine->word = corners[i];
                assert_int_equal(pawl_percpu_add_limit(pc, AT(word), corners[k], corners[m]), 0);
                assert_int_equal(mine->word, sum < corners[m] ? (long)sum : corners[m]);
            }
}

static void spend_takes_all_or_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CORNERS; i++)
        for (size_t k = 0; k < CORNERS; k++) {
            bool enough = corners[i] >= corners[k];

            if (corners[k] < 0)
                continue;
            mine->word = corners[i];
            assert_int_equal(pawl_percpu_spend(pc, AT(word), corners[k]), enough ? 0 : -EAGAIN);
            assert_int_equal(mine->word, enough ? corners[i] - corners[k] : corners[i]);
        }
}

static void cas_stores_if_equal(void **state)
{
    (void)state;
    for (size_t i = 0; i < CORNERS; i++)
        for (size_t k = 0; k < CORNERS; k++) {
            mine->word = corners[i];
            assert_int_equal(pawl_percpu_cas(pc, AT(word), corners[k], 5), i == k ? 0 : -EAGAIN);
            assert_int_equal(mine->word, i == k ? 5 : corners[i]);
        }
}

static void store_unless_stores_if_not_equal(void **state)
{
    (void)state;
    for (size_t i = 0; i < CORNERS; i++)
        for (size_t k = 0; k < CORNERS; k++) {
            mine->word = corners[i];
            assert_int_equal(pawl_percpu_store_unless(pc, AT(word), corners[k], 5), i != k ? 0 : -EAGAIN);
            assert_int_equal(mine->word, i != k ? 5 : corners[i]);
        }
}

static void cas_if_compares_both_words(void **state)
{
    (void)state;
    for (long word = 0; word < 2; word++)
        for (long guard = 0; guard < 2; guard++) {
            bool equal = word == 1 && guard == 1;

            mine->word = word;
            mine->guard = guard;
            assert_int_equal(pawl_percpu_cas_if(pc, AT(word), 1, 9, AT(guard), 1), equal ? 0 : -EAGAIN);
            assert_int_equal(mine->word, equal ? 9 : word);
            assert_int_equal(mine->guard, guard);
        }
    mine->word = LONG_MIN;
    mine->guard = LONG_MAX;
    assert_int_equal(pawl_percpu_cas_if(pc, AT(word), LONG_MIN, LONG_MAX, AT(guard), LONG_MAX), 0);
    assert_int_equal(mine->word, LONG_MAX);
}

static void cas_after_stores_both_or_none(void **state)
{
    (void)state;
    mine->word = 1;
    assert_int_equal(pawl_percpu_cas_after(pc, AT(word), 2, 3, AT(first), 77), -EAGAIN);
    assert_int_equal(mine->word, 1);
    assert_int_equal(mine->first, 0);
    assert_int_equal(pawl_percpu_cas_after(pc, AT(word), 1, LONG_MIN, AT(first), LONG_MAX), 0);
    assert_int_equal(mine->word, LONG_MIN);
    assert_int_equal(mine->first, LONG_MAX);
}

/* Copies `len` bytes from source + from to copy + to, and looks at every byte. */
static void copy_is_exact(const unsigned char *source, size_t from, size_t to, size_t len)
{
    memset(mine->copy, 0xee, sizeof mine->copy);
    mine->word = 1;
    assert_int_equal(pawl_percpu_cas_after_copy(pc, AT(word), 0, 2, AT(copy) + to, source + from, len),
                     -EAGAIN);
    for (size_t i = 0; i < COPY_BYTES; i++)
        assert_int_equal(mine->copy[i], 0xee);
    assert_int_equal(mine->word, 1);
    assert_int_equal(pawl_percpu_cas_after_copy(pc, AT(word), 1, 2, AT(copy) + to, source + from, len), 0);
    for (size_t i = 0; i < COPY_BYTES; i++)
        assert_int_equal(mine->copy[i], i >= to && i < to + len ? source[from + i - to] : 0xee);
    assert_int_equal(mine->word, 2);
}

static void copies_of_any_length_and_alignment_are_exact(void **state)
{
    unsigned char source[COPY_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (unsigned char)(i + 1);
    for (size_t len = 0; len <= 65; len++)
        for (size_t from = 0; from < 9; from++)
            copy_is_exact(source, from, (from * 5 + len) % 11, len);
}

static void snapshot_reads_up_to_eight_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAWL_PERCPU_SNAPSHOT_MAX; i++)
        mine->words[i] = corners[i];
    for (size_t count = 1; count <= PAWL_PERCPU_SNAPSHOT_MAX; count++) {
        long seen[PAWL_PERCPU_SNAPSHOT_MAX + 1];

        for (size_t i = 0; i <= PAWL_PERCPU_SNAPSHOT_MAX; i++)
            seen[i] = 4242;
        assert_int_equal(pawl_percpu_snapshot(pc, AT(words), seen, count), 0);
        for (size_t i = 0; i <= PAWL_PERCPU_SNAPSHOT_MAX; i++)
            assert_int_equal(seen[i], i < count ? corners[i] : 4242);
    }
}

static void snapshot_refuses_other_counts(void **state)
{
    long seen[1] = {4242};

    (void)state;
    assert_int_equal(pawl_percpu_snapshot(pc, AT(words), seen, 0), -EINVAL);
    assert_int_equal(pawl_percpu_snapshot(pc, AT(words), seen, PAWL_PERCPU_SNAPSHOT_MAX + 1), -EINVAL);
    assert_int_equal(pawl_percpu_snapshot(pc, AT(words), seen, SIZE_MAX), -EINVAL);
    assert_int_equal(seen[0], 4242);
}

/* Offsets that fit an operand, and offsets that do not. */
static void words_at_any_offset_are_reached(void **state)
{
    static const size_t at[] = {0, 8, 2040, 4088, 4096, 32768, 0x8000, 0xfff8, 0x100000 - 8};
    struct pawl_percpu *wide = pawl_percpu_open(0x100000, kind);

    (void)state;
    assert_non_null(wide);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        long value = 0;

        assert_int_equal(pawl_percpu_cas(wide, at[i], 0, (long)i + 1), i == 6 ? -EAGAIN : 0);
        assert_int_equal(pawl_percpu_load(wide, at[i], &value), 0);
        assert_int_equal(value, i == 6 ? 6 : (long)i + 1);
    }
    assert_int_equal(pawl_percpu_add(wide, 0xff000, 3), 0);
    assert_int_equal(pawl_percpu_cas_after(wide, 0xff000, 3, 4, 0xfe008, 5), 0);
    assert_int_equal(pawl_percpu_cas_if(wide, 0xfe008, 5, 6, 0xff000, 4), 0);
    pawl_percpu_close(wide);
}

/* ---- Lists ---- */

static void a_list_is_last_in_first_out(void **state)
{
    struct pawl_percpu_node node[3];

    (void)state;
    assert_null(pawl_percpu_pop(pc, AT(list)));
    for (int i = 0; i < 3; i++)
        assert_int_equal(pawl_percpu_push(pc, AT(list), &node[i]), 0);
    for (int i = 2; i >= 0; i--)
        assert_ptr_equal(pawl_percpu_pop(pc, AT(list)), &node[i]);
    assert_null(pawl_percpu_pop(pc, AT(list)));
    assert_null(mine->list.head);
}

static void a_chain_is_pushed_as_linked(void **state)
{
    struct pawl_percpu_node node[4];

    (void)state;
    node[0].next = &node[1];
    node[1].next = &node[2];
    assert_int_equal(pawl_percpu_push(pc, AT(list), &node[3]), 0);
    assert_int_equal(pawl_percpu_push_chain(pc, AT(list), &node[0], &node[2]), 0);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(pawl_percpu_pop(pc, AT(list)), &node[i]);
    assert_null(pawl_percpu_pop(pc, AT(list)));
}

static void pop_all_takes_the_whole_list(void **state)
{
    struct pawl_percpu_node node[2];

    (void)state;
    assert_null(pawl_percpu_pop_all(pc, AT(list)));
    assert_int_equal(pawl_percpu_push(pc, AT(list), &node[0]), 0);
    assert_int_equal(pawl_percpu_push(pc, AT(list), &node[1]), 0);
    assert_ptr_equal(pawl_percpu_pop_all(pc, AT(list)), &node[1]);
    assert_ptr_equal(node[1].next, &node[0]);
    assert_null(node[0].next);
    assert_null(pawl_percpu_pop_all(pc, AT(list)));
}

/* ---- Stacks ---- */

static struct pawl_percpu_stack *open_stack(size_t capacity)
{
    struct pawl_percpu_stack *stack = (struct pawl_percpu_stack *)(void *)mine->stack;

    stack->capacity = capacity;
    return stack;
}

static void *item(uintptr_t number)
{
    return (void *)number;
}

static void a_stack_is_full_until_it_has_a_capacity(void **state)
{
    void *items[2] = {item(1), item(2)};

    (void)state;
    assert_int_equal(pawl_percpu_stack_push(pc, AT(stack), item(1)), -EAGAIN);
    assert_int_equal(pawl_percpu_stack_push_many(pc, AT(stack), items, 2), 0);
    assert_int_equal(pawl_percpu_stack_pop(pc, AT(stack), items), -EAGAIN);
}

static void a_stack_is_last_in_first_out_and_bounded(void **state)
{
    void *seen = item(42);

    (void)state;
    open_stack(STACK_ITEMS);
    for (uintptr_t i = 1; i <= STACK_ITEMS; i++)
        assert_int_equal(pawl_percpu_stack_push(pc, AT(stack), item(i)), 0);
    assert_int_equal(pawl_percpu_stack_push(pc, AT(stack), item(99)), -EAGAIN);
    for (uintptr_t i = STACK_ITEMS; i >= 1; i--) {
        assert_int_equal(pawl_percpu_stack_pop(pc, AT(stack), &seen), 0);
        assert_ptr_equal(seen, item(i));
    }
    assert_int_equal(pawl_percpu_stack_pop(pc, AT(stack), &seen), -EAGAIN);
    assert_ptr_equal(seen, item(1));
}

static void a_stack_holds_any_word(void **state)
{
    void *seen = item(42);

    (void)state;
    open_stack(STACK_ITEMS);
    assert_int_equal(pawl_percpu_stack_push(pc, AT(stack), NULL), 0);
    assert_int_equal(pawl_percpu_stack_push(pc, AT(stack), item(UINTPTR_MAX)), 0);
    assert_int_equal(pawl_percpu_stack_pop(pc, AT(stack), &seen), 0);
    assert_ptr_equal(seen, item(UINTPTR_MAX));
    assert_int_equal(pawl_percpu_stack_pop(pc, AT(stack), &seen), 0);
    assert_null(seen);
}

/* Pushes `count` of STACK_ITEMS + 1 items where `there` lie already. */
static void push_many_pushes_what_fits(size_t there, size_t count)
{
    struct pawl_percpu_stack *stack = open_stack(STACK_ITEMS);
    size_t fits = count < STACK_ITEMS - there ? count : STACK_ITEMS - there;
    void *items[STACK_ITEMS + 1];

    for (size_t i = 0; i <= STACK_ITEMS; i++)
        items[i] = item(100 + i);
    memset(stack->item, 0, STACK_ITEMS * sizeof(void *));
    stack->count = there;
    assert_int_equal(pawl_percpu_stack_push_many(pc, AT(stack), items, count), fits);
    assert_int_equal(stack->count, there + fits);
    for (size_t i = 0; i < STACK_ITEMS; i++)
        assert_ptr_equal(stack->item[i], i >= there && i < there + fits ? items[i - there] : NULL);
}

/* Pops up to `count` where `there` lie. */
static void pop_many_pops_what_is_there(size_t there, size_t count)
{
    struct pawl_percpu_stack *stack = open_stack(STACK_ITEMS);
    size_t pops = count < there ? count : there;
    void *items[STACK_ITEMS + 1] = {NULL};

    for (size_t i = 0; i < STACK_ITEMS; i++)
        stack->item[i] = item(100 + i);
    stack->count = there;
    assert_int_equal(pawl_percpu_stack_pop_many(pc, AT(stack), items, count), pops);
    assert_int_equal(stack->count, there - pops);
    for (size_t i = 0; i <= STACK_ITEMS; i++)
        assert_ptr_equal(items[i], i < pops ? item(100 + there - pops + i) : NULL);
}

static void batches_of_any_size_move_what_fits(void **state)
{
    (void)state;
    for (size_t there = 0; there <= STACK_ITEMS; there++)
        for (size_t count = 0; count <= STACK_ITEMS + 1; count++) {
            push_many_pushes_what_fits(there, count);
            pop_many_pops_what_is_there(there, count);
        }
}

/* ---- Bump allocation ---- */

static void bump_needs_a_chunk(void **state)
{
    (void)state;
    assert_null(pawl_percpu_bump(pc, AT(bump), 16, CHUNK_SHIFT));
    assert_null(pawl_percpu_bump(pc, AT(bump), 0, CHUNK_SHIFT));
}

static void bump_hands_out_neighbours_up_to_the_end(void **state)
{
    const size_t chunk = (size_t)1 << CHUNK_SHIFT;
    char *memory = aligned_alloc(chunk, chunk);

    (void)state;
    assert_non_null(memory);
    assert_int_equal(pawl_percpu_cas(pc, AT(bump), 0, (long)memory), 0);
    assert_ptr_equal(pawl_percpu_bump(pc, AT(bump), 16, CHUNK_SHIFT), memory);
    assert_ptr_equal(pawl_percpu_bump(pc, AT(bump), 0, CHUNK_SHIFT), memory + 16);
    assert_null(pawl_percpu_bump(pc, AT(bump), chunk - 16, CHUNK_SHIFT)); /* would end exactly at the end */
    assert_ptr_equal(pawl_percpu_bump(pc, AT(bump), chunk - 17, CHUNK_SHIFT), memory + 16);
    assert_null(pawl_percpu_bump(pc, AT(bump), 1, CHUNK_SHIFT));
    assert_ptr_equal(pawl_percpu_bump(pc, AT(bump), 0, CHUNK_SHIFT), memory + chunk - 1);
    assert_int_equal(mine->bump, (long)(memory + chunk - 1));
    free(memory);
}

static void bump_refuses_what_no_chunk_holds(void **state)
{
    const size_t chunk = (size_t)1 << CHUNK_SHIFT;
    static const size_t sizes[] = {(size_t)1 << CHUNK_SHIFT, SIZE_MAX, SIZE_MAX - 4095, (size_t)1 << 63};
    char *memory = aligned_alloc(chunk, chunk);

    (void)state;
    assert_non_null(memory);
    mine->bump = (long)(memory + 8);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_null(pawl_percpu_bump(pc, AT(bump), sizes[i], CHUNK_SHIFT));
    assert_null(pawl_percpu_bump(pc, AT(bump), 1, 64));
    assert_null(pawl_percpu_bump(pc, AT(bump), 1, UINT_MAX));
    assert_int_equal(mine->bump, (long)(memory + 8));
    free(memory);
}

static const struct CMUnitTest tests[] = {
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_region, close_region)
    PROMISE(a_slice_starts_all_zero),
    PROMISE(load_reads_the_word),
    PROMISE(add_wraps_around),
    PROMISE(constants_of_any_size_are_added),
    PROMISE(fetch_add_returns_what_was_there),
    PROMISE(add_via_follows_the_pointer),
    PROMISE(add_via_refuses_a_null_pointer),
    PROMISE(max_keeps_the_larger),
    PROMISE(add_limit_saturates_without_overflow),
    PROMISE(spend_takes_all_or_nothing),
    PROMISE(cas_stores_if_equal),
    PROMISE(store_unless_stores_if_not_equal),
    PROMISE(cas_if_compares_both_words),
    PROMISE(cas_after_stores_both_or_none),
    PROMISE(copies_of_any_length_and_alignment_are_exact),
    PROMISE(snapshot_reads_up_to_eight_words),
    PROMISE(snapshot_refuses_other_counts),
    PROMISE(words_at_any_offset_are_reached),
    PROMISE(a_list_is_last_in_first_out),
    PROMISE(a_chain_is_pushed_as_linked),
    PROMISE(pop_all_takes_the_whole_list),
    PROMISE(a_stack_is_full_until_it_has_a_capacity),
    PROMISE(a_stack_is_last_in_first_out_and_bounded),
    PROMISE(a_stack_holds_any_word),
    PROMISE(batches_of_any_size_move_what_fits),
    PROMISE(bump_needs_a_chunk),
    PROMISE(bump_hands_out_neighbours_up_to_the_end),
    PROMISE(bump_refuses_what_no_chunk_holds),
};

int main(void)
{
    int cpu[CPUS_MAX];
    int failed = 0;

    /* One slot for the whole run: operations find again what the one before left. */
    if (allowed_cpus(cpu) == 0 || pin(0, cpu[0]) != 0)
        return EXIT_FAILURE;
    print_mode();
    for (kind = PAWL_PERCPU_BY_ANY; kind <= PAWL_PERCPU_BY_CID; kind++)
        if (kind_is_offered(kind))
            failed += cmocka_run_group_tests_name(name_of_kind(kind), tests, NULL, NULL);
    return failed;
}
