/* SPDX-License-Identifier: MIT */
/* The restartable sections of this program, as the compiler emitted their descriptors. */
#ifndef PAWL_TESTS_INTERRUPT_SECTIONS_H
#define PAWL_TESTS_INTERRUPT_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A descriptor, as rseq(2) lays it out. A thread is in the section while its next instruction lies in
 * [start, start + length); the last instruction is the commit. */
struct section {
    uint32_t version;
    uint32_t flags;
    uint64_t start;
    uint64_t length;
    uint64_t abort;
} __attribute__((aligned(32)));

/* Every section of the program, in the order of the linker. */
extern const struct section __start___rseq_cs[] __attribute__((weak));
extern const struct section __stop___rseq_cs[] __attribute__((weak));

static inline size_t section_count(void)
{
    return __start___rseq_cs == NULL ? 0 : (size_t)(__stop___rseq_cs - __start___rseq_cs);
}

static inline bool section_holds(const struct section *section, uintptr_t ip)
{
    return ip - section->start < section->length;
}

/* The section that holds the instruction, or NULL. */
static inline const struct section *section_of(uintptr_t ip)
{
    for (size_t i = 0; i < section_count(); i++)
        if (section_holds(&__start___rseq_cs[i], ip))
            return &__start___rseq_cs[i];
    return NULL;
}

#endif
