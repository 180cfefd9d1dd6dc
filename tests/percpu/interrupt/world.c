/* SPDX-License-Identifier: MIT */
/* The state before a run, and the record of what counts after it. */
#include "world.h"

#include <errno.h>
#include <pawl/cpu.h>
#include <sched.h>
#include <string.h>

PAWL_STATIC_ASSERT(offsetof(struct slice, stack.item) - offsetof(struct slice, stack.count) ==
                       offsetof(struct pawl_percpu_stack, item),
                   "a stack is a struct pawl_percpu_stack with its items");

/* Two chunks of the bump allocator. */
static char arena[2][1 << WORLD_CHUNK_SHIFT] __attribute__((aligned(1 << WORLD_CHUNK_SHIFT)));

static _Alignas(16) char spare_slice[SLICE_BYTES + 16];

int world_open(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->pc = pawl_percpu_open(SLICE_BYTES, PAWL_PERCPU_BY_CPU);
    if (w->pc == NULL)
        return -errno;
    w->spare = (struct slice *)(void *)spare_slice;
    return 0;
}

void world_close(struct world *w)
{
    pawl_percpu_close(w->pc);
}

/* The slice that the region keeps for a slot: what is detached from a slot that nobody used. */
static struct slice *take_home(struct world *w, uint32_t slot)
{
    pawl_store_relaxed(&w->pc->slice[slot], PAWL_SLICE_UNUSED);
    return pawl_percpu_detach(w->pc, slot);
}

/* Slots that are not part of this world have no slice: what strays there is refused. */
static int settle(struct world *w, uint32_t here, uint32_t there)
{
    for (uint32_t slot = 0; slot < w->pc->slots; slot++)
        if (pawl_load_relaxed(&w->pc->slice[slot]) != PAWL_SLICE_MISSING)
            pawl_store_relaxed(&w->pc->slice[slot], PAWL_SLICE_AWAY);
    w->here = here;
    w->there = there;
    w->a = take_home(w, here);
    w->b = there != here ? take_home(w, there) : w->a;
    return w->a != NULL && w->b != NULL ? 0 : -errno;
}

int world_emulate(struct world *w)
{
    return settle(w, 0, pawl_cpu_possible() > 1 ? 1 : 0);
}

int world_go_real(struct world *w)
{
    int cpu = sched_getcpu();
    cpu_set_t one;

    if (cpu < 0)
        return -errno;
    CPU_ZERO(&one);
    CPU_SET((unsigned int)cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        return -errno;
    /* nobody moves to the other slot: any will do */
    return settle(w, (uint32_t)cpu, cpu != 0 || pawl_cpu_possible() < 2 ? 0 : 1);
}

uint32_t world_slot(const struct world *w)
{
    return interrupt_area.cpu_id >= 0 ? (uint32_t)interrupt_area.cpu_id : w->here;
}

/* ---- Who has what ---- */

/* Every node and item that there is, wherever it is: in a slice or in somebody's hands. Sorted. */
static unsigned int insert(long own[WORLD_OWN], unsigned int count, long value)
{
    unsigned int i = count;

    if (count == WORLD_OWN)
        return count;
    for (; i > 0 && own[i - 1] > value; i--)
        own[i] = own[i - 1];
    own[i] = value;
    return count + 1;
}

static unsigned int collect_slice(const struct slice *slice, long own[WORLD_OWN], unsigned int count)
{
    const struct pawl_percpu_node *node = slice->list.head;

    /* bounded: a list that a planted bug ruined may be a circle */
    for (unsigned int i = 0; node != NULL && i < 2 * WORLD_NODES; i++, node = node->next)
        count = insert(own, count, (long)node);
    for (size_t i = 0; i < slice->stack.count && i < WORLD_STACK; i++)
        count = insert(own, count, (long)slice->stack.item[i]);
    return count;
}

static unsigned int collect(const struct world *w, long own[WORLD_OWN])
{
    unsigned int count = collect_slice(w->a, own, 0);

    if (w->b != w->a)
        count = collect_slice(w->b, own, count);
    count = collect_slice(w->spare, own, count);
    for (unsigned int i = 0; i < w->nodes; i++)
        count = insert(own, count, (long)w->nodes_held[i]);
    for (unsigned int i = 0; i < w->items; i++)
        count = insert(own, count, w->items_held[i]);
    return count;
}

bool world_is_whole(const struct world *w)
{
    long own[WORLD_OWN];

    return collect(w, own) == w->owned && memcmp(own, w->own, w->owned * sizeof *own) == 0;
}

/* ---- Before a run ---- */

static void link_nodes(struct world *w, struct slice *slice, unsigned int first, unsigned int count)
{
    for (unsigned int i = count; i > 0; i--) {
        w->node[first + i - 1].next = slice->list.head;
        slice->list.head = &w->node[first + i - 1];
    }
}

/* Slices differ in every value, so that none is taken for another. */
static void fill(struct world *w, struct slice *slice, long mark, unsigned int first_node, unsigned int nodes)
{
    memset(slice, 0, SLICE_BYTES);
    slice->word = mark + WORD_OLD;
    slice->guard = mark + 5;
    slice->via = w->targets[0];
    for (int i = 0; i < PAWL_PERCPU_SNAPSHOT_MAX; i++)
        slice->words[i] = mark + 10 + i;
    link_nodes(w, slice, first_node, nodes);
    slice->bits[0] = 0xb;
    slice->stack.capacity = WORLD_STACK;
    for (size_t i = 0; i < 3; i++)
        slice->stack.item[slice->stack.count++] = (void *)(mark + 40 + (long)i);
    slice->ring.capacity = WORLD_RING;
    for (long i = 0; i < 3; i++)
        slice->ring.data[i] = mark + 60 + i;
    pawl_store_relaxed(&slice->ring.tail, (size_t)3);
}

static void hold_what_no_slice_has(struct world *w)
{
    w->nodes = 0;
    for (unsigned int i = 6; i < WORLD_NODES; i++)
        world_hold_node(w, &w->node[i]);
    w->items = 0;
    for (long i = 0; i < 8; i++) {
        w->source[i] = 70 + i;
        world_hold_item(w, w->source[i]);
        world_hold_item(w, 80 + i);
    }
}

void world_reset(void *world)
{
    struct world *w = world;

    interrupt_area = (struct interrupt_area){.cpu_id_start = w->here, .cpu_id = (int32_t)w->here};
    memset(w->node, 0, sizeof w->node);
    memset(w->targets, 0, sizeof w->targets);
    fill(w, w->b, 1000, 3, 2);
    fill(w, w->a, 0, 0, 3);
    fill(w, w->spare, 2000, 5, 1);
    w->a->chunk = (uintptr_t)arena[0] + 16;
    w->b->chunk = (uintptr_t)arena[1] + 32;
    w->logged = 0;
    w->result = 0;
    w->outs = 0;
    w->len = 1;
    w->id = 0;
    hold_what_no_slice_has(w);
    pawl_store_relaxed(&w->pc->slice[w->there], (uintptr_t)w->b);
    pawl_store_relaxed(&w->pc->slice[w->here], (uintptr_t)w->a);
    if (w->scenario->prepare != NULL)
        w->scenario->prepare(w);
    w->owned = collect(w, w->own);
}

/* ---- During a run ---- */

void world_log(struct world *w, long value)
{
    if (w->logged < sizeof w->log / sizeof w->log[0])
        w->log[w->logged++] = value;
}

void world_hold_node(struct world *w, const struct pawl_percpu_node *node)
{
    if (w->nodes < sizeof w->nodes_held / sizeof w->nodes_held[0])
        w->nodes_held[w->nodes++] = node;
}

void world_let_go_node(struct world *w, const struct pawl_percpu_node *node)
{
    for (unsigned int i = 0; i < w->nodes; i++)
        if (w->nodes_held[i] == node) {
            w->nodes_held[i] = w->nodes_held[--w->nodes];
            return;
        }
}

void world_hold_item(struct world *w, long item)
{
    if (w->items < sizeof w->items_held / sizeof w->items_held[0])
        w->items_held[w->items++] = item;
}

void world_let_go_item(struct world *w, long item)
{
    for (unsigned int i = 0; i < w->items; i++)
        if (w->items_held[i] == item) {
            w->items_held[i] = w->items_held[--w->items];
            return;
        }
}

/* ---- After a run ---- */

static size_t put(long *image, size_t size, long value)
{
    if (size < WORLD_IMAGE)
        image[size++] = value;
    return size;
}

static size_t put_bytes(long *image, size_t size, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        size = put(image, size, bytes[i]);
    return size;
}

/* Bounded everywhere, for the same reason. */
static size_t put_lists(long *image, size_t size, const struct slice *slice)
{
    const struct pawl_percpu_node *node = slice->list.head;
    size_t count = slice->stack.count < WORLD_STACK ? slice->stack.count : WORLD_STACK;
    size_t head = pawl_load_relaxed(&slice->ring.head);
    size_t tail = pawl_load_relaxed(&slice->ring.tail);

    for (unsigned int i = 0; node != NULL && i < 2 * WORLD_NODES; i++, node = node->next)
        size = put(image, size, (long)node);
    size = put(image, size, 0);
    size = put(image, size, (long)slice->stack.count);
    for (size_t i = 0; i < count; i++)
        size = put(image, size, (long)slice->stack.item[i]);
    size = put(image, size, (long)head);
    size = put(image, size, (long)tail);
    for (size_t i = head; i != tail && i - head < WORLD_RING; i++)
        size = put(image, size, slice->ring.data[i % WORLD_RING]);
    return size;
}

static size_t put_slice(long *image, size_t size, const struct slice *slice)
{
    size = put(image, size, slice->word);
    size = put(image, size, slice->guard);
    if (slice->word == WORD_NEW || slice->word == WORD_OTHER) {
        size = put(image, size, slice->first);
        size = put_bytes(image, size, slice->copy, WORLD_COPY);
    }
    size = put(image, size, (long)slice->via);
    for (int i = 0; i < PAWL_PERCPU_SNAPSHOT_MAX; i++)
        size = put(image, size, slice->words[i]);
    size = put(image, size, (long)slice->chunk);
    for (int i = 0; i < WORLD_BITS; i++)
        size = put(image, size, slice->bits[i]);
    size = put(image, size, pawl_load_relaxed(&slice->lock.held));
    size = put(image, size, pawl_load_relaxed(&slice->lock.revoked));
    return put_lists(image, size, slice);
}

void world_log_slice(struct world *w, const struct slice *slice)
{
    long image[WORLD_IMAGE];
    size_t size = put_slice(image, 0, slice);

    for (size_t i = 0; i < size; i++)
        world_log(w, image[i]);
}

uintptr_t world_table_word(const struct world *w, uint32_t slot)
{
    uintptr_t word = pawl_load_relaxed(&w->pc->slice[slot]);

    if (word != PAWL_SLICE_UNUSED)
        return word;
    return (uintptr_t)(slot == w->here ? w->a : w->b);
}

size_t world_image(const struct world *w, long image[WORLD_IMAGE])
{
    size_t size = put(image, 0, w->result);

    for (long i = 0; i < w->outs; i++)
        size = put(image, size, w->out[i]);
    for (unsigned int i = 0; i < w->logged; i++)
        size = put(image, size, w->log[i]);
    for (int i = 0; i < 4; i++)
        size = put(image, size, w->targets[i / 2][i % 2]);
    size = put(image, size, (long)world_table_word(w, w->here));
    size = put(image, size, (long)world_table_word(w, w->there));
    size = put_slice(image, size, w->a);
    if (w->there != w->here)
        size = put_slice(image, size, w->b);
    return put_slice(image, size, w->spare);
}
