/* SPDX-License-Identifier: MIT */
/* void *pawl_switch_(void **save, void *to, void *value), in C:
 *
 *     push what a callee preserves; *save = sp; sp = to; pop it; return value;
 *
 * The frame, from the stack pointer up: x19 .. x30, d8 .. d15, fpcr, unused: 176 bytes.
 *
 * The way back is `br` to a register that the processor does not take for a return: its prediction by the last call
 * would be wrong here every time. */
    .text
    .globl pawl_switch_
    .hidden pawl_switch_
    .type pawl_switch_, %function
    .p2align 4
pawl_switch_:
    .cfi_startproc
    sub sp, sp, #176
    .cfi_def_cfa_offset 176
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    .cfi_offset x19, -176
    .cfi_offset x20, -168
    .cfi_offset x21, -160
    .cfi_offset x22, -152
    .cfi_offset x23, -144
    .cfi_offset x24, -136
    .cfi_offset x25, -128
    .cfi_offset x26, -120
    .cfi_offset x27, -112
    .cfi_offset x28, -104
    .cfi_offset x29, -96
    .cfi_offset x30, -88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x4, fpcr
    str x4, [sp, #160]
    mov x3, sp
    str x3, [x0]                    // the old stack is complete
    mov sp, x1                      // on the new one, of which the frame looks the same: so does its description
    ldr x5, [sp, #160]
    cmp x4, x5                      // loading the control word costs more than comparing
    b.eq 1f
    msr fpcr, x5
1:  ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    .cfi_def_cfa_offset 0
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    mov x0, x2                      // what the call on this stack returns
    mov x16, x30                    // a branch target may be entered through x16 under BTI too
    br x16
    .cfi_endproc
    .size pawl_switch_, .-pawl_switch_

// The first frame of a stack: x0 is the value, x19 the function. Nobody called it: a backtrace ends here.
    .globl pawl_switch_entry_
    .hidden pawl_switch_entry_
    .type pawl_switch_entry_, %function
    .p2align 4
pawl_switch_entry_:
    .cfi_startproc
    .cfi_undefined x30
    hint #34                        // bti c
    blr x19
    brk #1                          // it does not return
    .cfi_endproc
    .size pawl_switch_entry_, .-pawl_switch_entry_
    .section .note.GNU-stack, "", %progbits
