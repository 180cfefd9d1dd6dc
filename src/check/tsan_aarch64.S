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
.macro NOTED name
    ENTRY __tsan_atomic\name, pawl_check_atomic\name
.endm
.irp bits, 8, 16, 32, 64, 128
    NOTED \bits\()_load
    NOTED \bits\()_exchange
    NOTED \bits\()_fetch_add
    NOTED \bits\()_fetch_sub
    NOTED \bits\()_fetch_and
    NOTED \bits\()_fetch_or
    NOTED \bits\()_fetch_xor
    NOTED \bits\()_fetch_nand
    NOTED \bits\()_compare_exchange_strong
    NOTED \bits\()_compare_exchange_weak
    NOTED \bits\()_compare_exchange_val
.endr
.irp size, 1, 2, 4, 8
    ENTRY __tsan_volatile_read\size, pawl_check_volatile_read\size
.endr
.macro WAIT prefix, name
    ENTRY __wrap_\prefix\name, pawl_check_\name
.endm
.irp name, mutex_lock, mutex_trylock, mutex_timedlock, mutex_clocklock, cond_timedwait, cond_clockwait, spin_lock, spin_trylock
    WAIT pthread_, \name
.endr
.irp name, rdlock, wrlock, tryrdlock, trywrlock, timedrdlock, timedwrlock, clockrdlock, clockwrlock
    WAIT pthread_, rwlock_\name
.endr
.irp name, mtx_lock, mtx_trylock, mtx_timedlock, cnd_timedwait, sem_trywait, sem_timedwait, sem_clockwait, sem_getvalue, syscall
    WAIT "", \name
.endr
    .section .note.GNU-stack, "", %progbits
