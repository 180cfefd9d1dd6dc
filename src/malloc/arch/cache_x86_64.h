/* SPDX-License-Identifier: MIT */
/* The two sequences of the allocator for x86-64; their frame is that of <pawl/arch/percpu_x86_64.h>.
 * The C equivalents are cache_take and cache_give in cache.h. */
#ifndef PAWL_MALLOC_ARCH_CACHE_X86_64_H
#define PAWL_MALLOC_ARCH_CACHE_X86_64_H

/* clang-format off */

/* What the frame needs of the region comes in registers, loaded at once: a store whose address is known late, such as
 * that of the chain, holds up loads behind it. No slot is looked at whether it is odd: see CACHE_NOWHERE. */
#define CACHE_SEQ_(body) PAWL_SEQ_FRAME_("movslq %%fs:(%[index]), %%rcx", body)
#define CACHE_SEQ_TABLE_ [pc] "r"(pc), [area] "r"(pc->rseq_at), [index] "r"(pc->index_at)

/* Pops the first node of an entry. The end of chains: empty, or no cache here. (Of an empty chain the
 * end is popped, and followed by itself.) */
static inline __attribute__((always_inline)) struct node *cache_seq_take(struct pawl_percpu *pc, size_t entry)
{
    struct node *node;

    __asm__ __volatile__(CACHE_SEQ_(
        "leaq (%%rax,%[entry],8), %%rdx\n\t"
        "movq (%%rdx), %%rax\n\t"        /* the entry's chain */
        "movq (%%rax), %%rcx\n\t"        /* may be stale if the node was taken: then this restarts */
        "movq %%rcx, (%%rdx)")
        : "=&a"(node) : CACHE_SEQ_TABLE_, [entry] "r"(entry) : "rcx", "rdx", "cc", "memory");
    return node;
}

/* Pushes a node, unless the chain has reached the entry's limit, or begins with this node, or there is no
 * cache here: false. */
static inline __attribute__((always_inline)) bool cache_seq_give(struct pawl_percpu *pc, size_t entry,
                                                               struct node *node)
{
    uint64_t mark = (uint64_t)mark_of(node) << 32; /* beside its length: one store less than two */

    __asm__ __volatile__ goto(CACHE_SEQ_(
        "leaq (%%rax,%[entry],8), %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"          /* the entry's chain */
        "cmpq %[node], %%rcx\n\t"         /* freed twice in a row: the slow path says so */
        "je %l[miss]\n\t"
        "movl 8(%%rcx), %%edx\n\t"         /* its length, as its first node says */
        "cmpl 8(%%rax), %%edx\n\t"         /* the entry's limit */
        "jae %l[miss]\n\t"
        "leaq 1(%%rdx,%[mark]), %%rdx\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %%rcx, (%[node])\n\t"        /* private: the node is in no chain yet */
        PAWL_SEQ_SCRATCH_
        "movq %%rdx, 8(%[node])\n\t"       /* length and mark */
        "movq %[node], (%%rax)")
        : : CACHE_SEQ_TABLE_, [entry] "r"(entry), [node] "r"(node), [mark] "r"(mark)
        : "rax", "rcx", "rdx", "cc", "memory" : miss);
    return true;
miss:
    return false;
}

/* clang-format on */
#endif
