/* SPDX-License-Identifier: MIT */
/* Every sequence of <pawl/percpu.h>, along every path through it.
 *
 * Compiled twice: as a user's program has them, inline and with constants for operands; and with
 * INTERRUPT_OUT_OF_LINE as other languages call them, the library's instances with operands in registers. */
#include "acts.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#if INTERRUPT_OUT_OF_LINE
/* The compiler does not know any more which function it is. */
#define CALL(name)                              \
    __extension__({                             \
        __typeof__(&(name)) function_ = (name); \
        __asm__("" : "+r"(function_));          \
        function_;                              \
    })
#else
#define CALL(name) name
#endif

#define OPERATION(name)                                           \
    __attribute__((noinline)) static void op_##name(void *world); \
    static void op_##name(void *world)

#define OTHERS(name, ...) static const struct act *const others_##name[] = {__VA_ARGS__, NULL}

/* One value counts when the operation succeeded. */
static void keep(struct world *w, long result)
{
    w->result = result;
    w->outs = result == 0;
}

/* What the caller of an operation does next is interrupted too, so the operation only keeps what it got;
 * these account for it after the run. */
static void got_chain(struct world *w)
{
    const struct pawl_percpu_node *node = (const struct pawl_percpu_node *)w->result;

    for (unsigned int i = 0; node != NULL && i < WORLD_NODES; i++, node = node->next)
        world_hold_node(w, node);
}

static void got_node(struct world *w)
{
    if (w->result != 0)
        world_hold_node(w, (const struct pawl_percpu_node *)w->result);
}

static void gave_node(struct world *w)
{
    if (w->result == 0)
        world_let_go_node(w, &w->node[6]);
}

static void gave_chain(struct world *w)
{
    gave_node(w);
    if (w->result != 0)
        return;
    world_let_go_node(w, &w->node[7]);
    world_let_go_node(w, &w->node[10]);
}

static void got_items(struct world *w)
{
    for (long i = 0; i < w->outs; i++)
        world_hold_item(w, w->out[i]);
}

static void gave_item(struct world *w)
{
    if (w->result == 0)
        world_let_go_item(w, w->source[0]);
}

static void gave_items(struct world *w)
{
    for (long i = 0; i < w->result; i++)
        world_let_go_item(w, w->source[i]);
}

/* ---- Words ---- */

OPERATION(load)
{
    struct world *w = world;

    keep(w, CALL(pawl_percpu_load)(w->pc, AT(word), &w->out[0]));
}

OPERATION(add)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_add)(w->pc, AT(word), 3);
}

OPERATION(fetch_add)
{
    struct world *w = world;

    keep(w, CALL(pawl_percpu_fetch_add)(w->pc, AT(word), 3, &w->out[0]));
}

OPERATION(add_via)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_add_via)(w->pc, AT(via), sizeof(long), 3);
}

OPERATION(max)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_max)(w->pc, AT(word), 105);
}

OPERATION(add_limit)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_add_limit)(w->pc, AT(word), 50, 155);
}

OPERATION(spend)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_spend)(w->pc, AT(word), 60);
}

OPERATION(cas)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_cas)(w->pc, AT(word), WORD_OLD, WORD_OLD + 1);
}

OPERATION(store_unless)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_store_unless)(w->pc, AT(word), WORD_OTHER, WORD_OLD + 1);
}

OPERATION(cas_if)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_cas_if)(w->pc, AT(word), WORD_OLD, WORD_OLD + 1, AT(guard), 5);
}

OPERATION(cas_after)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_cas_after)(w->pc, AT(word), WORD_OLD, WORD_NEW, AT(first), 33);
}

OPERATION(cas_after_copy)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_cas_after_copy)(w->pc, AT(word), WORD_OLD, WORD_NEW, AT(copy), w->source,
                                                 w->len);
}

OPERATION(snapshot)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_snapshot)(w->pc, AT(words), w->out, w->len);
    w->outs = w->result == 0 ? (long)w->len : 0;
}

static void word_is_other(struct world *w)
{
    w->a->word = WORD_OTHER;
}

static void word_is_high(struct world *w)
{
    w->a->word = 110;
}

static void word_is_huge(struct world *w)
{
    w->a->word = LONG_MAX - 10;
}

static void word_is_small(struct world *w)
{
    w->a->word = 59;
}

static void no_target(struct world *w)
{
    w->a->via = NULL;
}

static void other_guard(struct world *w)
{
    w->a->guard = 6;
}

static void len_0(struct world *w)
{
    w->len = 0;
}

static void len_2(struct world *w)
{
    w->len = 2;
}

static void len_8(struct world *w)
{
    w->len = 8;
}

static void len_19(struct world *w)
{
    w->len = 19;
}

/* ---- List ---- */

OPERATION(push)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_push)(w->pc, AT(list), &w->node[6]);
}

OPERATION(push_chain)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_push_chain)(w->pc, AT(list), &w->node[6], &w->node[10]);
}

OPERATION(pop)
{
    struct world *w = world;

    w->result = (long)CALL(pawl_percpu_pop)(w->pc, AT(list));
}

OPERATION(pop_all)
{
    struct world *w = world;

    w->result = (long)CALL(pawl_percpu_pop_all)(w->pc, AT(list));
}

static void chain(struct world *w)
{
    w->node[6].next = &w->node[7];
    w->node[7].next = &w->node[10];
}

static void empty_list(struct world *w)
{
    for (const struct pawl_percpu_node *node = w->a->list.head; node != NULL; node = node->next)
        world_hold_node(w, node);
    w->a->list.head = NULL;
}

/* ---- Stack ---- */

OPERATION(stack_push)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_stack_push)(w->pc, AT(stack), (void *)w->source[0]);
}

OPERATION(stack_pop)
{
    struct world *w = world;
    void *item = NULL;

    w->result = CALL(pawl_percpu_stack_pop)(w->pc, AT(stack), &item);
    w->out[0] = (long)item;
    w->outs = w->result == 0;
}

OPERATION(stack_push_many)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_stack_push_many)(w->pc, AT(stack), (void *const *)w->source, w->len);
}

OPERATION(stack_pop_many)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_stack_pop_many)(w->pc, AT(stack), (void **)w->out, w->len);
    w->outs = w->result > 0 ? w->result : 0;
}

static void hold_top_items(struct world *w, size_t left)
{
    while (w->a->stack.count > left)
        world_hold_item(w, (long)w->a->stack.item[--w->a->stack.count]);
}

static void full_stack(struct world *w)
{
    w->a->stack.capacity = w->a->stack.count;
    w->len = 2;
}

static void empty_stack(struct world *w)
{
    hold_top_items(w, 0);
    w->len = 2;
}

static void five_at_once(struct world *w)
{
    w->len = 5;
}

/* ---- Bump, ring, bits, lock ---- */

OPERATION(bump)
{
    struct world *w = world;

    w->result = (long)CALL(pawl_percpu_bump)(w->pc, AT(chunk), 48, WORLD_CHUNK_SHIFT);
}

static void end_of_chunk(struct world *w)
{
    w->a->chunk += 200;
}

static void no_chunk(struct world *w)
{
    w->a->chunk = 0;
}

OPERATION(ring_put)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_ring_put)(w->pc, AT(ring), w->source, w->len);
}

/* The record goes around the end of the data. */
static void ring_wraps(struct world *w)
{
    w->len = 4;
    pawl_store_relaxed(&w->a->ring.head, (size_t)3);
    pawl_store_relaxed(&w->a->ring.tail, (size_t)6);
    for (size_t i = 3; i < 6; i++)
        w->a->ring.data[i] = 160 + (long)i;
}

/* Just below the limit of the counters. */
static void ring_counters_wrap(struct world *w)
{
    ring_wraps(w);
    pawl_store_relaxed(&w->a->ring.head, (size_t)-5);
    pawl_store_relaxed(&w->a->ring.tail, (size_t)-2);
}

static void full_ring(struct world *w)
{
    w->len = 6;
}

OPERATION(bit_alloc)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_bit_alloc)(w->pc, AT(bits), WORLD_BITS);
}

OPERATION(bit_free)
{
    struct world *w = world;

    w->result = CALL(pawl_percpu_bit_free)(w->pc, AT(bits), WORLD_BITS, w->id);
}

static void first_word_taken(struct world *w)
{
    w->a->bits[0] = -1;
}

static void no_bit_free(struct world *w)
{
    w->a->bits[0] = -1;
    w->a->bits[1] = -1;
}

static void id_here(struct world *w)
{
    w->id = (long)w->here * WORLD_BITS * 64 + 3;
}

static void id_not_taken(struct world *w)
{
    w->id = (long)w->here * WORLD_BITS * 64 + 2;
}

/* One CPU alone has no elsewhere; then this is another id of here. */
static void id_there(struct world *w)
{
    w->id = (long)w->there * WORLD_BITS * 64;
}

OPERATION(trylock)
{
    struct world *w = world;

    w->result = (long)CALL(pawl_percpu_trylock)(w->pc, AT(lock));
}

static void lock_held(struct world *w)
{
    pawl_store_relaxed(&w->a->lock.held, 1L);
}

static void lock_revoked(struct world *w)
{
    pawl_store_relaxed(&w->a->lock.revoked, 1L);
}

/* ---- The slot itself ---- */

static void slot_unused(struct world *w)
{
    pawl_store_relaxed(&w->pc->slice[w->here], PAWL_SLICE_UNUSED);
}

static void slice_away(struct world *w)
{
    pawl_store_relaxed(&w->pc->slice[w->here], PAWL_SLICE_AWAY);
}

OTHERS(words, &act_add, &act_there_and_back, &act_spend);
OTHERS(publish, &act_publish, &act_add, &act_there_and_back);
OTHERS(guard, &act_add, &act_guard, &act_there_and_back);
OTHERS(via, &act_redirect);
OTHERS(snapshot, &act_words);
OTHERS(push, &act_push, &act_pop, &act_list_aba, &act_pop_all);
OTHERS(pop, &act_list_aba, &act_push, &act_pop, &act_pop_all);
OTHERS(stack, &act_stack_aba, &act_stack_push, &act_stack_pop, &act_stack_many);
OTHERS(bump, &act_bump, &act_new_chunk);
OTHERS(ring, &act_put, &act_get);
OTHERS(bits, &act_bit_alloc, &act_bit_free, &act_bit_aba);
OTHERS(lock, &act_lock, &act_lock_unlock, &act_revoke, &act_unlock);

const struct scenario world_scenarios[] = {
    {"load", "a word", op_load, NULL, others_words, NULL},
    {"load", "slot unused", op_load, slot_unused, others_words, NULL},
    {"load", "slice away", op_load, slice_away, others_words, NULL},
    {"add", "a word", op_add, NULL, others_words, NULL},
    {"add", "slot unused", op_add, slot_unused, others_words, NULL},
    {"add", "slice away", op_add, slice_away, others_words, NULL},
    {"fetch_add", "a word", op_fetch_add, NULL, others_words, NULL},
    {"fetch_add", "slice away", op_fetch_add, slice_away, others_words, NULL},
    {"add_via", "a target", op_add_via, NULL, others_via, NULL},
    {"add_via", "no target", op_add_via, no_target, others_via, NULL},
    {"max", "raises", op_max, NULL, others_words, NULL},
    {"max", "is below", op_max, word_is_high, others_words, NULL},
    {"add_limit", "below the limit", op_add_limit, NULL, others_words, NULL},
    {"add_limit", "above the limit", op_add_limit, word_is_high, others_words, NULL},
    {"add_limit", "overflow", op_add_limit, word_is_huge, others_words, NULL},
    {"spend", "enough", op_spend, NULL, others_words, NULL},
    {"spend", "not enough", op_spend, word_is_small, others_words, NULL},
    {"cas", "equal", op_cas, NULL, others_words, NULL},
    {"cas", "not equal", op_cas, word_is_other, others_words, NULL},
    {"store_unless", "not equal", op_store_unless, NULL, others_words, NULL},
    {"store_unless", "equal", op_store_unless, word_is_other, others_words, NULL},
    {"cas_if", "both equal", op_cas_if, NULL, others_guard, NULL},
    {"cas_if", "word not equal", op_cas_if, word_is_other, others_guard, NULL},
    {"cas_if", "guard not equal", op_cas_if, other_guard, others_guard, NULL},
    {"cas_after", "equal", op_cas_after, NULL, others_publish, NULL},
    {"cas_after", "not equal", op_cas_after, word_is_other, others_publish, NULL},
    {"cas_after_copy", "nothing", op_cas_after_copy, len_0, others_publish, NULL},
    {"cas_after_copy", "2 bytes", op_cas_after_copy, len_2, others_publish, NULL},
    {"cas_after_copy", "1 word", op_cas_after_copy, len_8, others_publish, NULL},
    {"cas_after_copy", "2 words and 3 bytes", op_cas_after_copy, len_19, others_publish, NULL},
    {"cas_after_copy", "not equal", op_cas_after_copy, word_is_other, others_publish, NULL},
    {"push", "onto a list", op_push, NULL, others_push, gave_node},
    {"push", "onto an empty list", op_push, empty_list, others_push, gave_node},
    {"push", "slot unused", op_push, slot_unused, others_push, gave_node},
    {"push", "slice away", op_push, slice_away, others_push, gave_node},
    {"push_chain", "three nodes", op_push_chain, chain, others_push, gave_chain},
    {"pop", "from a list", op_pop, NULL, others_pop, got_node},
    {"pop", "from an empty list", op_pop, empty_list, others_pop, got_node},
    {"pop", "slice away", op_pop, slice_away, others_pop, got_node},
    {"pop_all", "from a list", op_pop_all, NULL, others_pop, got_chain},
    {"pop_all", "from an empty list", op_pop_all, empty_list, others_pop, got_chain},
    {"stack_push", "room", op_stack_push, NULL, others_stack, gave_item},
    {"stack_push", "full", op_stack_push, full_stack, others_stack, gave_item},
    {"stack_pop", "some", op_stack_pop, NULL, others_stack, got_items},
    {"stack_pop", "empty", op_stack_pop, empty_stack, others_stack, got_items},
    {"stack_push_many", "room for all", op_stack_push_many, len_2, others_stack, gave_items},
    {"stack_push_many", "room for some", op_stack_push_many, five_at_once, others_stack, gave_items},
    {"stack_push_many", "full", op_stack_push_many, full_stack, others_stack, gave_items},
    {"stack_push_many", "nothing", op_stack_push_many, len_0, others_stack, gave_items},
    {"stack_pop_many", "some of them", op_stack_pop_many, len_2, others_stack, got_items},
    {"stack_pop_many", "all there are", op_stack_pop_many, five_at_once, others_stack, got_items},
    {"stack_pop_many", "empty", op_stack_pop_many, empty_stack, others_stack, got_items},
    {"bump", "fits", op_bump, NULL, others_bump, NULL},
    {"bump", "does not fit", op_bump, end_of_chunk, others_bump, NULL},
    {"bump", "no chunk", op_bump, no_chunk, others_bump, NULL},
    {"ring_put", "one word", op_ring_put, NULL, others_ring, NULL},
    {"ring_put", "around the end", op_ring_put, ring_wraps, others_ring, NULL},
    {"ring_put", "counters wrap", op_ring_put, ring_counters_wrap, others_ring, NULL},
    {"ring_put", "no room", op_ring_put, full_ring, others_ring, NULL},
    {"ring_put", "nothing", op_ring_put, len_0, others_ring, NULL},
    {"bit_alloc", "first word", op_bit_alloc, NULL, others_bits, NULL},
    {"bit_alloc", "second word", op_bit_alloc, first_word_taken, others_bits, NULL},
    {"bit_alloc", "none free", op_bit_alloc, no_bit_free, others_bits, NULL},
    {"bit_free", "taken", op_bit_free, id_here, others_bits, NULL},
    {"bit_free", "not taken", op_bit_free, id_not_taken, others_bits, NULL},
    {"bit_free", "of another CPU", op_bit_free, id_there, others_bits, NULL},
    {"trylock", "free", op_trylock, NULL, others_lock, NULL},
    {"trylock", "held", op_trylock, lock_held, others_lock, NULL},
    {"trylock", "revoked", op_trylock, lock_revoked, others_lock, NULL},
    {"snapshot", "1 word", op_snapshot, NULL, others_snapshot, NULL},
    {"snapshot", "8 words", op_snapshot, len_8, others_snapshot, NULL},
};

const size_t world_scenario_count = sizeof world_scenarios / sizeof world_scenarios[0];
