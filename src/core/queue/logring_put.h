/* SPDX-License-Identifier: MIT */
/* The restartable sequence that puts a record into the ring of this CPU. logring_format.h says why it is right.
 *
 * Included by logring.c, and by the closure for the model checker, which has statements of its own. */
#ifndef PAWL_CORE_QUEUE_LOGRING_PUT_H
#define PAWL_CORE_QUEUE_LOGRING_PUT_H

#include "logring_format.h"

#include <errno.h>

/* In the locked form a store must be atomic too, as readers look on. */
#ifndef PAWL_LOGRING_SCRATCH_
#define PAWL_LOGRING_SCRATCH_(object, value)                                                       \
    do {                                                                                           \
        if (pawl_rs_mode_ == PAWL_RS_SEQUENCE_)                                                    \
            PAWL_RS_SCRATCH(object, value);                                                        \
        else                                                                                       \
            pawl_store_relaxed(&(object), value); /* relaxed: the tail publishes it, or nothing */ \
    } while (0)
#endif

/* Values are kept in *put, which is the caller's own, and loaded again where they are used: a sequence has nine registers
 * on x86-64, and must not spill. */
PAWL_RESTARTABLE(long, pawl_logring_put_record_, (struct pawl_percpu * pc, struct pawl_logring_put_ *put),
                 (pc, put))
{
    struct pawl_logring_ring_ *ring = PAWL_RS_BEGIN(pc, struct pawl_logring_ring_);
    PAWL_ATOMIC(uint64_t) * to;
    const char *from;
    uint64_t words;

    /* Where: behind the tail, or on the next page. */
    {
        uint64_t at = pawl_logring_position_(PAWL_RS_LOAD(ring->tail));
        uint64_t room = PAWL_LOGRING_PAGE_ - (at & (PAWL_LOGRING_PAGE_ - 1));

        PAWL_RS_SCRATCH(put->position, PAWL_RS_LOAD(put->need) > room ? at + room : at);
    }
    /* When: not before the record in front of it. */
    {
        uint64_t stamp = PAWL_RS_LOAD(put->now);
        uint64_t last = PAWL_RS_LOAD(ring->last);
        uint64_t guard = PAWL_RS_LOAD(ring->guard);

        stamp = (int64_t)(stamp - last) > 0 ? stamp : last;
        /* guard 0: that page was never written. One condition without branches, which compilers would lay out so
         * that one leads backwards. Horizon 0: nothing is less. */
        if (((guard != 0) & (stamp - guard < PAWL_RS_LOAD(put->horizon))) != 0)
            return -ENOBUFS;
        PAWL_LOGRING_SCRATCH_(ring->last, stamp);
    }
    {
        uint64_t end = PAWL_RS_LOAD(put->position) + PAWL_RS_LOAD(put->need);
        uint64_t intent = PAWL_RS_LOAD(ring->intent);

        PAWL_LOGRING_SCRATCH_(ring->intent, pawl_logring_ahead_(end, intent) > 0 ? end : intent);
    }
    /* I1: the intent, and the tail of the record before, before the stores below; pairs with I2 in the reader */
    pawl_fence_release();
    {
        uint64_t at = pawl_logring_position_(PAWL_RS_LOAD(ring->tail));

        if (PAWL_RS_LOAD(put->position) != at) /* the rest of the page stays empty */
            PAWL_LOGRING_SCRATCH_(ring->data[(at & PAWL_RS_LOAD(put->mask)) / 8],
                                  (uint64_t)PAWL_LOGRING_FILLER_ << PAWL_LOGRING_KIND_AT_);
    }
    {
        uint64_t start = PAWL_RS_LOAD(put->position);

        /* The first of a page: the page that is overwritten next is then the one behind it, which ends where the
         * one after that begins. */
        if (start % PAWL_LOGRING_PAGE_ == 0) {
            uint64_t after = (start + 2 * (uint64_t)PAWL_LOGRING_PAGE_) & PAWL_RS_LOAD(put->mask);

            PAWL_LOGRING_SCRATCH_(ring->guard, PAWL_RS_LOAD(ring->data[after / 8 + 1]));
        }
        to = &ring->data[(start & PAWL_RS_LOAD(put->mask)) / 8];
    }
    /* The count: in the place that the tail does not name. */
    {
        PAWL_ATOMIC(uint64_t) *written = ring->written[pawl_logring_class_(PAWL_RS_LOAD(put->head))];
        bool second = (PAWL_RS_LOAD(ring->tail) & PAWL_RS_LOAD(put->flip)) != 0;
        uint64_t number = PAWL_RS_LOAD(written[second]);

        PAWL_LOGRING_SCRATCH_(written[!second], number + 1);
        PAWL_LOGRING_SCRATCH_(to[0], PAWL_RS_LOAD(put->head) | number << PAWL_LOGRING_NUMBER_AT_);
    }
    PAWL_LOGRING_SCRATCH_(to[1], PAWL_RS_LOAD(ring->last));
    to += 2;
    from = PAWL_RS_LOAD(put->source);
    for (words = PAWL_RS_LOAD(put->words); words > 0; words--, to++, from += 8) {
        uint64_t word;

        __builtin_memcpy(&word, from, sizeof word);
        PAWL_LOGRING_SCRATCH_(to[0], word);
    }
    if ((PAWL_RS_LOAD(put->head) & 7) != 0)
        PAWL_LOGRING_SCRATCH_(to[0], PAWL_RS_LOAD(put->rest));
    {
        uint64_t end = PAWL_RS_LOAD(put->position) + PAWL_RS_LOAD(put->need);
        uint64_t bits = (PAWL_RS_LOAD(ring->tail) & PAWL_LOGRING_TAIL_BITS_) ^ PAWL_RS_LOAD(put->flip);

        PAWL_RS_COMMIT(ring->tail, end << 1 | bits); /* W */
    }
    put->ring = ring;
    return 0;
}

#endif
