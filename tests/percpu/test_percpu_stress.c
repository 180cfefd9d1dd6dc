/* SPDX-License-Identifier: MIT */
/* What many threads, their signal handlers and a remote thread see of <pawl/percpu.h> at the same time.
 * Each test is a storm (storm.h) and then a count: nothing may be lost, doubled or torn. */
#include "storm.h"

#include <limits.h>

#define NODES 96
#define ITEMS 96
#define STACK_ITEMS 24
#define MAP_WORDS 3
#define BUCKET_LIMIT 50

struct slice {
    long sum;
    long sum_via;
    long *via; /* &sum_via of this slice */
    long fetched;
    long highest;
    long bucket;
    long capped;
    long version;
    long copy[2][3]; /* of version v in copy[v & 1] */
    long journal;    /* journal, entry: what cas_after stores */
    long entry;
    long guard;
    long guarded;
    struct pawl_percpu_list list;
    long map[MAP_WORDS];
    _Alignas(16) unsigned char stack[sizeof(struct pawl_percpu_stack) + STACK_ITEMS * sizeof(void *)];
};

#define AT(field) offsetof(struct slice, field)

struct node {
    struct pawl_percpu_node link; /* first: a node is its link */
    PAWL_ATOMIC(long) held;
};

static enum pawl_percpu_index kind;
static struct pawl_percpu *pc;
static struct storm storm;
static uint64_t seed;
static double seconds;
static struct node nodes[NODES];
static PAWL_ATOMIC(long) claims[1 << 20]; /* of items and ids: 1 while somebody holds it */

static struct pawl_percpu_stack *stack_of(struct slice *slice)
{
    return (struct pawl_percpu_stack *)(void *)slice->stack;
}

static void prepare_slice(struct slice *slice)
{
    slice->via = &slice->sum_via;
    stack_of(slice)->capacity = STACK_ITEMS;
}

static int open_region(void **state)
{
    (void)state;
    pc = pawl_percpu_open(sizeof(struct slice), kind);
    assert_non_null(pc);
    assert_true((size_t)pc->slots * MAP_WORDS * 64 <= sizeof claims / sizeof claims[0]);
    for (uint32_t slot = 0; slot < pc->slots; slot++) {
        struct slice *slice = pawl_percpu_detach(pc, slot);

        if (slice == NULL)
            continue;
        prepare_slice(slice);
        assert_int_equal(pawl_percpu_attach(pc, slot, slice), 0);
    }
    memset(&storm, 0, sizeof storm);
    memset(claims, 0, sizeof claims);
    memset(nodes, 0, sizeof nodes);
    return 0;
}

static int close_region(void **state)
{
    (void)state;
    pawl_percpu_close(pc);
    return 0;
}

static void run(const char *name, void (*act)(struct actor *), void (*remote)(struct actor *))
{
    storm.name = name;
    storm.act = act;
    storm.remote = remote;
    storm_assert(&storm, seconds, seed);
}

/* ---- Words ---- */

static void count(struct actor *actor)
{
    long n = (long)random_below(&actor->random, 7) - 2;
    long old;

    storm_require(pawl_percpu_add(pc, AT(sum), n) == 0, "add failed");
    storm_require(pawl_percpu_fetch_add(pc, AT(fetched), n, &old) == 0, "fetch_add failed");
    storm_require(pawl_percpu_add_via(pc, AT(via), 0, n) == 0, "add_via failed");
    actor->tally[0] += n;
    if (++actor->tally[1] % 64 == 0)
        storm_require(pawl_percpu_max(pc, AT(highest), actor->tally[1]) == 0, "max failed");
}

static void counts_are_exact(void **state)
{
    long highest = 0;
    long seen = 0;
    struct slice *slice;
    uint32_t slot;

    (void)state;
    run(__func__, count, NULL);
    assert_true(storm_tally(&storm, 1) > 0);
    assert_int_equal(storm_sum(pc, AT(sum)), storm_tally(&storm, 0));
    assert_int_equal(storm_sum(pc, AT(fetched)), storm_tally(&storm, 0));
    assert_int_equal(storm_sum(pc, AT(sum_via)), storm_tally(&storm, 0));
    for (int i = 0; i < STORM_ACTORS; i++) {
        long last = storm.actor[i].tally[1] / 64 * 64;

        highest = last > highest ? last : highest;
    }
    pawl_percpu_each (pc, slot, slice)
        seen = slice->highest > seen ? slice->highest : seen;
    assert_int_equal(seen, highest);
}

/* Versions: only the next one, whole, after the one before it. */
static void publish(struct actor *actor)
{
    enum { WORDS = 1 + 6 };
    long seen[WORDS];
    long *copy;
    long next[3];
    int status;

    storm_require(pawl_percpu_snapshot(pc, AT(version), seen, WORDS) == 0, "snapshot failed");
    copy = &seen[1 + (seen[0] & 1) * 3];
    storm_require(copy[0] == seen[0] && copy[1] == -seen[0] && copy[2] == (seen[0] ^ 0x55 * (seen[0] != 0)),
                  "a torn copy");
    next[0] = seen[0] + 1;
    next[1] = -next[0];
    next[2] = next[0] ^ 0x55;
    status = pawl_percpu_cas_after_copy(pc, AT(version), seen[0], next[0],
                                        AT(copy) + (size_t)(next[0] & 1) * sizeof next, next, sizeof next);
    storm_require(status == 0 || status == -EAGAIN, "cas_after_copy failed");
    actor->tally[0] += status == 0;
}

/* The journal runs ahead of its entry by one at most, whoever is interrupted between the two stores. */
static void journalize(struct actor *actor)
{
    long seen[2];
    int status;

    storm_require(pawl_percpu_snapshot(pc, AT(journal), seen, 2) == 0, "snapshot failed");
    storm_require(seen[0] == seen[1] || seen[0] == seen[1] + 1, "an entry without its journal");
    status = pawl_percpu_cas_after(pc, AT(entry), seen[1], seen[1] + 1, AT(journal), seen[1] + 1);
    storm_require(status == 0 || status == -EAGAIN, "cas_after failed");
    actor->tally[1] += status == 0;
}

/* `guarded` grows by one, and only while `guard` is 0. */
static void guard(struct actor *actor)
{
    long seen[2];
    int status;

    storm_require(pawl_percpu_snapshot(pc, AT(guard), seen, 2) == 0, "snapshot failed");
    if (random_below(&actor->random, 4) == 0) {
        status = pawl_percpu_store_unless(pc, AT(guard), 1, 1);
        storm_require(status == 0 || status == -EAGAIN, "store_unless failed");
        status = pawl_percpu_cas(pc, AT(guard), 1, 0);
    } else {
        status = pawl_percpu_cas_if(pc, AT(guarded), seen[1], seen[1] + 1, AT(guard), 0);
        actor->tally[2] += status == 0;
    }
    storm_require(status == 0 || status == -EAGAIN, "cas or cas_if failed");
}

static void store_conditionally(struct actor *actor)
{
    publish(actor);
    journalize(actor);
    guard(actor);
}

static void conditional_stores_are_whole_and_counted(void **state)
{
    (void)state;
    run(__func__, store_conditionally, NULL);
    assert_true(storm_tally(&storm, 0) > 0 && storm_tally(&storm, 1) > 0 && storm_tally(&storm, 2) > 0);
    assert_int_equal(storm_sum(pc, AT(version)), storm_tally(&storm, 0));
    assert_int_equal(storm_sum(pc, AT(entry)), storm_tally(&storm, 1));
    assert_int_equal(storm_sum(pc, AT(guarded)), storm_tally(&storm, 2));
}

/* tally: 0 put into the exact bucket, 1 taken out of it, 2 offered to the capped one, 3 taken out of it. */
static void trade(struct actor *actor)
{
    long n = (long)random_below(&actor->random, 5);
    long seen;

    if (random_below(&actor->random, 3) == 0) {
        storm_require(pawl_percpu_add_limit(pc, AT(bucket), n, LONG_MAX) == 0, "add_limit failed");
        actor->tally[0] += n;
        storm_require(pawl_percpu_add_limit(pc, AT(capped), n, BUCKET_LIMIT) == 0, "add_limit failed");
        actor->tally[2] += n;
    } else {
        if (pawl_percpu_spend(pc, AT(bucket), n) == 0)
            actor->tally[1] += n;
        if (pawl_percpu_spend(pc, AT(capped), n) == 0)
            actor->tally[3] += n;
    }
    storm_require(pawl_percpu_load(pc, AT(capped), &seen) == 0 && seen >= 0 && seen <= BUCKET_LIMIT,
                  "beyond the limit");
    storm_require(pawl_percpu_load(pc, AT(bucket), &seen) == 0 && seen >= 0, "overspent");
}

static void buckets_are_never_overspent(void **state)
{
    (void)state;
    run(__func__, trade, NULL);
    assert_true(storm_tally(&storm, 1) > 0 && storm_tally(&storm, 3) > 0);
    assert_int_equal(storm_sum(pc, AT(bucket)) + storm_tally(&storm, 1), storm_tally(&storm, 0));
    assert_true(storm_sum(pc, AT(capped)) + storm_tally(&storm, 3) <= storm_tally(&storm, 2));
}

/* ---- Lists ---- */

static void take_node(struct actor *actor, struct pawl_percpu_node *link)
{
    storm_claim(&((struct node *)(void *)link)->held, "a node was popped twice");
    actor->held[actor->holds++] = (long)link;
}

static void pop_node(struct actor *actor)
{
    struct pawl_percpu_node *link = pawl_percpu_pop(pc, AT(list));

    if (link != NULL)
        take_node(actor, link);
}

/* Takes all, keeps what it can hold, gives the rest back as a chain. */
static void pop_nodes(struct actor *actor)
{
    struct pawl_percpu_node *link = pawl_percpu_pop_all(pc, AT(list));
    struct pawl_percpu_node *last;

    while (link != NULL && actor->holds < STORM_HELD / 2) {
        struct pawl_percpu_node *next = link->next;

        take_node(actor, link);
        link = next;
    }
    for (last = link; last != NULL && last->next != NULL; last = last->next)
        ;
    while (link != NULL && pawl_percpu_push_chain(pc, AT(list), link, last) != 0)
        sched_yield(); /* detached: until it is back, or this thread is moved */
}

static void push_node(struct actor *actor)
{
    struct node *node = (struct node *)actor->held[actor->holds - 1];
    int status;

    storm_disclaim(&node->held);
    status = pawl_percpu_push(pc, AT(list), &node->link);
    if (status == 0)
        actor->holds--;
    else
        storm_claim(&node->held, "a node was popped that had not been pushed");
    storm_require(status == 0 || (status == -EBUSY && storm.remote != NULL), "push failed");
}

static void juggle_nodes(struct actor *actor)
{
    uint32_t dice = random_below(&actor->random, 64);

    if (actor->holds != 0 && (dice < 36 || actor->holds == STORM_HELD))
        push_node(actor);
    else if (dice < 63)
        pop_node(actor);
    else
        pop_nodes(actor);
}

static void spread_nodes(void)
{
    for (int i = 0; i < NODES; i++)
        assert_int_equal(pawl_percpu_push(pc, AT(list), &nodes[i].link), 0);
}

/* Every node is in one list or in one hand, once. */
static void no_node_is_lost(void)
{
    long there = 0;
    struct slice *slice;
    uint32_t slot;

    for (int i = 0; i < STORM_ACTORS; i++)
        there += storm.actor[i].holds;
    pawl_percpu_each (pc, slot, slice)
        for (struct pawl_percpu_node *link = slice->list.head; link != NULL; link = link->next) {
            assert_int_equal(pawl_exchange_relaxed(&((struct node *)(void *)link)->held, 1L), 0);
            there++;
        }
    assert_int_equal(there, NODES);
}

static void every_node_stays_in_one_place(void **state)
{
    (void)state;
    spread_nodes();
    run(__func__, juggle_nodes, NULL);
    no_node_is_lost();
}

/* ---- Stacks ---- */

static void take_items(struct actor *actor, void *const *items, long taken)
{
    for (long i = 0; i < taken; i++) {
        uintptr_t number = (uintptr_t)items[i];

        storm_require(number >= 1 && number <= ITEMS, "a torn item");
        storm_claim(&claims[number % ITEMS], "an item was popped twice");
        actor->held[actor->holds++] = (long)items[i];
    }
}

static void pop_items(struct actor *actor, uint32_t wanted)
{
    void *items[STORM_HELD];
    long taken;

    if (wanted == 1)
        taken = pawl_percpu_stack_pop(pc, AT(stack), items) == 0;
    else
        taken = pawl_percpu_stack_pop_many(pc, AT(stack), items, wanted);
    storm_require(taken >= 0 && taken <= (long)wanted, "stack_pop_many failed");
    if (taken > 0)
        take_items(actor, items, taken);
}

static void push_items(struct actor *actor, uint32_t offered)
{
    void *items[STORM_HELD];
    long pushed;

    for (uint32_t i = 0; i < offered; i++) {
        items[i] = (void *)actor->held[actor->holds - offered + i];
        storm_disclaim(&claims[(uintptr_t)items[i] % ITEMS]);
    }
    if (offered == 1)
        pushed = pawl_percpu_stack_push(pc, AT(stack), items[0]) == 0;
    else
        pushed = pawl_percpu_stack_push_many(pc, AT(stack), items, offered);
    storm_require(pushed >= 0 && pushed <= (long)offered, "stack_push_many failed");
    actor->holds -= offered;
    take_items(actor, items + pushed, (long)offered - pushed);
}

static void juggle_items(struct actor *actor)
{
    uint32_t many = 1 + random_below(&actor->random, 2) * random_below(&actor->random, 7);

    if (random_below(&actor->random, 2) == 0 && actor->holds >= many)
        push_items(actor, many);
    else if (actor->holds + many <= STORM_HELD)
        pop_items(actor, many);
}

static void every_item_stays_in_one_place(void **state)
{
    long there = 0;
    struct slice *slice;
    uint32_t slot;

    (void)state;
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct actor *actor = &storm.actor[i % STORM_ACTORS];

        actor->held[actor->holds++] = i + 1;
        storm_claim(&claims[(i + 1) % ITEMS], "claimed already");
    }
    run(__func__, juggle_items, NULL);
    for (int i = 0; i < STORM_ACTORS; i++)
        there += storm.actor[i].holds;
    pawl_percpu_each (pc, slot, slice)
        for (size_t i = 0; i < stack_of(slice)->count; i++, there++)
            assert_int_equal(pawl_exchange_relaxed(&claims[(uintptr_t)stack_of(slice)->item[i] % ITEMS], 1L),
                             0);
    assert_int_equal(there, ITEMS);
}

/* ---- Ids ---- */

static void give_id_back(struct actor *actor)
{
    uint32_t which = random_below(&actor->random, actor->holds);
    long id = actor->held[which];
    int status;

    storm_disclaim(&claims[id]);
    status = pawl_percpu_bit_free(pc, AT(map), MAP_WORDS, id);
    if (status == 0)
        actor->held[which] = actor->held[--actor->holds];
    else
        storm_claim(&claims[id], "an id was handed out that had not been given back");
    storm_require(status == 0 || status == -EXDEV, "bit_free failed");
}

static void juggle_ids(struct actor *actor)
{
    if (random_below(&actor->random, STORM_HELD) < actor->holds) {
        give_id_back(actor);
    } else {
        long id = pawl_percpu_bit_alloc(pc, AT(map), MAP_WORDS);

        storm_require(id >= 0 || id == -EAGAIN, "bit_alloc failed");
        if (id >= 0) {
            storm_claim(&claims[id], "an id was handed out twice");
            actor->held[actor->holds++] = id;
        }
    }
}

static void ids_are_unique_while_held(void **state)
{
    long held = 0;
    long taken = 0;
    struct slice *slice;
    uint32_t slot;

    (void)state;
    run(__func__, juggle_ids, NULL);
    for (int i = 0; i < STORM_ACTORS; i++)
        held += storm.actor[i].holds;
    pawl_percpu_each (pc, slot, slice)
        for (int i = 0; i < MAP_WORDS; i++)
            taken += __builtin_popcountl((unsigned long)slice->map[i]);
    assert_int_equal(taken, held);
}

/* ---- A remote drainer ---- */

/* The slots that have slices, and blocks of the test that stand in for them: a slot works on either. */
#define DRAINED 64
static struct {
    uint32_t slot;
    struct slice *spare;
} drained[DRAINED];
static uint32_t drained_slots;

static void reverse_list(struct slice *slice)
{
    struct pawl_percpu_node *reversed = NULL;
    struct pawl_percpu_node *next;
    long length = 0;

    for (struct pawl_percpu_node *link = slice->list.head; link != NULL; link = next) {
        struct node *node = (struct node *)(void *)link;

        storm_claim(&node->held, "a drained node was held");
        storm_disclaim(&node->held);
        storm_require(++length <= NODES, "a list in circles");
        next = link->next;
        link->next = reversed;
        reversed = link;
        if (length > NODES)
            break;
    }
    slice->list.head = reversed;
}

/* Owns the slice alone for a moment: collects its sum, looks at its nodes, and gives it or its copy back. */
static void drain(struct actor *actor)
{
    uint32_t which = random_below(&actor->random, drained_slots);
    uint32_t slot = drained[which].slot;
    struct slice *slice = pawl_percpu_detach(pc, slot);
    struct slice before;

    storm_require(slice != NULL, "detach failed");
    if (slice == NULL)
        return;
    actor->tally[1] += slice->sum;
    slice->sum = 0;
    reverse_list(slice);
    before = *slice;
    if (random_below(&actor->random, 8) == 0)
        sched_yield();
    storm_require(memcmp(&before, slice, sizeof before) == 0, "a detached slice changed");
    if (random_below(&actor->random, 2) == 0) {
        struct slice *other = drained[which].spare;

        *other = *slice;
        drained[which].spare = slice;
        slice = other;
    }
    storm_require(pawl_percpu_attach(pc, slot, slice) == 0, "attach failed");
    actor->tally[2]++;
}

static void use_drained(struct actor *actor)
{
    int status = pawl_percpu_add(pc, AT(sum), 3);

    storm_require(status == 0 || status == -EBUSY, "add failed");
    actor->tally[0] += status == 0 ? 3 : 0;
    juggle_nodes(actor);
}

static void a_drainer_owns_what_it_detaches(void **state)
{
    static struct slice spare[DRAINED];
    uint32_t slot;
    struct slice *slice;

    (void)state;
    drained_slots = 0;
    pawl_percpu_each (pc, slot, slice)
        if (drained_slots < DRAINED) {
            drained[drained_slots].slot = slot;
            drained[drained_slots].spare = &spare[drained_slots];
            drained_slots++;
        }
    spread_nodes();
    run(__func__, use_drained, drain);
    assert_true(storm_tally(&storm, 2) > 0);
    assert_int_equal(storm_sum(pc, AT(sum)) + storm.remote_actor.tally[1], storm_tally(&storm, 0));
    no_node_is_lost();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_region, close_region)
        PROMISE(counts_are_exact),
        PROMISE(conditional_stores_are_whole_and_counted),
        PROMISE(buckets_are_never_overspent),
        PROMISE(every_node_stays_in_one_place),
        PROMISE(every_item_stays_in_one_place),
        PROMISE(ids_are_unique_while_held),
        PROMISE(a_drainer_owns_what_it_detaches),
    };
    int failed = 0;

    print_mode();
    seed = seed_of_run();
    seconds = storm_seconds(2 * sizeof tests / sizeof tests[0]);
    for (kind = PAWL_PERCPU_BY_CPU; kind <= PAWL_PERCPU_BY_CID; kind++)
        if (kind == PAWL_PERCPU_BY_CPU || (pawl_rseq_available() && kind_is_offered(kind)))
            failed += cmocka_run_group_tests_name(name_of_kind(kind), tests, NULL, NULL);
    return failed;
}
