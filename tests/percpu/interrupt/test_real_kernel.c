/* SPDX-License-Identifier: MIT */
/* The real kernel: a signal at every instruction of every sequence. */
#include "tally.h"

#include <errno.h>
#include <pawl/rseq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct world world;

static void require_real_kernel(void)
{
    if (section_count() == 0) {
        print_message(
            "no restartable sequences in this build (instrumented, or no assembly for this machine)\n");
        skip();
    }
    if (!pawl_rseq_available()) {
        print_message("no sequences run here: %s\n", pawl_rseq_get_info()->reason);
        skip();
    }
}

/* The path of an operation, found with the emulated kernel: under the real one a step restarts a sequence
 * for ever. */
static void trace(const struct interrupt_subject *subject, struct interrupt_path *path)
{
    int untraced;
    int traced;

    interrupt_adopt(world.pc);
    untraced = interrupt_run(subject, NULL, 0, NULL);
    traced = interrupt_run(subject, NULL, 0, path);
    interrupt_release(world.pc); /* before what may end this test: the next one needs the real kernel */
    assert_int_equal(untraced, 0);
    if (traced == -E2BIG)
        fail_msg("%s: its path is longer than %d instructions", subject->name, INTERRUPT_PATH_MAX);
    assert_int_equal(traced, 0);
}

/* How many instructions of the path must abort; each once, or each time that it is reached. */
static unsigned long points_in_sections(const struct interrupt_path *path, bool once)
{
    unsigned long points = 0;

    for (size_t k = 0; k < path->count; k++)
        if (section_of(path->at[k]) != NULL)
            points += !once || interrupt_stop_at(path, k, INTERRUPT_PREEMPT).occurrence == 1;
    return points;
}

static void sweep_signals(const struct scenario *scenario, const struct act *act, unsigned int times,
                          struct interrupt_counts *counts)
{
    static struct interrupt_path path;
    struct interrupt_subject subject = world_subject(&world, scenario, act, NULL);
    unsigned long aborts = counts->aborts;

    trace(&subject, &path);
    world_expect(&subject);
    assert_int_equal(interrupt_sweep_signals(&subject, &path, times, counts), 0);
    assert_int_equal(counts->aborts - aborts, times * points_in_sections(&path, true));
}

static void the_kernel_aborts_once_at_every_instruction_before_the_commit_and_never_after_it(void **state)
{
    (void)state;
    require_real_kernel();
    EACH_SCENARIO(scenario)
    sweep_signals(scenario, NULL, 1, &tally_of(scenario)->once);
    assert_int_equal(tally_sum(offsetof(struct tally, once)).failures, 0);
    assert_true(tally_sum(offsetof(struct tally, once)).aborts > 0);
}

static void two_signals_at_one_instruction_abort_twice(void **state)
{
    struct interrupt_counts counts = {0};

    (void)state;
    require_real_kernel();
    EACH_SCENARIO(scenario)
    sweep_signals(scenario, NULL, 2, &counts);
    assert_int_equal(counts.failures, 0);
}

static void a_signal_handler_may_use_the_sequence_that_it_interrupts(void **state)
{
    (void)state;
    require_real_kernel();
    EACH_SCENARIO(scenario)
    for (const struct act *const *act = scenario->others; *act != NULL; act++)
        if ((*act)->how == INTERRUPT_PREEMPT)
            sweep_signals(scenario, *act, 1, &tally_of(scenario)->control);
    assert_int_equal(tally_sum(offsetof(struct tally, control)).failures, 0);
}

static void a_breakpoint_of_the_processor_aborts_like_a_signal(void **state)
{
    static struct interrupt_path path;
    int status;

    (void)state;
    require_real_kernel();
    status = interrupt_breakpoints_work();
    if (status != 0) {
        print_message(
            "no breakpoints by perf_event_open here: %s (see kernel.perf_event_paranoid); the patched "
            "instructions above make the same proof\n",
            strerror(-status));
        skip();
    }
    EACH_SCENARIO(scenario)
    {
        struct interrupt_subject subject = world_subject(&world, scenario, NULL, NULL);
        struct interrupt_counts *counts = &tally_of(scenario)->more;
        unsigned long aborts = counts->aborts;

        trace(&subject, &path);
        world_expect(&subject);
        assert_int_equal(interrupt_sweep_breakpoints(&subject, &path, counts), 0);
        assert_int_equal(counts->aborts - aborts, points_in_sections(&path, false));
    }
    assert_int_equal(tally_sum(offsetof(struct tally, more)).failures, 0);
    assert_true(tally_sum(offsetof(struct tally, more)).aborts > 0);
}

/* A trap of one byte over a last instruction of one byte leaves the saved address at the end of the
 * section already: the proof by patching would miss the abort that a real preemption gets there. */
static void no_section_ends_in_an_instruction_that_a_trap_covers(void **state)
{
    static struct interrupt_coverage coverage;
    static struct interrupt_path path;

    (void)state;
    require_real_kernel();
    EACH_SCENARIO(scenario)
    {
        struct interrupt_subject subject = world_subject(&world, scenario, NULL, NULL);

        trace(&subject, &path);
        coverage.count = 0;
        assert_int_equal(interrupt_cover(&coverage, &path), 0);
        for (size_t i = 0; i < coverage.count; i++) {
            const struct section *section = section_of(coverage.seen[i].at);

            if (section != NULL && coverage.seen[i].at == section->start + section->length - 1)
                fail_msg("%s: its commit is one byte long", scenario->sequence);
        }
    }
}

static int open_world(void **state)
{
    (void)state;
    if (section_count() == 0 || !pawl_rseq_available())
        return 0;
    return world_open(&world) != 0 || interrupt_begin() != 0 || world_go_real(&world) != 0 ? -1 : 0;
}

static void print_row(const struct tally *tally)
{
    printf("%-16s %8lu %8lu %8lu %8lu %8lu %8lu %8lu %8lu %8lu\n", tally->sequence, tally->once.runs,
           tally->once.aborts, tally->once.failures, tally->more.runs, tally->more.aborts,
           tally->more.failures, tally->control.runs, tally->control.aborts, tally->control.failures);
}

static int close_world(void **state)
{
    struct tally sum = {.sequence = "all"};

    (void)state;
    if (tally_count == 0)
        return 0;
    interrupt_end();
    world_close(&world);
    printf("\n%-16s %26s %26s %26s\n", "", "patched instruction", "breakpoint", "operation in the handler");
    printf("%-16s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "sequence", "points", "aborts", "failures",
           "points", "aborts", "failures", "points", "aborts", "failures");
    for (unsigned int i = 0; i < tally_count; i++)
        print_row(&tallies[i]);
    sum.once = tally_sum(offsetof(struct tally, once));
    sum.more = tally_sum(offsetof(struct tally, more));
    sum.control = tally_sum(offsetof(struct tally, control));
    print_row(&sum);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_section_ends_in_an_instruction_that_a_trap_covers),
        cmocka_unit_test(the_kernel_aborts_once_at_every_instruction_before_the_commit_and_never_after_it),
        cmocka_unit_test(two_signals_at_one_instruction_abort_twice),
        cmocka_unit_test(a_signal_handler_may_use_the_sequence_that_it_interrupts),
        cmocka_unit_test(a_breakpoint_of_the_processor_aborts_like_a_signal),
    };

    return cmocka_run_group_tests_name("the kernel's aborts", tests, open_world, close_world);
}
