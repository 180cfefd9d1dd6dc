/* SPDX-License-Identifier: MIT */
/* The two sequences of the allocator for x86-64; their frame is that of <pawl/arch/percpu_x86_64.h>.
 * The C equivalents are cache_take and cache_give in cache.h. */
#ifndef PAWL_MALLOC_ARCH_CACHE_X86_64_H
#define PAWL_MALLOC_ARCH_CACHE_X86_64_H

/* clang-format off */

/* Pops the first node of the entry at `at`. NULL: empty, or no cache here.
 * The node is the sequence's result on every way out. Without a cache the way leads through a cold block
 * that clears it: what an aborted try had loaded must not be taken for the result. (Not an `asm goto` with
 * outputs, which gcc 12 gets wrong on the jumps.) */
static inline __attribute__((always_inline)) struct node *cache_seq_take(struct pawl_percpu *pc, size_t at)
{
    struct node *node;
    uintptr_t address;

    __asm__ __volatile__(PAWL_SEQ_TEXT_("8f",
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rdx\n\t"        /* the entry's chain */
        "testq %%rdx, %%rdx\n\t"
        "jz 4f\n\t"
        "movq (%%rdx), %%rcx\n\t"        /* may be stale if the node was taken: then this restarts */
        "movq %%rcx, (%%rax)")
        ".pushsection .text.unlikely, \"ax\", @progbits\n"
        "8:\txorl %%edx, %%edx\n\t"
        "jmp 4b\n\t"
        ".popsection"
        : "=&a"(address), "=&d"(node) : [pc] "r"(pc), [at] "er"(at) : "rcx", "cc", "memory");
    return node;
}

/* Pushes a node, unless the chain has reached the entry's limit, or begins with this node, or there is no
 * cache here: false. */
static inline __attribute__((always_inline)) bool cache_seq_give(struct pawl_percpu *pc, size_t at,
                                                               struct node *node)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"          /* the entry's chain */
        "xorl %%edx, %%edx\n\t"            /* and its length: 0 when it is empty, */
        "testq %%rcx, %%rcx\n\t"
        "jz 6f\n\t"
        "cmpq %[node], %%rcx\n\t"         /* freed twice in a row: the slow path says so */
        "je %l[miss]\n\t"
        "movl 8(%%rcx), %%edx\n"           /* else as its first node says */
        "6:\tcmpl 8(%%rax), %%edx\n\t"     /* the entry's limit */
        "jae %l[miss]\n\t"
        "addl $1, %%edx\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %%rcx, (%[node])\n\t"        /* private: the node is in no chain yet */
        PAWL_SEQ_SCRATCH_
        "movl %%edx, 8(%[node])\n\t"
        "movq %[node], (%%rax)")
        : : [pc] "r"(pc), [at] "er"(at), [node] "r"(node) : "rax", "rcx", "rdx", "cc", "memory" : miss);
    return true;
miss:
    return false;
}

/* clang-format on */
#endif
