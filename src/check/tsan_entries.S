/* SPDX-License-Identifier: MIT */
/* The entry points that note the registers, for the ENTRY of the architecture that includes this. */
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
