/* SPDX-License-Identifier: MIT */
/* Fibers: what they promise of their life, of joining, of switching. */
#include "fiber_test.h"

#include <pawl/park.h>

#include <errno.h>
#include <fenv.h>
#include <sys/resource.h>

/* Sanitizers handle SIGSEGV themselves, and have shadows of the memory. */
#if defined(__SANITIZE_ADDRESS__) || PAWL_INSTRUMENTED
#define BARE 0
#else
#define BARE 1
#endif

struct pawl_rt *fiber_rt;

int fiber_rt_open(void **state)
{
    struct pawl_rt_config config = {.workers = 2};

    (void)state;
    return pawl_rt_open(&fiber_rt, &config);
}

int fiber_rt_close(void **state)
{
    (void)state;
    return pawl_rt_close(fiber_rt);
}

/* ---- life ---- */

static void add_one(void *argument)
{
    struct fiber_crowd *all = argument;

    assert_non_null(pawl_fiber_self());
    assert_int_equal(pawl_fiber_cancelled(), 0);
    pawl_fetch_add_release(&all->up, 1);
}

static void a_fiber_runs_its_function_once(void **state)
{
    struct fiber_crowd all = {.n = rounds(2000)};

    (void)state;
    assert_null(pawl_fiber_self());
    for (int i = 0; i < all.n; i++)
        joined(go(add_one, &all));
    assert_int_equal(pawl_load_relaxed(&all.up), all.n);
}

static void sleep_a_little(void *argument)
{
    struct fiber_crowd *all = argument;
    uint64_t deadline = pawl_deadline(3 * MS);

    assert_int_equal(pawl_sleep_until(deadline), 0);
    assert_true(monotonic_ns() >= deadline);
    pawl_fetch_add_release(&all->up, 1);
}

static void thousands_of_fibers_wait_at_the_same_time(void **state)
{
    struct fiber_crowd all = {.n = rounds(4000)};

    (void)state;
    for (int i = 0; i < all.n; i++)
        assert_int_equal(pawl_go(fiber_rt, sleep_a_little, &all), 0); /* nobody joins these */
    while (pawl_load_acquire(&all.up) != all.n)
        sleep_ms(1);
}

static void read_own_stack(void *argument)
{
    volatile char deep[20000];

    for (size_t i = 0; i < sizeof deep; i += 500)
        deep[i] = (char)i;
    pawl_yield();
    for (size_t i = 0; i < sizeof deep; i += 500)
        assert_int_equal(deep[i], (char)i);
    *(int *)argument = 1;
}

static void stacks_are_used_again(void **state)
{
    struct rusage before, after;
    int ran;

    (void)state;
    for (int i = 0; i < 200; i++) {
        ran = 0;
        joined(go(read_own_stack, &ran));
        assert_int_equal(ran, 1);
    }
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 2000; i++)
        joined(go(read_own_stack, &ran));
    getrusage(RUSAGE_SELF, &after);
#if BARE
    assert_true(after.ru_maxrss - before.ru_maxrss < 10000); /* KiB; 2000 stacks would be 40,000 */
#endif
}

static void detach_at_any_moment(void **state)
{
    struct fiber_crowd all = {.n = rounds(1000)};

    (void)state;
    for (int i = 0; i < all.n; i++) {
        struct pawl_fiber *fiber = go(add_one, &all);

        for (int wait = 0; wait < i % 50; wait++)
            sched_yield();
        pawl_fiber_detach(fiber);
    }
    while (pawl_load_acquire(&all.up) != all.n)
        sched_yield();
}

/* ---- joining ---- */

static void join_itself(void *argument)
{
    (void)argument;
    assert_int_equal(pawl_fiber_join(pawl_fiber_self()), -EDEADLK);
}

struct family {
    int depth, seen;
};

static void join_a_child(void *argument)
{
    struct family *self = argument, child = {.depth = self->depth - 1};

    if (self->depth > 0) {
        struct pawl_fiber *fiber = go(join_a_child, &child);

        if (self->depth % 2 == 0)
            pawl_yield(); /* it may have ended before the join */
        joined(fiber);
        assert_int_equal(child.seen, child.depth + 1);
    } else {
        assert_int_equal(pawl_sleep(MS), 0);
    }
    self->seen = self->depth + 1;
}

static void fibers_join_fibers(void **state)
{
    struct family family = {.depth = 60};

    (void)state;
    joined(go(join_a_child, &family));
    assert_int_equal(family.seen, 61);
    joined(go(join_itself, NULL));
}

static PAWL_ATOMIC(int) task_status;

static enum pawl_task_next join_from_a_task(struct pawl_task *task)
{
    static struct fiber_crowd one;
    struct pawl_fiber *fiber = go(sleep_a_little, &one);

    (void)task;
    pawl_store_release(&task_status, pawl_fiber_join(fiber));
    pawl_fiber_detach(fiber);
    return PAWL_TASK_DONE;
}

static void a_worker_may_not_block_in_a_join(void **state)
{
    static struct pawl_task task;

    (void)state;
    pawl_task_init(&task, join_from_a_task, 0);
    pawl_store_relaxed(&task_status, 1);
    assert_int_equal(pawl_task_spawn(fiber_rt, &task), 0);
    assert_int_equal(pawl_task_join(&task), 0);
    assert_int_equal(pawl_load_acquire(&task_status), -EDEADLK);
}

/* ---- switching ---- */

struct taking_turns {
    int turn, n;
    struct pawl_fiber *other;
};

static void one_of_two(void *argument)
{
    struct taking_turns *both = argument;

    for (int i = 0; i < both->n; i++) {
        int mine = ++both->turn;

        pawl_yield();
        if (i < both->n - 1) /* behind the last turn the other may have gone */
            assert_int_equal(both->turn, mine + 1);
    }
}

static void start_two(void *argument)
{
    struct taking_turns *both = argument;
    struct pawl_fiber *first, *second;

    /* on one worker: a fiber's own spawns are there unless they are stolen, which the turns would show */
    first = go(one_of_two, both);
    second = go(one_of_two, both);
    joined(first);
    joined(second);
}

static void yield_lets_the_others_of_the_worker_run(void **state)
{
    struct taking_turns both = {.n = 1000};
    struct pawl_rt *two = fiber_rt;
    struct pawl_rt_config config = {.workers = 1};

    (void)state;
    assert_int_equal(pawl_rt_open(&fiber_rt, &config), 0);
    joined(go(start_two, &both));
    assert_int_equal(both.turn, 2000);
    assert_int_equal(pawl_rt_close(fiber_rt), 0);
    fiber_rt = two;
}

static void keep_errno(void *argument)
{
    int mine = (int)(intptr_t)argument;

    for (int i = 0; i < 20; i++) {
        errno = mine + i;
        if (i % 2 == 0)
            pawl_yield();
        else
            assert_int_equal(pawl_sleep(MS / 10), 0);
        assert_int_equal(errno, mine + i);
    }
}

static void keep_rounding(void *argument)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    int mode = modes[(intptr_t)argument % 4];

    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_int_equal(fesetround(mode), 0);
    for (int i = 0; i < 20; i++) {
        volatile double one = 1, three = 3;
        volatile double before = one / three;

        if (i % 2 == 0)
            pawl_yield();
        else
            assert_int_equal(pawl_sleep(MS / 10), 0);
        assert_int_equal(fegetround(), mode);
        assert_true(one / three >= before && one / three <= before);
    }
}

static void errno_and_the_rounding_mode_belong_to_the_fiber(void **state)
{
    struct pawl_fiber *fibers[16];

    (void)state;
    for (intptr_t i = 0; i < 16; i++)
        fibers[i] = go(i % 2 == 0 ? keep_errno : keep_rounding, (void *)(i / 2 * 100));
    for (int i = 0; i < 16; i++)
        joined(fibers[i]);
}

/* ---- mistakes ---- */

#if BARE
static int fall(int depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    return depth < 1000000 ? fall(depth + 1) + frame[0] : 0;
}

static void fall_into_the_guard(void *argument)
{
    signal(SIGSEGV, SIG_DFL);
    *(int *)argument = fall(0);
}

static void overflow(void *unused)
{
    struct rlimit no_core = {0, 0};
    struct pawl_fiber *fiber;
    struct pawl_rt_config config = {.workers = 1, .stack_bytes = 16384};
    int result;

    (void)unused;
    setrlimit(RLIMIT_CORE, &no_core);
    if (pawl_rt_open(&fiber_rt, &config) != 0 ||
        pawl_fiber_open(&fiber, fiber_rt, fall_into_the_guard, &result) != 0)
        return;
    assert_int_equal(pawl_fiber_join(fiber), 0);
}

static void an_overflow_hits_the_guard(void **state)
{
    int status = status_of_child(overflow, NULL);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}
#endif

static void sleep_outside(void *unused)
{
    (void)unused;
    (void)pawl_sleep(1);
}

static void waiting_outside_of_fibers_aborts(void **state)
{
    (void)state;
    expect_abort(sleep_outside, NULL, "pawl: pawl_sleep_until: not in a fiber");
}

static void stacks_have_a_least_and_a_largest_size(void **state)
{
    struct pawl_rt_config config = {.workers = 1, .stack_bytes = 4095};
    struct pawl_rt *none;

    (void)state;
    assert_int_equal(pawl_rt_open(&none, &config), -EINVAL);
    config.stack_bytes = ((size_t)1 << 30) + 1;
    assert_int_equal(pawl_rt_open(&none, &config), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fiber_runs_its_function_once),
        cmocka_unit_test(thousands_of_fibers_wait_at_the_same_time),
        cmocka_unit_test(stacks_are_used_again),
        cmocka_unit_test(detach_at_any_moment),
        cmocka_unit_test(fibers_join_fibers),
        cmocka_unit_test(a_worker_may_not_block_in_a_join),
        cmocka_unit_test(yield_lets_the_others_of_the_worker_run),
        cmocka_unit_test(errno_and_the_rounding_mode_belong_to_the_fiber),
#if BARE
        cmocka_unit_test(an_overflow_hits_the_guard),
#endif
        cmocka_unit_test(waiting_outside_of_fibers_aborts),
        cmocka_unit_test(stacks_have_a_least_and_a_largest_size),
    };

    int failed;

    expect_end_within(rounds(100) > 100 ? 1200 : 280);
    failed = _cmocka_run_group_tests("waits", fiber_wait_tests, fiber_wait_test_count, fiber_rt_open,
                                     fiber_rt_close);
    failed += cmocka_run_group_tests_name("fiber", tests, fiber_rt_open, fiber_rt_close);
    return failed == 0 ? 0 : 1;
}
