/* SPDX-License-Identifier: MIT */
/* Asymmetric fences: store buffering, whose outcome 0/0 they forbid; and the marks that save them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/core/reclaim/pass.h"
#include "reclaim_test.h"

#include <pawl/cpu.h>
#include <pawl/fence.h>

#include <errno.h>
#include <sched.h>

enum { ROUNDS = 20000 };

static struct {
    PAWL_ATOMIC(int) value;
} x PAWL_LINE_PAIR_ALIGNED, y PAWL_LINE_PAIR_ALIGNED, arrived PAWL_LINE_PAIR_ALIGNED;
static int seen_by_light[ROUNDS], seen_by_heavy[ROUNDS];
static PAWL_ATOMIC(int) time_is_up; /* stored by the heavy side before it comes to a meeting */

/* Both threads leave at nearly the same time. */
static void meet(int count)
{
    pawl_fetch_add_acq_rel(&arrived.value, 1);
    for (int spins = 0; pawl_load_acquire(&arrived.value) < count; spins++)
        if (spins > 1000)
            sched_yield(); /* the other one may need this CPU */
}

/* Two CPUs that this process may use; each side stays on one, or they seldom run at the same time. */
static int cpus[2];

static bool find_two_cpus(void)
{
    struct pawl_cpuset *allowed = pawl_cpuset_open(0);

    assert_non_null(allowed);
    assert_int_equal(pawl_cpu_get_affinity(allowed), 0);
    cpus[0] = pawl_cpuset_next(allowed, -1);
    cpus[1] = pawl_cpuset_next(allowed, cpus[0]);
    pawl_cpuset_close(allowed);
    return cpus[1] >= 0;
}

/* From none to about the time that a line takes from CPU to CPU: at some delay both sides store at once. */
static void delay(uint64_t *random)
{
    for (uint32_t i = test_random(random) % 256; i > 0; i--)
        __asm__ volatile("");
}

static void *light_side(void *unused)
{
    uint64_t random = 1;

    (void)unused;
    (void)pawl_cpu_pin(cpus[1], NULL); /* refused: the test sees less */
    for (int i = 0; i < ROUNDS; i++) {
        meet(2 * (2 * i + 1));
        if (pawl_load_relaxed(&time_is_up) != 0)
            break;
        delay(&random);
        pawl_store_relaxed(&x.value, i + 1);
        pawl_fence_light();
        seen_by_light[i] = pawl_load_relaxed(&y.value);
        meet(2 * (2 * i + 2));
    }
    return NULL;
}

static void a_light_and_a_heavy_fence_forbid_that_both_sides_miss_the_other(void **state)
{
    pthread_t thread;
    uint64_t random = 2;
    int missed = 0, rounds;
    uint64_t end;

    (void)state;
    if (!find_two_cpus())
        skip();
    (void)pawl_cpu_pin(cpus[0], NULL); /* as in light_side() */
    assert_int_equal(pthread_create(&thread, NULL, light_side, NULL), 0);
    end = now_ns() + stress_ms(400) * 1000000u; /* a busy machine runs both at once seldom */
    for (rounds = 0; rounds < ROUNDS; rounds++) {
        pawl_store_relaxed(&time_is_up, now_ns() > end);
        meet(2 * (2 * rounds + 1));
        if (pawl_load_relaxed(&time_is_up) != 0)
            break;
        delay(&random);
        pawl_store_relaxed(&y.value, rounds + 1);
        pawl_fence_heavy();
        seen_by_heavy[rounds] = pawl_load_relaxed(&x.value);
        meet(2 * (2 * rounds + 2));
    }
    pthread_join(thread, NULL);
    printf("# %d rounds\n", rounds);
    for (int i = 0; i < rounds; i++)
        missed += seen_by_light[i] != i + 1 && seen_by_heavy[i] != i + 1;
    assert_int_equal(missed, 0);
}

static void fences_keep_errno_and_work_in_a_child(void **state)
{
    pid_t child;
    int status;

    (void)state;
    errno = 77;
    pawl_fence_heavy();
    pawl_fence_light();
    assert_int_equal(errno, 77);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pawl_fence_heavy(); /* aborts when the child is not registered */
        _exit(pawl_fence_asymmetric() ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), pawl_fence_asymmetric() ? 1 : 2);
}

/* ---- marks ---- */

static PAWL_ATOMIC(int) step;

/* Comes by at step 1, and ends at step 3. */
static void *come_by(void *unused)
{
    struct pawl_reader *self = pawl_reader_own();

    meet(2);
    await_flag(&step, 1);
    pawl_pass(self);
    pawl_store_release(&step, 2);
    await_flag(&step, 3);
    return unused;
}

static bool is_passed(uint64_t mark)
{
    uint32_t cursor = 0;

    return pawl_pass_done(mark, &cursor, NULL);
}

static void a_mark_is_passed_when_all_threads_came_by_or_ended_or_one_fenced(void **state)
{
    struct pawl_reader *self = pawl_reader_own();
    pthread_t thread;
    uint64_t mark;

    (void)state;
    assert_true(is_passed(pawl_pass_mark(self))); /* alone */
    pawl_store_relaxed(&arrived.value, 0);
    assert_int_equal(pthread_create(&thread, NULL, come_by, NULL), 0);
    meet(2);
    mark = pawl_pass_mark(self);
    assert_false(is_passed(mark));
    pawl_store_release(&step, 1);
    await_flag(&step, 2);
    assert_true(is_passed(mark));
    mark = pawl_pass_mark(self);
    assert_false(is_passed(mark));
    pawl_pass_fence(self);
    assert_true(is_passed(mark));
    mark = pawl_pass_mark(self);
    assert_false(is_passed(mark));
    pawl_store_release(&step, 3);
    pthread_join(thread, NULL);
    assert_true(is_passed(mark));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_light_and_a_heavy_fence_forbid_that_both_sides_miss_the_other),
        cmocka_unit_test(fences_keep_errno_and_work_in_a_child),
        cmocka_unit_test(a_mark_is_passed_when_all_threads_came_by_or_ended_or_one_fenced),
    };

    return cmocka_run_group_tests_name("fence", tests, NULL, NULL);
}
