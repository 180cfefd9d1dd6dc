/* SPDX-License-Identifier: MIT */
/* The entry points that read: atomics, volatile variables, what tries or waits. Each notes the callee-saved registers and the stack pointer as
 * the program had them (any C function may already have moved them), then goes on in C: two loads with
 * the same registers and the same stack are the same point of a loop that changed nothing. */
    .text
.macro ENTRY name, to
    .globl \name
    .type \name, @function
\name:
    movq %rbx, pawl_check_registers(%rip)
    movq %rbp, pawl_check_registers+8(%rip)
    movq %r12, pawl_check_registers+16(%rip)
    movq %r13, pawl_check_registers+24(%rip)
    movq %r14, pawl_check_registers+32(%rip)
    movq %r15, pawl_check_registers+40(%rip)
    movq %rsp, pawl_check_registers+48(%rip)
    jmp \to
    .size \name, .-\name
.endm
#include "tsan_entries.S"
    .section .note.GNU-stack, "", @progbits
