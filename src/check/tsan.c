/* SPDX-License-Identifier: MIT */
/* What the compilers call under -fsanitize=thread, in place of ThreadSanitizer's own library.
 *
 * Calls that come while no execution is under way (constructors, the checker's own use of a header of the
 * program) do what the instruction would have done.
 */
#include "hooks.h"
#include "parallel.h"
#include "section.h"
#include "visible.h"
#include "volatile.h"

#include <string.h>

struct registers pawl_check_registers __attribute__((visibility("hidden")));

/* ---- loops that change nothing ---- */

static uint64_t mixed(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 32;
}

/* Reads every byte of the stack, also what AddressSanitizer would keep between variables. What the operation is
 * given belongs to the state: it may be in no register any more that the caller will look at. Each number is mixed in
 * behind the one before, never added to it: a loop over an array often has this very address in a register. */
__attribute__((no_sanitize_address)) static uint64_t hash_state(uintptr_t addr, u128 operand, u128 expected)
{
    const struct registers *r = &pawl_check_registers;
    const u128 given[] = {addr, operand, expected};
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
        h = mixed(mixed(h, (uint64_t)given[i]), (uint64_t)(given[i] >> 64));
    for (size_t i = 0; i < sizeof r->saved / sizeof r->saved[0]; i++)
        h = mixed(h, r->saved[i]);
    h = mixed(h, r->sp);
    const uint64_t *end = (const uint64_t *)(const void *)fiber_of(run.current)->stack_end;
    for (const uint64_t *p = (const uint64_t *)(r->sp + LINKAGE); p < end; p++)
        h = mixed(h, *p);
    return h;
}

/* `pc` and the state are the same as at an earlier load, and only loads came in between: the loop will go
 * round for ever, or until one of those loads reads something else. Every execution in which it does is
 * explored from there, by the other sources of that load and by later writes that revisit it. */
void spin_check(uintptr_t addr, u128 operand, u128 expected, uint64_t pc)
{
    struct thread *t = self();
    if (!options.awaits)
        return;
    volatile_settle(); /* a volatile store just before is an effect */
    if (t->executed < t->stores)
        return; /* forgotten when that store comes */
    uint64_t hash = hash_state(addr, operand, expected);
    /* Only at new events: what the graph already has was decided when it was added. */
    for (int i = 0; i < t->nloads && t->executed >= t->planned; i++)
        if (t->load[i].pc == pc && t->load[i].hash == hash) {
            if (section_open())
                run_refuse(); /* a transaction that waits never ends */
            run_spin(t->load[i].idx, t->load[i].changes);
            break;
        }
    if (t->nloads == LOADS_REMEMBERED) {
        t->nloads--;
        memmove(&t->load[0], &t->load[1], sizeof t->load[0] * (LOADS_REMEMBERED - 1));
    }
    t->load[t->nloads++] = (struct remembered_load){pc, hash, run_changes_of_others(run.current),
                                                    (uint16_t)t->executed};
}

/* ---- plain accesses ---- */

/* The stack is part of the state that loads are compared by. */
bool on_stack_of(int tid, uintptr_t addr)
{
    const struct fiber *f = fiber_of(tid);
    return addr >= (uintptr_t)f->stack && addr < (uintptr_t)f->stack_end;
}

bool on_own_stack(uintptr_t addr)
{
    return on_stack_of(run.current, addr);
}

enum { PLAIN_ACCESSES_MAX = 20 * 1000 * 1000 };

void plain_access(const void *p, size_t size, bool write, bool scalar, uint64_t pc)
{
    if (!in_test() || size == 0)
        return;
    volatile_settle();
    uintptr_t addr = (uintptr_t)p;
    struct thread *t = self();
    if (write && !on_own_stack(addr))
        run_effect();
    if (++t->plain_accesses > PLAIN_ACCESSES_MAX)
        bug(BUG_LIMIT, pc,
            "T%d made %d plain memory accesses in one execution: an endless loop, or a test too large",
            run.current, PLAIN_ACCESSES_MAX);
    if (!heap_check(addr, size, write, scalar, pc))
        return;
    if (section_open())
        section_plain(addr, size, write, pc);
    else
        race_plain(addr, size, write, pc);
}

#define PLAIN(name, size, write)                    \
    EXPORT void __tsan_##name(void *p);             \
    EXPORT void __tsan_##name(void *p)              \
    {                                               \
        plain_access(p, size, write, true, CALLER); \
    }
#define PLAIN_SIZES(prefix)          \
    PLAIN(prefix##read1, 1, false)   \
    PLAIN(prefix##read2, 2, false)   \
    PLAIN(prefix##read4, 4, false)   \
    PLAIN(prefix##read8, 8, false)   \
    PLAIN(prefix##read16, 16, false) \
    PLAIN(prefix##write1, 1, true)   \
    PLAIN(prefix##write2, 2, true)   \
    PLAIN(prefix##write4, 4, true) PLAIN(prefix##write8, 8, true) PLAIN(prefix##write16, 16, true)
PLAIN_SIZES()
PLAIN_SIZES(unaligned_)
PLAIN_SIZES(unaligned_volatile_)
PLAIN(vptr_read, sizeof(void *), false)

PLAIN(volatile_read16, 16, false)
PLAIN(volatile_write16, 16, true)

EXPORT void __tsan_vptr_update(void **p, void *value);
EXPORT void __tsan_vptr_update(void **p, void *value)
{
    if (*p != value)
        plain_access(p, sizeof *p, true, true, CALLER);
}

EXPORT void __tsan_read_range(void *p, size_t n);
EXPORT void __tsan_read_range(void *p, size_t n)
{
    plain_access(p, n, false, false, CALLER);
}

EXPORT void __tsan_write_range(void *p, size_t n);
EXPORT void __tsan_write_range(void *p, size_t n)
{
    plain_access(p, n, true, false, CALLER);
}

EXPORT void __tsan_init(void);
EXPORT void __tsan_init(void)
{
}

EXPORT void __tsan_func_entry(void *pc);
EXPORT void __tsan_func_entry(void *pc)
{
    (void)pc;
    (void)CALLER;
}

EXPORT void __tsan_func_exit(void);
EXPORT void __tsan_func_exit(void)
{
    frames_return(CALLERS_STACK, CALLED_FROM);
}

/* ---- atomics ---- */

static bool valid_access(uintptr_t addr, int size, bool write, uint64_t pc)
{
    if (addr & (uintptr_t)(size - 1)) {
        bug(BUG_MISUSE, pc, "T%d: atomic access of %d bytes to the misaligned address %#lx", run.current,
            size, (unsigned long)addr);
        return false;
    }
    return heap_check(addr, (size_t)size, write, false, pc);
}

static struct op atomic_op(int type, uintptr_t addr, int size, int order, int name, uint64_t pc)
{
    return (struct op){.type = (uint8_t)type,
                       .order = (uint8_t)mutated_order(pc, name, order & 7, false),
                       .name = (uint8_t)name,
                       .size = (uint8_t)size,
                       .addr = addr,
                       .pc = pc};
}

u128 visible_load(uintptr_t addr, int size, int order, uint64_t pc)
{
    valid_access(addr, size, false, pc);
    if (section_open())
        return section_read(addr, size, NAME_LOAD, pc);
    struct op op = atomic_op(EV_READ, addr, size, order, NAME_LOAD, pc);
    return run_op(&op);
}

/* The same on behalf of a compiler's call, which noted the registers. */
static u128 called_load(uintptr_t addr, int size, int order, uint64_t pc)
{
    valid_access(addr, size, false, pc);
    spin_check(addr, 0, 0, pc);
    return visible_load(addr, size, order, pc);
}

static void visible_store(uintptr_t addr, int size, u128 value, int order, uint64_t pc)
{
    valid_access(addr, size, true, pc);
    run_effect();
    if (section_open()) {
        section_write(addr, size, NAME_STORE, value, pc);
        return;
    }
    struct op op = atomic_op(EV_WRITE, addr, size, order, NAME_STORE, pc);
    op.val = value;
    run_op(&op);
}

static u128 truncated(u128 value, int size)
{
    return size == 16 ? value : value & (((u128)1 << (size * 8)) - 1);
}

static u128 applied(int name, u128 old, u128 operand)
{
    switch (name) {
    case NAME_ADD:
        return old + operand;
    case NAME_SUB:
        return old - operand;
    case NAME_AND:
        return old & operand;
    case NAME_OR:
        return old | operand;
    case NAME_XOR:
        return old ^ operand;
    case NAME_NAND:
        return ~(old & operand);
    default:
        return operand;
    }
}

static void second_half(const struct op *read, u128 value)
{
    struct op op = *read;
    hooks_order_streamed();
    op.type = EV_WRITE;
    op.flags = (uint8_t)(EV_RMW | (read->flags & EV_OBJECT));
    op.await = AWAIT_NOTHING;
    op.val = value;
    op.aux = 0;
    run_op(&op);
}

static u128 visible_rmw(uintptr_t addr, int size, u128 operand, int order, int name, uint64_t pc)
{
    valid_access(addr, size, true, pc);
    spin_check(addr, operand, 0, pc);
    if (section_open()) {
        u128 was = section_read(addr, size, name, pc);
        section_write(addr, size, name, truncated(applied(name, was, operand), size), pc);
        run_effect();
        return was;
    }
    struct op op = atomic_op(EV_READ, addr, size, order, name, pc);
    op.flags = EV_RMW;
    u128 old = run_op(&op), new = truncated(applied(name, old, operand), size);
    second_half(&op, new);
    if (new != old)
        run_effect();
    return old;
}

static bool section_cas(uintptr_t addr, int size, u128 *expected, u128 desired, uint64_t pc)
{
    u128 was = section_read(addr, size, NAME_CAS, pc);
    bool equal = was == *expected;
    *expected = was;
    if (equal) {
        section_write(addr, size, NAME_CAS, desired, pc);
        run_effect();
    }
    return equal;
}

static bool visible_cas(uintptr_t addr, int size, u128 *expected, u128 desired, int ok, int fail, bool weak,
                        uint64_t pc)
{
    valid_access(addr, size, true, pc);
    spin_check(addr, desired, *expected, pc);
    if (section_open())
        return section_cas(addr, size, expected, desired, pc);
    struct op op = atomic_op(EV_READ, addr, size, ok, NAME_CAS, pc);
    op.order_fail = (uint8_t)mutated_order(pc, NAME_CAS, fail & 7, true);
    if (weak && options.spurious && visible_choice(2, false, pc) == 1) {
        op.order = op.order_fail;
        if (run_op(&op) != *expected)
            run_refuse(); /* it fails anyway: explored without the choice */
        return false;
    }
    op.flags = EV_CAS;
    op.aux = *expected;
    u128 old = run_op(&op);
    bool equal = old == *expected;
    *expected = old;
    if (!equal)
        return false;
    second_half(&op, desired);
    if (desired != old)
        run_effect();
    return true;
}

void visible_fence(int order, uint64_t pc)
{
    if (section_open())
        return; /* its beginning is one */
    struct op op = atomic_op(EV_FENCE, 0, 1, order, NAME_FENCE, pc);
    if (op.order == SEQ_CST)
        hooks_order_streamed();
    if (op.order != RELAXED)
        run_op(&op);
}

unsigned visible_choice(unsigned count, bool rmw, uint64_t pc)
{
    struct op op = atomic_op(EV_CHOICE, 0, 1, RELAXED, NAME_CHOICE, pc);
    op.val = count;
    op.flags = rmw ? EV_RMW : 0;
    return count < 2 ? 0 : (unsigned)run_op(&op);
}

/* The program's own `expected` variable is a plain one: it is read, and gets the value that was found. */
static u128 asked(const void *expected, size_t size, uint64_t pc)
{
    u128 value = 0;
    plain_access(expected, size, false, true, pc);
    memcpy(&value, expected, size);
    return value;
}

static void found(void *expected, u128 value, size_t size, uint64_t pc)
{
    u128 before = 0;
    memcpy(&before, expected, size);
    if (before == value)
        return;
    plain_access(expected, size, true, true, pc);
    memcpy(expected, &value, size);
}

/* Sequentially consistent whatever the order asked for: enough before the first thread starts. */
#define NATIVE_RMW(bits, name, operator)                                 \
    static u##bits native##bits##_##name(volatile u##bits *a, u##bits v) \
    {                                                                    \
        u##bits old = *a;                                                \
        *a = (u##bits)(operator);                                        \
        return old;                                                      \
    }

#define RMW(bits, function, name, operator)                                                  \
    NATIVE_RMW(bits, function, operator)                                                     \
    u##bits pawl_check_atomic##bits##_##function(volatile u##bits *a, u##bits v, int order); \
    u##bits pawl_check_atomic##bits##_##function(volatile u##bits *a, u##bits v, int order)  \
    {                                                                                        \
        if (!in_test())                                                                      \
            return native##bits##_##function(a, v);                                          \
        return (u##bits)visible_rmw((uintptr_t)a, bits / 8, v, order, name, CALLER);         \
    }

#define CAS(bits, strength, is_weak)                                                                      \
    int pawl_check_atomic##bits##_compare_exchange_##strength(volatile u##bits *a, u##bits *e, u##bits v, \
                                                              int ok, int fail);                          \
    int pawl_check_atomic##bits##_compare_exchange_##strength(volatile u##bits *a, u##bits *e, u##bits v, \
                                                              int ok, int fail)                           \
    {                                                                                                     \
        u128 expected = asked(e, bits / 8, CALLER);                                                       \
        if (!in_test()) {                                                                                 \
            *e = *a;                                                                                      \
            if (*e == (u##bits)expected)                                                                  \
                *a = v;                                                                                   \
            return *e == (u##bits)expected;                                                               \
        }                                                                                                 \
        bool done = visible_cas((uintptr_t)a, bits / 8, &expected, v, ok, fail, is_weak, CALLER);         \
        if (!done)                                                                                        \
            found(e, expected, bits / 8, CALLER);                                                         \
        return done;                                                                                      \
    }

#define ATOMICS(bits)                                                                                 \
    u##bits pawl_check_atomic##bits##_load(const volatile u##bits *a, int order);                     \
    u##bits pawl_check_atomic##bits##_load(const volatile u##bits *a, int order)                      \
    {                                                                                                 \
        return in_test() ? (u##bits)called_load((uintptr_t)a, bits / 8, order, CALLER) : *a;          \
    }                                                                                                 \
    EXPORT void __tsan_atomic##bits##_store(volatile u##bits *a, u##bits v, int order);               \
    EXPORT void __tsan_atomic##bits##_store(volatile u##bits *a, u##bits v, int order)                \
    {                                                                                                 \
        if (in_test())                                                                                \
            visible_store((uintptr_t)a, bits / 8, v, order, CALLER);                                  \
        else                                                                                          \
            *a = v;                                                                                   \
    }                                                                                                 \
    RMW(bits, exchange, NAME_EXCHANGE, v)                                                             \
    RMW(bits, fetch_add, NAME_ADD, old + v)                                                           \
    RMW(bits, fetch_sub, NAME_SUB, old - v)                                                           \
    RMW(bits, fetch_and, NAME_AND, old &v)                                                            \
    RMW(bits, fetch_or, NAME_OR, old | v)                                                             \
    RMW(bits, fetch_xor, NAME_XOR, old ^ v)                                                           \
    RMW(bits, fetch_nand, NAME_NAND, ~(old & v))                                                      \
    CAS(bits, strong, false)                                                                          \
    CAS(bits, weak, true)                                                                             \
    u##bits pawl_check_atomic##bits##_compare_exchange_val(volatile u##bits *a, u##bits e, u##bits v, \
                                                           int ok, int fail);                         \
    u##bits pawl_check_atomic##bits##_compare_exchange_val(volatile u##bits *a, u##bits e, u##bits v, \
                                                           int ok, int fail)                          \
    {                                                                                                 \
        u128 expected = e;                                                                            \
        if (!in_test()) {                                                                             \
            u##bits old = *a;                                                                         \
            if (old == e)                                                                             \
                *a = v;                                                                               \
            return old;                                                                               \
        }                                                                                             \
        visible_cas((uintptr_t)a, bits / 8, &expected, v, ok, fail, false, CALLER);                   \
        return (u##bits)expected;                                                                     \
    }

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)
ATOMICS(128)

EXPORT void __tsan_atomic_thread_fence(int order);
EXPORT void __tsan_atomic_thread_fence(int order)
{
    if (in_test())
        visible_fence(order, CALLER);
}

EXPORT void __tsan_atomic_signal_fence(int order);
EXPORT void __tsan_atomic_signal_fence(int order)
{
    (void)order; /* orders a thread against its own signal handlers only */
}
