/* SPDX-License-Identifier: MIT */
/* The four statements of <pawl/restartable.h> that are not C, for x86-64. Included by restartable.h only.
 *
 * Everything between them is the compiler's. %rax and %r11 carry no argument, so that arming leaves those
 * where they came. The R_X86_64_NONE relocations change nothing in the text; they keep the records of the
 * tools when the linker collects sections that nobody refers to.
 */
#ifndef PAWL_ARCH_RESTARTABLE_X86_64_H
#define PAWL_ARCH_RESTARTABLE_X86_64_H

/* clang-format off */

/* Arms: from the next instruction on, a preemption goes on at `pawl_rs_aborted`. The first statement of a sequence. */
#define PAWL_RS_ARM_(pc, ...)                                                                       \
    __asm__ __volatile__ goto(PAWL_RS_OPEN_                                                         \
        ".pushsection __rseq_cs, \"aw?\", @progbits\n\t"                                            \
        ".balign 32\n"                                                                              \
        "1:\t.long 0, 0\n\t"               /* version, flags */                                     \
        ".quad 3f, 7705f - 3f, 5f\n\t"     /* start, length, abort handler */                       \
        ".popsection\n\t"                                                                           \
        ".pushsection __rseq_cs_ptr_array, \"aw?\", @progbits\n"                                    \
        "4:\t.quad 1b\n\t"                                                                          \
        ".popsection\n\t"                                                                           \
        ".pushsection __rseq_failure, \"ax?\", @progbits\n\t"                                       \
        ".byte 0x0f, 0xb9, 0x3d\n\t"                                                                \
        ".long 0x53053053\n"                                                                        \
        "5:\tjmp %l[pawl_rs_aborted]\n\t"                                                                \
        ".popsection\n"                                                                             \
        "2:\tleaq 1b(%%rip), %%rax\n\t"                                                             \
        "movq (%[region]), %%r11\n\t"      /* rseq_at */                                            \
        "movq %%rax, %%fs:8(%%r11)\n"      /* arm */                                                \
        "3:\t.reloc 2b, R_X86_64_NONE, 4b"                                                          \
        : : [region] "r"(pc) : "rax", "r11", "memory" : __VA_ARGS__)

/* Behind an abort no register holds what the compiler believes. This one does again. */
#define PAWL_RS_SET_(number, value) __asm__ __volatile__("movq %1, %0" : "=r"(number) : "e"(value))

/* The slot of this CPU, and its word in the region's table. */
#define PAWL_RS_FIND_(pc, slot, word)                                                               \
    __asm__ __volatile__(                                                                           \
        "movq 8(%[region]), %[number]\n\t" /* index_at */                                           \
        "movslq %%fs:(%[number]), %[number]\n\t"                                                    \
        "movq 64(%[region],%[number],8), %[slice]"                                                  \
        : [number] "=&r"(slot), [slice] "=r"(word) : [region] "r"(pc))

/* The commit: the end of the section lies behind it. x86 stores are released by themselves. */
#define PAWL_RS_STORE_LAST_(object, value)                                                          \
    do {                                                                                            \
        if (sizeof(object) == 8)                                                                    \
            __asm__ __volatile__("movq %1, %0\n" PAWL_RS_CLOSE_ : "=m"(object) : "r"(value) : "memory");  \
        else if (sizeof(object) == 4)                                                               \
            __asm__ __volatile__("movl %k1, %0\n" PAWL_RS_CLOSE_ : "=m"(object) : "r"(value) : "memory"); \
        else if (sizeof(object) == 2)                                                               \
            __asm__ __volatile__("movw %w1, %0\n" PAWL_RS_CLOSE_ : "=m"(object) : "r"(value) : "memory"); \
        else                                                                                        \
            __asm__ __volatile__("movb %b1, %0\n" PAWL_RS_CLOSE_ : "=m"(object) : "q"(value) : "memory"); \
    } while (0)

/* A store to private memory, and its record in __rseq_scratch. */
#define PAWL_RS_RECORD_                                                                             \
    "\n\t.pushsection __rseq_scratch, \"aw?\", @progbits\n\t"                                       \
    ".balign 8\n"                                                                                   \
    "2:\t.quad 1b\n\t"                                                                              \
    ".popsection\n\t"                                                                               \
    ".reloc 1b, R_X86_64_NONE, 2b"
#define PAWL_RS_STORE_PRIVATE_(object, value)                                                       \
    do {                                                                                            \
        if (sizeof(object) == 8)                                                                    \
            __asm__ __volatile__("1:\tmovq %1, %0" PAWL_RS_RECORD_ : "=m"(object) : "r"(value));    \
        else if (sizeof(object) == 4)                                                               \
            __asm__ __volatile__("1:\tmovl %k1, %0" PAWL_RS_RECORD_ : "=m"(object) : "r"(value));   \
        else if (sizeof(object) == 2)                                                               \
            __asm__ __volatile__("1:\tmovw %w1, %0" PAWL_RS_RECORD_ : "=m"(object) : "r"(value));   \
        else                                                                                        \
            __asm__ __volatile__("1:\tmovb %b1, %0" PAWL_RS_RECORD_ : "=m"(object) : "q"(value));   \
    } while (0)

/* clang-format on */
#endif
