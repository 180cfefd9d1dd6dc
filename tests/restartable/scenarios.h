/* SPDX-License-Identifier: MIT */
/* What test_interruption.c interrupts: every operation in every state that takes a path of its own through it, and what
 * another thread may do meanwhile. */
#ifndef RESTARTABLE_SCENARIOS_H
#define RESTARTABLE_SCENARIOS_H

#include "structures.h"

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

#endif
