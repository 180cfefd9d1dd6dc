/* SPDX-License-Identifier: MIT */
#include "volatile.h"
#include "section.h"
#include "visible.h"

#include <string.h>

bool volatile_left[MAX_THREADS];
static struct left {
    enum { LOADED, STORED } what;
    uintptr_t addr;
    unsigned size;
    uint64_t before, pc; /* what stood in memory */
} left[MAX_THREADS];

void volatile_reset(void)
{
    memset(volatile_left, 0, sizeof volatile_left);
}

void volatile_do_left(void)
{
    struct left now = left[run.current];
    uint64_t value = 0;
    volatile_left[run.current] = false;
    memcpy(&value, (const void *)now.addr, now.size);
    memcpy((void *)now.addr, &now.before, now.size);
    if (now.what == LOADED)
        return;
    struct op op = {.type = EV_WRITE,
                    .order = RELAXED,
                    .name = NAME_STORE,
                    .size = (uint8_t)now.size,
                    .addr = now.addr,
                    .pc = now.pc,
                    .val = value};
    struct registers at = pawl_check_registers; /* other threads run in between, and note theirs */
    run_effect();
    run_op(&op);
    pawl_check_registers = at;
}

/* Nobody else can see the thread's own stack unless it hands out addresses; counters there are not worth
 * events. */
static bool is_event(uintptr_t addr, unsigned size)
{
    return in_test() && !(addr & (size - 1)) && !on_own_stack(addr);
}

static void not_in_section(uint64_t pc)
{
    if (section_open())
        bug(BUG_UNMODELLED, pc, "T%d: a volatile access inside a transaction: make it an atomic one",
            run.current);
}

static void volatile_read(uintptr_t addr, unsigned size, uint64_t pc)
{
    if (!is_event(addr, size)) {
        plain_access((const void *)addr, size, false, true, pc);
        return;
    }
    not_in_section(pc);
    volatile_settle();
    if (!heap_check(addr, size, false, true, pc))
        return;
    spin_check(addr, 0, 0, pc);
    struct op op = {
        .type = EV_READ, .order = RELAXED, .name = NAME_LOAD, .size = (uint8_t)size, .addr = addr, .pc = pc};
    uint64_t value = (uint64_t)run_op(&op);
    struct left *l = &left[run.current];
    volatile_left[run.current] = true;
    *l = (struct left){LOADED, addr, size, 0, pc};
    memcpy(&l->before, (const void *)addr, size);
    memcpy((void *)addr, &value, size);
}

static void volatile_write(uintptr_t addr, unsigned size, uint64_t pc)
{
    if (!is_event(addr, size)) {
        plain_access((const void *)addr, size, true, true, pc);
        return;
    }
    not_in_section(pc);
    volatile_settle();
    if (!heap_check(addr, size, true, true, pc))
        return;
    struct left *l = &left[run.current];
    volatile_left[run.current] = true;
    *l = (struct left){STORED, addr, size, 0, pc};
    memcpy(&l->before, (const void *)addr, size);
}

#define VOLATILE(size)                                \
    void pawl_check_volatile_read##size(void *p);     \
    void pawl_check_volatile_read##size(void *p)      \
    {                                                 \
        volatile_read((uintptr_t)p, size, CALLER);    \
    }                                                 \
    EXPORT void __tsan_volatile_write##size(void *p); \
    EXPORT void __tsan_volatile_write##size(void *p)  \
    {                                                 \
        volatile_write((uintptr_t)p, size, CALLER);   \
    }
VOLATILE(1)
VOLATILE(2)
VOLATILE(4)
VOLATILE(8)
