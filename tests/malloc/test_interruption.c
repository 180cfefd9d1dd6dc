/* SPDX-License-Identifier: MIT */
/* The two sequences of malloc and free, stopped at every instruction of their paths, while another thread
 * of the CPU allocates or frees, the thread migrates, or another CPU takes the cache away.
 *
 * The oracle is linearizability: the outcome must be that of the operation and the other thread's act one
 * after the other, in one of the two orders. The control makes the same stops without restarting the
 * sequence: then outcomes must go wrong. Speaks TAP. */
#include "cache.h"
#include "interrupt.h"

#include <string.h>

#if !PAWL_PERCPU_SEQUENCES
int main(void)
{
    puts("1..0 # SKIP no sequences in this build");
    return 0;
}
#else

enum { NODES = 8, IMAGE = 64, HERE = 0, THERE = 1, CLASS = 3 };

struct act {
    const char *name;
    void (*run)(void);
};

struct scenario {
    const char *name;
    void (*operation)(void *unused);
    void (*prepare)(void);
    bool harmless; /* the control cannot go wrong: this path commits nothing */
};

static struct {
    struct pawl_percpu *pc;
    struct cache *a; /* of slot HERE */
    struct cache *b; /* of slot THERE */
    struct cache spare;
    struct node node[NODES];
    long result;
    long log[8];
    unsigned int logged;
    const struct scenario *scenario;
    const struct act *act;
    long image[2][IMAGE];
} world;

static void note(long value)
{
    if (world.logged < sizeof world.log / sizeof world.log[0])
        world.log[world.logged++] = value;
}

__attribute__((noinline)) static struct node *take(void)
{
    return cache_seq_take(world.pc, entry_of(CLASS));
}

__attribute__((noinline)) static bool give(struct node *node)
{
    return cache_seq_give(world.pc, entry_of(CLASS), node);
}

__attribute__((noinline)) static void op_take(void *unused)
{
    (void)unused;
    world.result = (long)take();
}

__attribute__((noinline)) static void op_give(void *unused)
{
    (void)unused;
    world.result = give(&world.node[5]);
}

/* ---- what others do ---- */

static void act_take(void)
{
    note((long)take());
}

static void act_give(void)
{
    note(give(&world.node[6]));
}

/* Takes two and gives the first back: the chain's head is what it was, its next is not. */
static void act_aba(void)
{
    struct node *first = take();

    note((long)take());
    if (!chain_is_empty(first))
        note(give(first));
}

static void act_migrate(void)
{
    interrupt_area.cpu_id = THERE;
}

/* What the drainer does; its fence is the stop itself. */
static void act_drain(void)
{
    struct cache_entry *entry = &world.a->entry[CLASS];

    pawl_store_relaxed(&world.pc->slice[HERE], CACHE_NOWHERE);
    note((long)entry->chain);
    note(chain_length(entry->chain));
    entry->chain = chain_end();
}

static void act_drain_and_return(void)
{
    act_drain();
    pawl_store_relaxed(&world.pc->slice[HERE], (uintptr_t)world.a);
}

static void act_limit(void)
{
    world.a->entry[CLASS].limit = 1;
}

static const struct act acts[] = {
    {"takes a block", act_take},
    {"gives a block", act_give},
    {"takes two and gives the first back", act_aba},
    {"is on another CPU now", act_migrate},
    {"empties the cache and takes it away", act_drain},
    {"empties the cache", act_drain_and_return},
    {"lowers the limit", act_limit},
};
enum { ACTS = sizeof acts / sizeof acts[0] };

/* ---- states ---- */

static void empty_chain(void)
{
    world.a->entry[CLASS].chain = chain_end();
}

static void full_chain(void)
{
    world.a->entry[CLASS].limit = chain_length(world.a->entry[CLASS].chain);
}

static void cache_away(void)
{
    pawl_store_relaxed(&world.pc->slice[HERE], CACHE_NOWHERE);
}

static const struct scenario scenarios[] = {
    {"malloc", op_take, NULL, false},
    {"malloc from an empty chain", op_take, empty_chain, false},
    {"malloc without a cache", op_take, cache_away, true},
    {"free", op_give, NULL, false},
    {"free into an empty chain", op_give, empty_chain, false},
    {"free into a full chain", op_give, full_chain, true},
    {"free without a cache", op_give, cache_away, true},
};
enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static void fill(struct cache *cache, struct node *first, unsigned int nodes)
{
    memset(cache, 0, sizeof *cache);
    cache->entry[CLASS].chain = chain_end();
    cache->entry[CLASS].limit = 4;
    while (nodes > 0)
        cache->entry[CLASS].chain = chain_push(cache->entry[CLASS].chain, &first[--nodes]);
}

static void reset(void *unused)
{
    (void)unused;
    interrupt_area = (struct interrupt_area){.cpu_id_start = HERE, .cpu_id = HERE};
    memset(world.node, 0, sizeof world.node);
    fill(world.a, &world.node[0], 3);
    fill(world.b, &world.node[3], 2);
    world.result = 0;
    world.logged = 0;
    pawl_store_relaxed(&world.pc->slice[HERE], (uintptr_t)world.a);
    pawl_store_relaxed(&world.pc->slice[THERE], (uintptr_t)world.b);
    if (world.scenario->prepare != NULL)
        world.scenario->prepare();
}

static size_t put_chain(long *image, size_t size, const struct node *node)
{
    for (int i = 0; !chain_is_empty(node) && i < 2 * NODES; i++, node = node->next) {
        image[size++] = node - world.node;
        image[size++] = node->depth;
    }
    image[size++] = -1;
    return size;
}

static void put_world(long *image)
{
    size_t size = 0;

    memset(image, 0, IMAGE * sizeof *image);
    image[size++] = world.result;
    for (unsigned int i = 0; i < world.logged; i++)
        image[size++] = world.log[i];
    image[size++] = (long)pawl_load_relaxed(&world.pc->slice[HERE]);
    size = put_chain(image, size, world.a->entry[CLASS].chain);
    put_chain(image, size, world.b->entry[CLASS].chain);
}

static void act(void *unused, unsigned int nth)
{
    (void)unused;
    if (nth == 0)
        world.act->run();
}

static void expect(void)
{
    for (int order = 0; order < 2; order++) {
        reset(NULL);
        if (order == 0)
            act(NULL, 0);
        world.scenario->operation(NULL);
        if (order == 1)
            act(NULL, 0);
        put_world(world.image[order]);
    }
}

static bool check(void *unused, unsigned int stops)
{
    long image[IMAGE];

    (void)unused;
    (void)stops;
    put_world(image);
    return memcmp(image, world.image[0], sizeof image) == 0 ||
           memcmp(image, world.image[1], sizeof image) == 0;
}

static void explain(void *unused)
{
    (void)unused;
    fprintf(stderr, "    meanwhile another thread %s; the result was %ld\n", world.act->name, world.result);
}

static int number;
static int failed;

static void promise(bool kept, const char *what, const struct interrupt_counts *counts)
{
    printf("%sok %d - %s # %lu points, %lu runs, %lu aborts, %lu failures\n", kept ? "" : "not ", ++number,
           what, counts->points, counts->runs, counts->aborts, counts->failures);
    failed |= !kept;
}

static int sweep(const struct scenario *scenario, const struct act *one, bool twice, enum interrupt_how how,
                 struct interrupt_counts *counts)
{
    struct interrupt_subject subject = {.name = scenario->name,
                                        .reset = reset,
                                        .operation = scenario->operation,
                                        .interfere = act,
                                        .check = check,
                                        .explain = explain};

    world.scenario = scenario;
    world.act = one;
    expect();
    return twice ? interrupt_sweep_twice(&subject, how, true, counts)
                 : interrupt_sweep(&subject, how, how == INTERRUPT_PREEMPT, counts);
}

static void every_point(void)
{
    for (int s = 0; s < SCENARIOS; s++) {
        struct interrupt_counts once = {0}, twice = {0}, control = {0};
        bool fine = true;

        for (int a = 0; a < ACTS; a++) {
            fine = sweep(&scenarios[s], &acts[a], false, INTERRUPT_PREEMPT, &once) == 0 && fine;
            fine = sweep(&scenarios[s], &acts[a], true, INTERRUPT_PREEMPT, &twice) == 0 && fine;
        }
        promise(fine && once.failures == 0 && once.aborts > 0, scenarios[s].name, &once);
        promise(fine && twice.failures == 0, "... interrupted twice", &twice);
        for (int a = 0; a < 3; a++) /* a thread that really runs beside: takes, gives, ABA */
            fine = sweep(&scenarios[s], &acts[a], false, INTERRUPT_BESIDE, &control) == 0 && fine;
        promise(fine && (control.failures > 0 || scenarios[s].harmless),
                "... and without a restart it goes wrong", &control);
    }
}

int main(void)
{
    int status;

    world.pc = pawl_percpu_open(sizeof(struct cache), PAWL_PERCPU_BY_CPU);
    if (world.pc == NULL || world.pc->limit < 2 || interrupt_begin() != 0) {
        puts("1..0 # SKIP no region, or no traps");
        return 0;
    }
    static struct cache caches[2];

    world.a = &caches[0];
    world.b = &caches[1];
    interrupt_adopt(world.pc);
    every_point();
    interrupt_release(world.pc);
    interrupt_end();
    status = failed;
    printf("1..%d\n", number);
    return status;
}
#endif
