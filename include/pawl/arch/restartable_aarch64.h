/* SPDX-License-Identifier: MIT */
/* The four statements of <pawl/restartable.h> that are not C, for aarch64. Included by restartable.h only.
 * The shape is that of restartable_x86_64.h. x9 to x11 carry no argument. The commit is `stlr`, which orders
 * what the sequence stored before it towards other CPUs. */
#ifndef PAWL_ARCH_RESTARTABLE_AARCH64_H
#define PAWL_ARCH_RESTARTABLE_AARCH64_H

/* clang-format off */

#define PAWL_RS_ARM_(pc, ...)                                                                       \
    __asm__ __volatile__ goto(PAWL_RS_OPEN_                                                         \
        ".pushsection __rseq_cs, \"aw?\", %%progbits\n\t"                                           \
        ".balign 32\n"                                                                              \
        "1:\t.long 0, 0\n\t"               /* version, flags */                                     \
        ".quad 3f, 7705f - 3f, 5f\n\t"     /* start, length, abort handler */                       \
        ".popsection\n\t"                                                                           \
        ".pushsection __rseq_cs_ptr_array, \"aw?\", %%progbits\n"                                   \
        "4:\t.quad 1b\n\t"                                                                          \
        ".popsection\n\t"                                                                           \
        ".pushsection __rseq_failure, \"ax?\", %%progbits\n\t"                                      \
        ".inst 0xd428bc00\n"                                                                        \
        "5:\tb %l[pawl_rs_aborted]\n\t"                                                                  \
        ".popsection\n"                                                                             \
        "2:\tadrp x9, 1b\n\t"                                                                       \
        "add x9, x9, :lo12:1b\n\t"                                                                  \
        "mrs x11, tpidr_el0\n\t"                                                                    \
        "ldr x10, [%[region]]\n\t"         /* rseq_at */                                            \
        "add x10, x10, x11\n\t"                                                                     \
        "str x9, [x10, #8]\n"              /* arm */                                                \
        "3:\t.reloc 2b, R_AARCH64_NONE, 4b"                                                         \
        : : [region] "r"(pc) : "x9", "x10", "x11", "memory" : __VA_ARGS__)

#define PAWL_RS_SET_(number, value) __asm__ __volatile__("mov %0, %1" : "=r"(number) : "n"(value))

#define PAWL_RS_FIND_(pc, slot, word)                                                               \
    do {                                                                                            \
        unsigned long pawl_rs_self_;                                                                \
        __asm__ __volatile__(                                                                       \
            "ldr %[number], [%[region], #8]\n\t" /* index_at */                                     \
            "mrs %[self], tpidr_el0\n\t"                                                            \
            "ldrsw %[number], [%[self], %[number]]\n\t"                                             \
            "add %[self], %[region], %[number], lsl #3\n\t"                                         \
            "ldr %[slice], [%[self], #64]"                                                          \
            : [number] "=&r"(slot), [slice] "=r"(word), [self] "=&r"(pawl_rs_self_) : [region] "r"(pc));  \
    } while (0)

#define PAWL_RS_STORE_LAST_(object, value)                                                          \
    do {                                                                                            \
        if (sizeof(object) == 8)                                                                    \
            __asm__ __volatile__("stlr %x1, %0\n" PAWL_RS_CLOSE_ : "=Q"(object) : "rZ"(value) : "memory");  \
        else if (sizeof(object) == 4)                                                               \
            __asm__ __volatile__("stlr %w1, %0\n" PAWL_RS_CLOSE_ : "=Q"(object) : "rZ"(value) : "memory");  \
        else if (sizeof(object) == 2)                                                               \
            __asm__ __volatile__("stlrh %w1, %0\n" PAWL_RS_CLOSE_ : "=Q"(object) : "rZ"(value) : "memory"); \
        else                                                                                        \
            __asm__ __volatile__("stlrb %w1, %0\n" PAWL_RS_CLOSE_ : "=Q"(object) : "rZ"(value) : "memory"); \
    } while (0)

#define PAWL_RS_RECORD_                                                                             \
    "\n\t.pushsection __rseq_scratch, \"aw?\", %%progbits\n\t"                                      \
    ".balign 8\n"                                                                                   \
    "2:\t.quad 1b\n\t"                                                                              \
    ".popsection\n\t"                                                                               \
    ".reloc 1b, R_AARCH64_NONE, 2b"
#define PAWL_RS_STORE_PRIVATE_(object, value)                                                       \
    do {                                                                                            \
        if (sizeof(object) == 8)                                                                    \
            __asm__ __volatile__("1:\tstr %x1, %0" PAWL_RS_RECORD_ : "=m"(object) : "rZ"(value));   \
        else if (sizeof(object) == 4)                                                               \
            __asm__ __volatile__("1:\tstr %w1, %0" PAWL_RS_RECORD_ : "=m"(object) : "rZ"(value));   \
        else if (sizeof(object) == 2)                                                               \
            __asm__ __volatile__("1:\tstrh %w1, %0" PAWL_RS_RECORD_ : "=m"(object) : "rZ"(value));  \
        else                                                                                        \
            __asm__ __volatile__("1:\tstrb %w1, %0" PAWL_RS_RECORD_ : "=m"(object) : "rZ"(value));  \
    } while (0)

/* clang-format on */
#endif
