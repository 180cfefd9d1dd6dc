/* SPDX-License-Identifier: MIT */
/* Fibers: what they promise. */
#include "../../sync/sync_test.h"

#include <pawl/fiber.h>
#include <pawl/park.h>
#include <pawl/timer.h>
#include <pawl/watch.h>

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MS UINT64_C(1000000)

/* Sanitizers handle SIGSEGV themselves, and have shadows of the memory. */
#if defined(__SANITIZE_ADDRESS__) || PAWL_INSTRUMENTED
#define BARE 0
#else
#define BARE 1
#endif

static struct pawl_rt *rt;

static int open_runtime(void **state)
{
    struct pawl_rt_config config = {.workers = 2};

    (void)state;
    return pawl_rt_open(&rt, &config);
}

static int close_runtime(void **state)
{
    (void)state;
    return pawl_rt_close(rt);
}

static struct pawl_fiber *go(void (*fn)(void *argument), void *argument)
{
    struct pawl_fiber *fiber;

    assert_int_equal(pawl_fiber_open(&fiber, rt, fn, argument), 0);
    return fiber;
}

static void joined(struct pawl_fiber *fiber)
{
    assert_int_equal(pawl_fiber_join(fiber), 0);
}

/* ---- life ---- */

struct sleepers {
    PAWL_ATOMIC(int) up;
    int n;
};

static void add_one(void *argument)
{
    struct sleepers *all = argument;

    assert_non_null(pawl_fiber_self());
    assert_int_equal(pawl_fiber_cancelled(), 0);
    pawl_fetch_add_release(&all->up, 1);
}

static void a_fiber_runs_its_function_once(void **state)
{
    struct sleepers all = {.n = rounds(2000)};

    (void)state;
    assert_null(pawl_fiber_self());
    for (int i = 0; i < all.n; i++)
        joined(go(add_one, &all));
    assert_int_equal(pawl_load_relaxed(&all.up), all.n);
}

static void sleep_a_little(void *argument)
{
    struct sleepers *all = argument;
    uint64_t deadline = pawl_deadline(3 * MS);

    assert_int_equal(pawl_sleep_until(deadline), 0);
    assert_true(monotonic_ns() >= deadline);
    pawl_fetch_add_release(&all->up, 1);
}

static void thousands_of_fibers_wait_at_the_same_time(void **state)
{
    struct sleepers all = {.n = rounds(4000)};

    (void)state;
    for (int i = 0; i < all.n; i++)
        assert_int_equal(pawl_go(rt, sleep_a_little, &all), 0); /* nobody joins these */
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
    struct sleepers all = {.n = rounds(1000)};

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
    static struct sleepers one;
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
    assert_int_equal(pawl_task_spawn(rt, &task), 0);
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
    struct pawl_rt *two = rt;
    struct pawl_rt_config config = {.workers = 1};

    (void)state;
    assert_int_equal(pawl_rt_open(&rt, &config), 0);
    joined(go(start_two, &both));
    assert_int_equal(both.turn, 2000);
    assert_int_equal(pawl_rt_close(rt), 0);
    rt = two;
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

/* ---- parking ---- */

struct lot {
    struct pawl_fiber *fiber;
    PAWL_ATOMIC(int) woken, went;
    uint64_t payload;
    int n;
};

static void park_n_times(void *argument)
{
    struct lot *lot = argument;

    for (int i = 1; i <= lot->n; i++) {
        while (pawl_load_acquire(&lot->went) < i)
            assert_int_equal(pawl_fiber_park(i % 5 == 0 ? pawl_deadline(3600 * 1000 * MS) : PAWL_FOREVER), 0);
        pawl_store_release(&lot->woken, i);
    }
}

static void no_unpark_is_lost(void **state)
{
    struct lot lot = {.n = rounds(5000)};
    struct pawl_fiber *fiber = go(park_n_times, &lot);

    (void)state;
    for (int i = 1; i <= lot.n; i++) {
        pawl_store_release(&lot.went, i);
        pawl_fiber_unpark(fiber);
        if (i % 3 == 0)
            pawl_fiber_unpark(fiber); /* twice is once, or one more for nothing */
        while (i % 7 != 0 && pawl_load_acquire(&lot.woken) != i)
            sched_yield();
    }
    joined(fiber);
}

static void park_in_vain(void *argument)
{
    uint64_t deadline = pawl_deadline(2 * MS);

    (void)argument;
    assert_int_equal(pawl_fiber_park(deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(pawl_fiber_park(0), -ETIMEDOUT);
    pawl_fiber_unpark(pawl_fiber_self());
    pawl_fiber_unpark(pawl_fiber_self());
    assert_int_equal(pawl_fiber_park(0), 0);
    assert_int_equal(pawl_fiber_park(0), -ETIMEDOUT);
}

static void a_token_is_there_or_not(void **state)
{
    (void)state;
    joined(go(park_in_vain, NULL));
}

static void park_around_the_deadline(void *argument)
{
    struct lot *lot = argument;

    for (int i = 1; i <= lot->n; i++) {
        int status = pawl_fiber_park(pawl_deadline(MS / 8));

        assert_true(status == 0 || status == -ETIMEDOUT);
    }
    pawl_store_release(&lot->woken, 1);
}

static void an_unpark_at_the_deadline_is_a_token_or_a_wake(void **state)
{
    struct lot lot = {.n = rounds(1000) / 4};
    struct pawl_fiber *fiber = go(park_around_the_deadline, &lot);

    (void)state;
    for (uint32_t i = 1; pawl_load_acquire(&lot.woken) == 0; i++) {
        for (uint32_t spin = 0; spin < i * 7919u % 3000; spin++)
            pawl_relax();
        pawl_fiber_unpark(fiber);
        if (i % 2 == 0)
            sched_yield();
    }
    joined(fiber);
}

/* ---- operations ---- */

struct pipes {
    int fds[2];
    int n;
};

static int nonblocking(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void read_numbers(void *argument)
{
    struct pipes *pipes = argument;
    struct pawl_watch watch;
    struct pawl_op op;
    int number;

    memset(&watch, 0, sizeof watch);
    pawl_op_init(&op, NULL);
    for (int i = 0; i < pipes->n;) {
        if (read(pipes->fds[0], &number, sizeof number) == sizeof number) {
            assert_int_equal(number, i++);
            continue;
        }
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(pawl_watch_once(&watch, &op, pipes->fds[0], POLLIN), 0);
        assert_true((pawl_await(&op) & POLLIN) != 0);
        assert_true((pawl_await(&op) & POLLIN) != 0); /* idle: its result again */
    }
}

static void await_returns_the_result_of_an_operation(void **state)
{
    struct pipes pipes = {.n = rounds(1000)};
    struct pawl_fiber *fiber;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pipes.fds), 0);
    assert_int_equal(nonblocking(pipes.fds[0]), 0);
    fiber = go(read_numbers, &pipes);
    for (int i = 0; i < pipes.n; i++)
        assert_int_equal(write(pipes.fds[1], &i, sizeof i), sizeof i);
    joined(fiber);
    close(pipes.fds[0]);
    close(pipes.fds[1]);
}

static void await_with_a_deadline(void *argument)
{
    struct pipes *pipes = argument;
    struct pawl_watch watch;
    struct pawl_op op;

    memset(&watch, 0, sizeof watch);
    pawl_op_init(&op, NULL);
    assert_int_equal(pawl_watch_once(&watch, &op, pipes->fds[0], POLLIN), 0);
    assert_int_equal(pawl_op_deadline(&op, 2 * MS), 0);
    assert_int_equal(pawl_await(&op), -ETIMEDOUT);
    assert_int_equal(pawl_watch_once(&watch, &op, pipes->fds[0], POLLIN), 0);
    assert_int_equal(pawl_op_cancel(&op), 0);
    assert_int_equal(pawl_await(&op), -ECANCELED);
}

static void an_operation_has_a_deadline_and_a_cancel(void **state)
{
    struct pipes pipes = {.n = 0};

    (void)state;
    assert_int_equal(pipe2(pipes.fds, O_NONBLOCK), 0);
    joined(go(await_with_a_deadline, &pipes));
    close(pipes.fds[0]);
    close(pipes.fds[1]);
}

/* ---- cancelling ---- */

enum wait { SLEEP, PARK, PARK_UNTIL, AWAIT, AGAIN, WAITS };

struct victim {
    enum wait wait;
    int fds[2];
    PAWL_ATOMIC(int) waits;
    int64_t status[2];
};

static int64_t wait_in(const struct victim *victim)
{
    struct pawl_watch watch;
    struct pawl_op op;
    int status;

    switch (victim->wait) {
    case SLEEP:
        return pawl_sleep(3600 * 1000 * MS);
    case PARK:
        return pawl_fiber_park(PAWL_FOREVER);
    case PARK_UNTIL:
        return pawl_fiber_park(pawl_deadline(3600 * 1000 * MS));
    case AWAIT:
        memset(&watch, 0, sizeof watch);
        pawl_op_init(&op, NULL);
        status = pawl_watch_once(&watch, &op, victim->fds[0], POLLIN);
        return status != 0 ? status : pawl_await(&op);
    case AGAIN:
    default:
        while (pawl_fiber_cancelled() == 0)
            pawl_yield();
        return pawl_sleep(MS);
    }
}

static void wait_twice(void *argument)
{
    struct victim *victim = argument;

    pawl_store_release(&victim->waits, 1);
    victim->status[0] = wait_in(victim);
    assert_int_equal(pawl_fiber_cancelled(), -ECANCELED);
    victim->status[1] = wait_in(victim);
}

static void a_cancel_ends_every_wait(void **state)
{
    (void)state;
    for (int i = 0; i < rounds(40) * WAITS; i++) {
        struct victim victim = {.wait = (enum wait)(i % WAITS)};
        struct pawl_fiber *fiber;

        assert_int_equal(pipe2(victim.fds, O_NONBLOCK), 0);
        fiber = go(wait_twice, &victim);
        while (i % 2 == 0 && pawl_load_acquire(&victim.waits) == 0)
            sched_yield();
        if (i % 4 == 0)
            sleep_ms(1);
        assert_int_equal(pawl_fiber_cancel(fiber), 0);
        (void)pawl_fiber_cancel(fiber);
        joined(fiber);
        assert_int_equal(victim.status[0], -ECANCELED);
        assert_int_equal(victim.status[1], -ECANCELED);
        close(victim.fds[0]);
        close(victim.fds[1]);
    }
}

static void sleep_for_ever(void *argument)
{
    struct sleepers *all = argument;

    assert_int_equal(pawl_sleep_until(PAWL_FOREVER), -ECANCELED);
    pawl_fetch_add_relaxed(&all->up, 1);
}

static void closing_cancels_all_fibers_and_waits_for_them(void **state)
{
    struct sleepers all = {.n = rounds(300)};
    struct pawl_rt *others = rt;

    (void)state;
    for (int round = 0; round < 5; round++) {
        pawl_store_relaxed(&all.up, 0);
        assert_int_equal(open_runtime(NULL), 0);
        for (int i = 0; i < all.n; i++)
            assert_int_equal(pawl_go(rt, sleep_for_ever, &all), 0);
        if (round % 2 == 0)
            sleep_ms(2);
        assert_int_equal(pawl_rt_close(rt), 0);
        assert_int_equal(pawl_load_relaxed(&all.up), all.n);
    }
    rt = others;
}

/* The end of a fiber, its cancels and its waits at the same moment. */
static void end_soon(void *argument)
{
    uint64_t ns = (uint64_t)(uintptr_t)argument;

    (void)(ns % 3 == 0 ? pawl_sleep(ns) : pawl_fiber_park(pawl_deadline(ns)));
}

static void cancels_meet_the_end(void **state)
{
    uint64_t random = monotonic_ns() | 1;

    (void)state;
    print_message("seed %llu\n", (unsigned long long)random);
    for (int i = rounds(3000); i > 0; i--) {
        struct pawl_fiber *fiber;

        random = random * 6364136223846793005u + 1442695040888963407u;
        fiber = go(end_soon, (void *)(uintptr_t)((random >> 33) % (MS / 4)));
        for (uint64_t spin = (random >> 40) % 4000; spin > 0; spin--)
            pawl_relax();
        (void)pawl_fiber_cancel(fiber);
        if (i % 2 == 0)
            pawl_fiber_unpark(fiber);
        if (i % 3 == 0)
            pawl_fiber_detach(fiber);
        else
            joined(fiber);
    }
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
    if (pawl_rt_open(&rt, &config) != 0 || pawl_fiber_open(&fiber, rt, fall_into_the_guard, &result) != 0)
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
        cmocka_unit_test(no_unpark_is_lost),
        cmocka_unit_test(a_token_is_there_or_not),
        cmocka_unit_test(an_unpark_at_the_deadline_is_a_token_or_a_wake),
        cmocka_unit_test(await_returns_the_result_of_an_operation),
        cmocka_unit_test(an_operation_has_a_deadline_and_a_cancel),
        cmocka_unit_test(a_cancel_ends_every_wait),
        cmocka_unit_test(closing_cancels_all_fibers_and_waits_for_them),
        cmocka_unit_test(cancels_meet_the_end),
#if BARE
        cmocka_unit_test(an_overflow_hits_the_guard),
#endif
        cmocka_unit_test(waiting_outside_of_fibers_aborts),
        cmocka_unit_test(stacks_have_a_least_and_a_largest_size),
    };

    expect_end_within(rounds(100) > 100 ? 1200 : 280);
    return cmocka_run_group_tests_name("fiber", tests, open_runtime, close_runtime);
}
