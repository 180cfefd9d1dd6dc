/* SPDX-License-Identifier: MIT */
/* Stop the world now and then: workers that say "I am at work" a million times a second pay no fence for it, and who
 * stops them pays for all. */
#include <pawl/fence.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

enum { WORKERS = 2, STOPS = 100 };

static struct worker {
    PAWL_ATOMIC(int) at_work; /* W: written by the worker only */
    long left, right;         /* equal, but for the middle of a step */
    char pad[PAWL_CACHELINE_PAIR - 3 * sizeof(long)];
} workers[WORKERS];
static PAWL_ATOMIC(int) stop, end; /* S: written by main only */

static void *work(void *argument)
{
    struct worker *self = argument;
    bool stopped;

    while (pawl_load_relaxed(&end) == 0) {
        pawl_store_relaxed(&self->at_work, 1);
        pawl_fence_light(); /* the store above before the look below; pairs with the heavy one in main() */
        stopped = pawl_load_acquire(&stop) !=
                  0; /* acquire S: sees what was done while the world stood still */
        if (!stopped) {
            self->left++;
            self->right++;
        }
        pawl_store_release(&self->at_work, 0); /* release W: publishes the step */
        if (stopped)
            sched_yield(); /* on one processor, who is to see that would wait for a lucky moment */
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[WORKERS];
    long torn = 0;

    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            return 1;
    for (int n = 0; n < STOPS; n++) {
        pawl_store_relaxed(&stop, 1);
        pawl_fence_heavy(); /* from here on a worker sees `stop`, or is seen at work */
        for (int i = 0; i < WORKERS; i++) {
            while (pawl_load_acquire(&workers[i].at_work) != 0) /* acquire W */
                sched_yield();
            torn += workers[i].left != workers[i].right;
        }
        pawl_store_release(&stop, 0); /* release S */
        sched_yield();
    }
    pawl_store_relaxed(&end, 1);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    printf("%ld steps, %d stops, %ld torn\n", workers[0].left + workers[1].left, STOPS, torn);
    return torn == 0 ? 0 : 1;
}
