/* SPDX-License-Identifier: MIT */
/* What Pawl's primitives tell the checker of instructions that the compiler does not: asymmetric fences, restartable
 * sequences, non-temporal stores.
 *
 * A processor, for the sequences on it, is a lock: who comes second has been switched to after the first
 * one ended or was aborted, which orders it. */
#include "hooks.h"
#include "object.h"
#include "parallel.h"

#include <pawl/check.h>

enum { CPUS_MAX = 64, STREAMED_MAX = 256 };

/* Where a processor's word would be: at the same address in every process, and nobody's memory. */
static const uintptr_t CPU_WORDS = UINT64_C(0x1e0000000000);

static struct hooked {
    int sequence; /* 1 + the processor whose sequence the thread is in */
    int nstreamed;
    struct streamed {
        uintptr_t addr;
        size_t bytes;
        uint64_t pc;
    } streamed[STREAMED_MAX]; /* non-temporal stores that nothing has ordered yet */
} hooked[MAX_THREADS];

void hooks_reset(void)
{
    for (int t = 0; t < MAX_THREADS; t++)
        hooked[t].sequence = hooked[t].nstreamed = 0;
}

int hooks_cpu(uintptr_t addr)
{
    bool inside = addr >= CPU_WORDS && addr < CPU_WORDS + (uintptr_t)CPUS_MAX * OBJECT_BYTES;
    return inside ? (int)(addr - CPU_WORDS) / OBJECT_BYTES : -1;
}

/* ---- fences ---- */

void(pawl_check_fence_light)(void)
{
    struct op op = {.type = EV_FENCE, .flags = EV_LIGHT, .order = RELAXED, .name = NAME_LIGHT, .pc = CALLER};
    if (in_test() && mutated_order(CALLER, NAME_LIGHT, SEQ_CST, false) == SEQ_CST)
        run_op(&op);
}

void(pawl_check_fence_heavy)(void)
{
    struct op op = {.type = EV_FENCE, .flags = EV_HEAVY, .name = NAME_HEAVY, .pc = CALLER};
    if (!in_test())
        return;
    op.order = (uint8_t)mutated_order(CALLER, NAME_HEAVY, SEQ_CST, false);
    hooks_order_streamed();
    run_op(&op);
}

/* ---- restartable sequences ---- */

static void *lock_of(unsigned cpu)
{
    return (void *)(CPU_WORDS + (uintptr_t)cpu * OBJECT_BYTES);
}

static void enter(unsigned cpu, uint64_t pc)
{
    object_rmw_read(lock_of(cpu), NAME_SEQUENCE, ACQUIRE, AWAIT_EQUAL, 0, pc);
    object_write(lock_of(cpu), NAME_SEQUENCE, ACQUIRE, (u128)run.current + 1, true, pc);
}

static void leave(unsigned cpu, int name, uint64_t pc)
{
    object_write(lock_of(cpu), name, RELEASE, 0, false, pc);
}

static unsigned valid_cpu(unsigned cpu, unsigned limit, uint64_t pc)
{
    if (cpu >= limit)
        bug(BUG_LIMIT, pc, "T%d: the checker's machine has up to %d processors for sequences", run.current,
            CPUS_MAX);
    return cpu;
}

unsigned(pawl_check_rseq_begin)(unsigned cpus)
{
    if (!in_test())
        return 0;
    if (hooked[run.current].sequence)
        bug(BUG_MISUSE, CALLER, "T%d begins a restartable sequence inside another one", run.current);
    unsigned cpu = visible_choice(valid_cpu(cpus, CPUS_MAX + 1, CALLER), false, CALLER);
    hooked[run.current].sequence = (int)cpu + 1;
    enter(cpu, CALLER);
    return cpu;
}

static unsigned own_cpu(uint64_t pc)
{
    int sequence = hooked[run.current].sequence;
    if (!sequence)
        bug(BUG_MISUSE, pc, "T%d is in no restartable sequence", run.current);
    return (unsigned)sequence - 1;
}

bool(pawl_check_rseq_store)(void)
{
    if (!in_test())
        return true;
    unsigned cpu = own_cpu(CALLER);
    if (visible_choice(2, false, CALLER) == 0)
        return true;
    hooked[run.current].sequence = 0;
    leave(cpu, NAME_ABORT, CALLER);
    return false;
}

void(pawl_check_rseq_end)(void)
{
    if (!in_test())
        return;
    unsigned cpu = own_cpu(CALLER);
    hooked[run.current].sequence = 0;
    leave(cpu, NAME_SEQUENCE_END, CALLER);
}

void(pawl_check_rseq_fence)(unsigned cpu)
{
    if (!in_test())
        return;
    if (hooked[run.current].sequence)
        bug(BUG_MISUSE, CALLER, "T%d waits for the end of sequences inside one", run.current);
    enter(valid_cpu(cpu, CPUS_MAX, CALLER), CALLER);
    leave(cpu, NAME_SEQUENCE_END, CALLER);
}

/* ---- stores past the cache, and lines written back ---- */

/* They are as late as what orders them: for races they happen here. */
void hooks_order_streamed(void)
{
    struct hooked *h = &hooked[run.current];
    int n = h->nstreamed;
    h->nstreamed = 0;
    for (int i = 0; i < n; i++)
        race_plain(h->streamed[i].addr, h->streamed[i].bytes, true, h->streamed[i].pc);
}

static void mark(int name, int order, const void *p, uint64_t pc)
{
    struct op op = {
        .type = EV_FENCE, .order = (uint8_t)order, .name = (uint8_t)name, .val = (uintptr_t)p, .pc = pc};
    run_op(&op);
}

void(pawl_check_store_nt)(const void *p, size_t bytes)
{
    if (!in_test())
        return;
    struct hooked *h = &hooked[run.current];
    if (h->nstreamed == STREAMED_MAX)
        bug(BUG_LIMIT, CALLER, "T%d: more than %d non-temporal stores without a fence", run.current,
            STREAMED_MAX);
    mark(NAME_STORE_NT, RELAXED, p, CALLER);
    h->streamed[h->nstreamed++] = (struct streamed){(uintptr_t)p, bytes, CALLER};
}

void(pawl_check_writeback)(const void *p, size_t bytes)
{
    if (!in_test())
        return;
    if (heap_check((uintptr_t)p, bytes, false, false, CALLER))
        mark(NAME_WRITEBACK, RELAXED, p, CALLER);
}

void(pawl_check_pwfence)(void)
{
    if (!in_test())
        return;
    int order = mutated_order(CALLER, NAME_PWFENCE, RELEASE, false);
    if (order == RELEASE)
        hooks_order_streamed();
    mark(NAME_PWFENCE, order, NULL, CALLER);
}
