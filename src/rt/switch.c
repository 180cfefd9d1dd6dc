/* SPDX-License-Identifier: MIT */
/* The frame that the first switch to a stack finds. */
#include "switch.h"

#include <pawl/config.h>

#include <stdint.h>
#include <string.h>

void pawl_switch_entry_(void);

#if defined(__x86_64__)
/* As switch_x86_64.S pops it. */
struct frame {
    uint32_t mxcsr;
    uint16_t x87_control, unused;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t return_address;
    uint64_t above[2]; /* the entry point's stack pointer: the multiple of 16 that a call expects */
};

PAWL_STATIC_ASSERT(sizeof(struct frame) == 80, "the entry point begins 16 bytes below the top");

static void control_words(struct frame *frame)
{
    __asm__("stmxcsr %0" : "=m"(frame->mxcsr));
    __asm__("fnstcw %0" : "=m"(frame->x87_control));
}
#elif defined(__aarch64__)
/* As switch_aarch64.S pops it. */
struct frame {
    uint64_t x19, x20_to_28[9], x29, x30;
    uint64_t d8_to_15[8];
    uint64_t fpcr, unused;
};

PAWL_STATIC_ASSERT(sizeof(struct frame) == 176, "as the assembly has it");

static void control_words(struct frame *frame)
{
    __asm__("mrs %0, fpcr" : "=r"(frame->fpcr));
}
#else
/* cppcheck-suppress preprocessorErrorDirective; it does not know for which machine */
#error "fibers need a switch for this machine: see switch_x86_64.S"
#endif

void *pawl_switch_prepare_(void *top, void (*entry)(void *value))
{
    struct frame *frame = (struct frame *)top - 1;

    memset(frame, 0, sizeof *frame);
    control_words(frame); /* who makes a fiber hands on its own */
#if defined(__x86_64__)
    frame->rbx = (uint64_t)(uintptr_t)entry;
    frame->return_address = (uint64_t)(uintptr_t)pawl_switch_entry_;
#else
    frame->x19 = (uint64_t)(uintptr_t)entry;
    frame->x30 = (uint64_t)(uintptr_t)pawl_switch_entry_;
#endif
    return frame;
}
