/* SPDX-License-Identifier: MIT */
/* The restartable sequences of <pawl/percpu.h> for x86-64. Included by percpu_inline.h only.
 *
 * Every sequence has one shape:
 *
 *      arm:    leaq descriptor, %rax           (2:)
 *              movq %rax, rseq_cs              in the thread's struct rseq: this sequence runs
 *      start:  slot number of this CPU         read inside: a migration restarts (3:)
 *              slice = table[slot]             odd: no slice here, leave
 *              ...                             loads and private stores
 *              one store                       the commit, the last instruction
 *      end:                                    (4:)
 *      abort:  jmp arm                         in __rseq_failure, behind the signature (5:)
 *
 * Registers are fixed so that the text can be read: %rax is the slice, %rcx the slot and then scratch,
 * %rdx, %r8 and %r9 scratch. Addresses that are stored to are in one register without an index: the
 * store-to-load forwarding of current cores is several cycles faster then.
 * x86 stores are released and loads acquired by themselves: the orders that the C equivalents name cost
 * nothing here. The C equivalent of each sequence is its function in src/core/percpu/locked.c.
 */
#ifndef PAWL_ARCH_PERCPU_X86_64_H
#define PAWL_ARCH_PERCPU_X86_64_H

/* clang-format off */

/* "?": in the section group of the function, so that a discarded C++ inline function takes its
 * descriptor along. The signature is the operand of an undefined instruction (ud1).
 * `slot` loads this CPU's slot into %rcx. The allocator has its own way, and no use for the look at the slice's bit. */
#define PAWL_SEQ_FRAME_(slot, body)                                                                 \
    ".pushsection __rseq_cs, \"aw?\", @progbits\n\t"                                                \
    ".balign 32\n"                                                                                  \
    "1:\t.long 0, 0\n\t"               /* version, flags */                                         \
    ".quad 3f, 4f - 3f, 5f\n\t"        /* start, length, abort handler */                           \
    ".popsection\n\t"                                                                               \
    ".pushsection __rseq_cs_ptr_array, \"aw?\", @progbits\n\t"                                      \
    ".quad 1b\n\t"                     /* for debuggers and tools that look for sequences */        \
    ".popsection\n\t"                                                                               \
    ".pushsection __rseq_failure, \"ax?\", @progbits\n\t"                                           \
    ".byte 0x0f, 0xb9, 0x3d\n\t"                                                                    \
    ".long 0x53053053\n"                                                                            \
    "5:\tjmp 2f\n\t"                                                                                \
    ".popsection\n"                                                                                 \
    "2:\tleaq 1b(%%rip), %%rax\n\t"                                                                 \
    "movq %%rax, %%fs:8(%[area])\n"    /* arm */                                                    \
    "3:\t" slot "\n\t"                /* this CPU's, into %rcx; -1 and -2: not registered */         \
    "movq 64(%[pc],%%rcx,8), %%rax\n\t"                                                             \
    body "\n"                                                                                       \
    "4:\n"

#define PAWL_SEQ_TEXT_(miss, body)                                                                  \
    PAWL_SEQ_FRAME_(                                                                                \
        "movq 8(%[pc]), %%rcx\n\t"     /* index_at */                                               \
        "movslq %%fs:(%%rcx), %%rcx",                                                               \
        "testb $1, %%al\n\t"                                                                        \
        "jnz " miss "\n\t"                                                                          \
        body)

/* Before each store that is private until the commit: tells its address to `pawl rseq-check`, which rejects
 * every other store before the commit. The relocation changes nothing in the text; it keeps the record when
 * the linker collects sections that nobody refers to. */
#define PAWL_SEQ_SCRATCH_                                                                           \
    "10:\n\t"                                                                                       \
    ".pushsection __rseq_scratch, \"aw?\", @progbits\n\t"                                           \
    ".balign 8\n"                                                                                   \
    "11:\t.quad 10b\n\t"                                                                            \
    ".popsection\n\t"                                                                               \
    ".reloc 10b, R_X86_64_NONE, 11b\n\t"

/* A sequence without a result leaves through labels of the function. */
#define PAWL_SEQ_GOTO_(body) PAWL_SEQ_TEXT_("%l[miss]", body)
/* A sequence with a result ends behind its commit on every way; an odd %rax says that it missed. */
#define PAWL_SEQ_OUT_(body) PAWL_SEQ_TEXT_("4f", body)

/* Where a thread's struct rseq lies, from its thread pointer: one number for the process. In an executable gcc reads
 * it by a statement that it may take out of a loop and share among operations; not out of the region, which could
 * then be read before a test for NULL. `pc` is an operand: the number is known as soon as a region is.
 * Elsewhere (a shared library; clang, that has no such operand) the variable's address would be loaded first. */
PAWL_SEQ_INLINE_ ptrdiff_t pawl_seq_area(struct pawl_percpu *pc)
{
#if defined(__clang__) || (defined(__PIC__) && !defined(__PIE__))
    return pc->rseq_at;
#else
    ptrdiff_t offset;

    __asm__("movq %a[from], %[offset]" : [offset] "=r"(offset) : [from] "p"(&pawl_rseq_offset), "r"(pc));
    return offset;
#endif
}

#define PAWL_SEQ_REGION_ [pc] "r"(pc), [area] "r"(pawl_seq_area(pc))

PAWL_SEQ_INLINE_ int pawl_seq_add(struct pawl_percpu *pc, size_t at, long n)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "addq %[n], (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [n] "er"(n) : "rax", "rcx", "cc", "memory" : miss);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
}

PAWL_SEQ_INLINE_ int pawl_seq_add_via(struct pawl_percpu *pc, size_t at, ptrdiff_t displacement, long n)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "movq (%%rax,%[at]), %%rax\n\t"
        "testq %%rax, %%rax\n\t"
        "jz %l[fail]\n\t"
        "addq %[displacement], %%rax\n\t"
        "addq %[n], (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "r"(at), [displacement] "er"(displacement), [n] "er"(n)
        : "rax", "rcx", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_max(struct pawl_percpu *pc, size_t at, long n)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "cmpq %[n], (%%rax)\n\t"
        "jge 4f\n\t"
        "movq %[n], (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [n] "er"(n) : "rax", "rcx", "cc", "memory" : miss);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
}

PAWL_SEQ_INLINE_ int pawl_seq_add_limit(struct pawl_percpu *pc, size_t at, long n, long limit)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"
        "addq %[n], %%rcx\n\t"
        "cmovo %[limit], %%rcx\n\t"
        "cmpq %[limit], %%rcx\n\t"
        "cmovg %[limit], %%rcx\n\t"
        "movq %%rcx, (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [n] "er"(n), [limit] "r"(limit)
        : "rax", "rcx", "cc", "memory" : miss);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
}

PAWL_SEQ_INLINE_ int pawl_seq_spend(struct pawl_percpu *pc, size_t at, long n)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"
        "cmpq %[n], %%rcx\n\t"
        "jl %l[fail]\n\t"
        "subq %[n], %%rcx\n\t"
        "movq %%rcx, (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [n] "er"(n) : "rax", "rcx", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_cas(struct pawl_percpu *pc, size_t at, long expect, long desired)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "cmpq %[expect], (%%rax)\n\t"
        "jne %l[fail]\n\t"
        "movq %[desired], (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [expect] "er"(expect), [desired] "er"(desired)
        : "rax", "rcx", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_store_unless(struct pawl_percpu *pc, size_t at, long unwanted, long desired)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "cmpq %[unwanted], (%%rax)\n\t"
        "je %l[fail]\n\t"
        "movq %[desired], (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [unwanted] "er"(unwanted), [desired] "er"(desired)
        : "rax", "rcx", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_cas_if(struct pawl_percpu *pc, size_t at, long expect, long desired, size_t guard_at,
                                     long guard)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "cmpq %[guard], (%%rax,%[guard_at])\n\t"
        "jne %l[fail]\n\t"
        "addq %[at], %%rax\n\t"
        "cmpq %[expect], (%%rax)\n\t"
        "jne %l[fail]\n\t"
        "movq %[desired], (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [expect] "er"(expect), [desired] "er"(desired),
            [guard_at] "r"(guard_at), [guard] "er"(guard)
        : "rax", "rcx", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_cas_after(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                        size_t first_at, long first)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "leaq (%%rax,%[at]), %%rcx\n\t"
        "cmpq %[expect], (%%rcx)\n\t"
        "jne %l[fail]\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %[first], (%%rax,%[first_at])\n\t"
        "movq %[desired], (%%rcx)")
        : : PAWL_SEQ_REGION_, [at] "r"(at), [expect] "er"(expect), [desired] "er"(desired),
            [first_at] "r"(first_at), [first] "er"(first)
        : "rax", "rcx", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

/* %rdx counts the bytes copied: whole words while at least 8 are left, then single bytes. */
PAWL_SEQ_INLINE_ int pawl_seq_cas_after_copy(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                             size_t copy_at, const void *source, size_t len)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "cmpq %[expect], (%%rax,%[at])\n\t"
        "jne %l[fail]\n\t"
        "leaq (%%rax,%[copy_at]), %%rcx\n\t"
        "xorl %%edx, %%edx\n\t"
        "jmp 7f\n"
        "6:\tmovq (%[source],%%rdx), %%r8\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %%r8, (%%rcx,%%rdx)\n\t"
        "movq %%r9, %%rdx\n"
        "7:\tleaq 8(%%rdx), %%r9\n\t"
        "cmpq %[len], %%r9\n\t"
        "jbe 6b\n\t"
        "jmp 9f\n"
        "8:\tmovzbl (%[source],%%rdx), %%r8d\n\t"
        PAWL_SEQ_SCRATCH_
        "movb %%r8b, (%%rcx,%%rdx)\n\t"
        "addq $1, %%rdx\n"
        "9:\tcmpq %[len], %%rdx\n\t"
        "jb 8b\n\t"
        "addq %[at], %%rax\n\t"
        "movq %[desired], (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "r"(at), [expect] "er"(expect), [desired] "er"(desired),
            [copy_at] "r"(copy_at), [source] "r"(source), [len] "er"(len)
        : "rax", "rcx", "rdx", "r8", "r9", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_push_chain(struct pawl_percpu *pc, size_t at, struct pawl_percpu_node *first,
                                         struct pawl_percpu_node *last)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %%rcx, (%[last])\n\t"    /* private: the node is not in the list yet */
        "movq %[first], (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [first] "r"(first), [last] "r"(last)
        : "rax", "rcx", "cc", "memory" : miss);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
}

PAWL_SEQ_INLINE_ int pawl_seq_stack_push(struct pawl_percpu *pc, size_t at, void *item)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"
        "cmpq 8(%%rax), %%rcx\n\t"
        "jae %l[fail]\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %[item], 16(%%rax,%%rcx,8)\n\t" /* above count: nobody reads it yet */
        "addq $1, %%rcx\n\t"
        "movq %%rcx, (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [item] "er"(item) : "rax", "rcx", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_ring_put(struct pawl_percpu *pc, size_t at, const long *words, size_t count)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"          /* tail */
        "movq 8(%%rax), %%r9\n\t"          /* capacity */
        "movq 128(%%rax), %%rdx\n\t"       /* head: the reader is done with what lies before it */
        "subq %%rcx, %%rdx\n\t"
        "addq %%r9, %%rdx\n\t"             /* room = capacity - (tail - head) */
        "cmpq %[count], %%rdx\n\t"
        "jb %l[fail]\n\t"
        "subq $1, %%r9\n\t"                /* mask */
        "xorl %%edx, %%edx\n\t"
        "jmp 7f\n"
        "6:\tleaq (%%rcx,%%rdx), %%r8\n\t"
        "andq %%r9, %%r8\n\t"
        "movq (%[words],%%rdx,8), %%r10\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %%r10, 256(%%rax,%%r8,8)\n\t" /* beyond tail: the reader does not look there */
        "addq $1, %%rdx\n"
        "7:\tcmpq %[count], %%rdx\n\t"
        "jb 6b\n\t"
        "addq %%rdx, %%rcx\n\t"
        "movq %%rcx, (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [words] "r"(words), [count] "r"(count)
        : "rax", "rcx", "rdx", "r8", "r9", "r10", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

/* Clears `mask` in the word at `at`, on this slot only. */
PAWL_SEQ_INLINE_ int pawl_seq_bit_free(struct pawl_percpu *pc, size_t at, unsigned long mask, long slot)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "cmpq %[slot], %%rcx\n\t"
        "jne %l[elsewhere]\n\t"
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"
        "testq %[mask], %%rcx\n\t"
        "jz %l[fail]\n\t"
        "xorq %[mask], %%rcx\n\t"
        "movq %%rcx, (%%rax)")
        : : PAWL_SEQ_REGION_, [at] "er"(at), [mask] "r"(mask), [slot] "r"(slot)
        : "rax", "rcx", "cc", "memory" : miss, elsewhere, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
elsewhere:
    return -EXDEV;
fail: PAWL_SEQ_RARE_;
    return -EINVAL;
}

/* The sequences with a result. */

PAWL_SEQ_INLINE_ int pawl_seq_load(struct pawl_percpu *pc, size_t at, long *value)
{
    uintptr_t slice;
    long word;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "movq (%%rax,%[at]), %%rdx")
        : "=&a"(slice), "=&d"(word) : PAWL_SEQ_REGION_, [at] "r"(at) : "rcx", "cc", "memory");
    if ((slice & 1) != 0)
        return PAWL_SEQ_MISS;
    *value = word;
    return 0;
}

PAWL_SEQ_INLINE_ int pawl_seq_fetch_add(struct pawl_percpu *pc, size_t at, long n, long *old)
{
    uintptr_t address;
    long word;

    /* `at` is a multiple of 8: the address is as even as the slice */
    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rdx\n\t"
        "leaq (%%rdx,%[n]), %%rcx\n\t"
        "movq %%rcx, (%%rax)")
        : "=&a"(address), "=&d"(word) : PAWL_SEQ_REGION_, [at] "er"(at), [n] "r"(n) : "rcx", "cc", "memory");
    if ((address & 1) != 0)
        return PAWL_SEQ_MISS;
    *old = word;
    return 0;
}

/* Eight words at most go to `words`, the caller's own memory: a restart copies them again. */
PAWL_SEQ_INLINE_ int pawl_seq_snapshot(struct pawl_percpu *pc, size_t at, long *words, size_t count)
{
    uintptr_t address;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "addq %[at], %%rax\n\t"
        "xorl %%ecx, %%ecx\n"
        "6:\tmovq (%%rax,%%rcx,8), %%rdx\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %%rdx, (%[words],%%rcx,8)\n\t"
        "addq $1, %%rcx\n\t"
        "cmpq %[count], %%rcx\n\t"
        "jb 6b")
        : "=&a"(address) : PAWL_SEQ_REGION_, [at] "er"(at), [words] "r"(words), [count] "r"(count)
        : "rcx", "rdx", "cc", "memory");
    return (address & 1) != 0 ? PAWL_SEQ_MISS : 0;
}

/* The node, 0 when empty, odd when it missed. */
PAWL_SEQ_INLINE_ uintptr_t pawl_seq_pop(struct pawl_percpu *pc, size_t at)
{
    uintptr_t node;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "leaq (%%rax,%[at]), %%rcx\n\t"
        "movq (%%rcx), %%rax\n\t"
        "testq %%rax, %%rax\n\t"
        "jz 4f\n\t"
        "movq (%%rax), %%rdx\n\t"      /* may be stale if the node was popped: then this restarts */
        "movq %%rdx, (%%rcx)")
        : "=&a"(node) : PAWL_SEQ_REGION_, [at] "r"(at) : "rcx", "rdx", "cc", "memory");
    return node;
}

PAWL_SEQ_INLINE_ uintptr_t pawl_seq_pop_all(struct pawl_percpu *pc, size_t at)
{
    uintptr_t node;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "leaq (%%rax,%[at]), %%rcx\n\t"
        "movq (%%rcx), %%rax\n\t"
        "testq %%rax, %%rax\n\t"
        "jz 4f\n\t"
        "movq $0, (%%rcx)")
        : "=&a"(node) : PAWL_SEQ_REGION_, [at] "r"(at) : "rcx", "cc", "memory");
    return node;
}

PAWL_SEQ_INLINE_ int pawl_seq_stack_pop(struct pawl_percpu *pc, size_t at, void **item)
{
    uintptr_t address;
    size_t count;
    void *top;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"
        "testq %%rcx, %%rcx\n\t"
        "jz 4f\n\t"
        "movq 8(%%rax,%%rcx,8), %%rdx\n\t" /* item[count - 1] */
        "leaq -1(%%rcx), %%r8\n\t"
        "movq %%r8, (%%rax)")
        : "=&a"(address), "=&c"(count), "=&d"(top) : PAWL_SEQ_REGION_, [at] "er"(at) : "r8", "cc", "memory");
    if ((address & 1) != 0)
        return PAWL_SEQ_MISS;
    if (count == 0)
        return -EAGAIN;
    *item = top;
    return 0;
}

/* %rdx: how many. */
PAWL_SEQ_INLINE_ long pawl_seq_stack_push_many(struct pawl_percpu *pc, size_t at, void *const *items, size_t count)
{
    uintptr_t address;
    long moved;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"
        "movq 8(%%rax), %%rdx\n\t"
        "xorl %%r9d, %%r9d\n\t"
        "subq %%rcx, %%rdx\n\t"
        "cmovbq %%r9, %%rdx\n\t"          /* no room when the caller lowered the capacity */
        "cmpq %[count], %%rdx\n\t"
        "cmovaq %[count], %%rdx\n\t"      /* min(room, count) */
        "leaq 16(%%rax,%%rcx,8), %%r8\n\t"
        "addq %%rdx, %%rcx\n\t"           /* the new count */
        "jmp 7f\n"
        "6:\tmovq (%[items],%%r9,8), %%r10\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %%r10, (%%r8,%%r9,8)\n\t"   /* above count: nobody reads it yet */
        "addq $1, %%r9\n"
        "7:\tcmpq %%rdx, %%r9\n\t"
        "jb 6b\n\t"
        "movq %%rcx, (%%rax)")
        : "=&a"(address), "=&d"(moved) : PAWL_SEQ_REGION_, [at] "er"(at), [items] "r"(items), [count] "r"(count)
        : "rcx", "r8", "r9", "r10", "cc", "memory");
    return (address & 1) != 0 ? PAWL_SEQ_MISS : moved;
}

PAWL_SEQ_INLINE_ long pawl_seq_stack_pop_many(struct pawl_percpu *pc, size_t at, void **items, size_t count)
{
    uintptr_t address;
    long moved;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rcx\n\t"
        "movq %%rcx, %%rdx\n\t"
        "cmpq %[count], %%rdx\n\t"
        "cmovaq %[count], %%rdx\n\t"      /* min(there, count) */
        "subq %%rdx, %%rcx\n\t"           /* the new count */
        "leaq 16(%%rax,%%rcx,8), %%r8\n\t"
        "xorl %%r9d, %%r9d\n\t"
        "jmp 7f\n"
        "6:\tmovq (%%r8,%%r9,8), %%r10\n\t"
        PAWL_SEQ_SCRATCH_
        "movq %%r10, (%[items],%%r9,8)\n\t" /* the caller's own memory */
        "addq $1, %%r9\n"
        "7:\tcmpq %%rdx, %%r9\n\t"
        "jb 6b\n\t"
        "movq %%rcx, (%%rax)")
        : "=&a"(address), "=&d"(moved) : PAWL_SEQ_REGION_, [at] "er"(at), [items] "r"(items), [count] "r"(count)
        : "rcx", "r8", "r9", "r10", "cc", "memory");
    return (address & 1) != 0 ? PAWL_SEQ_MISS : moved;
}

/* `*fit` is the block, or NULL. The end must differ from the next free byte below bit `shift` only. */
PAWL_SEQ_INLINE_ int pawl_seq_bump(struct pawl_percpu *pc, size_t at, size_t bytes, unsigned int shift, void **fit)
{
    uintptr_t address;
    uintptr_t next;
    uintptr_t chunks;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "addq %[at], %%rax\n\t"
        "movq (%%rax), %%rdx\n\t"
        "movl $1, %%ecx\n\t"              /* no chunk: does not fit */
        "testq %%rdx, %%rdx\n\t"
        "jz 4f\n\t"
        "leaq (%%rdx,%[bytes]), %%r8\n\t"
        "movq %%rdx, %%r9\n\t"
        "xorq %%r8, %%r9\n\t"
        "movl %[shift], %%ecx\n\t"
        "shrq %%cl, %%r9\n\t"
        "movq %%r9, %%rcx\n\t"            /* 0 when both lie in one chunk */
        "jnz 4f\n\t"
        "movq %%r8, (%%rax)")
        : "=&a"(address), "=&d"(next), "=&c"(chunks)
        : PAWL_SEQ_REGION_, [at] "er"(at), [bytes] "r"(bytes), [shift] "r"(shift) : "r8", "r9", "cc", "memory");
    if ((address & 1) != 0)
        return PAWL_SEQ_MISS;
    *fit = chunks == 0 ? (void *)next : NULL;
    return 0;
}

/* %rdx: the word's number; %r8: the word; %rcx stays the slot. */
PAWL_SEQ_INLINE_ long pawl_seq_bit_alloc(struct pawl_percpu *pc, size_t at, size_t words)
{
    uintptr_t address;
    unsigned long slot;
    unsigned long word;
    unsigned long bit;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "addq %[at], %%rax\n\t"
        "xorl %%edx, %%edx\n"
        "6:\tmovq (%%rax,%%rdx,8), %%r8\n\t"
        "movq %%r8, %[bit]\n\t"
        "notq %[bit]\n\t"
        "bsfq %[bit], %[bit]\n\t"         /* the lowest clear bit; ZF: there is none */
        "jnz 7f\n\t"
        "addq $1, %%rdx\n\t"
        "cmpq %[words], %%rdx\n\t"
        "jb 6b\n\t"
        "jmp 4f\n"
        "7:\tbtsq %[bit], %%r8\n\t"
        "movq %%r8, (%%rax,%%rdx,8)")
        : "=&a"(address), "=&c"(slot), "=&d"(word), [bit] "=&r"(bit)
        : PAWL_SEQ_REGION_, [at] "er"(at), [words] "r"(words) : "r8", "cc", "memory");
    if ((address & 1) != 0)
        return PAWL_SEQ_MISS;
    return word < words ? (long)((slot * words + word) * 64 + bit) : -EAGAIN;
}

/* The address of the lock, 0 when it is not to be had, odd when it missed. */
PAWL_SEQ_INLINE_ uintptr_t pawl_seq_trylock(struct pawl_percpu *pc, size_t at)
{
    uintptr_t lock;

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "leaq (%%rax,%[at]), %%rcx\n\t"
        "xorl %%eax, %%eax\n\t"
        "movq (%%rcx), %%rdx\n\t"         /* held */
        "orq 8(%%rcx), %%rdx\n\t"         /* revoked */
        "jnz 4f\n\t"
        "movq %%rcx, %%rax\n\t"
        "movq $1, (%%rcx)")
        : "=&a"(lock) : PAWL_SEQ_REGION_, [at] "r"(at) : "rcx", "rdx", "cc", "memory");
    return lock;
}
/* clang-format on */
#endif
