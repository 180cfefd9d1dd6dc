/* SPDX-License-Identifier: MIT */
/* The two sequences of the allocator for aarch64; their frame is that of <pawl/arch/percpu_aarch64.h>.
 * The C equivalents are cache_take and cache_give in cache.h. The commits need no release order: a chain
 * leaves its CPU through a lock, or after a fence of the other side. */
#ifndef PAWL_MALLOC_ARCH_CACHE_AARCH64_H
#define PAWL_MALLOC_ARCH_CACHE_AARCH64_H

/* Pops the first node of an entry: the sequence of <pawl/percpu.h>'s lists. The end of chains: empty, or no
 * cache here, for which that one's word is odd. */
static inline __attribute__((always_inline)) struct node *cache_seq_take(struct pawl_percpu *pc, size_t entry)
{
    uintptr_t word = pawl_seq_pop(pc, entry * sizeof(uint64_t));

    return (word & 1) == 0 ? (struct node *)word : chain_end();
}
PAWL_STATIC_ASSERT(offsetof(struct node, next) == offsetof(struct pawl_percpu_node, next),
                   "popped as one of those");

/* clang-format off */

static inline __attribute__((always_inline)) bool cache_seq_give(struct pawl_percpu *pc, size_t entry,
                                                               struct node *node)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[entry], lsl #3\n\t"
        "ldr x10, [x9]\n\t"                /* the entry's chain */
        "cmp x10, %[node]\n\t"            /* freed twice in a row: the slow path says so */
        "b.eq %l[miss]\n\t"
        "ldr w12, [x10, #8]\n\t"           /* its length, as its first node says */
        "ldr w13, [x9, #8]\n\t"           /* the entry's limit */
        "cmp w12, w13\n\t"
        "b.hs %l[miss]\n\t"
        "add w12, w12, #1\n\t"
        PAWL_SEQ_SCRATCH_
        "str x10, [%[node]]\n\t"           /* private: the node is in no chain yet */
        PAWL_SEQ_SCRATCH_
        "str w12, [%[node], #8]\n\t"
        PAWL_SEQ_SCRATCH_
        "str %w[node], [%[node], #12]\n\t" /* its mark */
        "str %[node], [x9]")
        : : [pc] "r"(pc), [entry] "r"(entry), [node] "r"(node)
        : "x9", "x10", "x11", "x12", "x13", "x16", "x17", "cc", "memory" : miss);
    return true;
miss:
    return false;
}

/* clang-format on */
#endif
