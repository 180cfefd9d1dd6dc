/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Peterson's lock with acquire and release: each thread may miss the other's flag. Repair: seq_cst. */
#include <pthread.h>
#include <stdatomic.h>

#ifdef FIXED
#define LOAD memory_order_seq_cst
#define STORE memory_order_seq_cst
#else
#define LOAD memory_order_acquire
#define STORE memory_order_release
#endif
atomic_int wants[2], turn; /* not static: clang 14 -O2 makes a local variable of `turn` if it can */
static int inside;

static void *enter(void *argument)
{
    long me = (long)argument, other = 1 - me;
    atomic_store_explicit(&wants[me], 1, STORE);
    atomic_store_explicit(&turn, (int)other, STORE);
    while (atomic_load_explicit(&wants[other], LOAD) && atomic_load_explicit(&turn, LOAD) == other)
        ;
    inside++;
    atomic_store_explicit(&wants[me], 0, memory_order_release);
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, enter, (void *)i);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    return inside != 2;
}
