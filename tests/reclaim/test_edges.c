/* SPDX-License-Identifier: MIT */
/* Epochs, hazard pointers and cells one by one; and what happens when there is no memory, and no thread, for
 * anybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reclaim_test.h"

#include <pawl/rcu_cell.h>
#include <pawl/reclaim.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define LARGEST_BAG 480

/* ---- scarcity, by --wrap ---- */

static PAWL_ATOMIC(int) scarce; /* every allocation, mapping and thread is refused */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                          void *argument);

void *__wrap_malloc(size_t size)
{
    if (pawl_load_relaxed(&scarce) == 0)
        return __real_malloc(size);
    errno = ENOMEM;
    return NULL;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (pawl_load_relaxed(&scarce) == 0)
        return __real_aligned_alloc(alignment, size);
    errno = ENOMEM;
    return NULL;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    if (pawl_load_relaxed(&scarce) == 0)
        return __real_mmap(at, size, protection, flags, file, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

/* The name that builds with 64-bit file offsets call. */
void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    return __wrap_mmap(at, size, protection, flags, file, offset);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                          void *argument)
{
    return pawl_load_relaxed(&scarce) == 0 ? __real_pthread_create(thread, attributes, start, argument)
                                           : EAGAIN;
}

/* ---- objects ---- */

struct object {
    int first_field; /* the retired part is not the first: the domain of hazard pointers is told */
    struct pawl_retired retired;
};

static PAWL_ATOMIC(long) reclaimed;

static void reclaim(struct pawl_retired *retired)
{
    pawl_fetch_add_relaxed(&reclaimed, 1L);
    free(pawl_retired_of(retired, struct object, retired));
}

static struct object *make(void)
{
    struct object *object = __real_malloc(sizeof *object);

    if (object == NULL)
        abort();
    return object;
}

/* ---- epochs ---- */

static void what_is_retired_while_pinned_is_reclaimed_after_the_unpin(void **state)
{
    struct pawl_epoch *epoch = pawl_epoch_open();

    (void)state;
    assert_non_null(epoch);
    pawl_store_relaxed(&reclaimed, 0L);
    pawl_epoch_pin(epoch);
    pawl_epoch_pin(epoch);
    pawl_epoch_retire(epoch, &make()->retired, reclaim);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pawl_epoch_collect(epoch), 1);
    pawl_epoch_unpin(epoch);
    pawl_epoch_repin(epoch);
    assert_int_equal(pawl_epoch_collect(epoch), 0); /* repinned: holds nothing from before */
    pawl_epoch_unpin(epoch);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 1);
    pawl_epoch_close(epoch);
    pawl_epoch_close(NULL);
}

static void a_nested_repin_keeps_what_the_outer_pin_holds(void **state)
{
    struct pawl_epoch *epoch = pawl_epoch_open();

    (void)state;
    pawl_epoch_pin(epoch);
    pawl_epoch_retire(epoch, &make()->retired, reclaim);
    pawl_epoch_pin(epoch);
    pawl_epoch_repin(epoch);
    assert_int_equal(pawl_epoch_collect(epoch), 1);
    pawl_epoch_unpin(epoch);
    pawl_epoch_unpin(epoch);
    pawl_epoch_close(epoch);
}

static void a_thread_that_unpins_now_and_then_keeps_few_bags(void **state)
{
    struct pawl_epoch *epoch = pawl_epoch_open();

    (void)state;
    pawl_store_relaxed(&reclaimed, 0L);
    for (long i = 1; i <= 50000; i++) {
        pawl_epoch_pin(epoch);
        pawl_epoch_retire(epoch, &make()->retired, reclaim);
        pawl_epoch_unpin(epoch);
        /* two: pinned while it retires, a thread is in the way of the bag that it has just filled */
        if (i - pawl_load_relaxed(&reclaimed) > 2 * LARGEST_BAG)
            fail_msg("%ld of %ld are garbage", i - pawl_load_relaxed(&reclaimed), i);
    }
    pawl_epoch_close(epoch);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 50000);
}

static long most_at_once;

static void pinned_garbage_comes_back_in_bounded_portions(void **state)
{
    struct pawl_epoch *epoch = pawl_epoch_open();
    long before_it;

    (void)state;
    pawl_store_relaxed(&reclaimed, 0L);
    pawl_epoch_pin(epoch);
    for (int i = 0; i < 10000; i++)
        pawl_epoch_retire(epoch, &make()->retired, reclaim);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 0);
    pawl_epoch_unpin(epoch);
    for (int i = 0; i < 20000; i++) {
        before_it = pawl_load_relaxed(&reclaimed);
        pawl_epoch_retire(epoch, &make()->retired, reclaim);
        if (pawl_load_relaxed(&reclaimed) - before_it > most_at_once)
            most_at_once = pawl_load_relaxed(&reclaimed) - before_it;
    }
    assert_in_range(most_at_once, 1, 4);
    assert_true(pawl_load_relaxed(&reclaimed) > 29000); /* it catches up */
    pawl_epoch_close(epoch);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 30000);
}

/* Not a batch in one go: no retire takes long, and the allocator gets back what it is asked for next. More than one
 * after a batch that was larger than the next one, because a fence took long. */
static void a_retire_reclaims_one_object_when_things_run_smoothly(void **state)
{
    struct pawl_epoch *epoch = pawl_epoch_open();
    struct pawl_hazard *hazard = pawl_hazard_open(offsetof(struct object, retired));
    struct pawl_reclaim ways[] = {pawl_reclaim_by_epoch(epoch), pawl_reclaim_by_hazard(hazard)};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        int ones = 0;

        pawl_store_relaxed(&reclaimed, 0L);
        for (int i = 0; i < 5000; i++)
            pawl_reclaim_retire(&ways[k], &make()->retired, reclaim);
        for (int i = 0; i < 5000; i++) {
            long before_it = pawl_load_relaxed(&reclaimed);

            pawl_reclaim_retire(&ways[k], &make()->retired, reclaim);
            assert_in_range(pawl_load_relaxed(&reclaimed) - before_it, 0, 4);
            ones += pawl_load_relaxed(&reclaimed) - before_it == 1;
        }
        assert_true(ones > 2500);
        assert_true(pawl_load_relaxed(&reclaimed) > 8000);
    }
    pawl_epoch_close(epoch);
    pawl_hazard_close(hazard);
}

/* More than one collect of 480. */
static void a_flush_reclaims_all_that_no_reader_has(void **state)
{
    struct pawl_epoch *epoch = pawl_epoch_open();
    struct pawl_reclaim way = pawl_reclaim_by_epoch(epoch);

    (void)state;
    pawl_store_relaxed(&reclaimed, 0L);
    pawl_epoch_pin(epoch);
    for (int i = 0; i < 10000; i++)
        pawl_epoch_retire(epoch, &make()->retired, reclaim);
    pawl_reclaim_flush(&way);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 0);
    pawl_epoch_unpin(epoch);
    pawl_reclaim_flush(&way);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 10000);
    pawl_epoch_close(epoch);
}

static struct pawl_reclaim chain;
static int links;

static void retire_next(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct object, retired));
    if (++links < 1000)
        pawl_reclaim_retire(&chain, &make()->retired, retire_next);
}

static void *retire_one(void *unused)
{
    links = 0;
    pawl_reclaim_retire(&chain, &make()->retired, retire_next);
    return unused;
}

static void reclaim_functions_may_retire_and_close_ends_the_chain(void **state)
{
    (void)state;
    chain = pawl_reclaim_by_epoch(pawl_epoch_open());
    retire_one(NULL);
    for (int i = 0; i < 10; i++)
        pawl_epoch_collect(chain.domain.epoch);
    pawl_epoch_close(chain.domain.epoch);
    assert_int_equal(links, 1000);
    chain = pawl_reclaim_by_hazard(pawl_hazard_open(offsetof(struct object, retired)));
    retire_one(NULL);
    pawl_hazard_close(chain.domain.hazard);
    assert_int_equal(links, 1000);
    chain = pawl_reclaim_by_rcu(pawl_rcu_open());
    retire_one(NULL);
    pawl_rcu_close(chain.domain.rcu);
    assert_int_equal(links, 1000);
}

/* It waits in the bag of orphans then; the retire in a reclaim function looks for work there. */
static void what_an_ended_thread_left_and_nobody_collected_is_closed_once(void **state)
{
    pthread_t thread;

    (void)state;
    chain = pawl_reclaim_by_epoch(pawl_epoch_open());
    assert_int_equal(__real_pthread_create(&thread, NULL, retire_one, NULL), 0);
    pthread_join(thread, NULL);
    pawl_epoch_pin(chain.domain.epoch);
    pawl_epoch_collect(chain.domain.epoch);
    pawl_epoch_unpin(chain.domain.epoch);
    assert_int_equal(links, 0);
    pawl_epoch_close(chain.domain.epoch);
    assert_int_equal(links, 1000);
}

/* ---- hazard pointers ---- */

static void what_a_slot_holds_is_kept_and_nothing_else(void **state)
{
    struct pawl_hazard *hazard = pawl_hazard_open(offsetof(struct object, retired));
    struct object *held = make(), *other = make();
    PAWL_ATOMIC(struct object *) cell = held;
    struct pawl_hazard_slot *slot;

    (void)state;
    assert_non_null(hazard);
    pawl_store_relaxed(&reclaimed, 0L);
    slot = pawl_hazard_take(hazard);
    assert_ptr_equal(pawl_hazard_protect(slot, &cell), held);
    pawl_store_relaxed(&cell, NULL);
    pawl_hazard_retire(hazard, &held->retired, reclaim);
    pawl_hazard_retire(hazard, &other->retired, reclaim);
    assert_int_equal(pawl_hazard_collect(hazard), 1);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 1);
    pawl_hazard_clear(slot);
    assert_int_equal(pawl_hazard_collect(hazard), 0);
    assert_null(pawl_hazard_protect(slot, &cell));
    pawl_hazard_give(hazard, slot);
    pawl_hazard_close(hazard);
    pawl_hazard_close(NULL);
}

static void a_slot_that_was_given_back_is_taken_again(void **state)
{
    struct pawl_hazard *hazard = pawl_hazard_open(0);
    struct pawl_hazard_slot *eight[8];

    (void)state;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 8; i++) {
            eight[i] = pawl_hazard_take(hazard);
            assert_true((uintptr_t)eight[i] - (uintptr_t)eight[0] < 64); /* in one line: none from a page */
        }
        for (int i = 0; i < 8; i++)
            pawl_hazard_give(hazard, eight[i]);
    }
    pawl_hazard_close(hazard);
}

enum { MANY = 2000 };

/* More than a page of slots, more than one pass of a scan. */
static void thousands_of_slots_all_hold(void **state)
{
    struct pawl_hazard *hazard = pawl_hazard_open(offsetof(struct object, retired));
    static struct pawl_hazard_slot *slot[MANY];
    static struct object *object[2 * MANY];

    (void)state;
    pawl_store_relaxed(&reclaimed, 0L);
    for (int i = 0; i < 2 * MANY; i++)
        object[i] = make();
    for (int i = 0; i < MANY; i++) {
        slot[i] = pawl_hazard_take(hazard);
        assert_non_null(slot[i]);
        for (int k = i > 20 ? i - 20 : 0; k < i; k++)
            assert_ptr_not_equal(slot[i], slot[k]);
        pawl_hazard_set(slot[i], object[2 * i]);
    }
    for (int i = 0; i < 2 * MANY; i++)
        pawl_hazard_retire(hazard, &object[i]->retired, reclaim);
    assert_int_equal(pawl_hazard_collect(hazard), MANY);
    assert_int_equal(pawl_load_relaxed(&reclaimed), MANY);
    for (int i = 0; i < MANY; i++)
        pawl_hazard_give(hazard, slot[i]);
    for (int i = 0; i < MANY; i++)
        assert_non_null(pawl_hazard_take(hazard)); /* the same again: close finds them taken but empty */
    assert_int_equal(pawl_hazard_collect(hazard), 0);
    pawl_hazard_close(hazard);
}

static void give_twice(void)
{
    struct pawl_hazard *hazard = pawl_hazard_open(0);
    struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);

    pawl_hazard_give(hazard, slot);
    pawl_hazard_give(hazard, slot);
}

static void giving_a_slot_back_twice_aborts(void **state)
{
    char said[256];
    int status = in_child(give_twice, said);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "pawl: pawl_hazard_give: "));
}

/* A slot that holds NULL is taken all the same. */
static void a_slot_that_holds_null_is_not_handed_out_again(void **state)
{
    struct pawl_hazard *hazard = pawl_hazard_open(0);
    PAWL_ATOMIC(struct object *) cell[1] = {NULL}; /* an array's name is a pointer here as elsewhere */
    struct pawl_hazard_slot *slot = pawl_hazard_take(hazard), *next;

    (void)state;
    assert_null(pawl_hazard_protect(slot, cell));
    next = pawl_hazard_take(hazard);
    assert_ptr_not_equal(slot, next);
    pawl_hazard_clear(next);
    assert_ptr_not_equal(pawl_hazard_take(hazard), next);
    pawl_hazard_close(hazard);
}

/* ---- cells ---- */

static PAWL_ATOMIC(int) dropped;

static void drop(void *data)
{
    pawl_fetch_add_relaxed(&dropped, 1);
    free(data);
}

static void a_version_is_dropped_when_the_last_holder_releases_it(void **state)
{
    struct pawl_rcu_cell cell;
    struct pawl_rcu_version *held;

    (void)state;
    pawl_rcu_cell_init(&cell, drop);
    pawl_rcu_read_lock();
    assert_null(pawl_rcu_cell_look(&cell));
    pawl_rcu_read_unlock();
    assert_null(pawl_rcu_cell_hold(&cell));
    assert_int_equal(pawl_rcu_cell_publish(&cell, strdup("one")), 0);
    held = pawl_rcu_cell_hold(&cell);
    assert_string_equal(held->data, "one");
    assert_int_equal(pawl_rcu_cell_publish(&cell, strdup("two")), 0);
    pawl_rcu_barrier();
    assert_int_equal(pawl_load_relaxed(&dropped), 0);
    assert_string_equal(held->data, "one");
    pawl_rcu_read_lock();
    assert_string_equal(pawl_rcu_cell_look(&cell), "two");
    pawl_rcu_read_unlock();
    pawl_rcu_version_release(held);
    pawl_rcu_version_release(NULL);
    assert_int_equal(pawl_load_relaxed(&dropped), 1);
    pawl_rcu_cell_destroy(&cell);
    assert_int_equal(pawl_load_relaxed(&dropped), 2);
}

static PAWL_ATOMIC(int) stop;
static PAWL_ATOMIC(int) torn;
static struct pawl_rcu_cell shared_cell;

static void *look_and_hold(void *unused)
{
    (void)unused;
    for (int i = 0; pawl_load_relaxed(&stop) == 0; i++) {
        struct pawl_rcu_version *held;
        const int *pair;

        pawl_rcu_read_lock();
        pair = pawl_rcu_cell_look(&shared_cell);
        if (pair[0] != pair[1])
            pawl_store_relaxed(&torn, 1);
        pawl_rcu_read_unlock();
        held = pawl_rcu_cell_hold(&shared_cell);
        if (i % 100 == 0)
            sched_yield();
        pair = held->data;
        if (pair[0] != pair[1])
            pawl_store_relaxed(&torn, 1);
        pawl_rcu_version_release(held);
    }
    return NULL;
}

static int publish_pair(int i)
{
    int *pair = malloc(2 * sizeof *pair);

    assert_non_null(pair);
    pair[0] = pair[1] = i;
    return pawl_rcu_cell_publish(&shared_cell, pair);
}

static void readers_see_whole_versions_while_they_are_replaced(void **state)
{
    pthread_t readers[3];
    int published = 0;
    uint64_t end = now_ns() + stress_ms(150) * 1000000u;

    (void)state;
    pawl_store_relaxed(&dropped, 0);
    pawl_rcu_cell_init(&shared_cell, drop);
    assert_int_equal(publish_pair(published++), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, look_and_hold, NULL), 0);
    while (now_ns() < end)
        assert_int_equal(publish_pair(published++), 0);
    pawl_store_relaxed(&stop, 1);
    for (int i = 0; i < 3; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(pawl_load_relaxed(&torn), 0);
    pawl_rcu_cell_destroy(&shared_cell);
    assert_int_equal(pawl_load_relaxed(&dropped), published);
}

/* ---- nothing left ---- */

static void opening_without_memory_says_so_and_leaves_nothing(void **state)
{
    struct pawl_rcu_cell cell;
    char data;

    (void)state;
    pawl_rcu_cell_init(&cell, NULL);
    pawl_store_relaxed(&scarce, 1);
    errno = 0;
    bool all_refused = pawl_rcu_open() == NULL && pawl_epoch_open() == NULL && pawl_hazard_open(0) == NULL;
    int why = errno;
    int status = pawl_rcu_cell_publish(&cell, &data);
    pawl_store_relaxed(&scarce, 0);
    assert_true(all_refused);
    assert_int_equal(why, ENOMEM);
    assert_int_equal(status, -ENOMEM);
    assert_null(pawl_load_relaxed(&cell.version));
}

static void *read_first_in_scarcity(void *hazard)
{
    struct pawl_hazard_slot *slot[9];

    pawl_rcu_read_lock();
    pawl_rcu_read_unlock();
    for (int i = 0; i < 9; i++)
        slot[i] = pawl_hazard_take(hazard);
    bool as_promised = slot[7] != NULL && slot[8] == NULL && errno == ENOMEM;
    for (int i = 0; i < 8; i++)
        pawl_hazard_give(hazard, slot[i]);
    return (void *)(uintptr_t)as_promised;
}

static PAWL_ATOMIC(int) go;

static void *wait_then_read(void *hazard)
{
    await_flag(&go, 1);
    return read_first_in_scarcity(hazard);
}

static void a_threads_first_section_needs_no_memory(void **state)
{
    struct pawl_hazard *hazard = pawl_hazard_open(0);
    pthread_t thread;
    void *as_promised;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_then_read, hazard), 0);
    pawl_store_relaxed(&scarce, 1);
    pawl_store_release(&go, 1);
    pthread_join(thread, &as_promised);
    pawl_store_relaxed(&scarce, 0);
    assert_non_null(as_promised);
    pawl_hazard_close(hazard);
}

/* No region for the lists, no worker: calls spill, and callers work the queue off. */
static void retiring_needs_no_memory_and_no_thread(void **state)
{
    struct pawl_rcu *rcu = pawl_rcu_open();
    struct pawl_epoch *epoch = pawl_epoch_open();
    struct pawl_hazard *hazard = pawl_hazard_open(offsetof(struct object, retired));

    (void)state;
    pawl_store_relaxed(&reclaimed, 0L);
    assert_int_equal(pawl_rcu_set_backlog(rcu, 1000), 0);
    pawl_store_relaxed(&scarce, 1);
    for (int i = 0; i < 5000; i++) {
        pawl_rcu_call_in(rcu, &make()->retired, reclaim);
        pawl_epoch_retire(epoch, &make()->retired, reclaim);
        pawl_hazard_retire(hazard, &make()->retired, reclaim);
    }
    long so_far = pawl_load_relaxed(&reclaimed);
    pawl_rcu_barrier_in(rcu);
    long with_barrier = pawl_load_relaxed(&reclaimed);
    pawl_store_relaxed(&scarce, 0);
    assert_true(so_far > 3 * 5000 - 1000 - 128 - 2 * LARGEST_BAG - 512);
    assert_true(with_barrier > so_far);
    pawl_rcu_close(rcu);
    pawl_epoch_close(epoch);
    pawl_hazard_close(hazard);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 3 * 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_retired_while_pinned_is_reclaimed_after_the_unpin),
        cmocka_unit_test(a_nested_repin_keeps_what_the_outer_pin_holds),
        cmocka_unit_test(a_thread_that_unpins_now_and_then_keeps_few_bags),
        cmocka_unit_test(pinned_garbage_comes_back_in_bounded_portions),
        cmocka_unit_test(a_retire_reclaims_one_object_when_things_run_smoothly),
        cmocka_unit_test(a_flush_reclaims_all_that_no_reader_has),
        cmocka_unit_test(reclaim_functions_may_retire_and_close_ends_the_chain),
        cmocka_unit_test(what_an_ended_thread_left_and_nobody_collected_is_closed_once),
        cmocka_unit_test(what_a_slot_holds_is_kept_and_nothing_else),
        cmocka_unit_test(a_slot_that_was_given_back_is_taken_again),
        cmocka_unit_test(thousands_of_slots_all_hold),
        cmocka_unit_test(giving_a_slot_back_twice_aborts),
        cmocka_unit_test(a_slot_that_holds_null_is_not_handed_out_again),
        cmocka_unit_test(a_version_is_dropped_when_the_last_holder_releases_it),
        cmocka_unit_test(readers_see_whole_versions_while_they_are_replaced),
        cmocka_unit_test(opening_without_memory_says_so_and_leaves_nothing),
        cmocka_unit_test(a_threads_first_section_needs_no_memory),
        cmocka_unit_test(retiring_needs_no_memory_and_no_thread),
    };

    return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}
