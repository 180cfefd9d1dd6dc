/* SPDX-License-Identifier: MIT */
/* What plain-C sequences promise to their callers, in every way in which they can run. */
#include "percpu_test.h"
#include "structures.h"

#include <limits.h>

static struct pawl_percpu *pc;

/* The slots of the locked form are not those of the CPU: with one CPU and one thread, both come back to the
 * same slot at every operation. */
static int open_region(void **state)
{
    int cpu[CPUS_MAX];

    (void)state;
    if (allowed_cpus(cpu) == 0 || pin(0, cpu[0]) != 0)
        return -1;
    pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_CPU);
    return pc != NULL ? 0 : -1;
}

static int close_region(void **state)
{
    (void)state;
    pawl_percpu_close(pc);
    return 0;
}

/* The one slice in use, and its slot. */
static struct slice *only_slice(uint32_t *slot)
{
    struct slice *slice;

    *slot = 0;
    slice = pawl_percpu_next(pc, slot);
    assert_non_null(slice);
    return slice;
}

static void a_commit_is_seen_by_the_next_operation(void **state)
{
    uint32_t slot;

    (void)state;
    for (long i = 0; i < 1000; i++)
        assert_int_equal(hits_add(pc, 3), 0);
    assert_int_equal(only_slice(&slot)->hits, 3000);
}

static void commits_of_one_two_and_four_bytes_leave_their_neighbours_alone(void **state)
{
    uint32_t slot;
    struct slice *slice;

    (void)state;
    for (long i = 1; i <= 300; i++) {
        assert_int_equal(tiny_add(pc, 1), i % 256);
        assert_int_equal(narrow_add(pc, 300), i * 300 % 65536);
        assert_int_equal(histogram_count(pc, 1ul << 20), 21);
    }
    slice = only_slice(&slot);
    assert_int_equal(slice->tiny, 300 % 256);
    assert_int_equal(slice->narrow, 300 * 300 % 65536);
    assert_int_equal(slice->histogram[20], 0);
    assert_int_equal(slice->histogram[21], 300);
    assert_int_equal(slice->histogram[22], 0);
    assert_int_equal(slice->count, 0);
}

static void a_histogram_has_a_bucket_for_every_value(void **state)
{
    (void)state;
    assert_int_equal(histogram_count(pc, 0), 0);
    assert_int_equal(histogram_count(pc, 1), 1);
    assert_int_equal(histogram_count(pc, 255), 8);
    assert_int_equal(histogram_count(pc, 256), 9);
    assert_int_equal(histogram_count(pc, ~0ul), BUCKETS - 1);
}

static void a_bucket_fills_up_to_its_limit(void **state)
{
    (void)state;
    assert_int_equal(bucket_fill(pc, 60, 100), 60);
    assert_int_equal(bucket_fill(pc, 60, 100), 40);
    assert_int_equal(bucket_fill(pc, 60, 100), 0);
    assert_int_equal(bucket_fill(pc, 0, 50), 0);
    assert_int_equal(bucket_fill(pc, LONG_MAX, LONG_MAX), LONG_MAX - 100);
}

static void a_list_gives_back_the_last_node_first(void **state)
{
    struct node node[3];

    (void)state;
    assert_null(list_pop(pc));
    for (int i = 0; i < 3; i++)
        assert_int_equal(list_push(pc, &node[i]), 0);
    for (int i = 2; i >= 0; i--)
        assert_ptr_equal(list_pop(pc), &node[i]);
    assert_null(list_pop(pc));
}

static void an_array_is_bounded(void **state)
{
    void *items[STACK_ITEMS + 2];

    (void)state;
    for (size_t i = 0; i < STACK_ITEMS + 2; i++)
        items[i] = &items[i];
    assert_null(array_pop(pc));
    assert_int_equal(array_push(pc, items[0]), 0);
    assert_int_equal(array_push_many(pc, items + 1, STACK_ITEMS + 1), STACK_ITEMS - 1);
    assert_int_equal(array_push(pc, items[0]), -EAGAIN);
    assert_int_equal(array_push_many(pc, items, 2), 0);
    for (size_t i = STACK_ITEMS; i > 0; i--)
        assert_ptr_equal(array_pop(pc), items[i - 1]);
    assert_null(array_pop(pc));
}

static void an_id_names_its_slot_and_comes_back_when_freed(void **state)
{
    long first = bit_alloc(pc);
    uint32_t slot;

    (void)state;
    (void)only_slice(&slot);
    assert_int_equal(first, (long)slot * MAP_WORDS * 64);
    for (long i = 1; i < MAP_WORDS * 64; i++)
        assert_int_equal(bit_alloc(pc), first + i);
    assert_int_equal(bit_alloc(pc), -EAGAIN);
    assert_int_equal(bit_free(pc, first + 130), 0);
    assert_int_equal(bit_free(pc, first + 130), -EINVAL);
    assert_int_equal(bit_free(pc, first + MAP_WORDS * 64), -EXDEV);
    assert_int_equal(bit_alloc(pc), first + 130);
}

static void events_are_read_as_they_were_written(void **state)
{
    long words[EVENT_WORDS] = {0};
    uint32_t slot;

    (void)state;
    assert_int_equal(event_append(pc, words, EVENT_WORDS), -EAGAIN);
    for (long round = 0; round < 200; round++) {
        size_t count = (size_t)round % 13;

        for (size_t i = 0; i < count; i++)
            words[i] = round * 100 + (long)i;
        assert_int_equal(event_append(pc, words, count), 0);
        memset(words, 0, sizeof words);
        assert_int_equal(event_take(only_slice(&slot), words), count);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(words[i], round * 100 + (long)i);
    }
    for (int i = 0; i < EVENT_WORDS / 4; i++)
        assert_int_equal(event_append(pc, words, 3), 0);
    assert_int_equal(event_append(pc, words, 0), -EAGAIN);
}

/* Every slot is away, those of CPUs and the locked ones: there is nowhere to turn to. */
static void a_detached_slice_is_busy(void **state)
{
    void *slice[512];
    uint32_t count = 0;
    struct node node;
    uint32_t slot;
    void *item = &node;
    struct slice *each;
    long hits = 0;

    (void)state;
    assert_int_equal(hits_add(pc, 1), 0);
    (void)only_slice(&slot);
    for (uint32_t s = slot < pc->limit ? slot : pc->limit; s < pc->slots && count < 512; s++)
        if (s == slot || s >= pc->limit)
            slice[count++] = pawl_percpu_detach(pc, s);
    assert_int_equal(hits_add(pc, 1), -EBUSY);
    assert_int_equal(list_push(pc, &node), -EBUSY);
    assert_null(list_pop(pc));
    assert_null(array_pop(pc));
    assert_int_equal(array_push_many(pc, &item, 1), -EBUSY);
    assert_int_equal(bit_alloc(pc), -EBUSY);
    count = 0;
    for (uint32_t s = slot < pc->limit ? slot : pc->limit; s < pc->slots && count < 512; s++)
        if (s == slot || s >= pc->limit)
            assert_int_equal(pawl_percpu_attach(pc, s, slice[count++]), 0);
    assert_int_equal(hits_add(pc, 1), 0);
    pawl_percpu_each (pc, slot, each)
        hits += each->hits;
    assert_int_equal(hits, 2);
}

static void an_attached_slice_is_used(void **state)
{
    static _Alignas(128) struct slice other;
    struct slice *own;
    uint32_t slot;

    (void)state;
    assert_int_equal(hits_add(pc, 1), 0);
    own = only_slice(&slot);
    assert_ptr_equal(pawl_percpu_detach(pc, slot), own);
    assert_int_equal(pawl_percpu_attach(pc, slot, &other), 0);
    assert_int_equal(hits_add(pc, 5), 0);
    assert_int_equal(other.hits, 5);
    assert_int_equal(own->hits, 1);
    assert_ptr_equal(pawl_percpu_detach(pc, slot), &other);
    assert_int_equal(pawl_percpu_attach(pc, slot, own), 0);
}

static void plain_c_and_ready_operations_work_on_one_slice(void **state)
{
    uint32_t slot;
    struct slice *slice;

    (void)state;
    assert_int_equal(pawl_percpu_add(pc, offsetof(struct slice, hits), 40), 0);
    assert_int_equal(hits_add(pc, 2), 0);
    slice = only_slice(&slot);
    /* without optimisation the plain-C form has a locked slot, the ready one the CPU's */
    if (PAWL_RESTARTABLE_SEQUENCES == PAWL_PERCPU_SEQUENCES)
        assert_int_equal(slice->hits, 42);
    else
        assert_true(slice->hits == 40 || slice->hits == 2 || slice->hits == 42);
}

int main(void)
{
#define IN_A_REGION(test) cmocka_unit_test_setup_teardown(test, open_region, close_region)
    const struct CMUnitTest tests[] = {
        IN_A_REGION(a_commit_is_seen_by_the_next_operation),
        IN_A_REGION(commits_of_one_two_and_four_bytes_leave_their_neighbours_alone),
        IN_A_REGION(a_histogram_has_a_bucket_for_every_value),
        IN_A_REGION(a_bucket_fills_up_to_its_limit),
        IN_A_REGION(a_list_gives_back_the_last_node_first),
        IN_A_REGION(an_array_is_bounded),
        IN_A_REGION(an_id_names_its_slot_and_comes_back_when_freed),
        IN_A_REGION(events_are_read_as_they_were_written),
        IN_A_REGION(a_detached_slice_is_busy),
        IN_A_REGION(an_attached_slice_is_used),
        IN_A_REGION(plain_c_and_ready_operations_work_on_one_slice),
    };

    print_mode();
    return cmocka_run_group_tests_name("restartable", tests, NULL, NULL);
}
