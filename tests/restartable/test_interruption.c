/* SPDX-License-Identifier: MIT */
/* Every plain-C sequence, stopped at every instruction of its path, while another thread of the CPU works on
 * the same slice, the thread migrates, or another CPU takes the slice away.
 *
 * The oracle is linearizability: the outcome must be that of the operation and the other thread's act one
 * after the other, in one of the two orders. The control makes the same stops without restarting the
 * sequence, as if the other thread ran on another CPU: then outcomes must go wrong.
 *
 * One program without a test framework, because it is built by every compiler at every level, also for
 * machines that have none: trials.sh does that. With the argument "once", for emulators, it leaves out the
 * second interruptions, of which there are ten times as many. Speaks TAP. */
#include "interrupt.h"
#include "scenarios.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Slices differ in every value, so that none is taken for another. */
static void fill(struct slice *slice, long mark, struct node *first, unsigned int nodes)
{
    memset(slice, 0, sizeof *slice);
    slice->hits = mark + 1;
    slice->bucket = mark % 90 + 20;
    slice->narrow = (unsigned short)(mark + 7);
    slice->tiny = (unsigned char)(mark + 9);
    slice->map[0] = 0xb;
    for (unsigned int i = nodes; i > 0; i--) {
        first[i - 1].next = slice->free;
        slice->free = &first[i - 1];
    }
    for (size_t i = 0; i < 2; i++)
        slice->item[slice->count++] = (void *)(mark + 0x50 + (long)i);
    slice->event[0] = 1;
    slice->event[1] = mark + 5;
    slice->tail = 2;
}

static void reset(void *unused)
{
    (void)unused;
    interrupt_area = (struct interrupt_area){.cpu_id_start = world.here, .cpu_id = (int32_t)world.here};
    memset(world.node, 0, sizeof world.node);
    fill(world.b, 1000, &world.node[3], 1);
    fill(world.a, 0, &world.node[0], 3);
    fill(world.spare, 2000, NULL, 0);
    world.argument = 2;
    world.result = 0;
    world.logged = 0;
    pawl_store_relaxed(&world.pc->slice[world.there], (uintptr_t)world.b);
    pawl_store_relaxed(&world.pc->slice[world.here], (uintptr_t)world.a);
    if (world.scenario->prepare != NULL)
        world.scenario->prepare();
}

/* ---- The oracle ---- */

static size_t put(long *image, size_t size, long value)
{
    if (size < IMAGE)
        image[size++] = value;
    return size;
}

/* Bounded: a list that went wrong may be a circle. */
static size_t put_slice(long *image, size_t size, const struct slice *slice)
{
    const struct node *node = slice->free;
    size_t count = slice->count < STACK_ITEMS ? slice->count : STACK_ITEMS;
    size_t head = slice->head;
    size_t tail = slice->tail;

    size = put(image, size, slice->hits);
    size = put(image, size, slice->bucket);
    size = put(image, size, slice->narrow * 256l + slice->tiny);
    for (int i = 0; i < MAP_WORDS; i++)
        size = put(image, size, (long)slice->map[i]);
    for (int i = 0; i < BUCKETS; i++)
        if (slice->histogram[i] != 0)
            size = put(image, size, i * 1000l + slice->histogram[i]);
    for (int i = 0; node != NULL && i < 2 * NODES; i++, node = node->next)
        size = put(image, size, (long)node);
    size = put(image, size, (long)slice->count);
    for (size_t i = 0; i < count; i++)
        size = put(image, size, (long)slice->item[i]);
    size = put(image, size, (long)head);
    size = put(image, size, (long)tail);
    for (size_t i = head; i != tail && i - head < EVENT_WORDS; i++)
        size = put(image, size, slice->event[i % EVENT_WORDS]);
    return size;
}

/* What the table says of a slot. An unused one has its slice all the same, only not yet. */
static long word_of_table(void)
{
    uintptr_t word = pawl_load_relaxed(&world.pc->slice[world.here]);

    return (long)(word != PAWL_SLICE_UNUSED ? word : (uintptr_t)world.a);
}

static size_t put_world(long *image)
{
    size_t size = put(image, 0, world.result);

    for (unsigned int i = 0; i < world.logged; i++)
        size = put(image, size, world.log[i]);
    size = put(image, size, word_of_table());
    size = put_slice(image, size, world.a);
    size = put_slice(image, size, world.b);
    return put_slice(image, size, world.spare);
}

static void act(void *unused, unsigned int nth)
{
    (void)unused;
    if (world.act != NULL && nth == 0)
        world.act->run();
}

/* Both orders, uninterrupted. */
static void expect(void)
{
    for (int order = 0; order < 2; order++) {
        reset(NULL);
        if (order == 0)
            act(NULL, 0);
        world.scenario->operation(NULL);
        if (order == 1)
            act(NULL, 0);
        world.sizes[order] = put_world(world.image[order]);
    }
}

static bool check(void *unused, unsigned int stops)
{
    long image[IMAGE];
    size_t size = put_world(image);

    (void)unused;
    (void)stops;
    for (int order = 0; order < 2; order++)
        if (size == world.sizes[order] && memcmp(image, world.image[order], size * sizeof *image) == 0)
            return true;
    return false;
}

static void explain(void *unused)
{
    (void)unused;
    fprintf(stderr, "    meanwhile another thread %s; the result was %ld\n",
            world.act != NULL ? world.act->name : "did nothing", world.result);
}

static struct interrupt_subject subject_of(const struct scenario *scenario, const struct act *one)
{
    world.scenario = scenario;
    world.act = one;
    return (struct interrupt_subject){.name = scenario->name,
                                      .reset = reset,
                                      .operation = scenario->operation,
                                      .interfere = act,
                                      .check = check,
                                      .explain = explain};
}

/* ---- The sweeps ---- */

static int failed;
static int number;

static void promise(bool kept, const char *text, const struct interrupt_counts *counts)
{
    printf("%sok %d - %s # %lu points, %lu runs, %lu aborts, %lu failures\n", kept ? "" : "not ", ++number,
           text, counts->points, counts->runs, counts->aborts, counts->failures);
    failed |= !kept;
}

static void skip(const char *text, const char *why)
{
    printf("ok %d - %s # SKIP %s\n", ++number, text, why);
}

/* 0 or a failure of the harness itself. */
static bool sweep(const struct scenario *scenario, const struct act *one, enum interrupt_how how, bool twice,
                  struct interrupt_counts *counts)
{
    struct interrupt_subject subject = subject_of(scenario, one);
    int status;

    expect();
    status = twice ? interrupt_sweep_twice(&subject, how, true, counts)
                   : interrupt_sweep(&subject, how, how == INTERRUPT_PREEMPT, counts);
    if (status != 0)
        fprintf(stderr, "%s: %s\n", scenario->name, strerror(-status));
    return status == 0;
}

static void every_interleaving_is_one_of_the_two_orders(void)
{
    struct interrupt_counts counts = {0};
    bool possible = true;

    for (int i = 0; i < SCENARIOS; i++)
        for (const struct act *const *one = scenarios[i].acts; *one != NULL; one++)
            possible &= sweep(&scenarios[i], *one, INTERRUPT_PREEMPT, false, &counts);
    promise(possible && counts.failures == 0 && counts.aborts > 0,
            "every interleaving is one of the two orders", &counts);
}

/* The slice is whole again after a second interruption of the restarted sequence, and of its slow path. */
static void a_restarted_sequence_may_be_interrupted_again(void)
{
    struct interrupt_counts counts = {0};
    bool possible = true;

    for (int i = 0; i < SCENARIOS; i++)
        possible &= sweep(&scenarios[i], scenarios[i].acts[0], INTERRUPT_PREEMPT, true, &counts);
    promise(possible && counts.failures == 0 && counts.aborts > 0,
            "a restarted sequence may be interrupted again", &counts);
}

static void without_restarts_outcomes_go_wrong(void)
{
    struct interrupt_counts sum = {0};
    bool kept = true;

    for (int i = 0; i < SCENARIOS; i++) {
        struct interrupt_counts counts = {0};

        kept &= sweep(&scenarios[i], scenarios[i].acts[0], INTERRUPT_BESIDE, false, &counts);
        if (counts.failures == 0 && !scenarios[i].harmless) {
            fprintf(stderr, "%s: nothing goes wrong without restarts: the check proves nothing\n",
                    scenarios[i].name);
            kept = false;
        }
        sum.points += counts.points;
        sum.runs += counts.runs;
        sum.failures += counts.failures;
    }
    promise(kept, "the control: without restarts outcomes go wrong", &sum);
}

static struct interrupt_path path;

static bool trace(const struct interrupt_subject *subject)
{
    return interrupt_run(subject, NULL, 0, NULL) == 0 && interrupt_run(subject, NULL, 0, &path) == 0;
}

static void every_instruction_of_every_section_was_reached(void)
{
    static struct interrupt_coverage coverage;
    struct interrupt_counts counts = {0};
    bool kept = true;

    for (int i = 0; i < SCENARIOS; i++) {
        struct interrupt_subject subject = subject_of(&scenarios[i], NULL);

        kept &= trace(&subject) && interrupt_cover(&coverage, &path) == 0;
    }
    for (size_t k = 0; k < section_count(); k++) {
        const struct section *section = &__start___rseq_cs[k];
        bool touched = false;

        for (size_t i = 0; i < coverage.count; i++)
            touched |= section_holds(section, coverage.seen[i].at);
        if (!touched)
            continue; /* one of the library's own */
        counts.points += interrupt_covered(&coverage, section);
        counts.runs++;
    }
    promise(kept && counts.runs >= 13, "the paths lead through all thirteen sections", &counts);
}

static void the_kernel_aborts_at_every_instruction(void)
{
    static const char text[] = "the kernel aborts at every instruction before the commit, and only there";
    struct interrupt_counts counts = {0};
    bool possible = true;
    cpu_set_t one;

    if (!pawl_rseq_available()) {
        skip(text, pawl_rseq_get_info()->reason);
        return;
    }
    CPU_ZERO(&one);
    CPU_SET(world.here, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
        skip(text, "this thread cannot be pinned");
        return;
    }
    for (int i = 0; i < SCENARIOS; i++)
        for (const struct act *const *a = scenarios[i].acts; *a != &other_migrate; a++) {
            struct interrupt_subject subject = subject_of(&scenarios[i], *a);

            interrupt_adopt(world.pc);
            possible &= trace(&subject);
            interrupt_release(world.pc);
            expect();
            possible &= interrupt_sweep_signals(&subject, &path, 1, &counts) == 0;
        }
    promise(possible && counts.failures == 0 && counts.aborts > 0, text, &counts);
}

/* The slice that a slot has from the start: its first use puts it into the table. */
static struct slice *home_of(uint32_t slot)
{
    pawl_store_relaxed(&world.pc->slice[slot], PAWL_SLICE_UNUSED);
    interrupt_area.cpu_id = (int32_t)slot;
    (void)hits_add(world.pc, 0);
    return pawl_percpu_slice(world.pc, slot);
}

/* All slices but those of this world are away. */
static bool open_world(void)
{
    static _Alignas(128) struct slice slices[2];
    int cpu = sched_getcpu();

    world.pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_CPU);
    if (world.pc == NULL || interrupt_begin() != 0)
        return false;
    for (uint32_t slot = 0; slot < world.pc->slots; slot++)
        pawl_store_relaxed(&world.pc->slice[slot], PAWL_SLICE_AWAY);
    world.here = cpu >= 0 && (uint32_t)cpu < world.pc->limit ? (uint32_t)cpu : 0;
    world.there = world.here == 0 ? 1 : 0; /* a machine of one CPU has a slot 1 too, without a slice */
    interrupt_adopt(world.pc);
    world.a = home_of(world.here);
    world.b = &slices[0];
    world.spare = &slices[1];
    return world.a != NULL;
}

int main(int argc, char **argv)
{
    bool twice = argc < 2 || strcmp(argv[1], "once") != 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!PAWL_RESTARTABLE_SEQUENCES) {
        puts("1..0 # SKIP no sequences in this build: not optimised, or instrumented");
        return 0;
    }
    if (!open_world()) {
        puts("Bail out! no region, or no handler of SIGTRAP");
        return 1;
    }
    puts("1..5");
    every_instruction_of_every_section_was_reached();
    every_interleaving_is_one_of_the_two_orders();
    if (twice)
        a_restarted_sequence_may_be_interrupted_again();
    else
        skip("a restarted sequence may be interrupted again", "asked for once");
    without_restarts_outcomes_go_wrong();
    interrupt_release(world.pc);
    the_kernel_aborts_at_every_instruction();
    interrupt_end();
    pawl_percpu_close(world.pc);
    return failed;
}
