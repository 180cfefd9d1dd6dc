/* SPDX-License-Identifier: MIT */
/* Exhaustive interleaving: another thread's whole operation at every instruction of every sequence, the
 * kernel emulated. */
#include "acts.h"
#include "tally.h"

#include <pawl/rseq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world world;

static void require_sections(void)
{
    if (section_count() == 0) {
        print_message(
            "no restartable sequences in this build (instrumented, or no assembly for this machine)\n");
        skip();
    }
}

/* ---- Coverage ---- */

static void cover_sequence(const char *sequence, struct interrupt_coverage *coverage)
{
    static struct interrupt_path path;

    memset(coverage, 0, sizeof *coverage);
    EACH_SCENARIO(scenario)
    {
        struct interrupt_subject subject;

        if (strcmp(scenario->sequence, sequence) != 0)
            continue;
        subject = world_subject(&world, scenario, NULL, NULL);
        assert_int_equal(interrupt_run(&subject, NULL, 0, NULL), 0);
        assert_int_equal(interrupt_run(&subject, NULL, 0, &path), 0);
        assert_int_equal(interrupt_cover(coverage, &path), 0);
        tally_of(scenario)->paths++;
    }
}

static bool is_seen(const struct interrupt_coverage *coverage, const struct section *section)
{
    for (size_t i = 0; i < coverage->count; i++)
        if (section_holds(section, coverage->seen[i].at))
            return true;
    return false;
}

/* Every section that the sequence's paths touch (its own, and in the library the one that tries again after
 * a first use) is covered whole. */
static size_t check_coverage(const char *sequence, const struct interrupt_coverage *coverage)
{
    size_t most = 0;

    for (size_t i = 0; i < section_count(); i++) {
        const struct section *section = &__start___rseq_cs[i];
        size_t instructions;

        if (!is_seen(coverage, section))
            continue;
        instructions = interrupt_covered(coverage, section);
        if (instructions == 0)
            fail_msg("%s: an instruction of its section is on no path of the test", sequence);
        most = instructions > most ? instructions : most;
    }
    if (most == 0)
        fail_msg("%s: no section was entered", sequence);
    return most;
}

static void every_instruction_of_every_sequence_is_on_a_path_that_is_tested(void **state)
{
    static struct interrupt_coverage coverage;

    (void)state;
    require_sections();
    EACH_SCENARIO(scenario)
    {
        struct tally *tally = tally_of(scenario);

        if (tally->paths != 0)
            continue;
        cover_sequence(scenario->sequence, &coverage);
        tally->instructions = check_coverage(scenario->sequence, &coverage);
    }
}

/* ---- The same as plain C ---- */

static size_t image_of_sequence(const struct interrupt_subject *subject, long image[WORLD_IMAGE])
{
    subject->reset(subject->arg);
    subject->operation(subject->arg);
    return world_image(&world, image);
}

/* The thread is not registered, and of the locked slots only the first has a slice: the world's. */
static size_t image_of_locked_form(const struct interrupt_subject *subject, long image[WORLD_IMAGE])
{
    struct pawl_percpu *pc = world.pc;
    long ids = (long)(pc->limit - world.here) * WORLD_BITS * 64;
    size_t size;

    subject->reset(subject->arg);
    pawl_store_relaxed(&pc->slice[pc->limit], pawl_load_relaxed(&pc->slice[world.here]));
    interrupt_area.cpu_id = -1;
    if (world.id / (WORLD_BITS * 64) == (long)world.here)
        world.id += ids;
    subject->operation(subject->arg);
    if (strcmp(subject->name, "bit_alloc") == 0 && world.result >= 0)
        world.result -= ids;
    size = world_image(&world, image);
    pawl_store_relaxed(&pc->slice[pc->limit], PAWL_SLICE_AWAY);
    return size;
}

static void a_sequence_does_what_its_c_equivalent_does(void **state)
{
    static long by_sequence[WORLD_IMAGE];
    static long by_c[WORLD_IMAGE];

    (void)state;
    require_sections();
    if (pawl_rseq_get_info()->mode == PAWL_RSEQ_OWN) {
        print_message("the library registers threads itself here: none can pose as unregistered\n");
        skip();
    }
    EACH_SCENARIO(scenario)
    {
        struct interrupt_subject subject = world_subject(&world, scenario, NULL, NULL);
        size_t size;

        if (strcmp(scenario->path, "slot unused") == 0)
            continue; /* a locked slot's own slice, elsewhere */
        size = image_of_sequence(&subject, by_sequence);
        if (size != image_of_locked_form(&subject, by_c) ||
            memcmp(by_sequence, by_c, size * sizeof *by_c) != 0)
            fail_msg("%s, %s: the assembly and its C equivalent differ", scenario->sequence, scenario->path);
    }
}

/* ---- Interrupted ---- */

static void sweep(const struct scenario *scenario, const struct act *act, enum interrupt_how how, bool loud,
                  struct interrupt_counts *counts)
{
    struct interrupt_subject subject = world_subject(&world, scenario, act, NULL);

    world_expect(&subject);
    assert_int_equal(interrupt_sweep(&subject, how, loud, counts), 0);
}

static void an_operation_interrupted_anywhere_takes_effect_exactly_once(void **state)
{
    (void)state;
    require_sections();
    EACH_SCENARIO(scenario)
    {
        struct interrupt_counts *counts = &tally_of(scenario)->once;

        for (const struct act *const *act = scenario->others; *act != NULL; act++)
            sweep(scenario, *act, (*act)->how, true, counts);
        for (const struct act *const *act = world_common_acts; *act != NULL; act++)
            sweep(scenario, *act, (*act)->how, true, counts);
    }
    assert_int_equal(tally_sum(offsetof(struct tally, once)).failures, 0);
    assert_true(tally_sum(offsetof(struct tally, once)).aborts > 0);
}

static void sweep_twice(const struct scenario *scenario, const struct act *first, const struct act *second)
{
    struct interrupt_subject subject = world_subject(&world, scenario, first, second);

    world_expect(&subject);
    assert_int_equal(interrupt_sweep_twice(&subject, second->how, true, &tally_of(scenario)->more), 0);
}

/* The pairs of instructions of a long path are many: those take their turn in the long form. */
#define SHORT_PATH 20

static bool is_short(const struct scenario *scenario)
{
    static struct interrupt_path path;
    struct interrupt_subject subject = world_subject(&world, scenario, NULL, NULL);
    size_t points = 0;

    assert_int_equal(interrupt_run(&subject, NULL, 0, &path), 0);
    for (size_t k = 0; k < path.count; k++)
        points += section_of(path.at[k]) != NULL;
    return points <= SHORT_PATH;
}

static void an_operation_interrupted_twice_takes_effect_exactly_once(void **state)
{
    bool all = getenv("PAWL_TEST_LONG") != NULL;

    (void)state;
    require_sections();
    EACH_SCENARIO(scenario)
    {
        const struct act *const *others = scenario->others;

        if (!all && !is_short(scenario))
            continue;
        sweep_twice(scenario, others[0], &act_and_migrate);
        sweep_twice(scenario, &act_replace, others[0]);
        if (world.there != world.here)
            sweep_twice(scenario, &act_migrate, &act_on_old_cpu);
        for (const struct act *const *first = others; all && *first != NULL; first++)
            for (const struct act *const *second = others; *second != NULL; second++)
                if ((*first)->how == INTERRUPT_PREEMPT)
                    sweep_twice(scenario, *first, *second);
    }
    assert_int_equal(tally_sum(offsetof(struct tally, more)).failures, 0);
}

static void without_the_restart_every_sequence_is_seen_to_fail(void **state)
{
    (void)state;
    require_sections();
    EACH_SCENARIO(scenario)
    {
        struct interrupt_counts *counts = &tally_of(scenario)->control;

        for (const struct act *const *act = scenario->others; *act != NULL; act++)
            if ((*act)->how == INTERRUPT_PREEMPT)
                sweep(scenario, *act, INTERRUPT_BESIDE, false, counts);
        for (const struct act *const *act = world_common_acts; *act != NULL; act++)
            sweep(scenario, *act, INTERRUPT_BESIDE, false, counts);
    }
    for (unsigned int i = 0; i < tally_count; i++)
        if (tallies[i].control.failures == 0)
            fail_msg("%s: nothing is found without the restart, so the test proves nothing",
                     tallies[i].sequence);
}

static int open_world(void **state)
{
    (void)state;
    if (section_count() == 0)
        return 0;
    if (world_open(&world) != 0 || interrupt_begin() != 0 || world_emulate(&world) != 0)
        return -1;
    if (world.here == world.there)
        print_message("one CPU only: migration is to the same slot\n");
    interrupt_adopt(world.pc);
    return 0;
}

static void print_row(const struct tally *tally)
{
    printf("%-16s %5u %12zu %7lu %6lu %8lu %8lu %7lu %8lu %9lu\n", tally->sequence, tally->paths,
           tally->instructions, tally->once.runs, tally->once.aborts, tally->once.failures, tally->more.runs,
           tally->more.failures, tally->control.runs, tally->control.failures);
}

static int close_world(void **state)
{
    struct tally sum = {.sequence = "all"};

    (void)state;
    if (section_count() == 0)
        return 0;
    interrupt_release(world.pc);
    interrupt_end();
    world_close(&world);
    printf("\n%-16s %5s %12s %23s %17s %18s\n", "", "", "section's", "interrupted once", "twice",
           "without restart");
    printf("%-16s %5s %12s %7s %6s %8s %8s %7s %8s %9s\n", "sequence", "paths", "instructions", "runs",
           "aborts", "failures", "runs", "failed", "runs", "failures");
    for (unsigned int i = 0; i < tally_count; i++) {
        print_row(&tallies[i]);
        sum.paths += tallies[i].paths;
        sum.instructions += tallies[i].instructions;
    }
    sum.once = tally_sum(offsetof(struct tally, once));
    sum.more = tally_sum(offsetof(struct tally, more));
    sum.control = tally_sum(offsetof(struct tally, control));
    print_row(&sum);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_of_every_sequence_is_on_a_path_that_is_tested),
        cmocka_unit_test(a_sequence_does_what_its_c_equivalent_does),
        cmocka_unit_test(an_operation_interrupted_anywhere_takes_effect_exactly_once),
        cmocka_unit_test(an_operation_interrupted_twice_takes_effect_exactly_once),
        cmocka_unit_test(without_the_restart_every_sequence_is_seen_to_fail),
    };

    return cmocka_run_group_tests_name("every interleaving", tests, open_world, close_world);
}
