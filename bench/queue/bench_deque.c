/* SPDX-License-Identifier: MIT */
/* Work-stealing deques: what the owner pays, and what a thief takes away. */
#include "deque_peers.h"

#include <pawl/deque.h>

#include <errno.h>
#include <string.h>

/* ---- ours ---- */

PAWL_STATIC_ASSERT(sizeof(struct pawl_deque) <= BENCH_DEQUE_BYTES, "it has room in the shared struct");

static struct bench_deque *new_shared(unsigned threads)
{
    struct bench_deque *shared = aligned_alloc(BENCH_LINE_PAIR, sizeof *shared);

    if (shared == NULL || threads > BENCH_DEQUE_THREADS)
        abort();
    memset(shared, 0, sizeof *shared);
    return shared;
}

static int open_pawl(unsigned threads, void **shared)
{
    *shared = new_shared(threads);
    return pawl_deque_init(bench_deque_of(*shared), 1024, 0);
}

static int open_rarely_stolen(unsigned threads, void **shared)
{
    *shared = new_shared(threads);
    return pawl_deque_init(bench_deque_of(*shared), 1024, PAWL_DEQUE_RARELY_STOLEN);
}

static void free_pawl(void *shared)
{
    pawl_deque_destroy(bench_deque_of(shared));
    free(shared);
}

static inline void push_pawl(struct pawl_deque *deque, void *pointer)
{
    if (pawl_deque_push(deque, pointer) != 0)
        abort();
}

static inline bool pop_pawl(struct pawl_deque *deque, void **pointer)
{
    return pawl_deque_pop(deque, pointer) == 0;
}

static inline long steal_one(struct pawl_deque *deque, void **pointers)
{
    return pawl_deque_steal(deque, pointers) == 0;
}

static inline long steal_half(struct pawl_deque *deque, void **pointers)
{
    return pawl_deque_steal_half(deque, pointers, BENCH_STEAL_MAX);
}

#define LINKAGE static
#define LOOP(name) pawl_##name
#define DEQUE struct pawl_deque
#define PUSH push_pawl
#define POP pop_pawl
#define STEAL steal_one
#include "deque_loops.h"

#define LINKAGE static
#define LOOP(name) pawl_half_##name
#define DEQUE struct pawl_deque
#define PUSH push_pawl
#define POP pop_pawl
#define STEAL steal_half
#include "deque_loops.h"

/* ---- the textbook: N. Le, A. Pop, A. Cohen, F. Zappa Nardelli, 2013, without growing ---- */

enum { TEXTBOOK_SLOTS = 1 << 16 };

struct textbook {
    PAWL_ATOMIC(int64_t) bottom PAWL_LINE_PAIR_ALIGNED;
    PAWL_ATOMIC(void *) * slot;
    PAWL_ATOMIC(int64_t) top PAWL_LINE_PAIR_ALIGNED;
};

static int open_textbook(unsigned threads, void **shared)
{
    struct textbook *deque = bench_deque_of(*shared = new_shared(threads));

    deque->slot = calloc(TEXTBOOK_SLOTS, sizeof deque->slot[0]);
    return deque->slot != NULL ? 0 : -ENOMEM;
}

static void free_textbook(void *shared)
{
    struct textbook *deque = bench_deque_of(shared);

    free((void *)(uintptr_t)deque->slot);
    free(shared);
}

static inline bool pop_textbook(struct textbook *deque, void **pointer)
{
    int64_t bottom = pawl_load_relaxed(&deque->bottom) - 1, top;
    bool there;

    pawl_store_relaxed(&deque->bottom, bottom);
    pawl_fence_seq_cst();
    top = pawl_load_relaxed(&deque->top);
    if (top > bottom) {
        pawl_store_relaxed(&deque->bottom, bottom + 1);
        return false;
    }
    *pointer = pawl_load_relaxed(&deque->slot[bottom & (TEXTBOOK_SLOTS - 1)]);
    if (top < bottom)
        return true;
    there = pawl_cas_seq_cst(&deque->top, &top, top + 1);
    pawl_store_relaxed(&deque->bottom, bottom + 1);
    return there;
}

static inline void push_textbook(struct textbook *deque, void *pointer)
{
    int64_t bottom = pawl_load_relaxed(&deque->bottom), top = pawl_load_acquire(&deque->top);
    void *ignored;

    if (bottom - top >= TEXTBOOK_SLOTS) { /* in place of growing: it throws one away */
        bench_keep((uint64_t)pop_textbook(deque, &ignored));
        bottom = pawl_load_relaxed(&deque->bottom);
    }
    pawl_store_relaxed(&deque->slot[bottom & (TEXTBOOK_SLOTS - 1)], pointer);
    pawl_store_release(&deque->bottom, bottom + 1);
}

static inline long steal_textbook(struct textbook *deque, void **pointers)
{
    int64_t top = pawl_load_acquire(&deque->top);

    pawl_fence_seq_cst();
    if (top >= pawl_load_acquire(&deque->bottom))
        return 0;
    pointers[0] = pawl_load_relaxed(&deque->slot[top & (TEXTBOOK_SLOTS - 1)]);
    return pawl_cas_seq_cst(&deque->top, &top, top + 1);
}

#define LINKAGE static
#define LOOP(name) textbook_##name
#define DEQUE struct textbook
#define PUSH push_textbook
#define POP pop_textbook
#define STEAL steal_textbook
#include "deque_loops.h"

/* ---- crossbeam ---- */

#if BENCH_HAVE_CROSSBEAM
static int open_crossbeam(unsigned threads, void **shared)
{
    *shared = new_shared(threads);
    return bench_crossbeam_open(*shared);
}

static void free_crossbeam(void *shared)
{
    bench_crossbeam_close(shared);
    free(shared);
}

#define CROSSBEAM(loop, one)                                                            \
    {                                                                                   \
        .name = "crossbeam (Rust)", .setup = open_crossbeam, .run = loop, .alone = one, \
        .teardown = free_crossbeam                                                      \
    }
#else
#define CROSSBEAM(loop, one)                                                                          \
    {                                                                                                 \
        .name = "crossbeam (Rust)", .missing = "built without the Rust peers (bench/peers/README.md)" \
    }
#endif

/* ---- who takes part ---- */

/* `one` is what one thread does when its costs are counted. */
#define OURS(title, open, loop, one)                                                   \
    {                                                                                  \
        .name = title, .setup = open, .run = loop, .alone = one, .teardown = free_pawl \
    }
#define TEXTBOOK(loop, one)                                                               \
    {                                                                                     \
        .name = "Chase-Lev, textbook", .setup = open_textbook, .run = loop, .alone = one, \
        .teardown = free_textbook                                                         \
    }

static const struct bench_contender pairs[] = {
    OURS("pawl_deque", open_pawl, pawl_pairs, NULL),
    OURS("pawl_deque, rarely stolen", open_rarely_stolen, pawl_half_pairs, NULL),
    TEXTBOOK(textbook_pairs, NULL),
    CROSSBEAM(bench_crossbeam_pairs, NULL),
    {0},
};

static const struct bench_contender sixteen[] = {
    OURS("pawl_deque", open_pawl, pawl_sixteen, NULL),
    OURS("pawl_deque, rarely stolen", open_rarely_stolen, pawl_half_sixteen, NULL),
    TEXTBOOK(textbook_sixteen, NULL),
    CROSSBEAM(bench_crossbeam_sixteen, NULL),
    {0},
};

static const struct bench_contender emptied[] = {
    OURS("pawl_deque, one", open_pawl, pawl_emptied, NULL),
    OURS("pawl_deque, half", open_pawl, pawl_half_emptied, NULL),
    OURS("rarely stolen, one", open_rarely_stolen, pawl_emptied, NULL),
    OURS("rarely stolen, half", open_rarely_stolen, pawl_half_emptied, NULL),
    TEXTBOOK(textbook_emptied, NULL),
    CROSSBEAM(bench_crossbeam_emptied, NULL),
    {0},
};

static const struct bench_contender stolen[] = {
    OURS("pawl_deque, one", open_pawl, pawl_stolen, pawl_stolen_alone),
    OURS("pawl_deque, half", open_pawl, pawl_half_stolen, pawl_half_stolen_alone),
    OURS("rarely stolen, half", open_rarely_stolen, pawl_half_stolen, pawl_half_stolen_alone),
    TEXTBOOK(textbook_stolen, textbook_stolen_alone),
    CROSSBEAM(bench_crossbeam_stolen, bench_crossbeam_stolen_alone),
    {0},
};

static const struct bench_contender handed[] = {
    OURS("pawl_deque, one", open_pawl, pawl_handed, pawl_handed_alone),
    OURS("pawl_deque, half", open_pawl, pawl_half_handed, pawl_half_handed_alone),
    OURS("rarely stolen, one", open_rarely_stolen, pawl_handed, pawl_handed_alone),
    OURS("rarely stolen, half", open_rarely_stolen, pawl_half_handed, pawl_half_handed_alone),
    TEXTBOOK(textbook_handed, textbook_handed_alone),
    CROSSBEAM(bench_crossbeam_handed, bench_crossbeam_handed_alone),
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "pairs",
         .about =
             "Push one, pop one. pawl_deque: 0 RMW, 1 fence (rarely stolen: 0). Chase-Lev: 1 RMW, 1 fence.",
         .unit = "push+pop",
         .contenders = pairs},
        {.name = "sixteen",
         .about =
             "Sixteen in, sixteen out. RMW in all: pawl_deque 0, Chase-Lev 1. Fences: 16 (rarely stolen: 0).",
         .unit = "push+pop",
         .ops = 16,
         .contenders = sixteen},
        {.name = "emptied",
         .about =
             "Push 16, steal them all, in one thread. RMW a steal: pawl_deque 1 of one, else 2 (16 bytes), Chase-Lev 1.",
         .unit = "pointer",
         .ops = 16,
         .contenders = emptied},
        {.name = "stolen",
         .about =
             "The owner pushes two for each one that it pops, the others steal. Counted over 16 of one thread.",
         .unit = "pointer taken",
         .batch = 16,
         .threads = {2, 4},
         .contenders = stolen},
        {.name = "handed",
         .about =
             "The owner only pushes, at most 1024 ahead, the others steal everything. Counted as \"stolen\".",
         .unit = "pointer taken",
         .batch = 16,
         .threads = {2, 4},
         .contenders = handed},
        {0},
    };
    static const struct bench_program program = {"deque", "Work-stealing deques: owners and thieves.",
                                                 groups};

    return bench_main(argc, argv, &program);
}
