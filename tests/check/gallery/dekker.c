/* SPDX-License-Identifier: MIT */
/* expect: data race
 * The heart of Dekker's lock: "I want" and then "does the other?", with acquire and release only. Repair:
 * a seq_cst fence between the two, which forbids that the load overtakes the store. */
#include <pthread.h>
#include <stdatomic.h>

static atomic_int wants[2];
static int inside;

static void *attempt(void *argument)
{
    long me = (long)argument;
    atomic_store_explicit(&wants[me], 1, memory_order_release);
#ifdef FIXED
    atomic_thread_fence(memory_order_seq_cst);
#endif
    if (!atomic_load_explicit(&wants[1 - me], memory_order_acquire))
        inside++;
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, attempt, (void *)i);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    return 0;
}
