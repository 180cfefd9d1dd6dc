/* SPDX-License-Identifier: MIT */
/* aarch64: every instruction is one word, and brk stops before it. There is no trap flag for programs, so
 * a step is a brk over each instruction that can come next. */
#include "trap.h"

#define BRK 0xd4200000u
#define NEXT_MAX 4
#define EXCLUSIVE_MAX 16 /* instructions from a load-exclusive to its store */

static struct {
    uintptr_t ip;
    uint32_t was;
} planted[NEXT_MAX];
static unsigned int planted_count;

const uint32_t trap_rseq_signature = 0xd428bc00u;

static void write_word(uintptr_t ip, uint32_t word)
{
    *(volatile uint32_t *)ip = word;
    __builtin___clear_cache((char *)ip, (char *)ip + sizeof word);
}

static uint32_t word_at(uintptr_t ip)
{
    return *(const volatile uint32_t *)ip;
}

void trap_plant(uintptr_t ip)
{
    trap_make_writable(ip);
    planted[planted_count].ip = ip;
    planted[planted_count++].was = word_at(ip);
    write_word(ip, BRK);
}

/* Backwards: should two have been planted on one instruction, the first remembers what stood there. */
void trap_clear(void)
{
    while (planted_count > 0) {
        planted_count--;
        write_word(planted[planted_count].ip, planted[planted_count].was);
    }
}

uintptr_t trap_arrive(ucontext_t *context)
{
    trap_clear();
    return (uintptr_t)context->uc_mcontext.pc;
}

void trap_resume_at(ucontext_t *context, uintptr_t ip)
{
    context->uc_mcontext.pc = ip;
}

uintptr_t trap_return_address(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.regs[30];
}

/* The signed field of `bits` bits at bit `low`, in words, from ip. */
static uintptr_t target(uintptr_t ip, uint32_t word, unsigned int low, unsigned int bits)
{
    int32_t distance = (int32_t)(word << (32 - low - bits)) >> (32 - bits);

    return ip + (uintptr_t)((intptr_t)distance * 4);
}

/* b.cond, cbz, cbnz, tbz, tbnz: where it branches to, or 0. */
static uintptr_t conditional_target(uintptr_t ip, uint32_t word)
{
    if ((word & 0xff000000u) == 0x54000000u || (word & 0x7e000000u) == 0x34000000u)
        return target(ip, word, 5, 19);
    if ((word & 0x7e000000u) == 0x36000000u)
        return target(ip, word, 5, 14);
    return 0;
}

/* ldxr or ldxp (with `load`), stxr or stxp; not casp, which shares their pattern. */
static bool is_exclusive(uint32_t word, bool load)
{
    bool pair_of_small = (word & 0x80200000u) == 0x00200000u;

    return (word & 0x3fc00000u) == (load ? 0x08400000u : 0x08000000u) && !pair_of_small;
}

/* A stop between a load-exclusive and its store would make the store fail for ever: the whole of it is one
 * step, to behind the store or out by a branch. */
static unsigned int behind_exclusive(uintptr_t ip, uintptr_t next[NEXT_MAX])
{
    unsigned int count = 0;

    for (unsigned int i = 1; i < EXCLUSIVE_MAX; i++) {
        uint32_t word = word_at(ip + 4 * i);
        uintptr_t way_out = conditional_target(ip + 4 * i, word);

        if (way_out != 0 && count < NEXT_MAX - 1)
            next[count++] = way_out;
        if (is_exclusive(word, false)) {
            next[count++] = ip + 4 * (i + 1);
            return count;
        }
    }
    next[0] = ip + 4;
    return 1;
}

/* The instructions that can run after the one at ip. */
static unsigned int successors(const ucontext_t *context, uintptr_t ip, uintptr_t next[NEXT_MAX])
{
    uint32_t word = word_at(ip);
    uintptr_t branch = conditional_target(ip, word);

    if (branch != 0) {
        next[0] = ip + 4;
        next[1] = branch;
        return 2;
    }
    if (is_exclusive(word, true))
        return behind_exclusive(ip, next);
    if ((word & 0x7c000000u) == 0x14000000u) /* b, bl */
        next[0] = target(ip, word, 0, 26);
    else if ((word & 0xfe000000u) == 0xd6000000u) /* br, blr, ret */
        next[0] = (uintptr_t)context->uc_mcontext.regs[word >> 5 & 31];
    else
        next[0] = ip + 4;
    return 1;
}

void trap_step(ucontext_t *context)
{
    uintptr_t next[NEXT_MAX];
    unsigned int count = successors(context, (uintptr_t)context->uc_mcontext.pc, next);

    for (unsigned int i = 0; i < count; i++)
        trap_plant(next[i]);
}

unsigned int trap_branch_length(uintptr_t ip)
{
    (void)ip;
    return 4; /* as long as every other instruction */
}
