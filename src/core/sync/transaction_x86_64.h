/* SPDX-License-Identifier: MIT */
/* Transactions by Intel's Restricted Transactional Memory. Included by transaction.h only.
 *
 * xbegin puts what went wrong into eax and continues at its operand, with all other registers and all memory
 * as they were; after a start eax stays as it was. Written with the operand behind the instruction itself, both ways
 * go on at the same place, and eax tells them apart: in C it is a function that returns again. Everything is clobbered
 * as memory, so that nothing is moved out of, or into, a transaction. */
#ifndef PAWL_CORE_SYNC_TRANSACTION_X86_64_H
#define PAWL_CORE_SYNC_TRANSACTION_X86_64_H

#include <cpuid.h>
#include <stdbool.h>

#define TRANSACTION_OUR_CODE 0x7e /* of xabort: the lock is taken */

/* CPUID leaf 7: the instructions are there, and are not made to abort always (a microcode's cure of TSX's errata). */
static inline bool transaction_supported(void)
{
    enum { LEAF = 7, RTM = 1 << 11 /* ebx */, ALWAYS_ABORT = 1 << 11 /* edx */ };
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid_count(LEAF, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & RTM) != 0 &&
           (edx & ALWAYS_ABORT) == 0;
}

/* TRANSACTION_STARTED, or the reasons of an abort. */
static inline unsigned transaction_begin(void)
{
    enum { CODE_SHIFT = 24 };
    unsigned status = TRANSACTION_STARTED;

    __asm__ __volatile__("xbegin 1f\n" /* an abort comes back to 1, with the reasons in eax */
                         "1:"
                         : "+a"(status)
                         :
                         : "memory");
    if (status == TRANSACTION_STARTED || (status & TRANSACTION_EXPLICIT) == 0)
        return status;
    /* Somebody else's xabort says nothing about our lock. */
    return status >> CODE_SHIFT == TRANSACTION_OUR_CODE ? TRANSACTION_EXPLICIT : 0;
}

/* Undoes everything and returns from transaction_begin. Outside of a transaction it does nothing. */
static inline unsigned transaction_abort(void)
{
    __asm__ __volatile__("xabort %0" /* the code comes back in bits 24 to 31 */
                         :
                         : "i"(TRANSACTION_OUR_CODE)
                         : "memory");
    return TRANSACTION_EXPLICIT;
}

/* By who is inside, and has begun nothing here: returns from the transaction_begin of the outermost one. */
static inline void transaction_abort_outer(void)
{
    (void)transaction_abort();
}

/* Commits the outermost one. */
static inline void transaction_end(void)
{
    __asm__ __volatile__("xend" ::: "memory");
}

static inline bool transaction_inside(void)
{
    bool inside;

    __asm__ __volatile__("xtest" /* clears the zero flag inside */
                         : "=@ccnz"(inside));
    return inside;
}

#endif
