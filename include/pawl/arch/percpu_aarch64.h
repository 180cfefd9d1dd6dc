/* SPDX-License-Identifier: MIT */
/* The restartable sequences of <pawl/percpu.h> for aarch64. Included by percpu_inline.h only.
 *
 * The shape is the one drawn in percpu_x86_64.h. Registers are fixed so that the text can be read: x9 is
 * the slice, x10 the slot and then scratch, x11 the thread pointer and then scratch, x12 to x15 scratch.
 * A commit that publishes data is `stlr`, and so orders what the sequence stored before it towards other
 * CPUs; the labels of the pairs stand at the C equivalents in src/core/percpu/locked.c. Within the slot no
 * order is needed: the next operation runs on this CPU, or after the barriers of a migration.
 * x16 and x17 are clobbered because a linker's veneer for the way back from an abort handler may use them.
 * The way out to a label is `b.cond`, which reaches 1 MiB; `tbz` would reach 32 KiB only.
 */
#ifndef PAWL_ARCH_PERCPU_AARCH64_H
#define PAWL_ARCH_PERCPU_AARCH64_H

/* clang-format off */

/* "?": in the section group of the function, so that a discarded C++ inline function takes its
 * descriptor along. The signature is `brk #0x45e0`. */
#define PAWL_SEQ_TEXT_(miss, body)                                                                  \
    ".pushsection __rseq_cs, \"aw?\", %%progbits\n\t"                                               \
    ".balign 32\n"                                                                                  \
    "1:\t.long 0, 0\n\t"               /* version, flags */                                         \
    ".quad 3f, 4f - 3f, 5f\n\t"        /* start, length, abort handler */                           \
    ".popsection\n\t"                                                                               \
    ".pushsection __rseq_cs_ptr_array, \"aw?\", %%progbits\n\t"                                     \
    ".quad 1b\n\t"                     /* for debuggers and tools that look for sequences */        \
    ".popsection\n\t"                                                                               \
    ".pushsection __rseq_failure, \"ax?\", %%progbits\n\t"                                          \
    ".inst 0xd428bc00\n"                                                                            \
    "5:\tb 2f\n\t"                                                                                  \
    ".popsection\n"                                                                                 \
    "2:\tadrp x9, 1b\n\t"                                                                           \
    "add x9, x9, :lo12:1b\n\t"                                                                      \
    "mrs x11, tpidr_el0\n\t"                                                                        \
    "ldr x10, [%[pc]]\n\t"             /* rseq_at */                                                \
    "add x10, x10, x11\n\t"                                                                         \
    "str x9, [x10, #8]\n"              /* arm */                                                    \
    "3:\tldr x10, [%[pc], #8]\n\t"     /* index_at */                                               \
    "ldrsw x10, [x11, x10]\n\t"        /* this CPU's slot; -1 and -2: not registered */             \
    "add x9, %[pc], x10, lsl #3\n\t"                                                                \
    "ldr x9, [x9, #64]\n\t"                                                                         \
    "tst x9, #1\n\t"                                                                                \
    "b.ne " miss "\n\t"                                                                             \
    body "\n"                                                                                       \
    "4:\n"

/* Before each store that is private until the commit: tells its address to `pawl rseq-check`, which rejects
 * every other store before the commit. The relocation changes nothing in the text; it keeps the record when
 * the linker collects sections that nobody refers to. */
#define PAWL_SEQ_SCRATCH_                                                                           \
    "10:\n\t"                                                                                       \
    ".pushsection __rseq_scratch, \"aw?\", %%progbits\n\t"                                          \
    ".balign 8\n"                                                                                   \
    "11:\t.quad 10b\n\t"                                                                            \
    ".popsection\n\t"                                                                               \
    ".reloc 10b, R_AARCH64_NONE, 11b\n\t"

/* A sequence without a result leaves through labels of the function. */
#define PAWL_SEQ_GOTO_(body) PAWL_SEQ_TEXT_("%l[miss]", body)
/* A sequence with a result ends behind its commit on every way; an odd x9 says that it missed. */
#define PAWL_SEQ_OUT_(body) PAWL_SEQ_TEXT_("4f", body)

PAWL_SEQ_INLINE_ int pawl_seq_add(struct pawl_percpu *pc, size_t at, long n)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "add x10, x10, %[n]\n\t"
        "str x10, [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [n] "Ir"(n) : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
}

PAWL_SEQ_INLINE_ int pawl_seq_add_via(struct pawl_percpu *pc, size_t at, ptrdiff_t displacement, long n)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "ldr x9, [x9, %[at]]\n\t"
        "cmp x9, #0\n\t"
        "b.eq %l[fail]\n\t"
        "add x9, x9, %[displacement]\n\t"
        "ldr x10, [x9]\n\t"
        "add x10, x10, %[n]\n\t"
        "str x10, [x9]")
        : : [pc] "r"(pc), [at] "r"(at), [displacement] "r"(displacement), [n] "Ir"(n)
        : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_max(struct pawl_percpu *pc, size_t at, long n)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "cmp x10, %[n]\n\t"
        "b.ge 4f\n\t"
        "str %[n], [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [n] "r"(n) : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
}

PAWL_SEQ_INLINE_ int pawl_seq_add_limit(struct pawl_percpu *pc, size_t at, long n, long limit)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "adds x10, x10, %[n]\n\t"
        "csel x10, %[limit], x10, vs\n\t"
        "cmp x10, %[limit]\n\t"
        "csel x10, %[limit], x10, gt\n\t"
        "str x10, [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [n] "Ir"(n), [limit] "r"(limit)
        : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
}

PAWL_SEQ_INLINE_ int pawl_seq_spend(struct pawl_percpu *pc, size_t at, long n)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "cmp x10, %[n]\n\t"
        "b.lt %l[fail]\n\t"
        "sub x10, x10, %[n]\n\t"
        "str x10, [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [n] "r"(n) : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_cas(struct pawl_percpu *pc, size_t at, long expect, long desired)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "cmp x10, %[expect]\n\t"
        "b.ne %l[fail]\n\t"
        "stlr %[desired], [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [expect] "Ir"(expect), [desired] "r"(desired)
        : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_store_unless(struct pawl_percpu *pc, size_t at, long unwanted, long desired)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "cmp x10, %[unwanted]\n\t"
        "b.eq %l[fail]\n\t"
        "stlr %[desired], [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [unwanted] "Ir"(unwanted), [desired] "r"(desired)
        : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss, fail);
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
        "ldr x10, [x9, %[guard_at]]\n\t"
        "cmp x10, %[guard]\n\t"
        "b.ne %l[fail]\n\t"
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "cmp x10, %[expect]\n\t"
        "b.ne %l[fail]\n\t"
        "stlr %[desired], [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [expect] "Ir"(expect), [desired] "r"(desired),
            [guard_at] "r"(guard_at), [guard] "Ir"(guard)
        : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss, fail);
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
        "add x11, x9, %[at]\n\t"
        "ldr x10, [x11]\n\t"
        "cmp x10, %[expect]\n\t"
        "b.ne %l[fail]\n\t"
        PAWL_SEQ_SCRATCH_
        "str %[first], [x9, %[first_at]]\n\t"
        "stlr %[desired], [x11]")
        : : [pc] "r"(pc), [at] "Ir"(at), [expect] "Ir"(expect), [desired] "r"(desired),
            [first_at] "r"(first_at), [first] "r"(first)
        : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

/* x12 counts the bytes copied: whole words while at least 8 are left, then single bytes. */
PAWL_SEQ_INLINE_ int pawl_seq_cas_after_copy(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                             size_t copy_at, const void *source, size_t len)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x11, x9, %[at]\n\t"
        "ldr x10, [x11]\n\t"
        "cmp x10, %[expect]\n\t"
        "b.ne %l[fail]\n\t"
        "add x9, x9, %[copy_at]\n\t"
        "mov x12, #0\n\t"
        "b 7f\n"
        "6:\tldr x10, [%[source], x12]\n\t"
        PAWL_SEQ_SCRATCH_
        "str x10, [x9, x12]\n\t"
        "mov x12, x13\n"
        "7:\tadd x13, x12, #8\n\t"
        "cmp x13, %[len]\n\t"
        "b.ls 6b\n\t"
        "b 9f\n"
        "8:\tldrb w10, [%[source], x12]\n\t"
        PAWL_SEQ_SCRATCH_
        "strb w10, [x9, x12]\n\t"
        "add x12, x12, #1\n"
        "9:\tcmp x12, %[len]\n\t"
        "b.lo 8b\n\t"
        "stlr %[desired], [x11]")
        : : [pc] "r"(pc), [at] "Ir"(at), [expect] "Ir"(expect), [desired] "r"(desired), [copy_at] "Ir"(copy_at),
            [source] "r"(source), [len] "r"(len)
        : "x9", "x10", "x11", "x12", "x13", "x16", "x17", "cc", "memory" : miss, fail);
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
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        PAWL_SEQ_SCRATCH_
        "str x10, [%[last]]\n\t"       /* private: the node is not in the list yet */
        "stlr %[first], [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [first] "r"(first), [last] "r"(last)
        : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
}

PAWL_SEQ_INLINE_ int pawl_seq_stack_push(struct pawl_percpu *pc, size_t at, void *item)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"            /* count */
        "ldr x11, [x9, #8]\n\t"        /* capacity */
        "cmp x10, x11\n\t"
        "b.hs %l[fail]\n\t"
        "add x11, x9, x10, lsl #3\n\t"
        PAWL_SEQ_SCRATCH_
        "str %[item], [x11, #16]\n\t"  /* above count: nobody reads it yet */
        "add x10, x10, #1\n\t"
        "stlr x10, [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [item] "r"(item) : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
fail: PAWL_SEQ_RARE_;
    return -EAGAIN;
}

PAWL_SEQ_INLINE_ int pawl_seq_ring_put(struct pawl_percpu *pc, size_t at, const long *words, size_t count)
{
    __asm__ __volatile__ goto(PAWL_SEQ_GOTO_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"            /* tail */
        "ldr x13, [x9, #8]\n\t"        /* capacity */
        "add x11, x9, #128\n\t"
        "ldar x12, [x11]\n\t"          /* head, acquire R: the reader is done with what lies before it */
        "sub x12, x12, x10\n\t"
        "add x12, x12, x13\n\t"        /* room = capacity - (tail - head) */
        "cmp x12, %[count]\n\t"
        "b.lo %l[fail]\n\t"
        "sub x13, x13, #1\n\t"         /* mask */
        "add x11, x9, #256\n\t"        /* data */
        "mov x12, #0\n\t"
        "b 7f\n"
        "6:\tadd x14, x10, x12\n\t"
        "and x14, x14, x13\n\t"
        "ldr x15, [%[words], x12, lsl #3]\n\t"
        PAWL_SEQ_SCRATCH_
        "str x15, [x11, x14, lsl #3]\n\t" /* beyond tail: the reader does not look there */
        "add x12, x12, #1\n"
        "7:\tcmp x12, %[count]\n\t"
        "b.lo 6b\n\t"
        "add x10, x10, x12\n\t"
        "stlr x10, [x9]")              /* release W */
        : : [pc] "r"(pc), [at] "Ir"(at), [words] "r"(words), [count] "r"(count)
        : "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "cc", "memory" : miss, fail);
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
        "cmp x10, %[slot]\n\t"
        "b.ne %l[elsewhere]\n\t"
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "tst x10, %[mask]\n\t"
        "b.eq %l[fail]\n\t"
        "eor x10, x10, %[mask]\n\t"
        "stlr x10, [x9]")
        : : [pc] "r"(pc), [at] "Ir"(at), [mask] "r"(mask), [slot] "r"(slot)
        : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : miss, elsewhere, fail);
    return 0;
miss: PAWL_SEQ_RARE_;
    return PAWL_SEQ_MISS;
elsewhere:
    return -EXDEV;
fail: PAWL_SEQ_RARE_;
    return -EINVAL;
}

/* The sequences with a result. Outputs are bound to the registers that the text names. */
#define PAWL_SEQ_REGISTER_(type, name, number) register type name __asm__(#number)

PAWL_SEQ_INLINE_ int pawl_seq_load(struct pawl_percpu *pc, size_t at, long *value)
{
    PAWL_SEQ_REGISTER_(uintptr_t, slice, x9);
    PAWL_SEQ_REGISTER_(long, word, x10);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "ldr x10, [x9, %[at]]")
        : "=&r"(slice), "=&r"(word) : [pc] "r"(pc), [at] "r"(at) : "x11", "x16", "x17", "cc", "memory");
    if ((slice & 1) != 0)
        return PAWL_SEQ_MISS;
    *value = word;
    return 0;
}

PAWL_SEQ_INLINE_ int pawl_seq_fetch_add(struct pawl_percpu *pc, size_t at, long n, long *old)
{
    PAWL_SEQ_REGISTER_(uintptr_t, address, x9);
    PAWL_SEQ_REGISTER_(long, word, x10);

    /* `at` is a multiple of 8: the address is as even as the slice */
    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "add x11, x10, %[n]\n\t"
        "str x11, [x9]")
        : "=&r"(address), "=&r"(word) : [pc] "r"(pc), [at] "Ir"(at), [n] "Ir"(n) : "x11", "x16", "x17", "cc", "memory");
    if ((address & 1) != 0)
        return PAWL_SEQ_MISS;
    *old = word;
    return 0;
}

/* Eight words at most go to `words`, the caller's own memory: a restart copies them again. */
PAWL_SEQ_INLINE_ int pawl_seq_snapshot(struct pawl_percpu *pc, size_t at, long *words, size_t count)
{
    PAWL_SEQ_REGISTER_(uintptr_t, address, x9);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x9, x9, %[at]\n\t"
        "mov x10, #0\n"
        "6:\tldr x11, [x9, x10, lsl #3]\n\t"
        PAWL_SEQ_SCRATCH_
        "str x11, [%[words], x10, lsl #3]\n\t"
        "add x10, x10, #1\n\t"
        "cmp x10, %[count]\n\t"
        "b.lo 6b")
        : "=&r"(address) : [pc] "r"(pc), [at] "Ir"(at), [words] "r"(words), [count] "r"(count)
        : "x10", "x11", "x16", "x17", "cc", "memory");
    return (address & 1) != 0 ? PAWL_SEQ_MISS : 0;
}

/* The node, 0 when empty, odd when it missed. */
PAWL_SEQ_INLINE_ uintptr_t pawl_seq_pop(struct pawl_percpu *pc, size_t at)
{
    PAWL_SEQ_REGISTER_(uintptr_t, node, x9);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x10, x9, %[at]\n\t"
        "ldr x9, [x10]\n\t"
        "cbz x9, 4f\n\t"
        "ldr x11, [x9]\n\t"            /* may be stale if the node was popped: then this restarts */
        "str x11, [x10]")
        : "=&r"(node) : [pc] "r"(pc), [at] "Ir"(at) : "x10", "x11", "x16", "x17", "cc", "memory");
    return node;
}

PAWL_SEQ_INLINE_ uintptr_t pawl_seq_pop_all(struct pawl_percpu *pc, size_t at)
{
    PAWL_SEQ_REGISTER_(uintptr_t, node, x9);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x10, x9, %[at]\n\t"
        "ldr x9, [x10]\n\t"
        "cbz x9, 4f\n\t"
        "str xzr, [x10]")
        : "=&r"(node) : [pc] "r"(pc), [at] "Ir"(at) : "x10", "x11", "x16", "x17", "cc", "memory");
    return node;
}

PAWL_SEQ_INLINE_ int pawl_seq_stack_pop(struct pawl_percpu *pc, size_t at, void **item)
{
    PAWL_SEQ_REGISTER_(uintptr_t, address, x9);
    PAWL_SEQ_REGISTER_(size_t, count, x10);
    PAWL_SEQ_REGISTER_(void *, top, x11);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "cbz x10, 4f\n\t"
        "add x11, x9, x10, lsl #3\n\t"
        "ldr x11, [x11, #8]\n\t"       /* item[count - 1] */
        "sub x12, x10, #1\n\t"
        "str x12, [x9]")
        : "=&r"(address), "=&r"(count), "=&r"(top) : [pc] "r"(pc), [at] "Ir"(at) : "x12", "x16", "x17", "cc", "memory");
    if ((address & 1) != 0)
        return PAWL_SEQ_MISS;
    if (count == 0)
        return -EAGAIN;
    *item = top;
    return 0;
}

/* x10: how many. */
PAWL_SEQ_INLINE_ long pawl_seq_stack_push_many(struct pawl_percpu *pc, size_t at, void *const *items, size_t count)
{
    PAWL_SEQ_REGISTER_(uintptr_t, address, x9);
    PAWL_SEQ_REGISTER_(long, moved, x10);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x9, x9, %[at]\n\t"
        "ldr x11, [x9]\n\t"
        "ldr x10, [x9, #8]\n\t"
        "subs x10, x10, x11\n\t"
        "csel x10, x10, xzr, hs\n\t"     /* no room when the caller lowered the capacity */
        "cmp x10, %[count]\n\t"
        "csel x10, x10, %[count], ls\n\t" /* min(room, count) */
        "add x12, x9, x11, lsl #3\n\t"
        "add x12, x12, #16\n\t"
        "add x11, x11, x10\n\t"        /* the new count */
        "mov x13, #0\n\t"
        "b 7f\n"
        "6:\tldr x14, [%[items], x13, lsl #3]\n\t"
        PAWL_SEQ_SCRATCH_
        "str x14, [x12, x13, lsl #3]\n\t" /* above count: nobody reads it yet */
        "add x13, x13, #1\n"
        "7:\tcmp x13, x10\n\t"
        "b.lo 6b\n\t"
        "stlr x11, [x9]")
        : "=&r"(address), "=&r"(moved) : [pc] "r"(pc), [at] "Ir"(at), [items] "r"(items), [count] "r"(count)
        : "x11", "x12", "x13", "x14", "x16", "x17", "cc", "memory");
    return (address & 1) != 0 ? PAWL_SEQ_MISS : moved;
}

PAWL_SEQ_INLINE_ long pawl_seq_stack_pop_many(struct pawl_percpu *pc, size_t at, void **items, size_t count)
{
    PAWL_SEQ_REGISTER_(uintptr_t, address, x9);
    PAWL_SEQ_REGISTER_(long, moved, x10);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x9, x9, %[at]\n\t"
        "ldr x11, [x9]\n\t"
        "cmp x11, %[count]\n\t"
        "csel x10, x11, %[count], ls\n\t" /* min(there, count) */
        "sub x11, x11, x10\n\t"        /* the new count */
        "add x12, x9, x11, lsl #3\n\t"
        "add x12, x12, #16\n\t"
        "mov x13, #0\n\t"
        "b 7f\n"
        "6:\tldr x14, [x12, x13, lsl #3]\n\t"
        PAWL_SEQ_SCRATCH_
        "str x14, [%[items], x13, lsl #3]\n\t" /* the caller's own memory */
        "add x13, x13, #1\n"
        "7:\tcmp x13, x10\n\t"
        "b.lo 6b\n\t"
        "str x11, [x9]")
        : "=&r"(address), "=&r"(moved) : [pc] "r"(pc), [at] "Ir"(at), [items] "r"(items), [count] "r"(count)
        : "x11", "x12", "x13", "x14", "x16", "x17", "cc", "memory");
    return (address & 1) != 0 ? PAWL_SEQ_MISS : moved;
}

/* `*fit` is the block, or NULL. The end must differ from the next free byte below bit `shift` only. */
PAWL_SEQ_INLINE_ int pawl_seq_bump(struct pawl_percpu *pc, size_t at, size_t bytes, unsigned int shift, void **fit)
{
    PAWL_SEQ_REGISTER_(uintptr_t, address, x9);
    PAWL_SEQ_REGISTER_(uintptr_t, next, x10);
    PAWL_SEQ_REGISTER_(uintptr_t, chunks, x11);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x9, x9, %[at]\n\t"
        "ldr x10, [x9]\n\t"
        "mov x11, #1\n\t"              /* no chunk: does not fit */
        "cbz x10, 4f\n\t"
        "add x12, x10, %[bytes]\n\t"
        "eor x11, x10, x12\n\t"
        "lsr x11, x11, %x[shift]\n\t"  /* 0 when both lie in one chunk */
        "cbnz x11, 4f\n\t"
        "str x12, [x9]")
        : "=&r"(address), "=&r"(next), "=&r"(chunks)
        : [pc] "r"(pc), [at] "Ir"(at), [bytes] "r"(bytes), [shift] "r"((unsigned long)shift)
        : "x12", "x16", "x17", "cc", "memory");
    if ((address & 1) != 0)
        return PAWL_SEQ_MISS;
    *fit = chunks == 0 ? (void *)next : NULL;
    return 0;
}

/* x11: the word's number; x12: the bit; x10 stays the slot. */
PAWL_SEQ_INLINE_ long pawl_seq_bit_alloc(struct pawl_percpu *pc, size_t at, size_t words)
{
    PAWL_SEQ_REGISTER_(uintptr_t, address, x9);
    PAWL_SEQ_REGISTER_(unsigned long, slot, x10);
    PAWL_SEQ_REGISTER_(unsigned long, word, x11);
    PAWL_SEQ_REGISTER_(unsigned long, bit, x12);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x9, x9, %[at]\n\t"
        "mov x11, #0\n"
        "6:\tldr x13, [x9, x11, lsl #3]\n\t"
        "mvn x12, x13\n\t"
        "cbnz x12, 7f\n\t"
        "add x11, x11, #1\n\t"
        "cmp x11, %[words]\n\t"
        "b.lo 6b\n\t"
        "b 4f\n"
        "7:\trbit x12, x12\n\t"
        "clz x12, x12\n\t"             /* the lowest clear bit */
        "mov x14, #1\n\t"
        "lsl x14, x14, x12\n\t"
        "orr x13, x13, x14\n\t"
        "add x14, x9, x11, lsl #3\n\t"
        "str x13, [x14]")
        : "=&r"(address), "=&r"(slot), "=&r"(word), "=&r"(bit) : [pc] "r"(pc), [at] "Ir"(at), [words] "r"(words)
        : "x13", "x14", "x16", "x17", "cc", "memory");
    if ((address & 1) != 0)
        return PAWL_SEQ_MISS;
    return word < words ? (long)((slot * words + word) * 64 + bit) : -EAGAIN;
}

/* The address of the lock, 0 when it is not to be had, odd when it missed. */
PAWL_SEQ_INLINE_ uintptr_t pawl_seq_trylock(struct pawl_percpu *pc, size_t at)
{
    PAWL_SEQ_REGISTER_(uintptr_t, lock, x9);

    __asm__ __volatile__(PAWL_SEQ_OUT_(
        "add x10, x9, %[at]\n\t"
        "mov x9, #0\n\t"
        "ldar x11, [x10]\n\t"          /* held, acquire H */
        "add x12, x10, #8\n\t"
        "ldar x12, [x12]\n\t"          /* revoked, acquire V */
        "orr x11, x11, x12\n\t"
        "cbnz x11, 4f\n\t"
        "mov x9, x10\n\t"
        "mov x11, #1\n\t"
        "str x11, [x10]")
        : "=&r"(lock) : [pc] "r"(pc), [at] "Ir"(at) : "x10", "x11", "x12", "x16", "x17", "cc", "memory");
    return lock;
}

#undef PAWL_SEQ_REGISTER_
/* clang-format on */
#endif
