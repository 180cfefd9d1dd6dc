/* SPDX-License-Identifier: MIT */
/* What <pawl/percpu.h> promises about whole slots: rings, ids, locks, and the remote side (detach, attach,
 * fence, revoke). Each promise is kept for every way to number the slots. */
#include "percpu_test.h"

#include <limits.h>
#include <pthread.h>

#define MAP_WORDS 5
#define RING_WORDS 8
#define SLOTS_MAX 65536

struct slice {
    long word;
    struct pawl_percpu_lock lock;
    long map[MAP_WORDS];
    struct pawl_percpu_list list;
    long bump;
    _Alignas(16) unsigned char stack[sizeof(struct pawl_percpu_stack) + 2 * sizeof(void *)];
    _Alignas(PAWL_CACHELINE_PAIR) unsigned char ring[PAWL_PERCPU_RING_BYTES(RING_WORDS)];
};

#define AT(field) offsetof(struct slice, field)

static enum pawl_percpu_index kind;
static struct pawl_percpu *pc;
static struct slice *mine; /* the slice that the operations of this thread work on */
static uint32_t my_slot;
static int cpu[CPUS_MAX];
static int cpus;

static struct pawl_percpu_ring *my_ring(void)
{
    return (struct pawl_percpu_ring *)(void *)mine->ring;
}

static int open_region(void **state)
{
    uint32_t slot;
    struct slice *item;
    long value;

    (void)state;
    assert_int_equal(pin(0, cpu[0]), 0);
    pc = pawl_percpu_open(sizeof(struct slice), kind);
    assert_non_null(pc);
    assert_int_equal(pawl_percpu_load(pc, AT(word), &value), 0);
    mine = NULL;
    pawl_percpu_each (pc, slot, item) {
        assert_null(mine);
        mine = item;
        my_slot = slot;
    }
    assert_non_null(mine);
    my_ring()->capacity = RING_WORDS;
    return 0;
}

static int close_region(void **state)
{
    (void)state;
    pawl_percpu_close(pc);
    return 0;
}

/* ---- Rings ---- */

static void records_come_out_as_they_went_in(void **state)
{
    const long record[5] = {1, 2, 3, LONG_MIN, LONG_MAX};
    long seen[RING_WORDS];

    (void)state;
    assert_int_equal(pawl_percpu_ring_get(my_ring(), seen, RING_WORDS), 0);
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 5), 0);
    assert_int_equal(pawl_percpu_ring_get(my_ring(), seen, 2), 2);
    assert_int_equal(pawl_percpu_ring_get(my_ring(), seen + 2, RING_WORDS - 2), 3);
    assert_memory_equal(seen, record, sizeof record);
    assert_int_equal(pawl_percpu_ring_get(my_ring(), seen, 1), 0);
}

static void a_ring_is_full_until_it_has_a_capacity(void **state)
{
    const long record[1] = {1};

    (void)state;
    my_ring()->capacity = 0;
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 1), -EAGAIN);
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 0), 0);
}

static void a_record_is_refused_whole_when_it_does_not_fit(void **state)
{
    const long record[RING_WORDS + 1] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    long seen[RING_WORDS] = {0};

    (void)state;
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, RING_WORDS + 1), -EAGAIN);
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 5), 0);
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 4), -EAGAIN);
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, SIZE_MAX), -EAGAIN);
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 3), 0);
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 1), -EAGAIN);
    assert_int_equal(pawl_percpu_ring_get(my_ring(), seen, RING_WORDS), RING_WORDS);
    for (int i = 0; i < RING_WORDS; i++)
        assert_int_equal(seen[i], i < 5 ? i + 1 : i - 4);
}

/* The positions are counts that wrap: start them just below the limits. */
static void a_ring_survives_the_wrap_of_its_counts(void **state)
{
    static const size_t starts[] = {SIZE_MAX - 2, (size_t)LONG_MAX - 2, 5, 0};
    long next = 0;
    long expected = 0;

    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        pawl_store_relaxed(&my_ring()->tail, starts[i]);
        pawl_store_relaxed(&my_ring()->head, starts[i]);
        for (int round = 0; round < 10; round++) {
            long record[3] = {next, next + 1, next + 2};
            long seen[RING_WORDS];

            assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 3), 0);
            assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 3 + (size_t)round % 2 * 3),
                             round % 2 == 0 ? 0 : -EAGAIN);
            assert_int_equal(pawl_percpu_ring_get(my_ring(), seen, RING_WORDS), round % 2 == 0 ? 6 : 3);
            for (int k = 0; k < 3; k++)
                assert_int_equal(seen[k], expected + k);
            next += 3;
            expected += 3;
        }
    }
}

/* ---- Ids ---- */

static void ids_are_unique_until_none_is_left(void **state)
{
    (void)state;
    for (size_t words = 1; words <= MAP_WORDS; words++) {
        long first = (long)(my_slot * words * 64);

        for (long i = 0; i < (long)words * 64; i++)
            assert_int_equal(pawl_percpu_bit_alloc(pc, AT(map), words), first + i);
        assert_int_equal(pawl_percpu_bit_alloc(pc, AT(map), words), -EAGAIN);
        for (size_t i = 0; i < MAP_WORDS; i++)
            assert_int_equal(mine->map[i], i < words ? -1 : 0);
        memset(mine->map, 0, sizeof mine->map);
    }
    assert_int_equal(pawl_percpu_bit_alloc(pc, AT(map), 0), -EINVAL);
}

static void any_freed_id_is_handed_out_again(void **state)
{
    (void)state;
    for (size_t words = 1; words <= MAP_WORDS; words++) {
        long count = (long)words * 64;
        long first = (long)my_slot * count;

        memset(mine->map, -1, words * sizeof(long));
        for (long i = 0; i < count; i++) {
            long id = first + (i * 37 + 11) % count;

            assert_int_equal(pawl_percpu_bit_free(pc, AT(map), words, id), 0);
            assert_int_equal(pawl_percpu_bit_free(pc, AT(map), words, id), -EINVAL);
            assert_int_equal(pawl_percpu_bit_alloc(pc, AT(map), words), id);
        }
        memset(mine->map, 0, sizeof mine->map);
    }
}

static void what_is_no_id_is_refused(void **state)
{
    (void)state;
    mine->map[0] = -1;
    assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 1, -1), -EINVAL);
    assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 1, LONG_MIN), -EINVAL);
    assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 1, LONG_MAX), -EINVAL);
    assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 1, (long)pc->slots * 64), -EINVAL);
    assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 0, (long)my_slot * 64), -EINVAL);
    assert_int_equal(mine->map[0], -1);
}

static void ids_of_other_slots_are_not_freed_here(void **state)
{
    (void)state;
    for (uint32_t slot = 0; slot < pc->limit; slot++)
        if (slot != my_slot)
            assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 1, (long)slot * 64), -EXDEV);
}

static void an_id_is_freed_on_its_cpu_alone(void **state)
{
    long id = pawl_percpu_bit_alloc(pc, AT(map), 2);

    (void)state;
    if (!pawl_rseq_available() || kind != PAWL_PERCPU_BY_CPU || cpus < 2)
        skip();
    assert_int_equal(id, cpu[0] * 128);
    assert_int_equal(pin(0, cpu[1]), 0);
    assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 2, id), -EXDEV);
    assert_int_equal(pawl_percpu_bit_alloc(pc, AT(map), 2), cpu[1] * 128);
    assert_int_equal(mine->map[0], 1);
    assert_int_equal(pin(0, cpu[0]), 0);
    assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 2, id), 0);
    assert_int_equal(mine->map[0], 0);
}

static void *free_id_elsewhere(void *id)
{
    return (void *)(long)pawl_percpu_bit_free(pc, AT(map), 1, *(long *)id);
}

static void an_id_of_a_locked_slot_is_freed_from_any_thread(void **state)
{
    long id = pawl_percpu_bit_alloc(pc, AT(map), 1);
    pthread_t thread;
    void *status = &thread;

    (void)state;
    if (my_slot < pc->limit)
        skip();
    assert_int_equal(pthread_create(&thread, NULL, free_id_elsewhere, &id), 0);
    assert_int_equal(pthread_join(thread, &status), 0);
    assert_null(status);
    assert_int_equal(mine->map[0], 0);
}

/* ---- Slices seen from outside ---- */

static void a_slot_nobody_used_has_no_slice(void **state)
{
    (void)state;
    for (uint32_t slot = 0; slot < pc->slots + 2; slot++)
        assert_ptr_equal(pawl_percpu_slice(pc, slot), slot == my_slot ? mine : NULL);
    assert_null(pawl_percpu_slice(pc, UINT32_MAX));
}

static void a_slot_is_the_cpus_number_where_that_was_asked_for(void **state)
{
    (void)state;
    assert_true(pc->slots > pc->limit);
    if (!pawl_rseq_available()) {
        assert_in_range(my_slot, pc->limit, pc->slots - 1);
        return;
    }
    assert_true(my_slot < pc->limit);
    if (kind != PAWL_PERCPU_BY_CPU)
        skip();
    for (int i = 0; i < cpus; i++) {
        struct slice *slice;

        assert_int_equal(pin(0, cpu[i]), 0);
        assert_int_equal(pawl_percpu_add(pc, AT(word), 100 + i), 0);
        slice = pawl_percpu_slice(pc, (uint32_t)cpu[i]);
        assert_non_null(slice);
        assert_int_equal(slice->word, 100 + i);
    }
}

static void fence_refuses_what_is_no_slot(void **state)
{
    (void)state;
    assert_int_equal(pawl_percpu_fence(pc, pc->slots), -EINVAL);
    assert_int_equal(pawl_percpu_fence(pc, UINT32_MAX), -EINVAL);
    for (int i = 0; i < cpus; i++)
        assert_int_equal(pawl_percpu_fence(pc, (uint32_t)cpu[i]), 0);
    assert_int_equal(pawl_percpu_fence(pc, my_slot), 0);
    assert_int_equal(pawl_percpu_fence(pc, pc->slots - 1), 0);
}

/* ---- Detach and attach ---- */

/* Takes every slice away, so that this thread finds none wherever it runs. */
static uint32_t detach_all(void **slice)
{
    uint32_t detached = 0;

    for (uint32_t slot = 0; slot < pc->slots; slot++) {
        slice[slot] = pawl_percpu_detach(pc, slot);
        if (slice[slot] == NULL)
            assert_int_equal(errno, EINVAL);
        detached += slice[slot] != NULL;
    }
    return detached;
}

static void attach_all(void **slice)
{
    for (uint32_t slot = 0; slot < pc->slots; slot++)
        if (slice[slot] != NULL)
            assert_int_equal(pawl_percpu_attach(pc, slot, slice[slot]), 0);
}

static void words_are_busy(void)
{
    long value = 42;
    long words[2] = {42, 42};

    assert_int_equal(pawl_percpu_load(pc, AT(word), &value), -EBUSY);
    assert_int_equal(pawl_percpu_add(pc, AT(word), 1), -EBUSY);
    assert_int_equal(pawl_percpu_fetch_add(pc, AT(word), 1, &value), -EBUSY);
    assert_int_equal(pawl_percpu_add_via(pc, AT(word), 0, 1), -EBUSY);
    assert_int_equal(pawl_percpu_max(pc, AT(word), 1), -EBUSY);
    assert_int_equal(pawl_percpu_add_limit(pc, AT(word), 1, 2), -EBUSY);
    assert_int_equal(pawl_percpu_spend(pc, AT(word), 0), -EBUSY);
    assert_int_equal(pawl_percpu_cas(pc, AT(word), 0, 1), -EBUSY);
    assert_int_equal(pawl_percpu_store_unless(pc, AT(word), 1, 2), -EBUSY);
    assert_int_equal(pawl_percpu_cas_if(pc, AT(word), 0, 1, AT(map), 0), -EBUSY);
    assert_int_equal(pawl_percpu_cas_after(pc, AT(word), 0, 1, AT(map), 1), -EBUSY);
    assert_int_equal(pawl_percpu_cas_after_copy(pc, AT(word), 0, 1, AT(map), words, sizeof words), -EBUSY);
    assert_int_equal(pawl_percpu_snapshot(pc, AT(word), words, 2), -EBUSY);
    assert_int_equal(words[0], 42);
    assert_int_equal(words[1], 42);
    assert_int_equal(value, 42);
}

static void containers_are_busy(void)
{
    struct pawl_percpu_node node = {&node};
    void *items[2] = {&node, &node};
    long record[2] = {1, 2};

    assert_int_equal(pawl_percpu_push(pc, AT(list), &node), -EBUSY);
    assert_int_equal(pawl_percpu_push_chain(pc, AT(list), &node, &node), -EBUSY);
    assert_null(pawl_percpu_pop(pc, AT(list)));
    assert_null(pawl_percpu_pop_all(pc, AT(list)));
    assert_ptr_equal(node.next, &node);
    assert_int_equal(pawl_percpu_stack_push(pc, AT(stack), &node), -EBUSY);
    assert_int_equal(pawl_percpu_stack_pop(pc, AT(stack), items), -EBUSY);
    assert_int_equal(pawl_percpu_stack_push_many(pc, AT(stack), items, 2), -EBUSY);
    assert_int_equal(pawl_percpu_stack_pop_many(pc, AT(stack), items, 2), -EBUSY);
    assert_ptr_equal(items[0], &node);
    assert_null(pawl_percpu_bump(pc, AT(bump), 1, 12));
    assert_int_equal(pawl_percpu_ring_put(pc, AT(ring), record, 2), -EBUSY);
    assert_int_equal(pawl_percpu_bit_alloc(pc, AT(map), 1), -EBUSY);
    assert_int_equal(pawl_percpu_bit_free(pc, AT(map), 1, (long)my_slot * 64), -EBUSY);
    assert_null(pawl_percpu_trylock(pc, AT(lock)));
}

static void every_operation_is_busy_while_its_slice_is_away(void **state)
{
    static void *slice[SLOTS_MAX];
    struct slice before;

    (void)state;
    assert_true(pc->slots <= SLOTS_MAX);
    assert_true(detach_all(slice) > 1);
    assert_ptr_equal(slice[my_slot], mine);
    before = *mine;
    words_are_busy();
    containers_are_busy();
    assert_memory_equal(mine, &before, sizeof before);
    attach_all(slice);
    assert_int_equal(pawl_percpu_add(pc, AT(word), 5), 0);
    assert_int_equal(mine->word, 5);
}

static void a_detached_slot_says_so(void **state)
{
    (void)state;
    assert_ptr_equal(pawl_percpu_detach(pc, my_slot), mine);
    assert_null(pawl_percpu_slice(pc, my_slot));
    errno = 0;
    assert_null(pawl_percpu_detach(pc, my_slot));
    assert_int_equal(errno, EBUSY);
    errno = 0;
    assert_null(pawl_percpu_revoke(pc, my_slot, AT(lock)));
    assert_int_equal(errno, EBUSY);
    assert_int_equal(pawl_percpu_attach(pc, my_slot, mine), 0);
    assert_int_equal(pawl_percpu_attach(pc, my_slot, mine), -EBUSY);
    assert_ptr_equal(pawl_percpu_slice(pc, my_slot), mine);
}

static void detach_refuses_what_is_no_slot(void **state)
{
    (void)state;
    errno = 0;
    assert_null(pawl_percpu_detach(pc, pc->slots));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(pawl_percpu_detach(pc, UINT32_MAX));
    assert_int_equal(errno, EINVAL);
}

static void attach_refuses_what_is_no_slot_or_no_slice(void **state)
{
    (void)state;
    assert_int_equal(pawl_percpu_attach(pc, pc->slots, mine), -EINVAL);
    assert_int_equal(pawl_percpu_attach(pc, UINT32_MAX, mine), -EINVAL);
    assert_ptr_equal(pawl_percpu_detach(pc, my_slot), mine);
    assert_int_equal(pawl_percpu_attach(pc, my_slot, NULL), -EINVAL);
    assert_int_equal(pawl_percpu_attach(pc, my_slot, (char *)mine + 1), -EINVAL);
    assert_int_equal(pawl_percpu_attach(pc, my_slot, (char *)mine + 8), -EINVAL);
    assert_null(pawl_percpu_slice(pc, my_slot));
    assert_int_equal(pawl_percpu_attach(pc, my_slot, mine), 0);
}

/* Numbers between the CPUs that can exist and the kernel's limit are slots without a slice. */
static void a_number_without_a_cpu_is_no_slot(void **state)
{
    uint32_t none = 0;

    (void)state;
    while (none < pc->limit && (pc->slice[none] == PAWL_SLICE_UNUSED || none == my_slot))
        none++;
    if (none == pc->limit)
        skip();
    assert_int_equal(pc->slice[none], PAWL_SLICE_MISSING);
    errno = 0;
    assert_null(pawl_percpu_detach(pc, none));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(pawl_percpu_revoke(pc, none, AT(lock)));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(pawl_percpu_attach(pc, none, mine), -EINVAL);
}

static void an_unused_slot_detaches_with_its_own_zeroed_slice(void **state)
{
    uint32_t unused = pc->slots - 1;
    struct slice *slice;

    (void)state;
    if (unused == my_slot)
        unused--;
    slice = pawl_percpu_detach(pc, unused);
    assert_non_null(slice);
    assert_int_equal(slice->word, 0);
    slice->word = 7;
    assert_int_equal(pawl_percpu_attach(pc, unused, slice), 0);
    assert_ptr_equal(pawl_percpu_slice(pc, unused), slice);
}

static void a_slot_works_on_memory_of_the_caller(void **state)
{
    struct slice *own = aligned_alloc(_Alignof(struct slice), sizeof *own);

    (void)state;
    assert_non_null(own);
    memset(own, 0, sizeof *own);
    own->word = 1000;
    assert_ptr_equal(pawl_percpu_detach(pc, my_slot), mine);
    assert_int_equal(pawl_percpu_attach(pc, my_slot, own), 0);
    assert_int_equal(pawl_percpu_add(pc, AT(word), 1), 0);
    assert_int_equal(own->word, 1001);
    assert_int_equal(mine->word, 0);
    assert_ptr_equal(pawl_percpu_detach(pc, my_slot), own);
    assert_int_equal(pawl_percpu_attach(pc, my_slot, mine), 0);
    free(own);
}

/* ---- Locks ---- */

static void a_held_lock_is_not_taken_again(void **state)
{
    struct pawl_percpu_lock *lock = pawl_percpu_trylock(pc, AT(lock));

    (void)state;
    assert_ptr_equal(lock, &mine->lock);
    assert_null(pawl_percpu_trylock(pc, AT(lock)));
    pawl_percpu_unlock(lock);
    assert_ptr_equal(pawl_percpu_trylock(pc, AT(lock)), lock);
    pawl_percpu_unlock(lock);
}

static void a_revoked_lock_is_not_taken_until_restored(void **state)
{
    struct pawl_percpu_lock *lock = pawl_percpu_revoke(pc, my_slot, AT(lock));

    (void)state;
    assert_ptr_equal(lock, &mine->lock);
    assert_null(pawl_percpu_trylock(pc, AT(lock)));
    errno = 0;
    assert_null(pawl_percpu_revoke(pc, my_slot, AT(lock)));
    assert_int_equal(errno, EBUSY);
    assert_null(pawl_percpu_trylock(pc, AT(lock)));
    pawl_percpu_restore(lock);
    assert_ptr_equal(pawl_percpu_trylock(pc, AT(lock)), lock);
    pawl_percpu_unlock(lock);
}

static PAWL_ATOMIC(int) revoked_at_last;

static void *revoke_elsewhere(void *unused)
{
    struct pawl_percpu_lock *lock = pawl_percpu_revoke(pc, my_slot, AT(lock));

    (void)unused;
    pawl_store_release(&revoked_at_last, 1); /* release: pairs with the acquire in the test */
    return lock;
}

static void revoke_waits_for_the_holder(void **state)
{
    struct pawl_percpu_lock *lock = pawl_percpu_trylock(pc, AT(lock));
    pthread_t thread;
    void *revoked;

    (void)state;
    pawl_store_relaxed(&revoked_at_last, 0);
    assert_non_null(lock);
    assert_int_equal(pthread_create(&thread, NULL, revoke_elsewhere, NULL), 0);
    while (pawl_load_acquire(&lock->revoked) == 0)
        sched_yield();
    for (int i = 0; i < 100; i++)
        sched_yield();
    assert_int_equal(pawl_load_acquire(&revoked_at_last), 0); /* acquire: as above */
    pawl_percpu_unlock(lock);
    assert_int_equal(pthread_join(thread, &revoked), 0);
    assert_ptr_equal(revoked, lock);
    pawl_percpu_restore(lock);
}

static void revoke_refuses_what_is_no_lock_of_a_slot(void **state)
{
    static const size_t outside[] = {sizeof(struct slice), sizeof(struct slice) - 8, SIZE_MAX, SIZE_MAX - 7,
                                     SIZE_MAX - 15};

    (void)state;
    errno = 0;
    assert_null(pawl_percpu_revoke(pc, pc->slots, AT(lock)));
    assert_int_equal(errno, EINVAL);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        errno = 0;
        assert_null(pawl_percpu_revoke(pc, my_slot, outside[i]));
        assert_int_equal(errno, EINVAL);
    }
}

static void the_lock_of_an_unused_slot_can_be_revoked(void **state)
{
    uint32_t unused = pc->slots - 1 - (my_slot == pc->slots - 1);
    struct pawl_percpu_lock *lock = pawl_percpu_revoke(pc, unused, AT(lock));

    (void)state;
    assert_non_null(lock);
    assert_ptr_equal(lock, (char *)pawl_percpu_slice(pc, unused) + AT(lock));
    pawl_percpu_restore(lock);
}

static const struct CMUnitTest tests[] = {
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_region, close_region)
    PROMISE(records_come_out_as_they_went_in),
    PROMISE(a_ring_is_full_until_it_has_a_capacity),
    PROMISE(a_record_is_refused_whole_when_it_does_not_fit),
    PROMISE(a_ring_survives_the_wrap_of_its_counts),
    PROMISE(ids_are_unique_until_none_is_left),
    PROMISE(any_freed_id_is_handed_out_again),
    PROMISE(what_is_no_id_is_refused),
    PROMISE(ids_of_other_slots_are_not_freed_here),
    PROMISE(an_id_is_freed_on_its_cpu_alone),
    PROMISE(an_id_of_a_locked_slot_is_freed_from_any_thread),
    PROMISE(a_slot_nobody_used_has_no_slice),
    PROMISE(a_slot_is_the_cpus_number_where_that_was_asked_for),
    PROMISE(fence_refuses_what_is_no_slot),
    PROMISE(every_operation_is_busy_while_its_slice_is_away),
    PROMISE(a_detached_slot_says_so),
    PROMISE(detach_refuses_what_is_no_slot),
    PROMISE(attach_refuses_what_is_no_slot_or_no_slice),
    PROMISE(a_number_without_a_cpu_is_no_slot),
    PROMISE(an_unused_slot_detaches_with_its_own_zeroed_slice),
    PROMISE(a_slot_works_on_memory_of_the_caller),
    PROMISE(a_held_lock_is_not_taken_again),
    PROMISE(a_revoked_lock_is_not_taken_until_restored),
    PROMISE(revoke_waits_for_the_holder),
    PROMISE(revoke_refuses_what_is_no_lock_of_a_slot),
    PROMISE(the_lock_of_an_unused_slot_can_be_revoked),
};

int main(void)
{
    int failed = 0;

    cpus = allowed_cpus(cpu);
    if (cpus == 0 || pin(0, cpu[0]) != 0)
        return EXIT_FAILURE;
    print_mode();
    for (kind = PAWL_PERCPU_BY_ANY; kind <= PAWL_PERCPU_BY_CID; kind++)
        if (kind_is_offered(kind))
            failed += cmocka_run_group_tests_name(name_of_kind(kind), tests, NULL, NULL);
    return failed;
}
