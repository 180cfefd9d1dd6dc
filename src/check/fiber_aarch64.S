/* SPDX-License-Identifier: MIT */
/* void pawl_check_switch(void **save_sp, void *to_sp, uintptr_t thread_pointer, long fsgsbase)
 *
 * Save the callee-saved registers on the old stack, load the other thread pointer, load the registers
 * from the new stack: FRAME_WORDS words (fiber_arch.h). The last argument is for x86-64. */
    .text
    .globl pawl_check_switch
    .hidden pawl_check_switch
    .type pawl_check_switch, %function
pawl_check_switch:
    stp x29, x30, [sp, #-160]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    msr tpidr_el0, x2
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    ret
    .size pawl_check_switch, .-pawl_check_switch

/* Where a new fiber begins: calls what is in x19, which returns to what is in x20. */
    .globl pawl_check_begin
    .hidden pawl_check_begin
    .type pawl_check_begin, %function
pawl_check_begin:
    mov x30, x20
    br x19
    .size pawl_check_begin, .-pawl_check_begin
    .section .note.GNU-stack, "", %progbits
