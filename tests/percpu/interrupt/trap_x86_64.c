/* SPDX-License-Identifier: MIT */
/* x86-64: int3 is one byte; the trap flag steps. */
#include "trap.h"

#define INT3 0xcc
#define TRAP_FLAG 0x100

static struct {
    uintptr_t ip; /* 0: none */
    uint8_t was;
} planted;

const uint32_t trap_rseq_signature = 0x53053053;

static void write_byte(uintptr_t ip, uint8_t byte)
{
    *(volatile uint8_t *)ip = byte;
}

void trap_plant(uintptr_t ip)
{
    trap_make_writable(ip);
    planted.ip = ip;
    planted.was = *(const volatile uint8_t *)ip;
    write_byte(ip, INT3);
}

void trap_clear(void)
{
    if (planted.ip != 0)
        write_byte(planted.ip, planted.was);
    planted.ip = 0;
}

uintptr_t trap_arrive(ucontext_t *context)
{
    greg_t *registers = context->uc_mcontext.gregs;

    /* The saved address lies behind the int3, unless the kernel has sent the thread elsewhere. */
    if (planted.ip != 0 && (uintptr_t)registers[REG_RIP] == planted.ip + 1)
        registers[REG_RIP] = (greg_t)planted.ip;
    trap_clear();
    registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    return (uintptr_t)registers[REG_RIP];
}

void trap_step(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

void trap_resume_at(ucontext_t *context, uintptr_t ip)
{
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)ip;
}

uintptr_t trap_return_address(const ucontext_t *context)
{
    return *(const uintptr_t *)context->uc_mcontext.gregs[REG_RSP];
}

unsigned int trap_branch_length(uintptr_t ip)
{
    const uint8_t *code = (const uint8_t *)ip;

    if (code[0] == 0xeb || (code[0] & 0xf0) == 0x70) /* jmp, jcc: 8-bit distance */
        return 2;
    if (code[0] == 0xe9 || code[0] == 0xe8) /* jmp, call */
        return 5;
    if (code[0] == 0x0f && (code[1] & 0xf0) == 0x80) /* jcc: 32-bit distance */
        return 6;
    return 0;
}
