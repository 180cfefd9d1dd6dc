/* SPDX-License-Identifier: MIT */
/* void pawl_check_switch(void **save_sp, void *to_sp, uintptr_t thread_pointer, long fsgsbase)
 *
 * Save the callee-saved registers on the old stack, load the other thread pointer, load the registers
 * from the new stack. Without the instruction (Linux < 5.9) a system call sets the thread pointer. */
    .text
    .globl pawl_check_switch
    .hidden pawl_check_switch
    .type pawl_check_switch, @function
pawl_check_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    testq %rcx, %rcx
    jz 1f
    wrfsbase %rdx
    jmp 2f
1:  movl $158, %eax             /* arch_prctl */
    movl $0x1002, %edi          /* ARCH_SET_FS */
    movq %rdx, %rsi
    syscall
2:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size pawl_check_switch, .-pawl_check_switch
    .section .note.GNU-stack, "", @progbits
