/* SPDX-License-Identifier: MIT */
#include "object.h"
#include "hooks.h"
#include "volatile.h"

#include <string.h>

static struct op object_op(int type, const void *object, int name, int order, uint64_t pc)
{
    return (struct op){.type = (uint8_t)type,
                       .order = (uint8_t)order,
                       .flags = EV_OBJECT,
                       .name = (uint8_t)name,
                       .size = OBJECT_BYTES,
                       .addr = (uintptr_t)object,
                       .pc = pc};
}

/* A futex queue is the kernel's, and a processor nobody's memory. */
static bool in_memory(const void *object, int name)
{
    return name != NAME_FUTEX_WAIT && name != NAME_FUTEX_WAKE && hooks_cpu((uintptr_t)object) < 0;
}

/* Who sleeps has looked before, and may find the object gone when it was woken. */
static void look_at(const void *object, int name, uint64_t pc)
{
    if (in_memory(object, name))
        heap_check((uintptr_t)object, OBJECT_BYTES, false, true, pc);
}

/* What a destroyed object holds until it is made anew. */
static const uint32_t DESTROYED = UINT32_C(0xd0a75eed);
_Static_assert(sizeof DESTROYED == OBJECT_BYTES, "the mark stands where the object's word would");

/* After the event: one that nothing orders with the end of the object was reported as a race. */
static void not_destroyed(const void *object, int name, uint64_t pc)
{
    if (!in_memory(object, name) || memcmp(object, &DESTROYED, sizeof DESTROYED) != 0)
        return;
    char place[256];
    memory_describe(place, sizeof place, (uintptr_t)object);
    bug(BUG_MISUSE, pc, "T%d: %s on %s, which was destroyed", run.current, report_operation(name), place);
}

u128 object_read(const void *object, int name, int order, int await, u128 aux, uint64_t pc)
{
    struct op op = object_op(EV_READ, object, name, order, pc);
    op.await = (uint8_t)await;
    op.aux = aux;
    u128 value = run_op(&op);
    if (await == AWAIT_NOTHING) /* who sleeps may find it gone */
        not_destroyed(object, name, pc);
    return value;
}

/* Taking a lock and giving it back leaves everything as it was, and so does lying down to sleep and getting up when
 * the time is over; whom it showed to others is looked at in run.c. Sleep that somebody ended is no such thing: see
 * waiters_sleep(). */
static bool leaves_all(int name)
{
    return name == NAME_LOCK || name == NAME_TRYLOCK || name == NAME_UNLOCK || name == NAME_RDLOCK ||
           name == NAME_WRLOCK || name == NAME_RWUNLOCK || name == NAME_FUTEX_WAIT;
}

void object_write(void *object, int name, int order, u128 value, bool rmw, uint64_t pc)
{
    struct op op = object_op(EV_WRITE, object, name, order, pc);
    look_at(object, name, pc);
    op.val = value;
    op.flags |= rmw ? EV_RMW : 0;
    if (!leaves_all(name))
        run_effect();
    run_op(&op);
    if (!rmw)
        not_destroyed(object, name, pc);
}

u128 object_rmw_read(void *object, int name, int order, int await, u128 aux, uint64_t pc)
{
    struct op op = object_op(EV_READ, object, name, order, pc);
    look_at(object, name, pc);
    op.flags |= EV_RMW;
    op.await = (uint8_t)await;
    op.aux = aux;
    u128 old = run_op(&op);
    not_destroyed(object, name, pc);
    return old;
}

u128 object_cas(void *object, int name, int order, u128 expected, u128 desired, uint64_t pc)
{
    struct op op = object_op(EV_READ, object, name, order, pc);
    look_at(object, name, pc);
    op.flags |= EV_CAS;
    op.aux = expected;
    u128 old = run_op(&op);
    not_destroyed(object, name, pc);
    if (old == expected)
        object_write(object, name, order, desired, true, pc);
    return old;
}

u128 object_read_unless(void *object, int name, int order, u128 refused, uint64_t pc)
{
    struct op op = object_op(EV_READ, object, name, order, pc);
    look_at(object, name, pc);
    op.flags |= EV_CAS | EV_UNLESS;
    op.aux = refused;
    u128 old = run_op(&op);
    not_destroyed(object, name, pc);
    return old;
}

void object_destroyed(void *object, size_t size, uint64_t pc)
{
    if (!in_test())
        return;
    volatile_settle();
    run_effect();
    if (!heap_check((uintptr_t)object, OBJECT_BYTES, false, true, pc) ||
        !heap_check((uintptr_t)object, size, true, false, pc))
        return;
    race_object_ends((uintptr_t)object, size, pc);
    not_destroyed(object, NAME_DESTROY, pc);
    memcpy(object, &DESTROYED, sizeof DESTROYED);
}

static u128 own_bit(void)
{
    return (u128)1 << run.current;
}

void waiters_add(void *object, int name, uint64_t pc)
{
    u128 waiting = object_rmw_read(object, name, ACQ_REL, AWAIT_NOTHING, 0, pc);
    object_write(object, name, ACQ_REL, waiting | own_bit(), true, pc);
}

bool waiters_add_if(void *object, const uint32_t *word, uint32_t expected, int name, uint64_t pc)
{
    u128 waiting = object_rmw_read(object, name, ACQ_REL, AWAIT_NOTHING, 0, pc);
    bool equal = visible_load((uintptr_t)word, sizeof *word, SEQ_CST, pc) == expected;
    object_write(object, name, ACQ_REL, equal ? waiting | own_bit() : waiting, true, pc);
    return equal;
}

void waiters_expire(void *object, int name, uint64_t pc)
{
    u128 waiting = object_rmw_read(object, name, ACQ_REL, AWAIT_NOTHING, 0, pc);
    object_write(object, name, ACQ_REL, waiting & ~own_bit(), true, pc);
    if (!(waiting & own_bit()))
        run_refuse(); /* it was woken: explored as one that does not expire */
}

void waiters_sleep(void *object, int name, bool may_expire, uint64_t pc)
{
    self()->may_expire = may_expire;
    object_read(object, name, ACQUIRE, AWAIT_BIT_CLEAR, own_bit(), pc);
    self()->may_expire = false;
    run_effect(); /* it used up a waking */
}

static unsigned nth_bit(unsigned set, unsigned n)
{
    while (n-- > 0)
        set &= set - 1;
    return set & -set;
}

int waiters_wake(void *object, int name, int n, uint64_t pc)
{
    unsigned waiting = (unsigned)object_rmw_read(object, name, ACQ_REL, AWAIT_NOTHING, 0, pc);
    int woken = 0, count = __builtin_popcount(waiting);
    if (n >= count) {
        woken = count;
        waiting = 0;
    }
    for (; waiting && woken < n; woken++)
        waiting &= ~nth_bit(waiting, visible_choice((unsigned)__builtin_popcount(waiting), true, pc));
    object_write(object, name, ACQ_REL, waiting, true, pc);
    return woken;
}
