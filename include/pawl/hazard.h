/* SPDX-License-Identifier: MIT */
/* Hazard pointers: reclamation with a bound on garbage, whatever readers do.
 *
 * Purpose    When a reader may be stopped for long while it holds an object (a page fault, a debugger, a
 *            sleeping handler) and memory must stay bounded all the same; and to hold one object for long
 *            without holding up all others. Each object costs a store and a second load, where <pawl/rcu.h> and <pawl/epoch.h> cost
 *            them once a section.
 * Model      A slot holds one object. pawl_hazard_protect() loads a pointer, stores it in the
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
 *            page (511). The slot's word says whether it is taken, so that to take and to give are one store each.
 * Progress   protect: lock-free (it repeats when the pointer has changed); take, give, clear, set:
 *            wait-free. retire, collect: wait for nobody; bounded by what is retired and by slots in use.
 * Scans      Every 60 objects a thread marks what it has retired, and scans what it marked before. That needs
 *            all other threads to have come by since: a thread does when it retires its own 60th, in whatever
 *            domain, and when it begins or ends. So threads that all retire interrupt nobody. If one does not (it
 *            only reads, or is idle) for 240 objects, a membarrier takes the place of that, for the marks of all. One that
 *            takes no slot for long is found to rest by such a membarrier, and costs no further one until it takes a slot.
 * Bounds     With H slots in use in the domain, a thread keeps at most max(240, 2 H) objects more
 *            than were protected at its last two scans, beside what ended threads left: O(threads x H), however
 *            long readers sleep. A scan costs O(list + H), so a retire O(1) amortised. What a scan finds free is
 *            reclaimed by the retires that follow it, one object each, up to 4 to catch up.
 * Ordering   A: protect acquires: what was stored in the object before it was published is visible.
 *            Z: clear, give and set release, a scan acquires: what the reader did with the object comes
 *            before the reclaim.
 * Signals    take, protect, set, clear and give may be called from signal handlers, also as the first call
 *            of a thread; the rest may not. A handler gives back what it takes.
 * Errors     Giving back a slot that is not taken aborts with one line. To set or clear one that was given back takes it for
 *            good, or is what its next owner sees: not noticed.
 * Exit       A thread's slots stay its own for the first rounds of its destructors; then those that hold nothing are given
 *            back, and its garbage passes to the domain: the next thread to begin a list takes it over. If a slot
 *            holds an object to the end, that is kept until more than 64 threads have been there and a scan looks who
 *            is gone.
 * fork       The child goes on: other threads' slots are empty there, their garbage is the domain's, but for
 *            what one was just scanning: that leaks in the child.
 * dlclose    As <pawl/epoch.h>: close the domain first.
 * Memory     256 bytes a thread and domain, reserved as 16 MiB of addresses. Retiring allocates nothing and
 *            cannot fail.
 * Cost       take: 4 loads, 1 store, and once after a rest a fence and 2 system calls; give: 1 load, 1 store.
 *            protect: 2 loads, 1 store, no fence (a full one without membarrier, see <pawl/fence.h>).
 *            retire: 5 stores, and 4 for the object that it reclaims. Once in 60: an RMW, a fence and a store in two
 *            lines that all who retire read, and a look at a line or two of each thread; or a membarrier in 240.
 * Source     M. Michael, "Hazard pointers", 2004; folly's hazptr for the asymmetric fence. Ours: the tables
 *            of <pawl/reader.h>, threads that pass marks in place of most fences, and scans that allocate nothing.
 */
#ifndef PAWL_HAZARD_H
#define PAWL_HAZARD_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/fence.h>
#include <pawl/reader.h>

PAWL_BEGIN_DECLS

#ifndef PAWL_HAZARD_SLOTS    /* closures for the model checker make do with 1 */
#define PAWL_HAZARD_SLOTS 8u /* of a thread, without allocation */
#endif

struct pawl_hazard_slot {
    /* 0: nobody's; PAWL_HAZARD_EMPTY_: taken; more: and holds the object at that much less. Written by its owner,
     * read by scans */
    PAWL_ATOMIC(uintptr_t) word;
};

#define PAWL_HAZARD_EMPTY_ ((uintptr_t)1)

/* What scans read of a thread. What it has retired stands elsewhere: src/core/reclaim/hazard.h. */
struct pawl_hazard_place {
    struct pawl_hazard_slot slot[PAWL_HAZARD_SLOTS];
    PAWL_ATOMIC(struct pawl_hazard_page *) more;
    PAWL_ATOMIC(uint64_t)
    rest; /* not 0: who takes a slot has to say that it is awake. src/core/reclaim/rest.h */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct pawl_hazard_place) == PAWL_READER_STRIDE, "places are one stride apart");

/* A domain. */
struct pawl_hazard {
    struct pawl_hazard_place *places; /* by thread number; the last is nobody's, its slots are all taken */
};

/* Opens a domain for objects that have their `struct pawl_retired` at byte `retired_at` (offsetof): from the
 * one the other is known. Returns NULL with errno ENOMEM. */
PAWL_API struct pawl_hazard *pawl_hazard_open(size_t retired_at) PAWL_MUST_USE;

/* Reclaims everything and frees the domain. No slot is taken, and nobody uses it any more. NULL is
 * allowed. */
PAWL_API void pawl_hazard_close(struct pawl_hazard *hazard);

PAWL_API PAWL_COLD struct pawl_hazard_slot *pawl_hazard_take_slow_(struct pawl_hazard *hazard);
PAWL_API PAWL_COLD void pawl_hazard_not_taken_(void) __attribute__((noreturn));
PAWL_API PAWL_COLD struct pawl_hazard_slot *pawl_hazard_wake_(struct pawl_hazard_place *place,
                                                              struct pawl_hazard_slot *slot);

/* After the store that takes the slot, which it returns. */
PAWL_API PAWL_INLINE struct pawl_hazard_slot *pawl_hazard_taken_(struct pawl_hazard_place *place,
                                                                 struct pawl_hazard_slot *slot)
{
    /* The store before the look below: either a fence's scan sees it, or this sees what was stored before the fence. (Where
     * there is no membarrier all come here out of line, and marks need not be passed.) */
#if PAWL_INSTRUMENTED
    pawl_fence_light();
#else
    pawl_fence_compiler();
#endif
    /* relaxed: what follows has a fence */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&place->rest) != 0))
        return pawl_hazard_wake_(place, slot);
    return slot;
}

/* A slot, empty. NULL with errno ENOMEM: this thread has eight, and there is no page for more. */
PAWL_API PAWL_INLINE struct pawl_hazard_slot *pawl_hazard_take(struct pawl_hazard *hazard)
{
    struct pawl_hazard_place *place = (struct pawl_hazard_place *)(void *)((char *)hazard->places +
                                                                           pawl_reader_at_);
    struct pawl_hazard_slot *slot = place->slot;

    /* relaxed: only this thread, and handlers that interrupt it and give back what they take, change the word */
    for (unsigned int i = 0; i < PAWL_HAZARD_SLOTS; i++)
        if (PAWL_LIKELY(pawl_load_relaxed(&slot[i].word) == 0)) {
            /* release Z: a scan that sees this has missed the 0 of the last give */
            pawl_store_release(&slot[i].word, PAWL_HAZARD_EMPTY_);
            return pawl_hazard_taken_(place, &slot[i]);
        }
    return pawl_hazard_take_slow_(hazard);
}

/* The slot holds nothing any more. */
PAWL_API PAWL_INLINE void pawl_hazard_clear(struct pawl_hazard_slot *slot)
{
    /* release Z: pairs with the acquire of scans */
    pawl_store_release(&slot->word, PAWL_HAZARD_EMPTY_);
}

/* Empties the slot and gives it back. By the thread that took it. */
PAWL_API PAWL_INLINE void pawl_hazard_give(struct pawl_hazard *hazard, struct pawl_hazard_slot *slot)
{
    (void)hazard;
    /* relaxed: the thread's own */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&slot->word) == 0))
        pawl_hazard_not_taken_();
    pawl_store_release(&slot->word, (uintptr_t)0); /* release Z: as in pawl_hazard_clear() */
}

/* The slot holds `object`, which is safe to use only if it is found to be reachable after this call (a
 * second load of the pointer that led there). For pointers with tag bits; otherwise pawl_hazard_protect. */
PAWL_API PAWL_INLINE void pawl_hazard_set(struct pawl_hazard_slot *slot, const void *object)
{
    /* release Z: the object that it held before is let go */
    pawl_store_release(&slot->word, (uintptr_t)object + PAWL_HAZARD_EMPTY_);
    pawl_fence_light(); /* the store before the caller's second load; the heavy side is in scan() */
}

/* Loads the pointer in *source, an atomic one, and holds its object in the slot. NULL is returned as it is.
 * acquire A: pairs with the release that published the object. */
#define pawl_hazard_protect(slot, source)                                                     \
    __extension__({                                                                           \
        struct pawl_hazard_slot *pawl_slot_ = (slot);                                         \
        __typeof__(&*(source)) pawl_source_ = (source);                                       \
        __typeof__(pawl_load_relaxed(pawl_source_)) again_ = pawl_load_relaxed(pawl_source_); \
        __typeof__(again_) object_;                                                           \
        do {                                                                                  \
            object_ = again_;                                                                 \
            pawl_hazard_set(pawl_slot_, object_);                                             \
            again_ = pawl_load_acquire(pawl_source_);                                         \
        } while (PAWL_UNLIKELY(again_ != object_)); /* somebody published another */          \
        object_;                                                                              \
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
