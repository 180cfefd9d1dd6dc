/* SPDX-License-Identifier: MIT */
/* The entry points that read: atomics, volatile variables, what tries or waits. Each notes the callee-saved registers and the stack pointer as
 * the program had them (any C function may already have moved them), then goes on in C: two loads with
 * the same registers and the same stack are the same point of a loop that changed nothing. x16 and x17 belong to
 * nobody across a call. */
    .text
.macro ENTRY name, to
    .globl \name
    .type \name, %function
\name:
    adrp x16, pawl_check_registers
    add x16, x16, :lo12:pawl_check_registers
    stp x19, x20, [x16]
    stp x21, x22, [x16, #16]
    stp x23, x24, [x16, #32]
    stp x25, x26, [x16, #48]
    stp x27, x28, [x16, #64]
    stp d8, d9, [x16, #80]
    stp d10, d11, [x16, #96]
    stp d12, d13, [x16, #112]
    stp d14, d15, [x16, #128]
    mov x17, sp
    stp x29, x17, [x16, #144]
    b \to
    .size \name, .-\name
.endm
#include "tsan_entries.S"
    .section .note.GNU-stack, "", %progbits
