/* SPDX-License-Identifier: MIT */
/* Every sequence of <pawl/percpu.h>, inlined into a program of its own: what the verifier must accept,
 * whatever the compiler and its options. Called by the names behind the public ones, which are inlined
 * without optimisation, too. It is checked, and not run. */
#include <pawl/percpu.h>

struct slice {
    long word;
    long guard;
    long *pointed;
    struct pawl_percpu_node *list;
    char text[64];
};

long words(struct pawl_percpu *pc, long n);
long containers(struct pawl_percpu *pc, struct pawl_percpu_node *node, size_t at);

#define AT(member) offsetof(struct slice, member)

long words(struct pawl_percpu *pc, long n)
{
    long value = 0;
    long copy[4];
    long sum = 0;

    sum += pawl_seq_load(pc, AT(word), &value);
    sum += pawl_seq_add(pc, AT(word), n);
    sum += pawl_seq_add(pc, AT(word), 1);
    sum += pawl_seq_fetch_add(pc, AT(word), n, &value) + value;
    sum += pawl_seq_add_via(pc, AT(pointed), 8, n);
    sum += pawl_seq_max(pc, AT(word), n);
    sum += pawl_seq_add_limit(pc, AT(word), n, 1000);
    sum += pawl_seq_spend(pc, AT(word), n);
    sum += pawl_seq_cas(pc, AT(word), n, 7);
    sum += pawl_seq_store_unless(pc, AT(word), 0, n);
    sum += pawl_seq_cas_if(pc, AT(word), n, 7, AT(guard), 1);
    sum += pawl_seq_cas_after(pc, AT(word), n, 7, AT(guard), 1);
    sum += pawl_seq_cas_after_copy(pc, AT(word), n, 7, AT(text), "some text", 10);
    sum += pawl_seq_snapshot(pc, 0, copy, 4) + copy[3];
    return sum;
}

long containers(struct pawl_percpu *pc, struct pawl_percpu_node *node, size_t at)
{
    void *item = node;
    void *items[4] = {node, node, node, node};
    long log[3] = {1, 2, 3};
    long sum = 0;

    sum += pawl_seq_push_chain(pc, AT(list), node, node);
    sum += pawl_seq_push_chain(pc, AT(list), node, node + 1);
    sum += pawl_seq_pop(pc, AT(list)) != 0;
    sum += pawl_seq_pop_all(pc, AT(list)) != 0;
    sum += pawl_seq_stack_push(pc, at, item);
    sum += pawl_seq_stack_pop(pc, at, &item);
    sum += pawl_seq_stack_push_many(pc, at, items, 4);
    sum += pawl_seq_stack_pop_many(pc, at, items, 4);
    sum += pawl_seq_bump(pc, at, 24, 12, &item);
    sum += pawl_seq_ring_put(pc, at, log, 3);
    sum += pawl_seq_bit_alloc(pc, at, 4);
    sum += pawl_seq_bit_free(pc, at, 4, sum);
    sum += pawl_seq_trylock(pc, at) != 0;
    return sum;
}

int main(int argc, char **argv)
{
    struct pawl_percpu *pc = pawl_percpu_open(4096, PAWL_PERCPU_BY_CPU);
    struct pawl_percpu_node nodes[2];

    return (int)(words(pc, argc) + containers(pc, nodes, (size_t)argc * 64 + (argv[0] != NULL)));
}
