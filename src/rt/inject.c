/* SPDX-License-Identifier: MIT */
#include "inject.h"

void pawl_inject_init_(struct pawl_inject *inject)
{
    for (int i = 0; i < 2; i++) {
        pawl_store_relaxed(&inject->half[i].top, NULL); /* relaxed, both: nobody has it yet */
        pawl_store_relaxed(&inject->half[i].count, UINT64_C(0));
        inject->half[i].lock = (struct pawl_spin)PAWL_SPIN_INIT;
        inject->half[i].first = NULL;
    }
}

void pawl_inject_push_(struct pawl_inject_half *half, struct pawl_task *task)
{
    struct pawl_task *top = pawl_load_relaxed(&half->top); /* relaxed: only compared and linked to */

    do
        task->next = top;
    /* release I: pairs with the acquire in turn_around(), publishes the task and its link. Later pushes continue the
     * release sequence. Who repeats has lost against another push, or a worker took all. */
    while (!pawl_cas_weak_release(&half->top, &top, task));
}

/* The stack as a list, oldest first. Under the lock. */
static void turn_around(struct pawl_inject_half *half)
{
    struct pawl_task *list = NULL;
    /* acquire I: pairs with the release in push */
    struct pawl_task *task = pawl_exchange_acquire(&half->top, NULL);
    uint64_t count = 0;

    while (task != NULL) {
        struct pawl_task *next;

        pawl_prefetch_write(
            task); /* one transfer of the line, where a read and the writes behind it make two */
        next = task->next;
        task->next = list;
        list = task;
        task = next;
        count++;
    }
    half->first = list;
    pawl_store_relaxed(&half->count,
                       count); /* relaxed: the lock publishes it to who takes; others only guess */
}

uint32_t pawl_inject_take_(struct pawl_inject_half *half, struct pawl_task **tasks, uint32_t max,
                           uint32_t share, bool *left)
{
    uint32_t n = 0;
    uint64_t want, count;

    *left = false;
    if (pawl_spin_trylock(&half->lock) != 0)
        return 0;
    if (half->first == NULL)
        turn_around(half);
    count = pawl_load_relaxed(&half->count); /* relaxed: under the lock */
    want = (count + share - 1) / share;
    for (; n < max && n < want; n++) {
        tasks[n] = half->first;
        half->first = half->first->next;
    }
    pawl_store_relaxed(&half->count, count - n); /* relaxed: as above */
    pawl_spin_unlock(&half->lock);
    *left = !pawl_inject_empty_(half);
    return n;
}
