/* SPDX-License-Identifier: MIT */
/* Each operation of <pawl/percpu.h> inlined into a function of its own, for test_disassembly.py to read. The
 * offset is a constant, as it is in programs. */
#include <pawl/percpu.h>

enum { AT = 64, OTHER = 96, CHUNK_SHIFT = 16 };

int fast_load(struct pawl_percpu *pc, long *value);
int fast_add(struct pawl_percpu *pc, long n);
int fast_increment(struct pawl_percpu *pc);
int fast_fetch_add(struct pawl_percpu *pc, long n, long *old);
int fast_add_via(struct pawl_percpu *pc, long n);
int fast_max(struct pawl_percpu *pc, long n);
int fast_add_limit(struct pawl_percpu *pc, long n, long limit);
int fast_spend(struct pawl_percpu *pc, long n);
int fast_cas(struct pawl_percpu *pc, long expect, long desired);
int fast_store_unless(struct pawl_percpu *pc, long unwanted, long desired);
int fast_cas_if(struct pawl_percpu *pc, long expect, long desired, long guard);
int fast_cas_after(struct pawl_percpu *pc, long expect, long desired, long first);
int fast_cas_after_copy(struct pawl_percpu *pc, long expect, long desired, const void *source, size_t len);
int fast_snapshot(struct pawl_percpu *pc, long *words, size_t count);
int fast_push(struct pawl_percpu *pc, struct pawl_percpu_node *node);
int fast_push_chain(struct pawl_percpu *pc, struct pawl_percpu_node *first, struct pawl_percpu_node *last);
struct pawl_percpu_node *fast_pop(struct pawl_percpu *pc);
struct pawl_percpu_node *fast_pop_all(struct pawl_percpu *pc);
int fast_stack_push(struct pawl_percpu *pc, void *item);
int fast_stack_pop(struct pawl_percpu *pc, void **item);
long fast_stack_push_many(struct pawl_percpu *pc, void *const *items, size_t count);
long fast_stack_pop_many(struct pawl_percpu *pc, void **items, size_t count);
void *fast_bump(struct pawl_percpu *pc, size_t bytes);
int fast_ring_put(struct pawl_percpu *pc, const long *words, size_t count);
long fast_bit_alloc(struct pawl_percpu *pc);
int fast_bit_free(struct pawl_percpu *pc, long id);
struct pawl_percpu_lock *fast_trylock(struct pawl_percpu *pc);

int fast_load(struct pawl_percpu *pc, long *value)
{
    return pawl_percpu_load(pc, AT, value);
}

int fast_add(struct pawl_percpu *pc, long n)
{
    return pawl_percpu_add(pc, AT, n);
}

int fast_increment(struct pawl_percpu *pc)
{
    return pawl_percpu_add(pc, AT, 1);
}

int fast_fetch_add(struct pawl_percpu *pc, long n, long *old)
{
    return pawl_percpu_fetch_add(pc, AT, n, old);
}

int fast_add_via(struct pawl_percpu *pc, long n)
{
    return pawl_percpu_add_via(pc, AT, OTHER, n);
}

int fast_max(struct pawl_percpu *pc, long n)
{
    return pawl_percpu_max(pc, AT, n);
}

int fast_add_limit(struct pawl_percpu *pc, long n, long limit)
{
    return pawl_percpu_add_limit(pc, AT, n, limit);
}

int fast_spend(struct pawl_percpu *pc, long n)
{
    return pawl_percpu_spend(pc, AT, n);
}

int fast_cas(struct pawl_percpu *pc, long expect, long desired)
{
    return pawl_percpu_cas(pc, AT, expect, desired);
}

int fast_store_unless(struct pawl_percpu *pc, long unwanted, long desired)
{
    return pawl_percpu_store_unless(pc, AT, unwanted, desired);
}

int fast_cas_if(struct pawl_percpu *pc, long expect, long desired, long guard)
{
    return pawl_percpu_cas_if(pc, AT, expect, desired, OTHER, guard);
}

int fast_cas_after(struct pawl_percpu *pc, long expect, long desired, long first)
{
    return pawl_percpu_cas_after(pc, AT, expect, desired, OTHER, first);
}

int fast_cas_after_copy(struct pawl_percpu *pc, long expect, long desired, const void *source, size_t len)
{
    return pawl_percpu_cas_after_copy(pc, AT, expect, desired, OTHER, source, len);
}

int fast_snapshot(struct pawl_percpu *pc, long *words, size_t count)
{
    return pawl_percpu_snapshot(pc, AT, words, count);
}

int fast_push(struct pawl_percpu *pc, struct pawl_percpu_node *node)
{
    return pawl_percpu_push(pc, AT, node);
}

int fast_push_chain(struct pawl_percpu *pc, struct pawl_percpu_node *first, struct pawl_percpu_node *last)
{
    return pawl_percpu_push_chain(pc, AT, first, last);
}

struct pawl_percpu_node *fast_pop(struct pawl_percpu *pc)
{
    return pawl_percpu_pop(pc, AT);
}

struct pawl_percpu_node *fast_pop_all(struct pawl_percpu *pc)
{
    return pawl_percpu_pop_all(pc, AT);
}

int fast_stack_push(struct pawl_percpu *pc, void *item)
{
    return pawl_percpu_stack_push(pc, AT, item);
}

int fast_stack_pop(struct pawl_percpu *pc, void **item)
{
    return pawl_percpu_stack_pop(pc, AT, item);
}

long fast_stack_push_many(struct pawl_percpu *pc, void *const *items, size_t count)
{
    return pawl_percpu_stack_push_many(pc, AT, items, count);
}

long fast_stack_pop_many(struct pawl_percpu *pc, void **items, size_t count)
{
    return pawl_percpu_stack_pop_many(pc, AT, items, count);
}

void *fast_bump(struct pawl_percpu *pc, size_t bytes)
{
    return pawl_percpu_bump(pc, AT, bytes, CHUNK_SHIFT);
}

int fast_ring_put(struct pawl_percpu *pc, const long *words, size_t count)
{
    return pawl_percpu_ring_put(pc, AT, words, count);
}

long fast_bit_alloc(struct pawl_percpu *pc)
{
    return pawl_percpu_bit_alloc(pc, AT, 1);
}

int fast_bit_free(struct pawl_percpu *pc, long id)
{
    return pawl_percpu_bit_free(pc, AT, 1, id);
}

struct pawl_percpu_lock *fast_trylock(struct pawl_percpu *pc)
{
    return pawl_percpu_trylock(pc, AT);
}
