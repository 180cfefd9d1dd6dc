/* SPDX-License-Identifier: MIT */
/* Hazard pointers: reclamation with a bound on garbage, whatever readers do.
 *
 * Purpose    When a reader may be stopped for long while it holds an object (a page fault, a debugger, a
 *            sleeping handler) and memory must stay bounded all the same; and to hold one object for long
 *            without holding up all others. Each object costs a store and a second load, where <pawl/rcu.h> and <pawl/epoch.h> cost
 *            them once a section.
 * Model      A slot holds the address of one object. pawl_hazard_protect() loads a pointer, stores it in the
 *            slot, and loads it again: if it is still there, the object was not retired before the slot said
 *            so, and will not be reclaimed until the slot says otherwise. What is retired waits in its
 *            thread's list; a scan looks at all slots and frees what none holds for reclaiming.
 *
 *              struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);
 *              struct node *node = pawl_hazard_protect(slot, &list->head);
 *              ... use node ...
 *              pawl_hazard_give(hazard, slot);
 *
 *            The pointer that is protected must be reachable when it is read again: a link of an object that
 *            was itself unlinked proves nothing. Structures mark links of unlinked nodes and start over.
 * Slots      Belong to the thread that took them. Eight a thread without allocation, further ones by the
 *            page (503).
 * Progress   protect: lock-free (it repeats when the pointer has changed); take, give, clear, set:
 *            wait-free. retire, collect: wait for nobody; bounded by what is retired and by slots in use.
 * Bounds     A batch B is of 120 objects, and grows to 480 where a membarrier interrupts other CPUs for long.
 *            With H slots in use in the domain, a thread keeps at most max(B, 2 H) objects more
 *            than were protected at its last scan, beside what ended threads left: O(threads x H), however
 *            long readers sleep. A scan costs O(list + H), so a retire O(1) amortised. What a scan finds free is
 *            reclaimed by the retires that follow it, one object each, up to 4 to catch up.
 * Ordering   A: protect acquires: what was stored in the object before it was published is visible.
 *            Z: clear, give and set release, a scan acquires: what the reader did with the object comes
 *            before the reclaim.
 * Signals    take, protect, set, clear and give may be called from signal handlers, also as the first call
 *            of a thread; the rest may not.
 * Exit       A thread's slots are given back, its garbage passes to the domain; the next thread to begin a
 *            list takes it over.
 * fork       The child goes on: other threads' slots are empty there, their garbage is the domain's, but for
 *            what one was just scanning: that leaks in the child.
 * dlclose    As <pawl/epoch.h>: close the domain first.
 * Memory     128 bytes a thread and domain, reserved as 8 MiB of addresses. Retiring allocates nothing and
 *            cannot fail.
 * Cost       protect: 2 loads, 1 store, no fence (a full one without membarrier, see <pawl/fence.h>).
 *            retire: 6 stores, and 4 for the object that it reclaims; once a batch, a scan with a membarrier.
 * Source     M. Michael, "Hazard pointers", 2004; folly's hazptr for the asymmetric fence. Ours: the tables
 *            of <pawl/reader.h>, and scans that allocate nothing.
 */
#ifndef PAWL_HAZARD_H
#define PAWL_HAZARD_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/fence.h>
#include <pawl/reader.h>

PAWL_BEGIN_DECLS

#define PAWL_HAZARD_SLOTS 8u /* of a thread, without allocation */

struct pawl_hazard_slot {
    PAWL_ATOMIC(uintptr_t) object; /* 0: none. Written by its owner, read by scans */
};

/* What a thread has in a domain: a line for all to read, a line of its own. */
struct pawl_hazard_place {
    struct pawl_hazard_slot slot[PAWL_HAZARD_SLOTS];
    uint32_t taken;     /* bit i: slot[i] */
    uint8_t reclaiming; /* inside reclaim functions: retire only */
    uint8_t portion;    /* how many of `ready` a retire reclaims */
    uint16_t batch;     /* how many more than before a list must hold to be scanned; 0: no scan yet */
    struct pawl_retired *first, *last; /* retired here */
    struct pawl_retired *ready;        /* held by no slot when last looked: only popped, and prepended to */
    uint64_t ready_count;
    uint64_t count;   /* of the list that begins with `first` */
    uint64_t scan_at; /* count at which to scan */
    PAWL_ATOMIC(struct pawl_hazard_page *) more;
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct pawl_hazard_place) == PAWL_READER_STRIDE, "places are one stride apart");

/* A domain. */
struct pawl_hazard {
    struct pawl_hazard_place *places; /* by thread number; the last is nobody's, all taken */
};

/* Opens a domain for objects that have their `struct pawl_retired` at byte `retired_at` (offsetof): from the
 * one the other is known. Returns NULL with errno ENOMEM. */
PAWL_API struct pawl_hazard *pawl_hazard_open(size_t retired_at) PAWL_MUST_USE;

/* Reclaims everything and frees the domain. No slot is taken, and nobody uses it any more. NULL is
 * allowed. */
PAWL_API void pawl_hazard_close(struct pawl_hazard *hazard);

PAWL_API PAWL_COLD struct pawl_hazard_slot *pawl_hazard_take_slow_(struct pawl_hazard *hazard);
PAWL_API PAWL_COLD void pawl_hazard_give_slow_(struct pawl_hazard *hazard, struct pawl_hazard_slot *slot);

/* A slot, empty. NULL with errno ENOMEM: this thread has eight, and there is no page for more. */
PAWL_API PAWL_INLINE struct pawl_hazard_slot *pawl_hazard_take(struct pawl_hazard *hazard)
{
    struct pawl_hazard_place *place = &hazard->places[pawl_reader_self_->number];
    uint32_t free_bits;

    /* The first slot is taken, and given back, by stores of constants under conditions that are predicted: so takes in a
     * row do not wait for each other's stores. */
    if (PAWL_LIKELY(place->taken == 0)) {
        place->taken = 1;
        return &place->slot[0];
    }
    free_bits = ~place->taken & ((1u << PAWL_HAZARD_SLOTS) - 1);
    if (PAWL_UNLIKELY(free_bits == 0))
        return pawl_hazard_take_slow_(hazard);
    place->taken |= free_bits &
                    (0u - free_bits); /* a handler that interrupts this gives back what it takes */
    return &place->slot[__builtin_ctz(free_bits)];
}

/* The slot holds nothing any more. */
PAWL_API PAWL_INLINE void pawl_hazard_clear(struct pawl_hazard_slot *slot)
{
    /* release Z: pairs with the acquire of scans */
    pawl_store_release(&slot->object, (uintptr_t)0);
}

/* Empties the slot and gives it back. By the thread that took it. */
PAWL_API PAWL_INLINE void pawl_hazard_give(struct pawl_hazard *hazard, struct pawl_hazard_slot *slot)
{
    struct pawl_hazard_place *place = &hazard->places[pawl_reader_self_->number];
    uintptr_t index = ((uintptr_t)slot - (uintptr_t)place) / sizeof *slot;

    pawl_hazard_clear(slot);
    if (PAWL_LIKELY(index == 0 && place->taken == 1))
        place->taken = 0; /* as in pawl_hazard_take() */
    else if (PAWL_LIKELY(index < PAWL_HAZARD_SLOTS))
        place->taken &= ~(1u << index);
    else
        pawl_hazard_give_slow_(hazard, slot);
}

/* The slot holds `object`, which is safe to use only if it is found to be reachable after this call (a
 * second load of the pointer that led there). For pointers with tag bits; otherwise pawl_hazard_protect. */
PAWL_API PAWL_INLINE void pawl_hazard_set(struct pawl_hazard_slot *slot, const void *object)
{
    /* release Z: the object that it held before is let go */
    pawl_store_release(&slot->object, (uintptr_t)object);
    pawl_fence_light(); /* the store before the caller's second load; the heavy side is in scan() */
}

/* Loads the pointer in *source, an atomic one, and holds its object in the slot. NULL is returned as it is.
 * acquire A: pairs with the release that published the object. */
#define pawl_hazard_protect(slot, source)                                            \
    __extension__({                                                                  \
        __typeof__(pawl_load_relaxed(source)) again_ = pawl_load_relaxed(source);    \
        __typeof__(again_) object_;                                                  \
        do {                                                                         \
            object_ = again_;                                                        \
            pawl_hazard_set((slot), object_);                                        \
            again_ = pawl_load_acquire(source);                                      \
        } while (PAWL_UNLIKELY(again_ != object_)); /* somebody published another */ \
        object_;                                                                     \
    })

/* Has `reclaim` called with `retired`, by some thread inside retire, collect or close, when no slot holds
 * the object. It is unlinked already. In reclaim functions too. */
PAWL_API void pawl_hazard_retire(struct pawl_hazard *hazard, struct pawl_retired *retired,
                                 void (*reclaim)(struct pawl_retired *)) PAWL_NONNULL;

/* Scans now, and takes over what ended threads left. Returns how many objects this thread still keeps: those
 * that some slot holds. Not in reclaim functions (it does nothing there). */
PAWL_API uint64_t pawl_hazard_collect(struct pawl_hazard *hazard);

PAWL_END_DECLS
#endif
