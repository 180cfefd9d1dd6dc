/* SPDX-License-Identifier: MIT */
/* What differs between processors: the thread pointer, where thread-local variables lie, how a fiber starts, how a
 * signal handler sends the program elsewhere. The switch itself and the noting of registers are in assembly. */
#ifndef PAWL_CHECK_ARCH_H
#define PAWL_CHECK_ARCH_H

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/* SAVED_REGISTERS: those that a call leaves as they were. LINKAGE: bytes that a call puts on the stack.
 * FRAME_WORDS: what the switch between fibers saves there. */
#if defined(__aarch64__)
enum { SAVED_REGISTERS = 19, LINKAGE = 0, FRAME_WORDS = 20 };
void pawl_check_begin(void);
#else
enum { SAVED_REGISTERS = 6, LINKAGE = 8, FRAME_WORDS = 7 };
#endif

static inline uintptr_t arch_thread_pointer(void)
{
    uintptr_t tp;
#if defined(__aarch64__)
    __asm__("mrs %0, tpidr_el0" : "=r"(tp));
#else
    __asm__("movq %%fs:0, %0" : "=r"(tp));
#endif
    return tp;
}

/* The executable's thread-local block: on x86-64 it ends at the thread pointer, on aarch64 it follows two words there. */
static inline char *arch_tls_block(uintptr_t thread_pointer, size_t bytes, size_t alignment)
{
#if defined(__aarch64__)
    (void)bytes;
    return (char *)(thread_pointer + (2 * sizeof(void *) + alignment - 1) / alignment * alignment);
#else
    return (char *)(thread_pointer - (bytes + alignment - 1) / alignment * alignment);
#endif
}

/* Lay out below `top` (a multiple of 16) the frame from which the switch starts entry(), which ends in returned(). */
static inline void *arch_first_frame(uintptr_t *top, void (*entry)(void), void (*returned)(void))
{
#if defined(__aarch64__)
    top -= FRAME_WORDS;
    for (int i = 0; i < FRAME_WORDS; i++)
        top[i] = 0;
    top[1] = (uintptr_t)pawl_check_begin; /* x30 */
    top[2] = (uintptr_t)entry;            /* x19 */
    top[3] = (uintptr_t)returned;         /* x20 */
#else
    *--top = (uintptr_t)returned; /* as after a call: 8 bytes below a multiple of 16 */
    top -= FRAME_WORDS;
    for (int i = 0; i < FRAME_WORDS - 1; i++)
        top[i] = 0;
    top[FRAME_WORDS - 1] = (uintptr_t)entry;
#endif
    return top;
}

static inline uint64_t arch_pc(const ucontext_t *context)
{
#if defined(__aarch64__)
    return context->uc_mcontext.pc;
#else
    return (uint64_t)context->uc_mcontext.gregs[REG_RIP];
#endif
}

/* The interrupted code goes on in to(), as though called with `stack` (a multiple of 16) as its stack's end. */
static inline void arch_go_to(ucontext_t *context, void (*to)(void), char *stack)
{
#if defined(__aarch64__)
    context->uc_mcontext.sp = (uintptr_t)stack;
    context->uc_mcontext.pc = (uintptr_t)to;
#else
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)(stack - 8);
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)to;
#endif
}

#endif
