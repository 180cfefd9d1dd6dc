/* SPDX-License-Identifier: MIT */
/* The cycle clock: against the kernel's, across threads, forks, signals; conversions at their limits. */
#include "../../src/core/percpu/clock.h"

#include <pawl/clock.h>

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define HUNDRED_YEARS (UINT64_C(36525) * 86400 * CLOCK_NS_PER_S)

/* The promise is some tens of ns plus 5 us under NTP; a shared machine interrupts anchors as well. */
#define TOLERANCE_NS (UINT64_C(100000))

static uint64_t kernel_ns(void)
{
    return pawl_clock_kernel_ns(CLOCK_MONOTONIC);
}

/* Whether a reading lies between two of the kernel's around it, give or take the tolerance. */
static bool agrees_with_kernel(uint64_t (*clock)(void))
{
    uint64_t before = kernel_ns();
    uint64_t now = clock();
    uint64_t after = kernel_ns();
    return now + TOLERANCE_NS >= before && now <= after + TOLERANCE_NS;
}

/* ---- before the first calibration of this process: each in a child ---- */

/* The exit code of a child that runs `body`. */
static int in_child(int (*body)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int kernel_only(void)
{
    setenv("PAWL_CLOCK", "monotonic", 1);
    if (strcmp(pawl_clock_source(), "monotonic") != 0 || pawl_clock_hz() != CLOCK_NS_PER_S)
        return 1;
    if (!strstr(pawl_clock_reason(), "PAWL_CLOCK"))
        return 2;
    if (pawl_clock_cycles_to_ns(12345) != 12345 || pawl_clock_ns_to_cycles(UINT64_MAX) != UINT64_MAX)
        return 3;
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t now = pawl_clock_ns();
        if (now < last || !agrees_with_kernel(pawl_clock_ns) || !agrees_with_kernel(pawl_clock_cycles))
            return 4;
        last = now;
    }
    uint64_t start = pawl_clock_start();
    usleep(2000);
    uint64_t ns = pawl_clock_elapsed_ns(start, pawl_clock_stop());
    return ns >= 2 * MS - TOLERANCE_NS ? 0 : 5;
}

static void the_kernel_serves_where_no_counter_may(void **state)
{
    (void)state;
    assert_int_equal(in_child(kernel_only), 0);
}

static pthread_barrier_t barrier;

static void *first_use(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&barrier);
    uint64_t before = pawl_clock_cycles(); /* the first call of all, whichever function it is */
    uint64_t hz = pawl_clock_hz();
    return (void *)(uintptr_t)(pawl_clock_cycles() >= before ? hz : 0);
}

static int first_use_by_four(void)
{
    pthread_t threads[4];
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, first_use, NULL) != 0)
            return 1;
    int wrong = 0;
    for (int i = 0; i < 4; i++) {
        void *hz;
        pthread_join(threads[i], &hz);
        wrong |= (uintptr_t)hz != pawl_clock_hz();
    }
    return wrong ? 2 : 0;
}

static void threads_that_meet_at_the_first_call_get_one_calibration(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(in_child(first_use_by_four), 0);
}

static volatile sig_atomic_t handled;
static void first_in_handler(int number)
{
    (void)number;
    handled = pawl_clock_ns() != 0 && pawl_clock_hz() != 0;
}

/* The signal arrives about 5 ms into the 20 ms that the main program calibrates. */
static int first_use_interrupted(void)
{
    struct sigaction action = {.sa_handler = first_in_handler};
    struct itimerval soon = {.it_value = {.tv_usec = 5000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    uint64_t first = pawl_clock_ns();
    while (!handled)
        usleep(1000); /* ThreadSanitizer's runtime hands signals over in calls */
    return pawl_clock_ns() >= first ? 0 : 1;
}

static void a_signal_handler_may_calibrate_inside_a_calibration(void **state)
{
    (void)state;
    assert_int_equal(in_child(first_use_interrupted), 0);
}

/* ---- conversions ---- */

static const uint64_t rates[] = {1000000,    24000000,   62500000,   1000000000,
                                 2300000004, 4999999999, 20000000000};
#define RATES (sizeof(rates) / sizeof(rates[0]))

static void conversions_hold_for_a_hundred_years_at_any_rate(void **state)
{
    (void)state;
    for (size_t i = 0; i < RATES; i++) {
        struct clock_ratio to_ns = pawl_clock_ratio_of(CLOCK_NS_PER_S, rates[i]);
        struct clock_ratio to_cycles = pawl_clock_ratio_of(rates[i], CLOCK_NS_PER_S);
        const uint64_t durations[] = {0, 1, 999, CLOCK_NS_PER_S, HUNDRED_YEARS / 3, HUNDRED_YEARS};
        for (size_t j = 0; j < 6; j++) {
            unsigned __int128 exact = (unsigned __int128)durations[j] * rates[i] / CLOCK_NS_PER_S;
            uint64_t cycles = pawl_clock_scale(to_cycles, durations[j]);
            if (exact > UINT64_MAX) { /* 20 GHz for a hundred years: saturates, does not wrap */
                assert_true(cycles == UINT64_MAX);
                continue;
            }
            assert_true(cycles <= (uint64_t)exact && (uint64_t)exact - cycles <= 2);
            uint64_t back = pawl_clock_scale(to_ns, cycles);
            uint64_t unit = CLOCK_NS_PER_S / rates[i] + 1; /* of a cycle in ns, rounded up */
            assert_true(back <= durations[j] && durations[j] - back <= 2 * unit + 2);
        }
    }
}

static void conversions_saturate_and_never_go_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < RATES; i++) {
        struct clock_ratio to_ns = pawl_clock_ratio_of(CLOCK_NS_PER_S, rates[i]);
        assert_true(to_ns.mult >> 63);
        if (rates[i] < CLOCK_NS_PER_S)
            assert_true(pawl_clock_scale(to_ns, UINT64_MAX) == UINT64_MAX);
        uint64_t last = 0;
        for (uint64_t x = 4; x; x <<= 1) {
            for (int step = -1; step <= 1; step++) {
                uint64_t ns = pawl_clock_scale(to_ns, x + (uint64_t)(int64_t)step);
                assert_true(ns >= last);
                last = ns;
            }
        }
    }
    assert_int_equal(pawl_clock_cycles_to_ns(0), 0);
    assert_int_equal(pawl_clock_ns_to_cycles(0), 0);
}

/* ---- the source ---- */

static void the_source_runs_as_fast_as_it_says(void **state)
{
    (void)state;
    const char *source = pawl_clock_source();
    printf("%s at %llu Hz: %s\n", source, (unsigned long long)pawl_clock_hz(), pawl_clock_reason());
    assert_true(!strcmp(source, "tsc") || !strcmp(source, "cntvct") || !strcmp(source, "monotonic"));
    assert_true(pawl_clock_hz() >= 1000000);
    if (strcmp(source, "monotonic") == 0)
        return; /* a cycle is a nanosecond: nothing to compare */
    struct clock_pair from = pawl_clock_read_pair(CLOCK_MONOTONIC_RAW);
    usleep(100000);
    struct clock_pair to = pawl_clock_read_pair(CLOCK_MONOTONIC_RAW);
    uint64_t counted = pawl_clock_cycles_to_ns(to.cycles - from.cycles), passed = to.ns - from.ns;
    uint64_t difference = counted > passed ? counted - passed : passed - counted;
    uint64_t uncertain = pawl_clock_cycles_to_ns(from.width + to.width);
    assert_true(difference <= passed / 2000 + uncertain); /* 500 ppm */
}

static void the_time_is_the_kernels_monotonic_time(void **state)
{
    (void)state;
    uint64_t end = kernel_ns() + 200 * MS; /* twenty anchors, two measurements of the rate */
    unsigned long reads = 0;
    while (kernel_ns() < end) {
        assert_true(agrees_with_kernel(pawl_clock_ns));
        assert_true(agrees_with_kernel(pawl_clock_ns_ordered));
        reads++;
    }
    assert_true(reads > 0);
    const unsigned gaps_us[] = {1000, 9000, 11000, 30000, 150000}; /* the first read after a pause */
    for (int i = 0; i < 5; i++) {
        usleep(gaps_us[i]);
        assert_true(agrees_with_kernel(pawl_clock_ns));
    }
}

/* ---- monotonic ---- */

static PAWL_ATOMIC(uint64_t) latest PAWL_LINE_PAIR_ALIGNED;
static PAWL_ATOMIC(bool) stop;

/* Publishes each reading; no reading after it may be smaller, on whatever CPU. */
static void *read_and_publish(void *unused)
{
    (void)unused;
    uintptr_t backwards = 0;
    while (!pawl_load_relaxed(&stop)) { /* relaxed: only ends the loop */
        /* acquire: pairs with the release below: that reading happened before the next */
        uint64_t before = pawl_load_acquire(&latest);
        uint64_t now = pawl_clock_ns_ordered();
        backwards += now < before;
        pawl_cas_release(&latest, &before, now); /* release: pairs with the acquire above */
    }
    return (void *)backwards;
}

static void no_thread_sees_time_before_what_another_published(void **state)
{
    (void)state;
    pthread_t threads[3];
    pawl_store_relaxed(&stop, false);
    pawl_store_relaxed(&latest, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_and_publish, NULL), 0);
    usleep(400000);
    pawl_store_relaxed(&stop, true); /* relaxed: only ends the loops */
    for (int i = 0; i < 3; i++) {
        void *backwards;
        pthread_join(threads[i], &backwards);
        assert_int_equal((uintptr_t)backwards, 0);
    }
}

/* Returns how often time went back or was not the kernel's, across migrations and thirty anchors. */
static void *read_alone(void *unused)
{
    (void)unused;
    uintptr_t backwards = 0;
    uint64_t last = 0, end = kernel_ns() + 300 * MS;
    unsigned turns = 0;
    do {
        uint64_t now = pawl_clock_ns();
        backwards += now < last;
        last = now;
        if (turns++ % 64 == 0)
            backwards += !agrees_with_kernel(pawl_clock_ns_ordered);
    } while (last < end);
    return (void *)backwards;
}

static void a_thread_never_sees_time_go_back(void **state)
{
    (void)state;
    pthread_t threads[4]; /* more than CPUs on small machines: they migrate and are preempted */
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_alone, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *backwards;
        pthread_join(threads[i], &backwards);
        assert_int_equal((uintptr_t)backwards, 0);
    }
}

static volatile uint64_t in_handler;
static volatile sig_atomic_t handler_backwards, ticks;

static void read_in_handler(int number)
{
    (void)number;
    uint64_t now = pawl_clock_ns();
    handler_backwards |= now < in_handler;
    in_handler = now;
    ticks++;
}

static void handlers_and_what_they_interrupt_see_one_order(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = read_in_handler, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL); /* for good: a signal may arrive after the timer is off */
    setitimer(ITIMER_REAL, &often, NULL);
    uint64_t end = kernel_ns() + 300 * MS;
    int backwards = 0;
    while (kernel_ns() < end) {
        uint64_t before = in_handler;
        uint64_t now = pawl_clock_ns();
        backwards += now < before;
    }
    setitimer(ITIMER_REAL, &off, NULL);
    assert_int_equal(backwards, 0);
    assert_int_equal(handler_backwards, 0);
    assert_true(ticks > 0);
}

static uint64_t at_fork;

static int read_after_fork(void)
{
    uint64_t last = at_fork;
    for (int i = 0; i < 100; i++) {
        uint64_t now = pawl_clock_ns();
        if (now < last)
            return 1;
        last = now;
    }
    usleep(25000); /* whatever a broken anchor left ahead is made good by now */
    pawl_clock_ns();
    usleep(25000);
    return agrees_with_kernel(pawl_clock_ns) ? 0 : 2;
}

static void a_child_forked_in_the_middle_of_anchors_goes_on(void **state)
{
    (void)state;
    pthread_t thread;
    pawl_store_relaxed(&stop, false);
    pawl_store_relaxed(&latest, 0);
    assert_int_equal(pthread_create(&thread, NULL, read_and_publish, NULL), 0);
    for (int i = 0; i < 15; i++) {
        at_fork = pawl_clock_ns();
        int code = in_child(read_after_fork);
        if (code) {
            pawl_store_relaxed(&stop, true);
            pthread_join(thread, NULL);
        }
        assert_int_equal(code, 0);
    }
    pawl_store_relaxed(&stop, true);
    pthread_join(thread, NULL);
}

/* ---- stamps ---- */

static void stamps_measure_what_is_between_them(void **state)
{
    (void)state;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 2000; i++) {
        uint64_t start = pawl_clock_start();
        uint64_t cycles = pawl_clock_elapsed_cycles(start, pawl_clock_stop());
        least = cycles < least ? cycles : least;
    }
    /* Nothing takes nothing, or less than the stamps are worth where they are calls, not inlined. */
    uint64_t allowance = PAWL_CLOCK_INLINE ? pawl_clock_stamp_cost() : pawl_clock_ns_to_cycles(2000);
    assert_true(least <= allowance);
    /* The thread may be stopped between any two: what is measured lies around the 3 ms, and within the whole. */
    uint64_t outer = kernel_ns(), start = pawl_clock_start(), begin = kernel_ns();
    while (kernel_ns() - begin < 3 * MS)
        ;
    uint64_t ns = pawl_clock_elapsed_ns(start, pawl_clock_stop());
    uint64_t whole = kernel_ns() - outer;
    assert_true(ns >= 3 * MS - TOLERANCE_NS);
    assert_true(ns <= whole + whole / 2000 + TOLERANCE_NS);
}

static void elapsed_is_never_negative_and_survives_a_wrap(void **state)
{
    (void)state;
    uint64_t cost = pawl_clock_stamp_cost();
    assert_int_equal(pawl_clock_elapsed_cycles(1000, 999), 0);
    assert_int_equal(pawl_clock_elapsed_cycles(1000, 1000), 0);
    assert_int_equal(pawl_clock_elapsed_cycles(1000, 1000 + cost), 0);
    assert_int_equal(pawl_clock_elapsed_cycles(1000, 1000 + cost + 7), 7);
    assert_int_equal(pawl_clock_elapsed_cycles(UINT64_MAX - 4, cost + 5), 10);
    assert_int_equal(pawl_clock_elapsed_ns(1000, 10), 0);
}

/* ---- cost ---- */

#define COST_READS 100000

static double cost_of(uint64_t (*read)(void))
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < 5; round++) {
        uint64_t start = pawl_clock_start();
        for (int i = 0; i < COST_READS; i++)
            read();
        uint64_t ns = pawl_clock_elapsed_ns(start, pawl_clock_stop());
        best = ns < best ? ns : best;
    }
    return (double)best / COST_READS;
}

static void what_a_reading_costs_is_printed(void **state)
{
    (void)state;
    double kernel = cost_of(kernel_ns);
    const struct {
        const char *name;
        uint64_t (*read)(void);
    } rows[] = {
        {"pawl_clock_cycles", pawl_clock_cycles},
        {"pawl_clock_start", pawl_clock_start},
        {"pawl_clock_stop", pawl_clock_stop},
        {"pawl_clock_ns", pawl_clock_ns},
        {"pawl_clock_ns_ordered", pawl_clock_ns_ordered},
    };
    printf("%-24s %6.1f ns\n", "clock_gettime", kernel);
    for (size_t i = 0; i < 5; i++) {
        double cost = cost_of(rows[i].read);
        assert_true(cost > 0);
        printf("%-24s %6.1f ns  %.2f of clock_gettime\n", rows[i].name, cost, cost / kernel);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_serves_where_no_counter_may), /* these three first: uncalibrated */
        cmocka_unit_test(threads_that_meet_at_the_first_call_get_one_calibration),
        cmocka_unit_test(a_signal_handler_may_calibrate_inside_a_calibration),
        cmocka_unit_test(conversions_hold_for_a_hundred_years_at_any_rate),
        cmocka_unit_test(conversions_saturate_and_never_go_back),
        cmocka_unit_test(the_source_runs_as_fast_as_it_says),
        cmocka_unit_test(the_time_is_the_kernels_monotonic_time),
        cmocka_unit_test(a_thread_never_sees_time_go_back),
        cmocka_unit_test(no_thread_sees_time_before_what_another_published),
        cmocka_unit_test(handlers_and_what_they_interrupt_see_one_order),
        cmocka_unit_test(a_child_forked_in_the_middle_of_anchors_goes_on),
        cmocka_unit_test(stamps_measure_what_is_between_them),
        cmocka_unit_test(elapsed_is_never_negative_and_survives_a_wrap),
        cmocka_unit_test(what_a_reading_costs_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
