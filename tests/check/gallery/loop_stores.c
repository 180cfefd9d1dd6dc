/* SPDX-License-Identifier: MIT */
/* A wait that stores in each round is no plain wait: it never ends by itself, but it lets the other thread go on. (A
 * volatile store is done when its thread takes the next step.)
 *
 * expect: limit
 */
#include <pthread.h>
#include <stdatomic.h>

static volatile int told;
static atomic_int go;

static void *tell(void *unused)
{
#ifdef FIXED
    told = 1;
    while (!atomic_load_explicit(&go, memory_order_relaxed))
        ;
#else
    while (!atomic_load_explicit(&go, memory_order_relaxed))
        told = 1;
#endif
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, tell, NULL);
    while (!told)
        ;
    atomic_store_explicit(&go, 1, memory_order_relaxed);
    pthread_join(t, NULL);
    return 0;
}
