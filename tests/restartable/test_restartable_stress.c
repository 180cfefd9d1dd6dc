/* SPDX-License-Identifier: MIT */
/* Plain-C sequences under more threads than CPUs, each interrupted by a timer whose handler runs the same
 * sequences, and moved from CPU to CPU. Nothing may be lost, doubled or torn. */
#include "storm.h"
#include "structures.h"

enum { NODES = 96, ITEMS = 96, STORMS = 5 };

static struct pawl_percpu *pc;
static struct storm storm;
static uint64_t seed;
static struct node nodes[NODES];
static struct item {
    PAWL_ATOMIC(long) held;
} items[ITEMS];
static PAWL_ATOMIC(long) ids[1 << 18];

static int open_region(void **state)
{
    (void)state;
    memset(&storm, 0, sizeof storm);
    pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_ANY);
    return pc != NULL ? 0 : -1;
}

static int close_region(void **state)
{
    (void)state;
    pawl_percpu_close(pc);
    return 0;
}

static long sum_of(size_t at)
{
    return storm_sum(pc, at);
}

static void run(const char *name, void (*action)(struct actor *))
{
    storm.name = name;
    storm.act = action;
    storm_assert(&storm, storm_seconds(STORMS), seed);
}

/* ---- Words ---- */

static void add(struct actor *actor)
{
    long n = (long)random_below(&actor->random, 100);

    if (hits_add(pc, n) == 0)
        actor->tally[0] += n;
    actor->tally[1] += bucket_fill(pc, n, 1l << 60);
    if (histogram_count(pc, random_next(&actor->random)) >= 0)
        actor->tally[2]++;
}

static void every_add_counts_once(void **state)
{
    long counted = 0;
    uint32_t slot;
    struct slice *slice;

    (void)state;
    run("adds", add);
    assert_int_equal(sum_of(offsetof(struct slice, hits)), storm_tally(&storm, 0));
    assert_int_equal(sum_of(offsetof(struct slice, bucket)), storm_tally(&storm, 1));
    pawl_percpu_each (pc, slot, slice)
        for (int k = 0; k < BUCKETS; k++)
            counted += slice->histogram[k];
    assert_int_equal((uint32_t)counted, (uint32_t)storm_tally(&storm, 2));
}

/* ---- List ---- */

static void move_nodes(struct actor *actor)
{
    struct node *node;

    if (actor->holds < STORM_HELD && random_below(&actor->random, 2) == 0) {
        node = list_pop(pc);
        if (node != NULL) {
            storm_claim(&node->held, "a node was popped twice");
            actor->held[actor->holds++] = (long)node;
        }
    } else if (actor->holds > 0) {
        node = (struct node *)actor->held[--actor->holds];
        storm_disclaim(&node->held);
        storm_require(list_push(pc, node) == 0, "a push failed");
    }
}

static void every_node_is_in_one_place(void **state)
{
    long there = 0;
    uint32_t slot;
    struct slice *slice;

    (void)state;
    memset(nodes, 0, sizeof nodes);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(list_push(pc, &nodes[i]), 0);
    run("list", move_nodes);
    pawl_percpu_each (pc, slot, slice)
        for (struct node *node = slice->free; node != NULL; node = node->next) {
            storm_claim(&node->held, "a node is in two places");
            there++;
        }
    for (int i = 0; i < STORM_ACTORS; i++)
        there += storm.actor[i].holds;
    assert_int_equal(there, NODES);
}

/* ---- Array ---- */

static void move_items(struct actor *actor)
{
    uint32_t wish = random_below(&actor->random, 3);

    if (wish == 0 && actor->holds < STORM_HELD) {
        struct item *item = array_pop(pc);

        if (item != NULL) {
            storm_claim(&item->held, "an item was popped twice");
            actor->held[actor->holds++] = (long)item;
        }
    } else if (wish == 1 && actor->holds > 0) {
        struct item *item = (struct item *)actor->held[actor->holds - 1];

        storm_disclaim(&item->held);
        if (array_push(pc, item) == 0)
            actor->holds--;
        else
            storm_claim(&item->held, "an item that was not pushed was popped");
    } else if (wish == 2 && actor->holds >= 3) {
        void *three[3];
        long moved;

        for (int i = 0; i < 3; i++) {
            three[i] = (void *)actor->held[actor->holds - 3 + (uint32_t)i];
            storm_disclaim(&((struct item *)three[i])->held);
        }
        moved = array_push_many(pc, three, 3);
        for (long i = moved; i < 3; i++)
            storm_claim(&((struct item *)three[i])->held, "an item that was not pushed was popped");
        actor->holds -= 3;
        for (long i = moved; i < 3; i++)
            actor->held[actor->holds++] = (long)three[i];
    }
}

static void every_item_is_in_one_place(void **state)
{
    long there = 0;
    uint32_t slot;
    struct slice *slice;

    (void)state;
    for (int i = 0; i < ITEMS; i++) {
        struct actor *actor = &storm.actor[i % STORM_ACTORS];

        pawl_store_relaxed(&items[i].held, 1L);
        actor->held[actor->holds++] = (long)&items[i];
    }
    run("array", move_items);
    pawl_percpu_each (pc, slot, slice)
        there += (long)slice->count;
    for (int i = 0; i < STORM_ACTORS; i++)
        there += storm.actor[i].holds;
    assert_int_equal(there, ITEMS);
}

/* ---- Bit map ---- */

static void take_ids(struct actor *actor)
{
    if (actor->holds < STORM_HELD && random_below(&actor->random, 2) == 0) {
        long id = bit_alloc(pc);

        if (id >= 0) {
            storm_require(id < (long)(sizeof ids / sizeof ids[0]), "an id is out of range");
            storm_claim(&ids[id], "an id was given out twice");
            actor->held[actor->holds++] = id;
            actor->tally[0]++;
        }
    } else if (actor->holds > 0) {
        uint32_t i = random_below(&actor->random, actor->holds);
        long id = actor->held[i];
        long status;

        storm_disclaim(&ids[id]);
        status = bit_free(pc, id);
        storm_require(status == 0 || status == -EXDEV, "an id that was taken could not be freed");
        if (status == 0) {
            actor->held[i] = actor->held[--actor->holds];
            actor->tally[1]++;
        } else {
            storm_claim(&ids[id], "an id that was not freed was given out");
        }
    }
}

static void every_id_belongs_to_one(void **state)
{
    long taken = 0;
    uint32_t slot;
    struct slice *slice;

    (void)state;
    memset(ids, 0, sizeof ids);
    run("ids", take_ids);
    pawl_percpu_each (pc, slot, slice)
        for (int i = 0; i < MAP_WORDS; i++)
            taken += __builtin_popcountl(slice->map[i]);
    assert_int_equal(taken, storm_tally(&storm, 0) - storm_tally(&storm, 1));
}

/* ---- Events ---- */

/* A record is n copies of one value: a torn one shows. */
static void append(struct actor *actor)
{
    long words[8];
    size_t count = random_below(&actor->random, 8) + 1;
    long value = (long)random_below(&actor->random, 1u << 20);

    for (size_t i = 0; i < count; i++)
        words[i] = value;
    if (event_append(pc, words, count) == 0) {
        actor->tally[0]++;
        actor->tally[1] += value;
    }
}

static void take_events(struct actor *reader)
{
    uint32_t slot;
    struct slice *slice;
    long words[EVENT_WORDS];
    size_t count;

    pawl_percpu_each (pc, slot, slice)
        while ((count = event_take(slice, words)) != 0) {
            for (size_t i = 1; i < count; i++)
                storm_require(words[i] == words[0], "a record is torn");
            reader->tally[2]++;
            reader->tally[3] += words[0];
        }
}

static void every_event_is_read_once_and_whole(void **state)
{
    (void)state;
    storm.remote = take_events;
    run("events", append);
    take_events(&storm.remote_actor);
    assert_int_equal(storm.remote_actor.tally[2], storm_tally(&storm, 0));
    assert_int_equal(storm.remote_actor.tally[3], storm_tally(&storm, 1));
}

int main(void)
{
#define IN_A_REGION(test) cmocka_unit_test_setup_teardown(test, open_region, close_region)
    const struct CMUnitTest tests[] = {
        IN_A_REGION(every_add_counts_once),
        IN_A_REGION(every_node_is_in_one_place),
        IN_A_REGION(every_item_is_in_one_place),
        IN_A_REGION(every_id_belongs_to_one),
        IN_A_REGION(every_event_is_read_once_and_whole),
    };

    print_mode();
    seed = seed_of_run();
    return cmocka_run_group_tests_name("restartable, stress", tests, NULL, NULL);
}
