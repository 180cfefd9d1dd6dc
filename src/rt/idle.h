/* SPDX-License-Identifier: MIT */
/* Who sleeps and who searches: how no work is left lying while everybody sleeps.
 *
 * A worker that finds nothing says that it is going to sleep, looks once more, and sleeps. Who makes work visible
 * looks for a sleeper then, and calls it. So that a storm of work does not wake everybody, no sleeper is called while
 * somebody searches; therefore the last one to stop searching looks again on behalf of those who relied on it.
 *
 *     makes work visible                       goes to sleep
 *       publish (deque, queue, inbox)            word = ASLEEP, no longer a searcher
 *       fence                            S       fence
 *       somebody searches? done                  anything there (or for me)? then get up
 *       a word ASLEEP -> CALLED: notify          wait in the engine
 *
 * S: of the two fences one comes first. If the publisher's, the sleeper's last look sees the work. If the sleeper's, the
 * publisher sees the word ASLEEP, or what came after it: somebody else's call, or that it is up again, and then
 * it will look once more before it sleeps again.
 *
 * And if the publisher relied on a searcher: that one's end of searching is a write of `counts` that comes after the
 * value the publisher saw; behind it, the searcher has a fence too, and looks: at the queues, if it goes to sleep
 * itself, or else, if it was the last, for a sleeper to call.
 *
 * A sleeper that may not search, because enough others do, need not look at the queues: it relies on them likewise.
 */
#ifndef PAWL_RT_IDLE_H
#define PAWL_RT_IDLE_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stdint.h>

struct pawl_idle {
    /* S: searchers << 32 | sleepers that nobody has called. To spare the others a look at all the words. */
    PAWL_ATOMIC(uint64_t) counts;
};

#define PAWL_IDLE_SLEEPER_ UINT64_C(1)
#define PAWL_IDLE_SEARCHER_ (UINT64_C(1) << 32)

enum pawl_sleep {
    PAWL_AWAKE_,
    PAWL_ASLEEP_, /* or about to */
    PAWL_CALLED_, /* for something of its own */
    PAWL_SENT_,   /* to search, and counted as a searcher already */
};

struct pawl_sleeper {
    PAWL_ATOMIC(uint32_t) word; /* S: enum pawl_sleep */
};

static inline uint64_t pawl_idle_searchers_(uint64_t counts)
{
    return counts >> 32;
}

static inline uint64_t pawl_idle_sleepers_(uint64_t counts)
{
    return counts & UINT32_MAX;
}

/* Counts the caller as a searcher, unless there are `most` already. */
static inline bool pawl_idle_search_(struct pawl_idle *idle, uint64_t most)
{
    /* relaxed: one searcher too many, or a worker that sleeps instead, does no harm; see above for why it may sleep */
    if (pawl_idle_searchers_(pawl_load_relaxed(&idle->counts)) >= most)
        return false;
    /* relaxed: publishes nothing; what matters is when it is taken back */
    pawl_fetch_add_relaxed(&idle->counts, PAWL_IDLE_SEARCHER_);
    return true;
}

/* A searcher that found something searches no more. True: it was the last, and must call pawl_idle_publish_(). */
static inline bool pawl_idle_found_(struct pawl_idle *idle)
{
    /* relaxed: the fence that orders what follows is in pawl_idle_publish_() */
    return pawl_idle_searchers_(pawl_fetch_sub_relaxed(&idle->counts, PAWL_IDLE_SEARCHER_)) == 1;
}

/* Announces the sleep. Then look at what is yours alone, and, if this says so, at what anybody could take; then
 * wait or not; in the end pawl_idle_up_(). */
static inline bool pawl_idle_down_(struct pawl_idle *idle, struct pawl_sleeper *self, bool searching)
{
    /* relaxed, all: the fence orders them before the caller's look */
    pawl_store_relaxed(&self->word, (uint32_t)PAWL_ASLEEP_);
    pawl_fetch_add_relaxed(&idle->counts, PAWL_IDLE_SLEEPER_ - (searching ? PAWL_IDLE_SEARCHER_ : 0));
    pawl_fence_seq_cst(); /* S: the word before the looks */
    return pawl_idle_searchers_(pawl_load_relaxed(&idle->counts)) == 0;
}

/* Up again. What it was called for; PAWL_SENT_: the caller counts as a searcher. */
static inline enum pawl_sleep pawl_idle_up_(struct pawl_idle *idle, struct pawl_sleeper *self)
{
    /* acquire S1: pairs with the release of the call, publishes what the caller was called for */
    uint32_t word = pawl_exchange_acquire(&self->word, (uint32_t)PAWL_AWAKE_);

    if (word == PAWL_ASLEEP_)
        pawl_fetch_sub_relaxed(&idle->counts, PAWL_IDLE_SLEEPER_); /* relaxed: a count of who may be called */
    return (enum pawl_sleep)word;
}

/* Calls a worker out of its sleep, for something in its inbox: true, and the caller must notify it. False: it does
 * not sleep, or another has called it. */
static inline bool pawl_idle_call_(struct pawl_idle *idle, struct pawl_sleeper *who)
{
    uint32_t asleep = PAWL_ASLEEP_;

    pawl_fence_seq_cst(); /* S: what the caller has published before the look at the word */
    /* relaxed: a look that spares the line. release S1: pairs with the acquire in up() */
    if (pawl_load_relaxed(&who->word) != PAWL_ASLEEP_ ||
        !pawl_cas_release(&who->word, &asleep, (uint32_t)PAWL_CALLED_))
        return false;
    pawl_fetch_sub_relaxed(&idle->counts, PAWL_IDLE_SLEEPER_); /* relaxed: as in up() */
    return true;
}

/* Sends a sleeper to search for what the caller has published, if none searches. `who` gives the i-th worker in the
 * order in which they are to be asked, NULL behind the last. Returns whom: the caller must notify it. NULL: nobody
 * needs to be called. */
static inline struct pawl_sleeper *pawl_idle_publish_(struct pawl_idle *idle,
                                                      struct pawl_sleeper *(*who)(void *context, uint32_t i),
                                                      void *context)
{
    struct pawl_sleeper *sleeper;

again:
    pawl_fence_seq_cst(); /* S: what the caller has published before the looks */
    /* relaxed: S is in the fence. A count of sleepers that lags behind a word is one of a worker that will look. */
    uint64_t counts = pawl_load_relaxed(&idle->counts);

    if (pawl_idle_searchers_(counts) != 0 || pawl_idle_sleepers_(counts) == 0)
        return NULL;
    for (uint32_t i = 0; (sleeper = who(context, i)) != NULL; i++) {
        uint32_t asleep = PAWL_ASLEEP_;

        if (pawl_load_relaxed(&sleeper->word) != PAWL_ASLEEP_) /* relaxed: as in call() */
            continue;
        /* Counted first: as soon as the word says so, it may stop searching. relaxed: as in search() */
        pawl_fetch_add_relaxed(&idle->counts, PAWL_IDLE_SEARCHER_);
        if (pawl_cas_release(&sleeper->word, &asleep, (uint32_t)PAWL_SENT_)) { /* release S1: as in call() */
            pawl_fetch_sub_relaxed(&idle->counts, PAWL_IDLE_SLEEPER_);         /* relaxed: as in up() */
            return sleeper;
        }
        /* Another was faster. Meanwhile somebody may have relied on this count. */
        if (pawl_idle_found_(idle))
            goto again;
        return NULL;
    }
    return NULL;
}

#endif
