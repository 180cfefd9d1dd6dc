/* SPDX-License-Identifier: MIT */
/* The inline operations of <pawl/percpu.h>, instantiated for callers that cannot inline, and the reader
 * of the rings. */
#include "region.h"

#include <errno.h>

size_t pawl_percpu_ring_get(struct pawl_percpu_ring *ring, long *words, size_t count)
{
    /* relaxed: only this reader writes it */
    size_t head = pawl_load_relaxed(&ring->head);
    /* acquire W: pairs with the release in ring_put, the words up to tail are whole */
    size_t there = pawl_load_acquire(&ring->tail) - head;

    if (count > there)
        count = there;
    for (size_t i = 0; i < count; i++)
        words[i] = ring->data[(head + i) & (ring->capacity - 1)];
    /* release R: pairs with the acquire in ring_put, the words may be written over */
    pawl_store_release(&ring->head, head + count);
    return count;
}

extern inline int pawl_percpu_load(struct pawl_percpu *pc, size_t at, long *value);
extern inline int pawl_percpu_add(struct pawl_percpu *pc, size_t at, long n);
extern inline int pawl_percpu_fetch_add(struct pawl_percpu *pc, size_t at, long n, long *old);
extern inline int pawl_percpu_add_via(struct pawl_percpu *pc, size_t at, ptrdiff_t displacement, long n);
extern inline int pawl_percpu_max(struct pawl_percpu *pc, size_t at, long n);
extern inline int pawl_percpu_add_limit(struct pawl_percpu *pc, size_t at, long n, long limit);
extern inline int pawl_percpu_spend(struct pawl_percpu *pc, size_t at, long n);
extern inline int pawl_percpu_cas(struct pawl_percpu *pc, size_t at, long expect, long desired);
extern inline int pawl_percpu_store_unless(struct pawl_percpu *pc, size_t at, long unwanted, long desired);
extern inline int pawl_percpu_cas_if(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                     size_t guard_at, long guard);
extern inline int pawl_percpu_cas_after(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                        size_t first_at, long first);
extern inline int pawl_percpu_cas_after_copy(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                             size_t copy_at, const void *source, size_t len);
extern inline int pawl_percpu_push_chain(struct pawl_percpu *pc, size_t at, struct pawl_percpu_node *first,
                                         struct pawl_percpu_node *last);
extern inline struct pawl_percpu_node *pawl_percpu_pop(struct pawl_percpu *pc, size_t at);
extern inline struct pawl_percpu_node *pawl_percpu_pop_all(struct pawl_percpu *pc, size_t at);
extern inline int pawl_percpu_stack_push(struct pawl_percpu *pc, size_t at, void *item);
extern inline int pawl_percpu_stack_pop(struct pawl_percpu *pc, size_t at, void **item);
extern inline long pawl_percpu_stack_push_many(struct pawl_percpu *pc, size_t at, void *const *items,
                                               size_t count);
extern inline long pawl_percpu_stack_pop_many(struct pawl_percpu *pc, size_t at, void **items, size_t count);
extern inline int pawl_percpu_ring_put(struct pawl_percpu *pc, size_t at, const long *words, size_t count);
extern inline struct pawl_percpu_lock *pawl_percpu_trylock(struct pawl_percpu *pc, size_t at);
extern inline int pawl_percpu_push(struct pawl_percpu *pc, size_t at, struct pawl_percpu_node *node);
extern inline int pawl_percpu_snapshot(struct pawl_percpu *pc, size_t at, long *words, size_t count);
extern inline void *pawl_percpu_bump(struct pawl_percpu *pc, size_t at, size_t bytes, unsigned int shift);
extern inline long pawl_percpu_bit_alloc(struct pawl_percpu *pc, size_t at, size_t words);
extern inline int pawl_percpu_bit_free(struct pawl_percpu *pc, size_t at, size_t words, long id);
