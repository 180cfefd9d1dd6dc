/* SPDX-License-Identifier: MIT */
/* Epoch reclamation: readers say in which epoch they read; the reclaimer frees what was removed two epochs
 * ago.
 *
 * executions, brute force too: READERS=1 WRITES=3: 45
 * executions: READERS=2 WRITES=3: 1465
 * executions, long: READERS=2 WRITES=4: 5138
 * executions, long: READERS=3 WRITES=3: 41922
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { IDLE = 0, GRACE = 2 };

static atomic_uint epoch = 1, active[READERS]; /* IDLE, or the epoch that the reader entered */
static _Atomic(int *) current;

static void *reader(void *number)
{
    atomic_uint *mine = &active[(long)number];
    atomic_store_explicit(mine, atomic_load_explicit(&epoch, memory_order_relaxed), memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* the announcement before the reading */
    const int *p = atomic_load_explicit(&current, memory_order_acquire);
    assert(*p > 0);
    atomic_store_explicit(mine, IDLE, memory_order_release);
    return NULL;
}

/* The epoch may move on when every reader inside has seen this one. */
static bool advance(unsigned now)
{
    atomic_thread_fence(memory_order_seq_cst); /* the removal before the look at the readers */
    for (int i = 0; i < READERS; i++) {
        unsigned seen = atomic_load_explicit(&active[i], memory_order_acquire);
        if (seen != IDLE && seen != now)
            return false;
    }
    atomic_store_explicit(&epoch, now + 1, memory_order_release);
    return true;
}

int main(void)
{
    pthread_t t[READERS];
    int *removed[WRITES];
    unsigned removed_at[WRITES], now = 1;
    int freed = 0, *first = malloc(sizeof *first);
    *first = 1;
    atomic_store_explicit(&current, first, memory_order_release);
    for (long i = 0; i < READERS; i++)
        pthread_create(&t[i], NULL, reader, (void *)i);
    for (int w = 0; w < WRITES; w++) {
        int *fresh = malloc(sizeof *fresh);
        *fresh = w + 2;
        removed[w] = atomic_exchange_explicit(&current, fresh, memory_order_acq_rel);
        removed_at[w] = now;
        now += advance(now);
        for (; freed < w && removed_at[freed] + GRACE <= now; freed++)
            free(removed[freed]);
    }
    for (int i = 0; i < READERS; i++)
        pthread_join(t[i], NULL);
    for (; freed < WRITES; freed++)
        free(removed[freed]);
    free(atomic_load(&current));
    return 0;
}
