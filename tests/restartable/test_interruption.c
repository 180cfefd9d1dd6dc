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
#include "structures.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 6, IMAGE = 512 };

/* One state, and what was seen on the way to it. */
static struct world {
    struct pawl_percpu *pc;
    uint32_t here;
    uint32_t there;
    struct slice *a; /* here */
    struct slice *b; /* there */
    struct slice *spare;
    long argument;
    long result;
    long log[16];
    unsigned int logged;
    struct node node[NODES];
    const struct scenario *scenario;
    const struct act *act;
    long image[2][IMAGE];
    size_t sizes[2];
} world;

struct act {
    const char *name;
    void (*run)(void);
};

struct scenario {
    const char *name;
    void (*operation)(void *unused);
    void (*prepare)(void);         /* after the standard state; NULL: that is it */
    const struct act *const *acts; /* the first is the control's */
    bool harmless;                 /* the control cannot go wrong: this path commits nothing */
};

static void note(long value)
{
    if (world.logged < sizeof world.log / sizeof world.log[0])
        world.log[world.logged++] = value;
}

/* ---- Operations, and the same as acts of the other thread ---- */

#define OPERATION(name, call)                                     \
    __attribute__((noinline)) static void op_##name(void *unused) \
    {                                                             \
        (void)unused;                                             \
        world.result = (long)call;                                \
    }

static void *const three_items[] = {(void *)0x71, (void *)0x72, (void *)0x73};
static const long two_words[] = {81, 82};
static const long one_word[] = {91};

OPERATION(hits_add, hits_add(world.pc, 3))
OPERATION(bucket_fill, bucket_fill(world.pc, 30, 100))
OPERATION(narrow_add, narrow_add(world.pc, 3))
OPERATION(tiny_add, tiny_add(world.pc, 3))
OPERATION(histogram_count, histogram_count(world.pc, 77))
OPERATION(list_push, list_push(world.pc, &world.node[4]))
OPERATION(list_pop, list_pop(world.pc))
OPERATION(array_push, array_push(world.pc, (void *)0x70))
OPERATION(array_pop, array_pop(world.pc))
OPERATION(array_push_many, array_push_many(world.pc, three_items, (size_t)world.argument))
OPERATION(bit_alloc, bit_alloc(world.pc))
OPERATION(bit_free, bit_free(world.pc, world.argument))
OPERATION(event_append, event_append(world.pc, two_words, (size_t)world.argument))

static void act_words(void)
{
    note(hits_add(world.pc, 100));
    note(bucket_fill(world.pc, 50, 1000));
    note(narrow_add(world.pc, 1000));
    note(tiny_add(world.pc, 100));
    note(histogram_count(world.pc, 77));
}

static void act_push(void)
{
    note(list_push(world.pc, &world.node[5]));
}

static void act_pop(void)
{
    note((long)list_pop(world.pc));
}

/* Pops two, and gives the first back: the head is what it was, its next is not. */
static void act_aba(void)
{
    struct node *first = list_pop(world.pc);

    note((long)list_pop(world.pc));
    if (first != NULL)
        note(list_push(world.pc, first));
}

static void act_array(void)
{
    note((long)array_pop(world.pc));
    note(array_push(world.pc, (void *)0x7f));
    note(array_push(world.pc, (void *)0x7e));
}

static void act_array_pop(void)
{
    note((long)array_pop(world.pc));
}

static void act_bits(void)
{
    note(bit_alloc(world.pc));
    note(bit_alloc(world.pc));
}

static void act_bit_free(void)
{
    note(bit_free(world.pc, (long)world.here * MAP_WORDS * 64));
}

static void act_events(void)
{
    note(event_append(world.pc, one_word, 1));
}

static void act_take_event(void)
{
    long words[EVENT_WORDS];

    note((long)event_take(world.a, words));
}

/* The thread goes on elsewhere. */
static void act_migrate(void)
{
    interrupt_area.cpu_id = (int32_t)world.there;
}

/* What pawl_percpu_detach does; its fence is the stop itself. */
static void act_detach(void)
{
    pawl_store_relaxed(&world.pc->slice[world.here], PAWL_SLICE_AWAY);
    note(world.a->hits);
    note((long)world.a->free);
    note((long)world.a->count);
    note((long)world.a->tail);
}

static void act_replace(void)
{
    act_detach();
    pawl_store_relaxed(&world.pc->slice[world.here], (uintptr_t)world.spare);
}

#define ACT(name, text) static const struct act other_##name = {text, act_##name}

ACT(words, "adds to every word");
ACT(push, "pushes a node");
ACT(pop, "pops a node");
ACT(aba, "pops two nodes and pushes the first");
ACT(array, "replaces the top item and pushes one");
ACT(array_pop, "pops an item");
ACT(bits, "takes two bits");
ACT(bit_free, "frees bit 0");
ACT(events, "appends a record");
ACT(take_event, "reads a record");
ACT(migrate, "is on another CPU now");
ACT(detach, "takes the slice away");
ACT(replace, "replaces the slice");

#define ACTS(name, ...)                                                                         \
    static const struct act *const acts_##name[] = {__VA_ARGS__, &other_migrate, &other_detach, \
                                                    &other_replace, NULL}

ACTS(words, &other_words);
ACTS(push, &other_push, &other_pop, &other_aba);
ACTS(pop, &other_aba, &other_push, &other_pop);
ACTS(array, &other_array, &other_array_pop);
ACTS(bits, &other_bits, &other_bit_free);
ACTS(bit_free, &other_bit_free, &other_bits);
ACTS(events, &other_events, &other_take_event);

/* ---- States ---- */

static void no_list(void)
{
    world.a->free = NULL;
}

static void full_array(void)
{
    for (size_t i = world.a->count; i < STACK_ITEMS; i++)
        world.a->item[i] = (void *)(0x100 + i);
    world.a->count = STACK_ITEMS;
}

static void room_for_one(void)
{
    full_array();
    world.a->count = STACK_ITEMS - 1;
}

static void empty_array(void)
{
    world.a->count = 0;
}

static void nothing_to_push(void)
{
    world.argument = 0;
}

static void third_word(void)
{
    world.a->map[0] = world.a->map[1] = ~0ul;
}

static void full_map(void)
{
    third_word();
    world.a->map[2] = ~0ul;
}

static void id_here(void)
{
    world.argument = (long)world.here * MAP_WORDS * 64;
}

static void id_there(void)
{
    world.argument = ((long)world.here + 1) * MAP_WORDS * 64;
}

static void full_buffer(void)
{
    for (size_t i = 2; i < EVENT_WORDS; i++)
        world.a->event[i] = i % 2 == 0;
    world.a->tail = EVENT_WORDS;
}

static void buffer_wraps(void)
{
    world.a->head = world.a->tail = EVENT_WORDS - 1;
}

static void slot_unused(void)
{
    pawl_store_relaxed(&world.pc->slice[world.here], PAWL_SLICE_UNUSED);
}

static void slice_away(void)
{
    pawl_store_relaxed(&world.pc->slice[world.here], PAWL_SLICE_AWAY);
}

static const struct scenario scenarios[] = {
    {"hits_add", op_hits_add, NULL, acts_words, false},
    {"hits_add, slot unused", op_hits_add, slot_unused, acts_words, false},
    {"hits_add, slice away", op_hits_add, slice_away, acts_words, true},
    {"bucket_fill", op_bucket_fill, NULL, acts_words, false},
    {"narrow_add", op_narrow_add, NULL, acts_words, false},
    {"tiny_add", op_tiny_add, NULL, acts_words, false},
    {"histogram_count", op_histogram_count, NULL, acts_words, false},
    {"list_push", op_list_push, NULL, acts_push, false},
    {"list_push, empty list", op_list_push, no_list, acts_push, false},
    {"list_push, slot unused", op_list_push, slot_unused, acts_push, false},
    {"list_pop", op_list_pop, NULL, acts_pop, false},
    {"list_pop, empty list", op_list_pop, no_list, acts_pop, true},
    {"list_pop, slice away", op_list_pop, slice_away, acts_pop, true},
    {"array_push", op_array_push, NULL, acts_array, false},
    {"array_push, full", op_array_push, full_array, acts_array, true},
    {"array_pop", op_array_pop, NULL, acts_array, false},
    {"array_pop, empty", op_array_pop, empty_array, acts_array, true},
    {"array_push_many", op_array_push_many, NULL, acts_array, false},
    {"array_push_many, room for one", op_array_push_many, room_for_one, acts_array, false},
    {"array_push_many, nothing", op_array_push_many, nothing_to_push, acts_array, false},
    {"bit_alloc", op_bit_alloc, NULL, acts_bits, false},
    {"bit_alloc, third word", op_bit_alloc, third_word, acts_bits, false},
    {"bit_alloc, none", op_bit_alloc, full_map, acts_bits, true},
    {"bit_free", op_bit_free, id_here, acts_bit_free, false},
    {"bit_free, elsewhere", op_bit_free, id_there, acts_bit_free, true},
    {"event_append", op_event_append, NULL, acts_events, false},
    {"event_append, no room", op_event_append, full_buffer, acts_events, true},
    {"event_append, nothing", op_event_append, nothing_to_push, acts_events, false},
    {"event_append, around the end", op_event_append, buffer_wraps, acts_events, false},
};

enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

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
