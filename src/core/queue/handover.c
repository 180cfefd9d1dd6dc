/* SPDX-License-Identifier: MIT */
#include <pawl/backoff.h>
#include <pawl/handover.h>

#include <errno.h>

extern inline void pawl_handover_fence_(const struct pawl_handover *h);
extern inline void pawl_handover_pushed(struct pawl_handover *h, size_t n);
extern inline void pawl_handover_popped(struct pawl_handover *h, size_t n);
extern inline bool pawl_handover_closed(const struct pawl_handover *h);

PAWL_STATIC_ASSERT(sizeof(struct pawl_handover) == 48, "the size that the header promises");

void pawl_handover_init(struct pawl_handover *h, int flags)
{
    pawl_eventcount_init(&h->items, flags);
    pawl_eventcount_init(&h->room, flags);
    pawl_store_relaxed(&h->closed, 0u); /* relaxed: nobody has it yet */
    h->flags = (uint32_t)flags;
    h->reserved = 0;
}

static int wait_until(struct pawl_handover *h, struct pawl_eventcount *ec, int (*attempt)(void *op), void *op,
                      uint64_t deadline)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    for (int status = 0;;) {
        int result = attempt(op);
        uint32_t ticket;

        if (result != -EAGAIN)
            return result;
        if (status != 0)
            return status;
        if (pawl_backoff_again(&backoff))
            continue;
        ticket = pawl_eventcount_prepare(ec);
        /* F, the heavy side: the announcement before the last attempt. prepare's own fence pairs with the ordinary
         * ones of a shared queue. */
        if ((h->flags & PAWL_SHARED) == 0)
            pawl_fence_heavy();
        result = attempt(op);
        if (result != -EAGAIN) {
            pawl_eventcount_cancel(ec, ticket);
            return result;
        }
        status = pawl_eventcount_wait(ec, ticket, deadline);
    }
}

int pawl_handover_pop_wait(struct pawl_handover *h, int (*attempt)(void *op), void *op, uint64_t deadline)
{
    return wait_until(h, &h->items, attempt, op, deadline);
}

int pawl_handover_push_wait(struct pawl_handover *h, int (*attempt)(void *op), void *op, uint64_t deadline)
{
    return wait_until(h, &h->room, attempt, op, deadline);
}

int pawl_handover_close(struct pawl_handover *h)
{
    /* acq_rel C: publishes what the closer did, to whom finds it closed; a second closer sees the first's */
    bool already = pawl_exchange_acq_rel(&h->closed, 1u) != 0;

    /* In any case: the closer before may have been killed here. */
    pawl_eventcount_notify_all(&h->items);
    pawl_eventcount_notify_all(&h->room);
    return already ? -EALREADY : 0;
}
