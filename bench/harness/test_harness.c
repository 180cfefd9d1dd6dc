/* SPDX-License-Identifier: MIT */
/* The parts of the harness, each on input whose answer is known. Nothing here depends on how fast the
 * machine is. */
#include "run.h"

#include "clock.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NEAR 1e-9

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) < NEAR))
        fail_msg("%g is not %g", value, expected);
}

static void the_median_of_an_even_number_lies_between_the_middle_two(void **state)
{
    const double odd[] = {9, 1, 5};
    const double even[] = {4, 1, 3, 2};

    (void)state;
    assert_near(bench_summarise(odd, 3).median, 5);
    assert_near(bench_summarise(even, 4).median, 2.5);
    assert_near(bench_summarise(odd, 1).median, 9);
}

static void percentiles_interpolate_and_include_both_ends(void **state)
{
    const double sorted[] = {10, 20, 30, 40, 50};

    (void)state;
    assert_near(bench_percentile(sorted, 5, 0), 10);
    assert_near(bench_percentile(sorted, 5, 10), 14);
    assert_near(bench_percentile(sorted, 5, 50), 30);
    assert_near(bench_percentile(sorted, 5, 90), 46);
    assert_near(bench_percentile(sorted, 5, 100), 50);
    assert_true(isnan(bench_percentile(sorted, 0, 50)));
}

static void a_summary_leaves_out_what_does_not_exist(void **state)
{
    const double some[] = {1, nan(""), 3, 2};
    const double few[] = {1, nan(""), HUGE_VAL};

    (void)state;
    assert_near(bench_summarise(some, 4).median, 2);
    assert_true(isnan(bench_summarise(few, 3).median));
}

static void the_spread_is_in_percent_of_the_median(void **state)
{
    const struct bench_summary summary = {.median = 50, .low = 45, .high = 60};
    const struct bench_summary nothing = {.median = 0, .low = -1, .high = 1};

    (void)state;
    assert_near(bench_spread(&summary), 30);
    assert_true(isnan(bench_spread(&nothing)));
}

static void ratios_are_pairwise_so_a_drift_of_the_machine_cancels(void **state)
{
    double slow[10], fast[10], ratio[10];

    (void)state;
    for (unsigned i = 0; i < 10; ++i) { /* the machine gets ten times slower */
        fast[i] = 1 + i;
        slow[i] = 3 * fast[i];
    }
    bench_ratios(slow, fast, 10, ratio);
    const struct bench_summary times = bench_summarise(ratio, 10);
    assert_near(times.median, 3);
    assert_near(times.high - times.low, 0);
}

enum { REPS = 3 };

static void fill(struct bench_result *result, const struct bench_contender *contender, double *samples,
                 const double raw[REPS])
{
    *result = (struct bench_result){
        .contender = contender,
        .raw_ns = samples,
        .net_ns = samples + REPS,
        .ops_per_s = samples + (size_t)2 * REPS,
        .ratio = samples + (size_t)3 * REPS,
    };
    for (unsigned i = 0; i < REPS; ++i) {
        result->raw_ns[i] = raw[i];
        result->ops_per_s[i] = 1e9 / raw[i];
    }
}

static void overhead_is_subtracted_repetition_by_repetition(void **state)
{
    static const struct bench_contender contenders[] = {{.name = "bare"}, {.name = "one"}, {.name = "two"}};
    double samples[3][4 * REPS];
    struct bench_result results[3];
    struct bench_scenario scenario = {
        .threads = 1, .count = 3, .results = results, .overhead = 0, .first = 1};

    (void)state;
    fill(&results[0], &contenders[0], samples[0], (const double[]){2, 3, 4});
    fill(&results[1], &contenders[1], samples[1], (const double[]){3, 4, 5});
    fill(&results[2], &contenders[2], samples[2], (const double[]){4, 5, 6});
    bench_scenario_evaluate(&scenario, REPS);
    assert_near(results[0].net.median, 3);
    assert_near(results[1].net.median, 1);
    assert_near(results[1].net.high - results[1].net.low, 0);
    assert_near(results[2].net.median, 2);
    assert_near(results[2].times.median, 2);
    assert_near(results[2].rate.median, 5e8);
    assert_true(isnan(results[0].times.median));
}

static void what_costs_less_than_the_overhead_has_no_rate_and_no_ratio(void **state)
{
    static const struct bench_contender contenders[] = {{.name = "bare"}, {.name = "one"}};
    double samples[2][4 * REPS];
    struct bench_result results[2];
    struct bench_scenario scenario = {
        .threads = 1, .count = 2, .results = results, .overhead = 0, .first = 1};

    (void)state;
    fill(&results[0], &contenders[0], samples[0], (const double[]){2, 2, 2});
    fill(&results[1], &contenders[1], samples[1], (const double[]){1, 1, 1});
    bench_scenario_evaluate(&scenario, REPS);
    assert_near(results[1].net.median, -1);
    assert_true(isnan(results[1].rate.median));
    assert_true(isnan(results[1].times.median));
}

static void one_slice_in_five_marks_the_row(void **state)
{
    const struct bench_result two = {.disturbed = 2};
    const struct bench_result three = {.disturbed = 3};

    (void)state;
    assert_false(bench_result_disturbed(&two, 15));
    assert_true(bench_result_disturbed(&three, 15));
}

static void a_probe_counts_gaps_above_its_limit_only(void **state)
{
    const struct bench_probe all = {.gap_ns = 0, .spin_ns = 100000};
    const struct bench_probe none = {.gap_ns = UINT64_MAX, .spin_ns = 100000};
    struct bench_lost lost = {0};

    (void)state;
    bench_probe_spin(&none, &lost);
    assert_true(lost.watched_ns >= 100000);
    assert_int_equal(lost.lost_ns, 0);

    lost = (struct bench_lost){0};
    bench_probe_spin(&all, &lost);
    assert_int_equal(lost.lost_ns, lost.watched_ns);
    assert_near(bench_lost_share(&lost), 1);
}

static void the_account_sees_that_a_thread_slept(void **state)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    struct bench_account before, after;

    (void)state;
    bench_account_read(&before);
    nanosleep(&nap, NULL);
    bench_account_read(&after);
    assert_true(after.voluntary > before.voluntary);
    assert_true(after.ran_ns >= before.ran_ns);
}

static void the_allowed_cpus_are_distinct_and_some(void **state)
{
    struct bench_cpus cpus;

    (void)state;
    assert_int_equal(bench_cpus_open(&cpus), 0);
    assert_true(cpus.count > 0);
    for (unsigned i = 0; i < cpus.count; ++i) {
        for (unsigned k = 0; k < i; ++k)
            assert_int_not_equal(cpus.ids[i], cpus.ids[k]);
    }
    bench_cpus_close(&cpus);
}

enum { THREADS = 5 };

struct roll_call {
    struct bench_barrier barrier;
    PAWL_ATOMIC(unsigned) arrived;
    PAWL_ATOMIC(unsigned) early; /* passed the barrier before all had arrived */
    unsigned calls[THREADS];
    unsigned wanted;
};

static void answer(unsigned index, void *argument)
{
    struct roll_call *call = argument;

    ++call->calls[index];
    pawl_fetch_add_relaxed(&call->arrived, 1); /* ordered by the barrier itself */
    bench_barrier_pass(&call->barrier);
    if (pawl_load_relaxed(&call->arrived) != call->wanted)
        pawl_fetch_add_relaxed(&call->early, 1);
}

static void each_job_runs_once_in_each_chosen_thread_and_all_start_together(void **state)
{
    static struct roll_call call;
    struct bench_workers *workers;
    struct bench_cpus cpus;

    (void)state;
    memset(&call, 0, sizeof(call));
    assert_int_equal(bench_cpus_open(&cpus), 0);
    assert_int_equal(bench_workers_open(&workers, THREADS, &cpus, true), 0);
    assert_int_equal(bench_workers_cpu(workers, cpus.count % THREADS),
                     cpus.ids[cpus.count % THREADS % cpus.count]);
    for (unsigned round = 0; round < 200; ++round) {
        call.wanted = 1 + round % THREADS;
        pawl_store_relaxed(&call.arrived, 0);
        bench_barrier_init(&call.barrier, call.wanted);
        bench_workers_run(workers, call.wanted, answer, &call);
    }
    bench_workers_close(workers);
    bench_cpus_close(&cpus);
    assert_int_equal(pawl_load_relaxed(&call.early), 0);
    for (unsigned i = 0; i < THREADS; ++i)
        assert_int_equal(call.calls[i], 200 / THREADS * (THREADS - i));
}

enum { AT_LEAST_NS = 50000, TARGET_NS = 2000000 };

static void take_at_least(struct bench_thread *thread, uint64_t iterations)
{
    const uint64_t until = bench_now_ns() + iterations * AT_LEAST_NS;

    (void)thread;
    while (bench_now_ns() < until)
        ;
}

static void take_nothing(struct bench_thread *thread, uint64_t iterations)
{
    (void)thread;
    (void)iterations;
}

/* Whether a calibration of what takes no time goes beyond a few turns. On a busy machine one may be interrupted whenever it
 * looks, and ten are not. */
static bool finds_many(struct bench_crew *crew, const struct bench_contender *nothing)
{
    for (unsigned tries = 0; tries < 10; ++tries) {
        if (bench_slice_calibrate(crew, nothing, NULL, 1, TARGET_NS) > 1000000)
            return true;
    }
    return false;
}

static void do_it_yourself(struct bench_thread *thread, uint64_t iterations)
{
    thread->operations = thread->index == 0 ? 7 : 0;
    take_at_least(thread, iterations);
}

static void a_slice_is_calibrated_measured_and_counted(void **state)
{
    static const struct bench_contender slow = {.name = "slow", .run = take_at_least};
    static const struct bench_contender nothing = {.name = "nothing", .run = take_nothing};
    static const struct bench_contender own = {.name = "own", .run = do_it_yourself};
    const struct bench_probe probe = {.gap_ns = 2000, .spin_ns = 1000};
    struct bench_measurement measured;
    struct bench_workers *workers;
    struct bench_crew crew;
    struct bench_cpus cpus;

    (void)state;
    assert_int_equal(bench_cpus_open(&cpus), 0);
    assert_int_equal(bench_workers_open(&workers, 2, &cpus, false), 0);
    assert_int_equal(bench_crew_open(&crew, workers, &cpus, probe, 2), 0);

    const uint64_t iterations = bench_slice_calibrate(&crew, &slow, NULL, 1, TARGET_NS);
    assert_in_range(iterations, 1, TARGET_NS / AT_LEAST_NS);
    assert_true(finds_many(&crew, &nothing));

    bench_slice_run(&crew, &slow, NULL, 10, 3, &measured);
    assert_true(measured.wall_ns >= UINT64_C(10) * AT_LEAST_NS);
    assert_near(measured.ns_per_op * 2 * 10 * 3, (double)(measured.wall_ns * bench_crew_cpus(&crew)));
    bench_slice_run(&crew, &own, NULL, 1, 3, &measured);
    assert_near(measured.ns_per_op * 7, (double)(measured.wall_ns * bench_crew_cpus(&crew)));

    bench_crew_close(&crew);
    bench_workers_close(workers);
    bench_cpus_close(&cpus);
}

static const struct bench_program program = {.name = "test", .about = "Tests."};

/* Parses "test WORD..." and leaves what was printed in *text, to be freed. */
static enum bench_next parse(struct bench_options *options, const char *word, const char *second, char **text)
{
    char *copies[3] = {strdup("test"), word != NULL ? strdup(word) : NULL,
                       second != NULL ? strdup(second) : NULL};
    char *argv[4] = {copies[0], copies[1], copies[2], NULL};
    const int argc = word == NULL ? 1 : second == NULL ? 2 : 3;
    size_t size = 0;
    FILE *out = open_memstream(text, &size);

    assert_non_null(out);
    const enum bench_next next = bench_options_open(options, argc, argv, &program, out, out);
    fclose(out);
    for (unsigned i = 0; i < 3; ++i)
        free(copies[i]);
    return next;
}

static void a_bad_option_is_named_with_what_would_be_right(void **state)
{
    static const struct {
        const char *word, *second, *said;
    } cases[] = {
        {"--reps=0", NULL, "1 to 1000"},     {"--reps", "many", "'many'"},
        {"--reps=1001", NULL, "--reps"},     {"--reps=-1", NULL, "--reps"},
        {"--slice-ms=0", NULL, "more than"}, {"--slice-ms=nan", NULL, "'nan'"},
        {"--slice-ms=1x", NULL, "'1x'"},     {"--threads=1,,2", NULL, "commas"},
        {"--threads=0", NULL, "--threads"},  {"--threads=99999", NULL, "4096"},
        {"--only=(", NULL, "expression"},    {"--count=0", NULL, "--count"},
        {"--json", NULL, "value"},           {"--fast", NULL, "--fast"},
        {"stray", NULL, "'stray'"},          {"--count", "--json=x", "neither"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
        struct bench_options options;
        char *text = NULL;

        if (parse(&options, cases[i].word, cases[i].second, &text) != BENCH_MISUSED)
            fail_msg("%s was accepted", cases[i].word);
        if (strstr(text, cases[i].said) == NULL || strstr(text, "--help") == NULL)
            fail_msg("%s: said '%s'", cases[i].word, text);
        free(text);
    }
}

static void good_options_are_understood(void **state)
{
    struct bench_options options;
    char *text = NULL;

    (void)state;
    assert_int_equal(parse(&options, "--threads=1,16", "--slice-ms=0.5", &text), BENCH_GO);
    assert_int_equal(options.threads[0], 1);
    assert_int_equal(options.threads[1], 16);
    assert_int_equal(options.threads[2], 0);
    assert_near(options.slice_ms, 0.5);
    assert_int_equal(options.reps, 15);
    assert_true(options.pin);
    bench_options_close(&options);
    free(text);

    assert_int_equal(parse(&options, "--help", NULL, &text), BENCH_HELPED);
    assert_non_null(strstr(text, "--plot FILE.svg"));
    free(text);
}

static void only_matches_scenario_threads_and_contender(void **state)
{
    struct bench_options options;
    char *text = NULL;

    (void)state;
    assert_int_equal(parse(&options, "--only", "^add/2/|/atomic$", &text), BENCH_GO);
    assert_true(bench_options_keep(&options, "add", 2, "pawl"));
    assert_true(bench_options_keep(&options, "read", 1, "atomic"));
    assert_false(bench_options_keep(&options, "add", 12, "pawl"));
    bench_options_close(&options);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_of_an_even_number_lies_between_the_middle_two),
        cmocka_unit_test(percentiles_interpolate_and_include_both_ends),
        cmocka_unit_test(a_summary_leaves_out_what_does_not_exist),
        cmocka_unit_test(the_spread_is_in_percent_of_the_median),
        cmocka_unit_test(ratios_are_pairwise_so_a_drift_of_the_machine_cancels),
        cmocka_unit_test(overhead_is_subtracted_repetition_by_repetition),
        cmocka_unit_test(what_costs_less_than_the_overhead_has_no_rate_and_no_ratio),
        cmocka_unit_test(one_slice_in_five_marks_the_row),
        cmocka_unit_test(a_probe_counts_gaps_above_its_limit_only),
        cmocka_unit_test(the_account_sees_that_a_thread_slept),
        cmocka_unit_test(the_allowed_cpus_are_distinct_and_some),
        cmocka_unit_test(each_job_runs_once_in_each_chosen_thread_and_all_start_together),
        cmocka_unit_test(a_slice_is_calibrated_measured_and_counted),
        cmocka_unit_test(a_bad_option_is_named_with_what_would_be_right),
        cmocka_unit_test(good_options_are_understood),
        cmocka_unit_test(only_matches_scenario_threads_and_contender),
    };

    return cmocka_run_group_tests_name("harness", tests, NULL, NULL);
}
