/* SPDX-License-Identifier: MIT */
/* Marks, and who has passed them. Of the process and not of a domain: a thread that retires in one passes for all. */
#include "pass.h"

#include "grace.h"
#include "rest.h"

#include <pawl/fence.h>

#define RESTING UINT64_MAX   /* in place of a mark: has passed all, also those to come */
#ifndef LATE_BY              /* in closures for the model checker everybody is, by -1 */
#define LATE_BY UINT64_C(64) /* marks */
#endif

static struct {
    PAWL_ATOMIC(uint64_t) latest; /* mark; written once a batch */
    PAWL_ATOMIC(uint64_t)
    fenced PAWL_LINE_PAIR_ALIGNED; /* a mark: a heavy fence came after it. Written once a fence */
} marks PAWL_LINE_PAIR_ALIGNED;

uint64_t pawl_pass_mark(struct pawl_reader *self)
{
    /* release M: publishes what was done before the mark to who passes it, or fences after it. acquire M: the marker passes
     * all marks before its own. */
    uint64_t mark = pawl_fetch_add_acq_rel(&marks.latest, UINT64_C(1)) + 1;

    /* full fence: what was unlinked, before the looks at the map of threads. Pairs with the one in pawl_pass_begin(): who is
     * not found there, or resting, begins later, and sees it. */
    pawl_fence_seq_cst();
    pawl_store_release(&self->passed, mark); /* release N: as in pawl_pass() */
    return mark;
}

void pawl_pass(struct pawl_reader *self)
{
    /* acquire M: pairs with the releases in pawl_pass_mark() */
    uint64_t mark = pawl_load_acquire(&marks.latest);

    /* relaxed: the thread's own. release N: publishes all that the thread has stored in slots so far to who asks whether
     * it has passed. */
    if (pawl_load_relaxed(&self->passed) != mark)
        pawl_store_release(&self->passed, mark);
}

void pawl_pass_begin(struct pawl_reader *self)
{
    pawl_pass(self);
    /* full fence: that this thread has a number, and does not rest, before its next load of a pointer; pairs with
     * pawl_pass_mark() */
    pawl_fence_seq_cst();
}

/* acquire F: pairs with the release in pawl_pass_fence(), what threads did before that fence */
static bool is_fenced(uint64_t mark)
{
    return !before(pawl_load_acquire(&marks.fenced), mark);
}

static bool has_passed(uint32_t number, uint64_t mark)
{
    /* acquire N: pairs with the releases of `passed` */
    uint64_t passed = pawl_load_acquire(&pawl_readers_[number].passed);

    return passed == RESTING || !before(passed, mark);
}

bool pawl_pass_has(uint32_t number, uint64_t mark)
{
    return has_passed(number, mark) || is_fenced(mark);
}

bool pawl_pass_done(uint64_t mark, uint32_t *cursor, const struct pawl_rest *rest)
{
    if (is_fenced(mark))
        return true;
    for (uint32_t n = pawl_reader_next(*cursor); n != PAWL_READER_MAX; n = pawl_reader_next(n + 1)) {
        *cursor = n;
        if (!has_passed(n, mark) && (rest == NULL || !pawl_rest_has(rest, n)))
            return false;
    }
    *cursor = PAWL_READER_MAX;
    return true;
}

bool pawl_pass_is_late(uint32_t number, const struct pawl_reader *self)
{
    uint64_t own = pawl_load_relaxed(&self->passed), passed; /* relaxed: the thread's own */

    if (!before(LATE_BY, own)) /* there were not so many yet */
        return false;
    passed = pawl_load_relaxed(&pawl_readers_[number].passed); /* relaxed: a matter of taste */
    return passed != RESTING && before(passed + LATE_BY, own);
}

/* A membarrier takes microseconds, in which others retire hundreds of objects. They need not wait for this thread, and fence
 * in their turn: it has announced all that it will until then, and looks at no pointer. (Nor does a handler.) */
void pawl_pass_fence(struct pawl_reader *self)
{
    /* acquire M: pairs with the releases in pawl_pass_mark(): what was done before these marks is before the fence */
    uint64_t mark = pawl_load_acquire(&marks.latest), signals;

    pawl_reader_block_signals(&signals);
    pawl_store_release(&self->passed, RESTING); /* release N: as in pawl_pass() */
    pawl_fence_heavy();
    pawl_pass_begin(self); /* its fence: the end of the rest, before this thread's next load of a pointer */
    pawl_reader_restore_signals(&signals);
    /* release F. Of two that fence at a time the earlier may store last: then a mark waits for nothing, and what is
     * stored is true all the same. */
    pawl_store_release(&marks.fenced, mark);
}
