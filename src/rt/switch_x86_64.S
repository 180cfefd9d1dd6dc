/* SPDX-License-Identifier: MIT */
/* void *pawl_switch_(void **save, void *to, void *value), in C:
 *
 *     push what a callee preserves; *save = sp; sp = to; pop it; return value;
 *
 * The frame, from the stack pointer up: mxcsr, x87 control word, r15 r14 r13 r12 rbx rbp, return address.
 *
 * The way back is a jump through a register: the processor predicts a return by the last call, which is wrong here every
 * time. This file does not say that it supports shadow stacks (no note.gnu.property), so the linker does not mark
 * the library so, and the loader leaves them off in a program with it. */
    .text
    .globl pawl_switch_
    .hidden pawl_switch_
    .type pawl_switch_, @function
    .p2align 4
pawl_switch_:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movl (%rsp), %eax               /* ours */
    movzwl 4(%rsp), %ecx
    movq %rsp, (%rdi)               /* the old stack is complete */
    movq %rsi, %rsp                 /* on the new one, of which the frame looks the same: so does its description */
    xorl (%rsp), %eax
    testl $0xffc0, %eax             /* the control half of mxcsr; loading it costs more than comparing */
    jnz 3f
1:  cmpw 4(%rsp), %cx
    jne 4f
2:  addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    movq %rdx, %rax                 /* what the call on this stack returns */
    popq %rcx                       /* where to */
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    notrack jmp *%rcx
    .cfi_endproc
    .size pawl_switch_, .-pawl_switch_

/* The control words differ: seldom. */
    .type pawl_switch_control_, @function
pawl_switch_control_:
    .cfi_startproc
    .cfi_def_cfa %rsp, 64
    .cfi_offset %rbp, -16
    .cfi_offset %rbx, -24
    .cfi_offset %r12, -32
    .cfi_offset %r13, -40
    .cfi_offset %r14, -48
    .cfi_offset %r15, -56
3:  ldmxcsr (%rsp)
    jmp 1b
4:  fldcw 4(%rsp)
    jmp 2b
    .cfi_endproc
    .size pawl_switch_control_, .-pawl_switch_control_

/* The first frame of a stack: %rax is the value, %rbx the function. Nobody called it: a backtrace ends here. */
    .globl pawl_switch_entry_
    .hidden pawl_switch_entry_
    .type pawl_switch_entry_, @function
    .p2align 4
pawl_switch_entry_:
    .cfi_startproc
    .cfi_undefined %rip
    movq %rax, %rdi
    callq *%rbx
    ud2                             /* it does not return */
    .cfi_endproc
    .size pawl_switch_entry_, .-pawl_switch_entry_
    .section .note.GNU-stack, "", @progbits
