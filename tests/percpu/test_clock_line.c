/* SPDX-License-Identifier: MIT */
/* The line of the cycle clock under a counter and a kernel of the test's own: drift, slewing, suspend,
 * reset, a rate that changes, a stopped anchor. Includes clock.c to replace what it reads. */
#include <stdbool.h>
#include <stdint.h>

static uint64_t fake_cycles, fake_ns;
static struct clock_pair fake_pair(void);
#define CLOCK_COUNTER(ordered) ((void)(ordered), fake_cycles)
#define CLOCK_KERNEL_NS() fake_ns
#define CLOCK_PAIR() fake_pair()
#include "../../src/core/percpu/clock.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HZ UINT64_C(2500000000)
#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

static void pass(uint64_t ns);
static uint64_t stopped_ns; /* how long the thread that takes an anchor is stopped after its pair */

static struct clock_pair fake_pair(void)
{
    struct clock_pair pair = {fake_cycles, fake_ns, 2};
    if (stopped_ns) {
        pass(stopped_ns);
        stopped_ns = 0;
        assert_int_equal(pawl_clock_ns(), fake_ns); /* another reader meanwhile */
    }
    return pair;
}

static double kernel_ppm; /* how much faster the kernel's clock runs than the counter's nominal rate */

static void pass(uint64_t ns)
{
    fake_cycles += ns * (HZ / 100000000) / 10;
    fake_ns += ns + (uint64_t)(int64_t)((double)ns * kernel_ppm / 1e6);
}

static int start_afresh(void **state)
{
    (void)state;
    static struct clock_calibration found;
    found = (struct clock_calibration){.source = "test", .hz = HZ, .mode = PAWL_CLOCK_COUNTER};
    found.to_ns = pawl_clock_ratio_of(CLOCK_NS_PER_S, HZ);
    found.to_cycles = pawl_clock_ratio_of(HZ, CLOCK_NS_PER_S);
    memset(&line, 0, sizeof(line));
    memset(&tracker, 0, sizeof(tracker));
    pawl_store_relaxed(&calibration, &found);
    pawl_store_relaxed(&pawl_clock_mode_, PAWL_CLOCK_COUNTER);
    fake_cycles = UINT64_C(1) << 40;
    fake_ns = 3600 * CLOCK_NS_PER_S;
    kernel_ppm = 0;
    stopped_ns = 0;
    return 0;
}

static uint64_t error_ns(uint64_t now)
{
    return now > fake_ns ? now - fake_ns : fake_ns - now;
}

/* Read every `step` ns for `total` ns; monotonic throughout. Returns the largest error. */
static uint64_t run(uint64_t total, uint64_t step)
{
    uint64_t worst = 0, last = pawl_clock_ns();
    for (uint64_t t = 0; t < total; t += step) {
        pass(step);
        uint64_t now = pawl_clock_ns();
        assert_true(now >= last);
        last = now;
        worst = error_ns(now) > worst ? error_ns(now) : worst;
    }
    return worst;
}

static void with_the_nominal_rate_there_is_no_error(void **state)
{
    (void)state;
    assert_true(run(1000 * MS, 10 * US) <= 2);
}

static void a_constant_slew_is_learned(void **state)
{
    (void)state;
    const double slews[] = {500, -500};
    for (int i = 0; i < 2; i++) {
        start_afresh(NULL);
        kernel_ppm = slews[i];
        assert_true(run(300 * MS, 10 * US) <= 5 * US + 100); /* 500 ppm of 10 ms */
        assert_true(run(1000 * MS, 10 * US) <= 20);          /* measured by now */
    }
}

static void a_change_of_the_slew_costs_five_microseconds(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        kernel_ppm = i & 1 ? 250 : -250;
        assert_true(run(370 * MS, 10 * US) <= 6 * US);
    }
}

static void an_idle_hour_leaves_no_error(void **state)
{
    (void)state;
    run(200 * MS, 1 * MS);
    pass(3600 * CLOCK_NS_PER_S);
    assert_true(error_ns(pawl_clock_ns()) == 0);
    assert_true(run(300 * MS, 10 * US) <= 10);
}

/* A line that is ahead at its end: the next starts there, runs slower, and meets the kernel. */
static void what_is_ahead_slows_down_and_never_steps_back(void **state)
{
    (void)state;
    pawl_clock_ns();
    pass(10 * MS - 10 * US);
    uint64_t last = pawl_clock_ns();
    fake_cycles += HZ / 100; /* the counter alone: 10 ms that the kernel did not see */
    uint64_t now = pawl_clock_ns();
    assert_true(now >= last && now >= fake_ns);
    assert_true(error_ns(now) <= 20 * MS);
    assert_true(run(60 * MS, 10 * US) <= 20 * MS);
    assert_true(run(100 * MS, 10 * US) <= 20);
}

static void a_suspend_that_the_counter_slept_through_is_noticed(void **state)
{
    (void)state;
    run(500 * MS, 1 * MS);
    fake_cycles += 7200 * HZ; /* on resume the counter is two hours on, CLOCK_MONOTONIC is not */
    assert_true(error_ns(pawl_clock_ns()) <= 10 * MS + 10);
    run(40 * MS, 10 * US);
    assert_true(run(300 * MS, 10 * US) <= 20);
    assert_false(pawl_load_relaxed(&line.given_up));
}

static void a_counter_that_was_reset_is_noticed(void **state)
{
    (void)state;
    run(500 * MS, 1 * MS);
    uint64_t last = pawl_clock_ns();
    fake_cycles = 12345;
    pass(5 * MS);
    uint64_t now = pawl_clock_ns();
    assert_true(now >= last && error_ns(now) <= 10 * MS + 10);
    run(40 * MS, 10 * US);
    assert_true(run(300 * MS, 10 * US) <= 20);
}

static void a_cpu_a_little_behind_stands_still_instead_of_anchoring(void **state)
{
    (void)state;
    uint64_t first = pawl_clock_ns();
    uint64_t seq = pawl_load_relaxed(&line.seq);
    fake_cycles -= 1000;
    assert_int_equal(pawl_clock_ns(), first);
    assert_int_equal(pawl_load_relaxed(&line.seq), seq);
}

static void a_counter_of_another_rate_is_given_up(void **state)
{
    (void)state;
    run(300 * MS, 1 * MS);
    uint64_t last = pawl_clock_ns();
    for (int i = 0; i < 2000; i++) { /* moved to a machine whose counter runs at half the rate */
        fake_cycles += HZ / 1000 / 2;
        fake_ns += MS;
        uint64_t now = pawl_clock_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(pawl_load_relaxed(&line.given_up));
    assert_true(error_ns(pawl_clock_ns()) <= 1);
}

static void a_reader_that_meets_a_stopped_anchor_asks_the_kernel(void **state)
{
    (void)state;
    pawl_clock_ns();
    pawl_store_relaxed(&line.seq, pawl_load_relaxed(&line.seq) + 1);
    pawl_store_relaxed(&line.ns, 0); /* half replaced */
    pass(13 * MS);                   /* after the end of the line, where anchors are taken */
    fake_ns += 77;
    assert_true(pawl_clock_ns() == fake_ns);
    /* What the kernel said is the floor of all that follows, though the next line begin below it. */
    uint64_t said = fake_ns;
    fake_ns -= 50; /* as an anchor whose two readings are 50 ns apart would see it */
    pawl_store_relaxed(&line.seq, pawl_load_relaxed(&line.seq) + 1);
    pawl_store_relaxed(&line.span, 0);
    assert_true(pawl_clock_ns() >= said);
}

static void between_two_lines_the_kernel_does_not_undercut_the_first(void **state)
{
    (void)state;
    pawl_clock_ns();
    pass(9 * MS);
    fake_ns -= 300; /* the line is ahead */
    uint64_t last = pawl_clock_ns();
    assert_true(last > fake_ns);
    pawl_store_relaxed(&line.seq, pawl_load_relaxed(&line.seq) + 1);
    assert_true(pawl_clock_ns() >= last);
}

static void a_line_does_not_undercut_the_one_before(void **state)
{
    (void)state;
    pawl_clock_ns();
    pass(10 * MS - 100);
    fake_ns -= 300;
    uint64_t last = pawl_clock_ns();
    pass(150); /* the line has ended; the kernel is not yet where it was */
    assert_true(fake_ns < last);
    assert_true(pawl_clock_ns() >= last);
    assert_true(run(300 * MS, 10 * US) <= 500);
    assert_true(run(200 * MS, 10 * US) <= 2); /* the step is out of the measured rate as well */
}

static void a_line_does_not_undercut_what_the_kernel_said_beside_it(void **state)
{
    (void)state;
    pawl_clock_ns();
    uint64_t said = from_kernel(fake_ns + 500); /* a reader that was late with it */
    assert_int_equal(pawl_clock_ns(), said);
    pass(400);
    assert_int_equal(pawl_clock_ns(), said);
    pass(200);
    assert_true(error_ns(pawl_clock_ns()) <= 2);
}

static void an_anchor_taken_slowly_is_as_good_as_a_quick_one(void **state)
{
    (void)state;
    pawl_clock_ns();
    pass(11 * MS);
    stopped_ns = 3 * MS;
    uint64_t now = pawl_clock_ns(); /* time passes inside */
    assert_int_equal(now, fake_ns);
    assert_true(run(200 * MS, 10 * US) <= 2);
}

static void the_end_of_a_line_that_is_not_yet_published_is_not_used(void **state)
{
    (void)state;
    pawl_clock_ns();
    pass(13 * MS);
    uint64_t odd = pawl_load_relaxed(&line.seq) + 1;
    pawl_store_relaxed(&line.seq, odd);
    pawl_store_relaxed(end_of(odd + 1), fake_ns + 10 * MS);
    assert_int_equal(pawl_clock_ns(), fake_ns);
}

static void a_reader_that_comes_late_takes_the_new_line(void **state)
{
    (void)state;
    pawl_clock_ns();
    pass(11 * MS);
    pawl_clock_ns(); /* anchors */
    pass(1 * MS);
    uint64_t seq = pawl_load_relaxed(&line.seq), now;
    assert_false(take_anchor(calibrated(), seq - 2, &now)); /* it had found the old line ended */
    assert_true(error_ns(slow_ns()) <= 2);
    assert_int_equal(pawl_load_relaxed(&line.seq), seq); /* no second anchor, which would leap a span */
}

static void a_child_repairs_what_a_lost_thread_left_half_replaced(void **state)
{
    (void)state;
    run(300 * MS, 1 * MS);
    uint64_t last = pawl_clock_ns();
    pawl_store_relaxed(&line.seq, pawl_load_relaxed(&line.seq) + 1);
    pass(12 * MS);
    pawl_store_relaxed(&line.base, fake_cycles); /* the new base with the old time */
    repair_line();
    assert_false(pawl_load_relaxed(&line.seq) & 1);
    uint64_t now = pawl_clock_ns();
    assert_true(now >= last && error_ns(now) <= 10 * MS);
    run(40 * MS, 10 * US);
    assert_true(run(300 * MS, 10 * US) <= 20);
    uint64_t seq = pawl_load_relaxed(&line.seq);
    repair_line(); /* nothing to repair */
    assert_int_equal(pawl_load_relaxed(&line.seq), seq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(with_the_nominal_rate_there_is_no_error, start_afresh),
        cmocka_unit_test_setup(a_constant_slew_is_learned, start_afresh),
        cmocka_unit_test_setup(a_change_of_the_slew_costs_five_microseconds, start_afresh),
        cmocka_unit_test_setup(an_idle_hour_leaves_no_error, start_afresh),
        cmocka_unit_test_setup(what_is_ahead_slows_down_and_never_steps_back, start_afresh),
        cmocka_unit_test_setup(a_suspend_that_the_counter_slept_through_is_noticed, start_afresh),
        cmocka_unit_test_setup(a_counter_that_was_reset_is_noticed, start_afresh),
        cmocka_unit_test_setup(a_cpu_a_little_behind_stands_still_instead_of_anchoring, start_afresh),
        cmocka_unit_test_setup(a_counter_of_another_rate_is_given_up, start_afresh),
        cmocka_unit_test_setup(a_reader_that_meets_a_stopped_anchor_asks_the_kernel, start_afresh),
        cmocka_unit_test_setup(between_two_lines_the_kernel_does_not_undercut_the_first, start_afresh),
        cmocka_unit_test_setup(a_line_does_not_undercut_the_one_before, start_afresh),
        cmocka_unit_test_setup(a_line_does_not_undercut_what_the_kernel_said_beside_it, start_afresh),
        cmocka_unit_test_setup(an_anchor_taken_slowly_is_as_good_as_a_quick_one, start_afresh),
        cmocka_unit_test_setup(the_end_of_a_line_that_is_not_yet_published_is_not_used, start_afresh),
        cmocka_unit_test_setup(a_reader_that_comes_late_takes_the_new_line, start_afresh),
        cmocka_unit_test_setup(a_child_repairs_what_a_lost_thread_left_half_replaced, start_afresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
