/* SPDX-License-Identifier: MIT */
/* Threads that come, go, are stopped, fork, and use the rooms first in a handler or last in a destructor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/core/reclaim/reader.h"
#include "reclaim_test.h"

#include <pawl/reclaim.h>

#include <dlfcn.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { MS = 1000000, SHORT_LIVED = 10000, AT_ONCE = 8 };

struct object {
    struct pawl_retired retired;
};

static PAWL_ATOMIC(long) reclaimed;

static void count_reclaim(struct pawl_retired *retired)
{
    pawl_fetch_add_relaxed(&reclaimed, 1L);
    free(pawl_retired_of(retired, struct object, retired));
}

static struct pawl_retired *new_retired(void)
{
    struct object *object = malloc(sizeof *object);

    if (object == NULL)
        abort();
    return &object->retired;
}

static uint32_t numbers_taken(void)
{
    uint32_t count = 0;

    for (uint32_t n = pawl_reader_next(0); n != PAWL_READER_MAX; n = pawl_reader_next(n + 1))
        count++;
    return count;
}

/* ---- short-lived threads ---- */

struct rooms {
    struct pawl_rcu *rcu;
    struct pawl_epoch *epoch;
    struct pawl_hazard *hazard;
};

static void open_rooms(struct rooms *rooms)
{
    rooms->rcu = pawl_rcu_open();
    rooms->epoch = pawl_epoch_open();
    rooms->hazard = pawl_hazard_open(offsetof(struct object, retired));
    assert_true(rooms->rcu != NULL && rooms->epoch != NULL && rooms->hazard != NULL);
}

static void close_rooms(struct rooms *rooms)
{
    pawl_rcu_close(rooms->rcu);
    pawl_epoch_close(rooms->epoch);
    pawl_hazard_close(rooms->hazard);
}

static void *visit_rooms(void *argument)
{
    struct rooms *rooms = argument;
    struct pawl_hazard_slot *slot;

    pawl_rcu_read_lock();
    pawl_rcu_read_unlock();
    pawl_rcu_read_lock_in(rooms->rcu);
    pawl_rcu_read_unlock_in(rooms->rcu);
    pawl_rcu_call_in(rooms->rcu, new_retired(), count_reclaim);
    pawl_epoch_pin(rooms->epoch);
    pawl_epoch_retire(rooms->epoch, new_retired(), count_reclaim);
    pawl_epoch_unpin(rooms->epoch);
    slot = pawl_hazard_take(rooms->hazard);
    pawl_hazard_retire(rooms->hazard, new_retired(), count_reclaim);
    if (((uintptr_t)slot & PAWL_READER_STRIDE) != 0) /* some forget to give it back */
        pawl_hazard_give(rooms->hazard, slot);
    return NULL;
}

static void ten_thousand_threads_leave_no_number_and_little_garbage(void **state)
{
    struct rooms rooms;
    pthread_t threads[AT_ONCE];
    uint32_t before_them = numbers_taken();
    long count = PAWL_INSTRUMENTED ? 1000 : SHORT_LIVED;

    (void)state;
    open_rooms(&rooms);
    pawl_store_relaxed(&reclaimed, 0L);
    for (long i = 0; i < count; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++)
            assert_int_equal(pthread_create(&threads[k], NULL, visit_rooms, &rooms), 0);
        for (int k = 0; k < AT_ONCE; k++)
            pthread_join(threads[k], NULL);
    }
    /* rcu's worker may have one */
    assert_in_range(numbers_taken(), before_them, before_them + 1);
    pawl_rcu_barrier_in(rooms.rcu);
    /* of 3 x count objects at most a few bags and lists are left */
    assert_true(pawl_load_relaxed(&reclaimed) >= 3 * count - 3000);
    assert_true(pawl_rcu_backlog(rooms.rcu) == 0);
    close_rooms(&rooms);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 3 * count);
}

static PAWL_ATOMIC(int) waiting_at_gate;
static PAWL_ATOMIC(int) gate;

enum { GONE = 70 };

struct vanishing {
    pthread_t thread;
    pid_t tid;
    bool inside; /* it ends in its section */
};

/* A thread that ends without destructors: its number is found when writers look. */
static void *vanish(void *argument)
{
    struct vanishing *self = argument;

    self->tid = (pid_t)syscall(SYS_gettid);
    pawl_rcu_read_lock();
    if (!self->inside)
        pawl_rcu_read_unlock();
    pawl_fetch_add_release(&waiting_at_gate, 1);
    await_flag(&gate, 1);
    pthread_setspecific(0, NULL); /* key 0 is whoever came first; ours or not, clear all of the low ones */
    for (pthread_key_t key = 1; key < 16; key++)
        pthread_setspecific(key, NULL);
    return NULL;
}

static void run_vanishing(bool first_inside)
{
    struct vanishing vanishing[GONE];

    pawl_store_relaxed(&waiting_at_gate, 0);
    pawl_store_relaxed(&gate, 0);
    for (int i = 0; i < GONE; i++) {
        vanishing[i].inside = i == 0 && first_inside;
        assert_int_equal(pthread_create(&vanishing[i].thread, NULL, vanish, &vanishing[i]), 0);
    }
    await_flag(&waiting_at_gate, GONE);
    assert_true(numbers_taken() >= GONE);
    pawl_store_release(&gate, 1);
    for (int i = 0; i < GONE; i++) {
        pthread_join(vanishing[i].thread, NULL);
        while (syscall(SYS_tgkill, getpid(), vanishing[i].tid, 0) == 0)
            sleep_ns(100000); /* joined, and the kernel still ends it */
    }
    assert_true(numbers_taken() >= GONE);
}

static void threads_that_end_without_destructors_are_found_by_writers(void **state)
{
    uint32_t before_them = numbers_taken();

    (void)state;
    if (under_sanitizer())
        skip(); /* sanitizers keep destructors of their own among those keys */
    run_vanishing(false);
    pawl_rcu_synchronize(); /* more than 64 numbers: worth a look */
    assert_in_range(numbers_taken(), 0, before_them);
}

static void a_thread_that_ends_inside_a_section_does_not_hang_writers(void **state)
{
    (void)state;
    if (under_sanitizer())
        skip(); /* sanitizers keep destructors of their own among those keys */
    run_vanishing(true);
    pawl_rcu_synchronize();
}

struct ending {
    struct rooms rooms;
    pid_t tid;
};

static void *end_inside(void *argument)
{
    struct ending *ending = argument;

    ending->tid = (pid_t)syscall(SYS_gettid);
    pawl_rcu_read_lock_in(ending->rooms.rcu);
    pawl_epoch_pin(ending->rooms.epoch);
    syscall(SYS_exit, 0); /* of this thread, without destructors */
    return NULL;
}

static void run_ending(struct ending *ending)
{
    pthread_t thread;

    open_rooms(&ending->rooms);
    assert_int_equal(pthread_create(&thread, NULL, end_inside, ending), 0);
    pthread_join(thread, NULL);
    while (syscall(SYS_tgkill, getpid(), ending->tid, 0) == 0)
        sleep_ns(100000);
}

enum { LOOKS = 1000 };

static void a_thread_that_ended_inside_a_section_is_found_by_who_polls(void **state)
{
    struct ending ending;
    uint64_t ticket;
    bool over = false;

    (void)state;
    if (under_sanitizer())
        skip(); /* they miss the end of a thread that makes the system call itself */
    run_ending(&ending);
    ticket = pawl_rcu_start_poll_in(ending.rooms.rcu);
    for (int i = 0; i < LOOKS && !over; i++)
        over = pawl_rcu_poll_in(ending.rooms.rcu, ticket);
    assert_true(over);
    close_rooms(&ending.rooms);
}

static void a_thread_that_ended_pinned_is_found_by_who_collects(void **state)
{
    struct ending ending;
    uint64_t left = 1;

    (void)state;
    if (under_sanitizer())
        skip(); /* as above */
    run_ending(&ending);
    pawl_epoch_retire(ending.rooms.epoch, new_retired(), count_reclaim);
    for (int i = 0; i < LOOKS && left != 0; i++)
        left = pawl_epoch_collect(ending.rooms.epoch);
    assert_true(left == 0);
    close_rooms(&ending.rooms);
}

/* ---- last uses ---- */

static pthread_key_t late_key;
static PAWL_ATOMIC(int) late_rounds;

/* Runs after, before and between the library's own destructor, in each round. */
static void read_late(void *value)
{
    pawl_rcu_read_lock();
    pawl_rcu_read_unlock();
    pawl_fetch_add_relaxed(&late_rounds, 1);
    if ((uintptr_t)value < 6)
        pthread_setspecific(late_key, (void *)((uintptr_t)value + 1));
}

static void *read_until_the_end(void *unused)
{
    (void)unused;
    pthread_setspecific(late_key, (void *)1);
    pawl_rcu_read_lock();
    pawl_rcu_read_unlock();
    return NULL;
}

static void sections_in_the_last_destructors_are_safe(void **state)
{
    pthread_t thread;

    (void)state;
    if (under_sanitizer())
        skip(); /* ThreadSanitizer's thread has ended before the last round */
    assert_int_equal(pthread_key_create(&late_key, read_late), 0);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(pthread_create(&thread, NULL, read_until_the_end, NULL), 0);
        pthread_join(thread, NULL);
    }
    assert_true(pawl_load_relaxed(&late_rounds) >= 400);
    pawl_rcu_synchronize();
    assert_true(numbers_taken() < 140); /* those of the last round are found when more than 64 are taken */
    pthread_key_delete(late_key);
}

static struct pawl_hazard *late_hazard;
static bool still_held; /* and its address is what the slot holds */
static PAWL_ATOMIC(int) given_late;

/* Runs after the library's own destructor, in each round: its key is younger. */
static void give_late(void *slot)
{
    still_held = pawl_load_relaxed(&((struct pawl_hazard_slot *)slot)->word) ==
                 (uintptr_t)&still_held + PAWL_HAZARD_EMPTY_;
    pawl_hazard_give(late_hazard, slot);
    pawl_fetch_add_relaxed(&given_late, 1);
}

static void *hold_in_a_ninth_slot(void *unused)
{
    struct pawl_hazard_slot *slots[PAWL_HAZARD_SLOTS + 1];

    for (size_t i = 0; i < PAWL_HAZARD_SLOTS + 1; i++)
        slots[i] = pawl_hazard_take(late_hazard);
    for (size_t i = 0; i < PAWL_HAZARD_SLOTS; i++)
        pawl_hazard_give(late_hazard, slots[i]);
    pawl_hazard_set(slots[PAWL_HAZARD_SLOTS], &still_held);
    pthread_setspecific(late_key, slots[PAWL_HAZARD_SLOTS]);
    return unused;
}

static void what_a_ninth_slot_holds_is_held_until_the_last_destructor(void **state)
{
    pthread_t thread;

    (void)state;
    late_hazard = pawl_hazard_open(offsetof(struct object, retired));
    assert_non_null(late_hazard);
    assert_int_equal(pthread_key_create(&late_key, give_late), 0);
    assert_int_equal(pthread_create(&thread, NULL, hold_in_a_ninth_slot, NULL), 0);
    pthread_join(thread, NULL);
    pthread_key_delete(late_key);
    assert_true(still_held);
    pawl_hazard_close(late_hazard);
}

static void *keep_a_slot(void *unused)
{
    pthread_setspecific(late_key, pawl_hazard_take(late_hazard));
    return unused;
}

static void *keep_a_slot_and_forget_it(void *unused)
{
    (void)pawl_hazard_take(late_hazard);
    return unused;
}

/* A slot that is taken is the thread's, also while it holds nothing, until its last destructors. */
static void a_destructor_may_give_back_a_slot_that_is_empty(void **state)
{
    pthread_t thread;
    uint32_t before_them = numbers_taken();

    (void)state;
    late_hazard = pawl_hazard_open(0);
    assert_non_null(late_hazard);
    assert_int_equal(pthread_key_create(&late_key, give_late), 0);
    pawl_store_relaxed(&given_late, 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pthread_create(&thread, NULL, i % 2 == 0 ? keep_a_slot : keep_a_slot_and_forget_it,
                                        NULL),
                         0);
        pthread_join(thread, NULL);
    }
    pthread_key_delete(late_key);
    assert_int_equal(pawl_load_relaxed(&given_late), 10);
    assert_in_range(numbers_taken(), 0, before_them);
    pawl_hazard_close(late_hazard);
}

/* ---- handlers ---- */

static PAWL_ATOMIC(int) handled;
static struct rooms *handler_rooms;

static void use_in_handler(int signal)
{
    struct pawl_hazard_slot *slot;

    (void)signal;
    pawl_rcu_read_lock();
    pawl_rcu_read_lock_in(handler_rooms->rcu);
    pawl_epoch_pin(handler_rooms->epoch);
    slot = pawl_hazard_take(handler_rooms->hazard);
    pawl_hazard_set(slot, handler_rooms);
    pawl_hazard_give(handler_rooms->hazard, slot);
    pawl_epoch_unpin(handler_rooms->epoch);
    pawl_rcu_read_unlock_in(handler_rooms->rcu);
    pawl_rcu_read_unlock();
    pawl_fetch_add_release(&handled, 1);
}

static PAWL_ATOMIC(int) waits;

static void *only_wait(void *unused)
{
    (void)unused;
    pawl_store_release(&waits, 1); /* pairs with the acquire in await_flag */
    await_flag(&gate, 1);
    return NULL;
}

static void a_handler_may_be_a_threads_first_user(void **state)
{
    struct rooms rooms;
    pthread_t thread;

    (void)state;
    open_rooms(&rooms);
    handler_rooms = &rooms;
    signal(SIGUSR1, use_in_handler);
    pawl_store_relaxed(&gate, 0);
    pawl_store_relaxed(&handled, 0);
    pawl_store_relaxed(&waits, 0);
    assert_int_equal(pthread_create(&thread, NULL, only_wait, NULL), 0);
    await_flag(&waits, 1);
    /* ThreadSanitizer's runtime may lose a signal. acquire: pairs with the release in the handler */
    for (; pawl_load_acquire(&handled) == 0; sleep_ns(1000000))
        pthread_kill(thread, SIGUSR1);
    pawl_rcu_synchronize();
    pawl_store_release(&gate, 1);
    pthread_join(thread, NULL);
    close_rooms(&rooms);
}

static void *read_without_end(void *unused)
{
    (void)unused;
    while (pawl_load_acquire(&gate) == 0) {
        pawl_rcu_read_lock();
        pawl_rcu_read_lock();
        pawl_rcu_read_unlock();
        pawl_rcu_read_unlock();
    }
    return (void *)(uintptr_t)pawl_rcu_read_held();
}

static void handlers_that_interrupt_lock_and_unlock_leave_them_balanced(void **state)
{
    struct rooms rooms;
    pthread_t thread;
    void *held;

    (void)state;
    open_rooms(&rooms);
    handler_rooms = &rooms;
    pawl_store_relaxed(&gate, 0);
    assert_int_equal(pthread_create(&thread, NULL, read_without_end, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        pthread_kill(thread, SIGUSR1);
        if (i % 10 == 0)
            pawl_rcu_synchronize();
    }
    pawl_store_release(&gate, 1);
    pthread_join(thread, &held);
    assert_null(held);
    pawl_rcu_synchronize();
    close_rooms(&rooms);
}

/* ---- stopped ---- */

/* A process that is stopped as a whole inside a section, and goes on: nothing was reclaimed meanwhile that
 * it reads. */
static void stop_inside_and_check(void)
{
    PAWL_ATOMIC(struct object *) cell;
    struct object *object = malloc(sizeof *object);
    pthread_t thread;

    pawl_store_relaxed(&gate, 0);
    if (object == NULL || pthread_create(&thread, NULL, read_without_end, NULL) != 0)
        _exit(2);
    pawl_store_release(&cell, object);
    pawl_store_relaxed(&reclaimed, 0L);
    pawl_rcu_read_lock();
    object = pawl_rcu_dereference(&cell);
    pawl_rcu_call(&object->retired, count_reclaim);
    raise(SIGSTOP);
    sleep_ns(5 * MS);
    if (pawl_load_relaxed(&reclaimed) != 0)
        _exit(3);
    pawl_rcu_read_unlock();
    pawl_rcu_barrier();
    pawl_store_release(&gate, 1);
    pthread_join(thread, NULL);
    _exit(pawl_load_relaxed(&reclaimed) == 1 ? 0 : 4);
}

static void a_process_that_is_stopped_inside_a_section_goes_on_where_it_was(void **state)
{
    pid_t child;
    int status;

    (void)state;
    if (under_sanitizer())
        skip(); /* they do not let a child of a process with threads start its own */
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        stop_inside_and_check();
    }
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    sleep_ns(20 * MS);
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- fork ---- */

static void *stay_inside(void *argument)
{
    struct rooms *rooms = argument;

    pawl_rcu_read_lock();
    pawl_rcu_read_lock_in(rooms->rcu);
    pawl_epoch_pin(rooms->epoch);
    pawl_fetch_add_release(&waiting_at_gate, 1);
    await_flag(&gate, 1);
    pawl_epoch_unpin(rooms->epoch);
    pawl_rcu_read_unlock_in(rooms->rcu);
    pawl_rcu_read_unlock();
    return NULL;
}

static struct rooms *fork_rooms;

static void child_goes_on(void)
{
    /* The parent's other thread is inside everything; here it is nowhere. This thread's section stayed
     * open. */
    if (!pawl_rcu_read_held())
        _exit(1);
    pawl_rcu_read_unlock();
    pawl_rcu_synchronize();
    pawl_rcu_synchronize_in(fork_rooms->rcu);
    pawl_rcu_barrier_in(fork_rooms->rcu); /* callbacks that the parent had queued, and a worker of its own */
    if (pawl_load_relaxed(&reclaimed) != 1)
        _exit(2);
    pawl_epoch_retire(fork_rooms->epoch, new_retired(), count_reclaim);
    pawl_epoch_collect(fork_rooms->epoch);
    if (pawl_epoch_collect(fork_rooms->epoch) != 0 || pawl_load_relaxed(&reclaimed) != 2)
        _exit(3);
}

static void a_child_is_not_held_up_by_readers_of_its_parent(void **state)
{
    struct rooms rooms;
    pthread_t thread;

    (void)state;
    if (under_sanitizer())
        skip(); /* as above */
    open_rooms(&rooms);
    fork_rooms = &rooms;
    pawl_store_relaxed(&waiting_at_gate, 0);
    pawl_store_relaxed(&gate, 0);
    pawl_store_relaxed(&reclaimed, 0L);
    assert_int_equal(pthread_create(&thread, NULL, stay_inside, &rooms), 0);
    await_flag(&waiting_at_gate, 1);
    pawl_rcu_call_in(rooms.rcu, new_retired(), count_reclaim);
    sleep_ns(5 * MS); /* the worker waits for the reader */
    pawl_rcu_read_lock();
    assert_int_equal(in_child(child_goes_on, NULL), 0);
    pawl_rcu_read_unlock();
    pawl_store_release(&gate, 1);
    pthread_join(thread, NULL);
    close_rooms(&rooms);
}

enum { SOME_BAGS = 3 * 480 }; /* of epochs, whatever a bag holds */

static void retire_some_bags(struct pawl_epoch *epoch)
{
    for (int i = 0; i < SOME_BAGS; i++)
        pawl_epoch_retire(epoch, new_retired(), count_reclaim);
}

/* The grace period that waits for this thread has begun in the parent, and the next one has bags, too. */
static void pinned_child_retires_on(void)
{
    retire_some_bags(fork_rooms->epoch);
    pawl_epoch_unpin(fork_rooms->epoch);
    while (pawl_epoch_collect(fork_rooms->epoch) != 0) /* up to 480 of them a turn */
        continue;
    if (pawl_load_relaxed(&reclaimed) != 2L * SOME_BAGS)
        _exit(1);
}

static void a_child_that_is_forked_while_pinned_may_retire(void **state)
{
    struct rooms rooms;

    (void)state;
    open_rooms(&rooms);
    fork_rooms = &rooms;
    pawl_store_relaxed(&reclaimed, 0L);
    pawl_epoch_pin(rooms.epoch);
    retire_some_bags(rooms.epoch);
    assert_int_equal(in_child(pinned_child_retires_on, NULL), 0);
    pawl_epoch_unpin(rooms.epoch);
    close_rooms(&rooms);
    assert_int_equal(pawl_load_relaxed(&reclaimed), SOME_BAGS);
}

/* ---- plugins ---- */

static void a_plugin_that_closes_its_domains_can_be_unloaded(void **state)
{
    const char *path = getenv("PAWL_TEST_PLUGIN");

    (void)state;
    if (path == NULL)
        skip();
    for (int i = 0; i < 20; i++) {
        void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        int (*use)(void);

        if (plugin == NULL)
            fail_msg("%s", dlerror());
        *(void **)&use = dlsym(plugin, "plugin_use");
        assert_non_null(use);
        assert_int_equal(use(), 0);
        assert_int_equal(dlclose(plugin), 0);
        pawl_rcu_synchronize();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_threads_leave_no_number_and_little_garbage),
        cmocka_unit_test(threads_that_end_without_destructors_are_found_by_writers),
        cmocka_unit_test(a_thread_that_ends_inside_a_section_does_not_hang_writers),
        cmocka_unit_test(a_thread_that_ended_inside_a_section_is_found_by_who_polls),
        cmocka_unit_test(a_thread_that_ended_pinned_is_found_by_who_collects),
        cmocka_unit_test(sections_in_the_last_destructors_are_safe),
        cmocka_unit_test(what_a_ninth_slot_holds_is_held_until_the_last_destructor),
        cmocka_unit_test(a_destructor_may_give_back_a_slot_that_is_empty),
        cmocka_unit_test(a_handler_may_be_a_threads_first_user),
        cmocka_unit_test(handlers_that_interrupt_lock_and_unlock_leave_them_balanced),
        cmocka_unit_test(a_process_that_is_stopped_inside_a_section_goes_on_where_it_was),
        cmocka_unit_test(a_child_is_not_held_up_by_readers_of_its_parent),
        cmocka_unit_test(a_child_that_is_forked_while_pinned_may_retire),
        cmocka_unit_test(a_plugin_that_closes_its_domains_can_be_unloaded),
    };

    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
