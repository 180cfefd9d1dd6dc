/* SPDX-License-Identifier: MIT */
/* Parkers: a token in one word.
 *
 *              unpark                        park
 *     EMPTY  ---------->  TOKEN     TOKEN  ---------->  EMPTY   and returns
 *     ASLEEP ---------->  TOKEN     EMPTY  ---------->  ASLEEP  and sleeps
 *            and wakes              ASLEEP ---------->  EMPTY   the deadline passed
 *
 * Every change is a read-modify-write, so that the tokens of several unparkers form one release sequence
 * and the park that takes the last one sees what all of them did. */
#include <pawl/park.h>

#include "fail.h"

#include <errno.h>

enum { EMPTY, TOKEN, ASLEEP };

static __thread struct pawl_parker self;

void pawl_parker_init(struct pawl_parker *parker, int flags)
{
    parker->flags = (uint32_t)flags;
    pawl_store_relaxed(&parker->state, (uint32_t)EMPTY); /* relaxed: nobody has it yet */
}

struct pawl_parker *pawl_parker_self(void)
{
    return &self;
}

int pawl_parker_try(struct pawl_parker *parker)
{
    uint32_t state = TOKEN;

    /* acquire U: pairs with the release in pawl_unpark, sees what the unparkers did */
    return pawl_cas_acquire(&parker->state, &state, (uint32_t)EMPTY) ? 0 : -EAGAIN;
}

/* From EMPTY to ASLEEP. False: a token is there. */
static bool announce_sleep(struct pawl_parker *parker)
{
    uint32_t state = EMPTY;

    /* relaxed: nothing is published; an unpark that comes after it sees ASLEEP in the same word */
    if (pawl_cas_relaxed(&parker->state, &state, (uint32_t)ASLEEP))
        return true;
    if (state == ASLEEP)
        pawl_sync_fail("pawl_park",
                       "another thread is parked on this parker: give each waiting thread its own");
    return false;
}

/* After the deadline: takes back the announcement, unless a token came at the last moment. */
static int stop_sleeping(struct pawl_parker *parker)
{
    uint32_t state = ASLEEP;

    if (pawl_cas_relaxed(&parker->state, &state, (uint32_t)EMPTY)) /* relaxed: no token, nothing to see */
        return -ETIMEDOUT;
    return pawl_parker_try(parker);
}

int pawl_park(struct pawl_parker *parker, uint64_t deadline)
{
    int status = 0;

    if (pawl_parker_try(parker) == 0)
        return 0;
    /* When the announcement fails there is a token, and only this thread takes it. */
    if (!announce_sleep(parker))
        return pawl_parker_try(parker);
    /* relaxed: pawl_parker_try below acquires */
    while (pawl_load_relaxed(&parker->state) == ASLEEP && status == 0)
        status = pawl_futex_wait(&parker->state, ASLEEP, deadline, (int)parker->flags);
    return status == 0 ? pawl_parker_try(parker) : stop_sleeping(parker);
}

void pawl_unpark(struct pawl_parker *parker)
{
    int flags = (int)parker->flags; /* read before the exchange, after which the parker may be gone */

    /* release U: pairs with the acquire in pawl_parker_try, publishes what the caller did before */
    if (pawl_exchange_release(&parker->state, (uint32_t)TOKEN) == ASLEEP)
        pawl_futex_wake(&parker->state, 1, flags);
}
