/* SPDX-License-Identifier: MIT */
/* Two threads of the same function and argument that can be told from each other all the same: -DSELF, -DVALUE, -DCPU,
 * -DJOIN. */
#define _GNU_SOURCE
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_int turn;

static void *worker(void *unused)
{
#ifdef SELF
    assert(pthread_self());
#endif
#ifdef CPU
    assert(sched_getcpu() >= 0);
#endif
    atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
#ifdef VALUE
    return &turn;
#else
    return unused;
#endif
}

int main(void)
{
    pthread_t t[2];
    void *value = NULL;
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, worker, NULL);
    pthread_join(t[0], &value);
#ifdef JOIN
    assert(atomic_load_explicit(&turn, memory_order_relaxed) > 0);
#endif
    pthread_join(t[1], NULL);
    return 0;
}
