/* SPDX-License-Identifier: MIT */
/* Restartable sequences of your own, written in C.
 *
 * Purpose    The per-CPU operation that <pawl/percpu.h> does not have: your list, your histogram, your
 *            event buffer, over the same regions and slots. Where a ready operation of percpu.h serves, take
 *            that: it is inlined into its caller, a sequence of this header is called.
 * Model      One function of ordinary C, that loads from this CPU's slice, prepares what nobody else sees yet,
 *            and takes effect at one store:
 *
 *                struct cache { struct node *free; };
 *
 *                PAWL_RESTARTABLE(long, cache_put, (struct pawl_percpu *pc, struct node *node), (pc, node))
 *                {
 *                    struct cache *cache = PAWL_RS_BEGIN(pc, struct cache);
 *
 *                    PAWL_RS_SCRATCH(node->next, PAWL_RS_LOAD(cache->free));
 *                    PAWL_RS_COMMIT(cache->free, node);
 *                    return 0;
 *                }
 *
 *            This defines `static inline long cache_put(struct pawl_percpu *pc, struct node *node)`. It returns
 *            what the body returns, or -EBUSY (a function that returns a pointer: NULL) when the slice is
 *            detached.
 *            Preempted, migrated or interrupted before the commit, the body runs again from its start.
 * Compiled   Three times, from the one body:
 *              cache_put_sequence_   the restartable sequence: a function of its own, never inlined;
 *              cache_put_slow_       the same under the lock of one of the region's locked slots: where
 *                                    sequences do not run (see <pawl/rseq.h>) or the slot is not in use yet;
 *              in instrumented builds (ThreadSanitizer, the model checker) and without optimisation, where a
 *                                    compiler keeps every variable in memory, the locked form alone.
 * Rules      The compiler enforces 1 and 2; `pawl rseq-check FILE` proves the others of the linked program:
 *              1  One PAWL_RS_BEGIN, first. At most one PAWL_RS_COMMIT; what returns without it changes
 *                 nothing. The commit is of 1, 2, 4 or 8 bytes, aligned.
 *              2  The function returns a long or a pointer. It must not return PAWL_RS_AGAIN.
 *              3  Before the commit: no store but PAWL_RS_SCRATCH; no call that stays a call (mark functions
 *                 of your own `static inline`), no atomic read-modify-write, no system call, no switch that
 *                 becomes a jump table, no more live variables than there are registers.
 *              4  Loops end after hundreds of turns at most: a longer one is restarted too often to end.
 *            These it cannot prove; they are yours:
 *              5  Scratch memory belongs to the caller alone, or holds nothing until the commit says so.
 *              6  What a loaded pointer points to stays mapped: another thread may have freed it just now. What
 *                 is read from it is discarded then, but it is read (type-stable memory, or reclamation).
 *              7  The address of the commit is computed from the slice.
 * After      Code behind the commit runs once, and may do what it likes. In the locked form it still holds the
 *            lock: keep it short.
 * Ordering   The commit is a release store (W). A later operation on the slot sees all that was stored before
 *            it; so does another CPU that loads the committed word with acquire order.
 * Progress,  as in <pawl/percpu.h>: lock-free on a sequence; callable from signal handlers, also from one that
 * signals    interrupted the same function.
 * Why it is sound
 *            The compiler knows of one way from the arming to the label of the abort: the `asm goto` that arms. The
 *            kernel takes that way later, from any instruction of the section, with registers that have
 *            changed since. So the code at the label may use nothing but the stack frame, and the frame must
 *            be at every instruction what it was at the arming. It uses nothing else: it sets one register
 *            by an `asm volatile` and returns. The frame stays because a sequence calls nothing and does not
 *            spill, which is what rseq-check proves. Hence the rule "a function of its own": inlined, its
 *            caller's variables would live across the label.
 * For tools  __rseq_cs            the descriptors, as rseq(2) lays them out, 32-byte aligned.
 *            __rseq_cs_ptr_array  a pointer to each.
 *            __rseq_failure       the abort handlers, each behind the 4-byte signature.
 *            __rseq_scratch       one 8-byte record a PAWL_RS_SCRATCH store: the address of the store instruction.
 *                                 A store before the commit that has no record is a mistake.
 *            The sections are writable, because their addresses are relocated in position-independent
 *            programs.
 * Cost       The sequence's own instructions and a call. No atomic read-modify-write, no fence.
 * Source     Linux rseq(2). Checked by tests/restartable, which interrupts every instruction.
 */
#ifndef PAWL_RESTARTABLE_H
#define PAWL_RESTARTABLE_H

#include <errno.h>
#include <pawl/percpu.h>

PAWL_BEGIN_DECLS

/* 1 where the bodies of this translation unit become sequences. Define PAWL_RESTARTABLE_LOCKED to have the
 * locked form alone: to step through it in a debugger, or for a coverage build. */
#if PAWL_PERCPU_SEQUENCES && defined(__OPTIMIZE__) && !defined(PAWL_RESTARTABLE_LOCKED)
#define PAWL_RESTARTABLE_SEQUENCES 1
#else
#define PAWL_RESTARTABLE_SEQUENCES 0
#endif

/* What the sequence returns inside when it was aborted or found no slice. No errno, no count, no pointer. */
#define PAWL_RS_AGAIN (-4096L)

/* ---- The statements of a body ---- */

/* The slice of this CPU's slot, as a pointer to `slice_type`. An expression; the first one of the body. */
#define PAWL_RS_BEGIN(pc, slice_type)                         \
    __extension__({                                           \
        if (pawl_rs_mode_ == PAWL_RS_SEQUENCE_) {             \
            PAWL_RS_FIND_(pc, pawl_rs_slot_, pawl_rs_slice_); \
            if (PAWL_UNLIKELY((pawl_rs_slice_ & 1) != 0))     \
                return pawl_rs_again_;                        \
        }                                                     \
        (slice_type *)pawl_rs_slice_;                         \
    })

/* The slot that the body works on, a long: after PAWL_RS_BEGIN. */
#define PAWL_RS_SLOT ((const long)pawl_rs_slot_)

/* The value of an object in the slice, or of one that a pointer in the slice leads to: one load, not repeated
 * and not split. */
#define PAWL_RS_LOAD(object) __atomic_load_n(PAWL_RS_PLAIN_(object), __ATOMIC_RELAXED)

/* The same, and what is loaded later is not older: for a word that another CPU stores with release order. */
#define PAWL_RS_LOAD_ACQUIRE(object) __atomic_load_n(PAWL_RS_PLAIN_(object), __ATOMIC_ACQUIRE)

/* object = value, in memory that means nothing to anybody until the commit (rule 5). Repeated by a restart. */
#define PAWL_RS_SCRATCH(object, value)                                         \
    do {                                                                       \
        PAWL_RS_TYPE_(object) pawl_rs_private_ = (value);                      \
        if (pawl_rs_mode_ == PAWL_RS_SEQUENCE_)                                \
            PAWL_RS_STORE_PRIVATE_(*PAWL_RS_PLAIN_(object), pawl_rs_private_); \
        else                                                                   \
            *PAWL_RS_PLAIN_(object) = pawl_rs_private_;                        \
    } while (0)

/* object = value (release W), and the sequence is over. Once in a body: the label says so to the compiler. */
#define PAWL_RS_COMMIT(object, value)                                                                \
    do {                                                                                             \
        PAWL_RS_TYPE_(object) pawl_rs_last_ = (value);                                               \
        PAWL_STATIC_ASSERT(sizeof(pawl_rs_last_) <= 8, "a commit is one store, of at most 8 bytes"); \
    a_restartable_body_has_one_commit:                                                               \
        __attribute__((unused));                                                                     \
        if (pawl_rs_mode_ == PAWL_RS_SEQUENCE_)                                                      \
            PAWL_RS_STORE_LAST_(*PAWL_RS_PLAIN_(object), pawl_rs_last_);                             \
        else                                                                                         \
            __atomic_store_n(PAWL_RS_PLAIN_(object), pawl_rs_last_, __ATOMIC_RELEASE);               \
    } while (0)

/* ---- The function ---- */

/* Defines the static inline function `name` of a body, which follows. `parameters` and `arguments` in
 * parentheses, the region first. */
#define PAWL_RESTARTABLE(type, name, parameters, arguments)                                                 \
    PAWL_STATIC_ASSERT(sizeof(type) == sizeof(long), "a restartable function returns a long or a pointer"); \
    PAWL_RS_BODY_ type name##_body_(PAWL_RS_HIDDEN_(type), PAWL_RS_LIST_ parameters);                       \
    PAWL_RS_DEFINE_SEQUENCE_(type, name, parameters, arguments)                                             \
    PAWL_RS_UNUSED_ PAWL_COLD static type name##_slow_ parameters                                           \
    {                                                                                                       \
        struct pawl_rs_turn pawl_rs_turn_;                                                                  \
        int pawl_rs_status_;                                                                                \
        type pawl_rs_result_;                                                                               \
                                                                                                            \
        while ((pawl_rs_status_ = pawl_rs_turn_begin(PAWL_RS_FIRST_ arguments, PAWL_RESTARTABLE_SEQUENCES,  \
                                                     &pawl_rs_turn_)) > 0) {                                \
            pawl_rs_result_ = PAWL_RS_TRY_(type, name, arguments);                                          \
            if ((long)pawl_rs_result_ != PAWL_RS_AGAIN)                                                     \
                return pawl_rs_result_;                                                                     \
        }                                                                                                   \
        if (pawl_rs_status_ < 0)                                                                            \
            return PAWL_RS_DETACHED_(type);                                                                 \
        pawl_rs_result_ = name##_body_(PAWL_RS_LOCKED_, (uintptr_t)pawl_rs_turn_.slice,                     \
                                       (long)pawl_rs_turn_.slot, (type)PAWL_RS_AGAIN,                       \
                                       PAWL_RS_LIST_ arguments);                                            \
        pawl_rs_turn_end(&pawl_rs_turn_);                                                                   \
        return pawl_rs_result_;                                                                             \
    }                                                                                                       \
    PAWL_RS_UNUSED_ static inline type name parameters                                                      \
    {                                                                                                       \
        type pawl_rs_result_ = PAWL_RS_TRY_(type, name, arguments);                                         \
                                                                                                            \
        return PAWL_LIKELY((long)pawl_rs_result_ != PAWL_RS_AGAIN) ? pawl_rs_result_                        \
                                                                   : name##_slow_ arguments;                \
    }                                                                                                       \
    PAWL_RS_BODY_ type name##_body_(PAWL_RS_HIDDEN_(type), PAWL_RS_LIST_ parameters)

/* ---- Behind the macros ---- */

/* A turn on a locked slot. */
struct pawl_rs_turn {
    void *lock;
    void *slice;
    uint32_t slot;
};

/* Why did a sequence miss? Returns 1: for no reason that still holds, run it again; 0: this thread cannot run
 * sequences (or the caller has none, `has_sequence` false), it has a turn on a locked slot now; -EBUSY: detached.
 * Any thread, signal handlers too. Progress: see <pawl/percpu.h>. */
PAWL_API int pawl_rs_turn_begin(struct pawl_percpu *pc, bool has_sequence, struct pawl_rs_turn *turn);
PAWL_API void pawl_rs_turn_end(const struct pawl_rs_turn *turn);

PAWL_END_DECLS

enum { PAWL_RS_LOCKED_, PAWL_RS_SEQUENCE_ };

/* A constant in every copy of the body, the slice and slot of the locked form, and what a miss returns. */
#define PAWL_RS_HIDDEN_(type)                                                          \
    const int pawl_rs_mode_ PAWL_RS_UNUSED_, uintptr_t pawl_rs_slice_ PAWL_RS_UNUSED_, \
        long pawl_rs_slot_ PAWL_RS_UNUSED_, type const pawl_rs_again_ PAWL_RS_UNUSED_

#define PAWL_RS_UNUSED_ __attribute__((unused))
#define PAWL_RS_LIST_(...) __VA_ARGS__
#define PAWL_RS_FIRST_(...) PAWL_RS_HEAD_(__VA_ARGS__, 0)
#define PAWL_RS_HEAD_(first, ...) first

/* The type of an object's value, without _Atomic; and the object as one of that type. */
#define PAWL_RS_TYPE_(object) __typeof__(((void)0, (object)))
#define PAWL_RS_PLAIN_(object) ((PAWL_RS_TYPE_(object) *)(uintptr_t) & (object))

/* 5 is pointer_type_class in both compilers. */
#define PAWL_RS_DETACHED_(type) ((type)(__builtin_classify_type((type)0) == 5 ? 0l : (long)-EBUSY))

#if PAWL_RESTARTABLE_SEQUENCES

/* In the order of the text, every arming is followed by its own commit: the descriptor's end depends on
 * it. A compiler that copied or moved one of the two is told off by the assembler. */
#define PAWL_RS_OPEN_                                                                                    \
    ".ifdef .Lpawl_rs_open\n\t"                                                                          \
    ".if .Lpawl_rs_open\n\t"                                                                             \
    ".error \"pawl/restartable.h: the sequence before this one has no commit behind its beginning\"\n\t" \
    ".endif\n\t"                                                                                         \
    ".endif\n\t"                                                                                         \
    ".set .Lpawl_rs_open, 1\n\t"
#define PAWL_RS_CLOSE_                                                                                  \
    "7705:\n\t"                                                                                         \
    ".if .Lpawl_rs_open - 1\n\t"                                                                        \
    ".error \"pawl/restartable.h: the compiler has copied this commit; make the paths that lead to it " \
    "one, by computing what differs\"\n\t"                                                              \
    ".endif\n\t"                                                                                        \
    ".set .Lpawl_rs_open, 0"

/* Nothing may add code to a sequence, put a part of it elsewhere, or give it a frame.
 * gcc: blocks stay in the order of the source, and no loop or path is copied, so that none behind the commit
 * leads back. clang has no such attributes, and rarely does it; rseq-check finds it where it happens. */
#if defined(__clang__)
#define PAWL_RS_BARE_                                                                          \
    __attribute__((no_instrument_function, no_profile_instrument_function, no_stack_protector, \
                   no_sanitize("address", "undefined", "thread", "memory", "coverage")))
#define PAWL_RS_SHAPE_ __attribute__((noinline, flatten, unused))
#else
#define PAWL_RS_BARE_                                                                          \
    __attribute__((no_instrument_function, no_profile_instrument_function, no_stack_protector, \
                   no_sanitize("address"), no_sanitize("undefined"), no_sanitize("thread"),    \
                   no_sanitize_coverage))
#define PAWL_RS_SHAPE_                                                                                    \
    __attribute__((noipa, flatten, unused,                                                                \
                   optimize("omit-frame-pointer", "no-reorder-blocks", "no-reorder-blocks-and-partition", \
                            "no-jump-tables", "no-tree-ch", "no-unroll-loops", "no-unroll-all-loops",     \
                            "no-peel-loops", "no-split-loops", "no-unswitch-loops",                       \
                            "no-tree-loop-distribute-patterns", "no-tree-vectorize", "no-thread-jumps")))
#endif

#define PAWL_RS_BODY_ PAWL_RS_BARE_ __attribute__((unused, always_inline)) static inline

/* A function that has a frame in spite of everything (clang with -fno-omit-frame-pointer) must not give it up
 * inside the section, where an abort would give it up once more. So with clang every way out leads through
 * `left`, behind the commit; the arming names the label so that no copies of it are made. */
#if defined(__clang__)
#define PAWL_RS_LABELS_ pawl_rs_aborted, pawl_rs_left
#define PAWL_RS_RETURN_(type, number, value) \
    number = (long)(value);                  \
    goto pawl_rs_left;
#define PAWL_RS_LEFT_ \
    pawl_rs_left:
#else
#define PAWL_RS_LABELS_ pawl_rs_aborted
#define PAWL_RS_RETURN_(type, number, value) return value;
#define PAWL_RS_LEFT_
#endif

#define PAWL_RS_DEFINE_SEQUENCE_(type, name, parameters, arguments)                                          \
    PAWL_RS_BARE_ PAWL_RS_SHAPE_ static type name##_sequence_ parameters                                     \
    {                                                                                                        \
        long pawl_rs_number_;                                                                                \
                                                                                                             \
        __asm__("" : "=r"(pawl_rs_number_));                                                                 \
        PAWL_RS_ARM_(PAWL_RS_FIRST_ arguments, PAWL_RS_LABELS_);                                             \
        PAWL_RS_RETURN_(type, pawl_rs_number_,                                                               \
                        name##_body_(PAWL_RS_SEQUENCE_, 0, 0, (type)PAWL_RS_AGAIN, PAWL_RS_LIST_ arguments)) \
    pawl_rs_aborted:                                                                                         \
        PAWL_RS_SET_(pawl_rs_number_, PAWL_RS_AGAIN);                                                        \
        PAWL_RS_LEFT_                                                                                        \
        return (type)pawl_rs_number_;                                                                        \
    }
#define PAWL_RS_TRY_(type, name, arguments) name##_sequence_ arguments

#if defined(__x86_64__)
#include <pawl/arch/restartable_x86_64.h>
#else
#include <pawl/arch/restartable_aarch64.h>
#endif

#else

#define PAWL_RS_BODY_ __attribute__((unused)) static inline
#define PAWL_RS_DEFINE_SEQUENCE_(type, name, parameters, arguments)
#define PAWL_RS_TRY_(type, name, arguments) (type) PAWL_RS_AGAIN
/* The mode is never PAWL_RS_SEQUENCE_. */
#define PAWL_RS_FIND_(pc, slot, word) ((void)(pc))
#define PAWL_RS_STORE_LAST_(object, value) ((void)(value))
#define PAWL_RS_STORE_PRIVATE_(object, value) ((void)(value))

#endif

#endif
