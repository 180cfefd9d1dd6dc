/* SPDX-License-Identifier: MIT */
#include "acts.h"

#include <errno.h>
#include <string.h>

#define ACT(name, says)                                                  \
    static void run_##name(struct world *w);                             \
    const struct act act_##name = {says, run_##name, INTERRUPT_PREEMPT}; \
    static void run_##name(struct world *w)

#define ACT_BESIDE(name, says)                                          \
    static void run_##name(struct world *w);                            \
    const struct act act_##name = {says, run_##name, INTERRUPT_BESIDE}; \
    static void run_##name(struct world *w)

/* ---- Words ---- */

static void log_old(struct world *w, size_t at, long n)
{
    long old = 0;

    world_log(w, pawl_percpu_fetch_add(w->pc, at, n, &old) == 0 ? old : -EBUSY);
}

ACT(add, "the word is added to")
{
    log_old(w, AT(word), 7);
}

ACT(there_and_back, "the word is changed and changed back")
{
    log_old(w, AT(word), 1);
    log_old(w, AT(word), -1);
}

ACT(spend, "the word is spent from")
{
    world_log(w, pawl_percpu_spend(w->pc, AT(word), 60));
}

ACT(publish, "another value is published")
{
    char copy[WORLD_COPY];
    long status;

    memset(copy, 'o', sizeof copy);
    status = pawl_percpu_cas_after(w->pc, AT(word), WORD_OLD, WORD_OTHER, AT(first), 77);
    world_log(w, status);
    /* the copy belongs to the value: nobody but its publisher writes it then */
    if (status == 0)
        world_log(w, pawl_percpu_cas_after_copy(w->pc, AT(word), WORD_OTHER, WORD_OTHER, AT(copy), copy,
                                                sizeof copy));
}

ACT(guard, "the guard is changed")
{
    log_old(w, AT(guard), 1);
}

/* Whoever takes a target away owns it, and finds it at rest. */
ACT(redirect, "the pointer is directed to another target, and the first one emptied")
{
    long status = pawl_percpu_cas(w->pc, AT(via), (long)w->targets[0], (long)w->targets[1]);

    world_log(w, status);
    if (status == 0) {
        world_log(w, w->targets[0][1]);
        w->targets[0][1] = 0;
    }
}

ACT(words, "all words are added to")
{
    for (size_t i = 0; i < PAWL_PERCPU_SNAPSHOT_MAX; i++)
        log_old(w, AT(words) + i * sizeof(long), 100);
}

/* ---- List ---- */

static void push(struct world *w, struct pawl_percpu_node *node)
{
    int status = pawl_percpu_push(w->pc, AT(list), node);

    if (status == 0)
        world_let_go_node(w, node);
    world_log(w, status);
}

static struct pawl_percpu_node *pop(struct world *w)
{
    struct pawl_percpu_node *node = pawl_percpu_pop(w->pc, AT(list));

    if (node != NULL)
        world_hold_node(w, node);
    world_log(w, (long)node);
    return node;
}

static void hold_chain(struct world *w, struct pawl_percpu_node *node)
{
    for (unsigned int i = 0; node != NULL && i < WORLD_NODES; i++) {
        struct pawl_percpu_node *next = node->next;

        world_log(w, (long)node);
        world_hold_node(w, node);
        node = next;
    }
}

/* Nodes 8 and 9 are the others', 6, 7, 10 and 11 the operation's. */
ACT(push, "a node is pushed")
{
    push(w, w->logged == 0 ? &w->node[8] : &w->node[9]);
}

ACT(pop, "a node is popped")
{
    pop(w);
}

ACT(pop_all, "the whole list is popped")
{
    hold_chain(w, pawl_percpu_pop_all(w->pc, AT(list)));
}

ACT(list_aba, "two nodes are popped and the first is pushed back")
{
    struct pawl_percpu_node *first = pop(w);

    pop(w);
    if (first != NULL)
        push(w, first);
}

/* ---- Stack ---- */

static void stack_push(struct world *w, long item)
{
    int status = pawl_percpu_stack_push(w->pc, AT(stack), (void *)item);

    if (status == 0)
        world_let_go_item(w, item);
    world_log(w, status);
}

static void stack_pop(struct world *w)
{
    void *item = NULL;
    int status = pawl_percpu_stack_pop(w->pc, AT(stack), &item);

    world_log(w, status);
    if (status != 0)
        return;
    world_log(w, (long)item);
    world_hold_item(w, (long)item);
}

/* Items 80 to 87 are the others': the first that is not in a slice. */
static long own_item(const struct world *w)
{
    long item = 88;

    for (unsigned int i = 0; i < w->items; i++)
        if (w->items_held[i] >= 80 && w->items_held[i] < item)
            item = w->items_held[i];
    return item;
}

ACT(stack_push, "an item is pushed")
{
    stack_push(w, own_item(w));
}

ACT(stack_pop, "an item is popped")
{
    stack_pop(w);
}

ACT(stack_aba, "two items are popped and another is pushed")
{
    stack_pop(w);
    stack_pop(w);
    stack_push(w, own_item(w));
}

ACT(stack_many, "all items are popped, and two of them pushed in another order")
{
    void *items[WORLD_STACK] = {NULL};
    void *swapped[2];
    long popped = pawl_percpu_stack_pop_many(w->pc, AT(stack), items, WORLD_STACK);

    world_log(w, popped);
    for (long i = 0; i < popped; i++)
        world_hold_item(w, (long)items[i]);
    if (popped < 2)
        return;
    swapped[0] = items[popped - 1];
    swapped[1] = items[0];
    world_log(w, pawl_percpu_stack_push_many(w->pc, AT(stack), swapped, 2));
    world_let_go_item(w, (long)swapped[0]);
    world_let_go_item(w, (long)swapped[1]);
}

/* ---- Ring, chunk, bits, lock ---- */

ACT(put, "a record is put")
{
    long words[2] = {90, 91 + (long)w->logged};

    world_log(w, pawl_percpu_ring_put(w->pc, AT(ring), words, 2));
}

ACT_BESIDE(get, "the reader on another CPU gets two words")
{
    long words[2];
    size_t count = pawl_percpu_ring_get(&w->a->ring, words, 2);

    world_log(w, (long)count);
    for (size_t i = 0; i < count; i++)
        world_log(w, words[i]);
}

ACT(bump, "a block is allocated")
{
    world_log(w, (long)pawl_percpu_bump(w->pc, AT(chunk), 32, WORLD_CHUNK_SHIFT));
}

ACT(new_chunk, "another chunk is put in")
{
    static char fresh[1 << WORLD_CHUNK_SHIFT] __attribute__((aligned(1 << WORLD_CHUNK_SHIFT)));
    long chunk = 0;

    if (pawl_percpu_load(w->pc, AT(chunk), &chunk) == 0)
        world_log(w, pawl_percpu_cas(w->pc, AT(chunk), chunk, (long)fresh));
}

static long first_id(const struct world *w)
{
    return (long)world_slot(w) * WORLD_BITS * 64;
}

ACT(bit_alloc, "an id is allocated")
{
    world_log(w, pawl_percpu_bit_alloc(w->pc, AT(bits), WORLD_BITS));
}

ACT(bit_free, "an id is freed")
{
    world_log(w, pawl_percpu_bit_free(w->pc, AT(bits), WORLD_BITS, first_id(w) + 1));
}

ACT(bit_aba, "one id is allocated, another freed, and the first freed")
{
    long id = pawl_percpu_bit_alloc(w->pc, AT(bits), WORLD_BITS);

    world_log(w, id);
    world_log(w, pawl_percpu_bit_free(w->pc, AT(bits), WORLD_BITS, first_id(w)));
    if (id >= 0)
        world_log(w, pawl_percpu_bit_free(w->pc, AT(bits), WORLD_BITS, id));
}

ACT(lock, "the lock is taken")
{
    world_log(w, pawl_percpu_trylock(w->pc, AT(lock)) != NULL);
}

ACT(lock_unlock, "the lock is taken and released")
{
    struct pawl_percpu_lock *lock = pawl_percpu_trylock(w->pc, AT(lock));

    world_log(w, lock != NULL);
    if (lock != NULL)
        pawl_percpu_unlock(lock);
}

/* The first half of pawl_percpu_revoke; the fence is the restart. The lock is then the caller's when it is
 * free, and else its holder's until it unlocks. */
ACT(revoke, "the lock is revoked from another CPU")
{
    pawl_store_relaxed(&w->a->lock.revoked, 1L);
    world_log(w, pawl_load_relaxed(&w->a->lock.held));
}

ACT_BESIDE(unlock, "the holder unlocks on another CPU")
{
    if (pawl_load_relaxed(&w->a->lock.held) != 0)
        pawl_percpu_unlock(&w->a->lock);
}

/* ---- Remote CPUs ---- */

/* The scheduler, or whoever moved the thread. */
ACT(migrate, "the thread migrates")
{
    interrupt_area.cpu_id = interrupt_area.cpu_id == (int32_t)w->here ? (int32_t)w->there : (int32_t)w->here;
}

ACT(and_migrate, "the same operation or its inverse on the old CPU, and the thread migrates")
{
    w->scenario->others[0]->run(w);
    run_migrate(w);
}

/* After a migration: both threads run now, each on its CPU. */
ACT_BESIDE(on_old_cpu, "a thread on the CPU that it left does the same operation or its inverse")
{
    int32_t cpu = interrupt_area.cpu_id;

    interrupt_area.cpu_id = (int32_t)w->here;
    w->scenario->others[0]->run(w);
    interrupt_area.cpu_id = cpu;
}

static void empty(struct world *w, struct slice *slice)
{
    hold_chain(w, slice->list.head);
    slice->list.head = NULL;
    for (size_t i = 0; i < slice->stack.count && i < WORLD_STACK; i++)
        world_hold_item(w, (long)slice->stack.item[i]);
    slice->stack.count = 0;
}

/* Its owner alone now, and leaves nothing as it was. */
static void use_up(struct world *w, struct slice *slice)
{
    world_log_slice(w, slice);
    empty(w, slice);
    slice->word = -9000;
    slice->guard = -9001;
    slice->via = w->targets[1];
    for (int i = 0; i < PAWL_PERCPU_SNAPSHOT_MAX; i++)
        slice->words[i] = -9010 - i;
    slice->chunk = 0;
    slice->bits[0] = slice->bits[1] = 0;
    pawl_store_relaxed(&slice->lock.held, 0L);
    pawl_store_relaxed(&slice->ring.head, pawl_load_relaxed(&slice->ring.tail));
}

/* As pawl_percpu_detach does it; its fence is the restart. NULL: nothing there to take. */
static struct slice *detach(struct world *w)
{
    uintptr_t word = world_table_word(w, w->here);

    if ((word & 1) != 0)
        return NULL;
    pawl_store_relaxed(&w->pc->slice[w->here], PAWL_SLICE_AWAY);
    return (struct slice *)word;
}

ACT(take_away, "the slice is detached, used up, and stays away")
{
    struct slice *slice = detach(w);

    if (slice != NULL)
        use_up(w, slice);
}

ACT(replace, "the slice is detached, used up, and another one attached")
{
    struct slice *slice = detach(w);

    if (slice == NULL)
        return;
    use_up(w, slice);
    world_log(w, pawl_percpu_attach(w->pc, w->here, slice == w->spare ? w->a : w->spare));
}

ACT(mend_and_return, "the slice is detached, partly emptied, and attached again")
{
    struct slice *slice = detach(w);

    if (slice == NULL)
        return;
    world_log_slice(w, slice);
    empty(w, slice);
    slice->word += 1;
    world_log(w, pawl_percpu_attach(w->pc, w->here, slice));
}

const struct act *const world_common_acts[] = {
    &act_migrate, &act_and_migrate, &act_replace, &act_take_away, &act_mend_and_return, NULL,
};
